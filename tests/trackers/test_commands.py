"""Commands in comments: at the start of a line of the comment's own text, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mawep.trackers.commands import MOST, VERBS, Command, as_posted, commands
from mawep.trackers.forge_values import Comment

AT = datetime(2026, 1, 1, tzinfo=UTC)
LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "/mawep stop",
                "/mawep ask why?",
                "> /mawep stop",
                "```",
                "~~~",
                "    /mawep stop",
                "",
                "text",
                "`/mawep stop`",
            ]
        ),
        st.text(max_size=12),
    ),
    max_size=8,
)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("/mawep stop", [Command("stop")]),
        ("/MAWEP Stop\r\nthanks", [Command("stop")]),
        ("please\n/mawep retry\n/mawep status\n", [Command("retry"), Command("status")]),
        (
            "/mawep ask use v2\nof the API\n/mawep stop",
            [Command("ask", "use v2\nof the API"), Command("stop")],
        ),
        ("/mawep answer `yes`", [Command("answer", "`yes`")]),
        (
            "/mawep ask look:\n```\n/mawep stop\n```\nplease",
            [Command("ask", "look:\n```\n/mawep stop\n```\nplease")],
        ),
        ("/mawep", [Command("")]),
        ("/mawep dance now", [Command("dance", "now")]),
        ("/mawepstop", []),
        ("say /mawep stop", []),
        (" /mawep stop", []),
        ("> /mawep stop", []),
        ("    /mawep stop", []),
        ("`/mawep stop`", []),
        ("```\n/mawep stop\n```", []),
        ("<!-- \n/mawep stop\n-->", []),
        ("- /mawep stop", []),
        ("<!-- mawep:status:1:2 -->\n/mawep stop", []),
    ],
)
def test_a_command_begins_a_line_of_the_comments_own_text(body: str, found: list[Command]) -> None:
    assert list(commands(body)) == found


@given(lines=LINES)
def test_whatever_is_written_no_command_comes_from_a_quotation_or_code(lines: list[str]) -> None:
    body = "\n".join(lines)
    found = commands(body)
    assert len(found) <= sum(line.startswith("/mawep") for line in body.lower().split("\n"))
    quoted = "\n".join(f"> {line}" for line in body.split("\n"))
    assert commands(quoted) == ()
    assert commands(f"`````\n{body}\n`````") == ()


@given(verbs=st.lists(st.sampled_from(VERBS), max_size=5), text=st.from_regex(r"[a-z]{1,8}", fullmatch=True))
def test_several_commands_are_read_in_order(verbs: list[str], text: str) -> None:
    found = commands("\n\n".join(f"/mawep {verb} {text}" for verb in verbs))
    assert [(one.verb, one.text) for one in found] == [(verb, text) for verb in verbs]


def test_no_more_than_some_commands_are_read() -> None:
    assert len(commands("/mawep status\n" * 1000)) == MOST


def test_an_edited_comment_is_not_as_posted() -> None:
    posted = Comment(1, 7, "/mawep stop", created_at=AT, updated_at=AT)
    assert as_posted(posted)
    assert not as_posted(Comment(1, 7, "x", created_at=AT, updated_at=AT + timedelta(seconds=1)))
    assert not as_posted(Comment(1, 7, "x", updated_at=AT))
