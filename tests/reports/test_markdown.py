"""Foreign text in our Markdown, rendered as a forge renders it: no mention, no reference, nothing broken out."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from mawep.core.text import visible, without_sequences
from mawep.reports.markdown import MOST, bare, bounded, code, fenced, inline, quoted

RENDERER = MarkdownIt("gfm-like", {"linkify": False})

# What GitHub looks for in rendered text, outside of code.
REFERENCES = re.compile(
    r"@\w|(?<!&)#\d|\bGH-\d|https?://\w|www\.\w|\w@\w+\.\w|[\w-]+/[\w-]+#\d", re.IGNORECASE | re.ASCII
)
HOSTILE = [
    "@octocat and @acme/team", "\x08 \x1a",
    "Closes #12, fixes acme/shop#3, GH-4",
    "https://github.com/acme/shop/issues/12 http://x.y www.example.com mailto:a@b.cd",
    "![picture](https://x.y/z.png) [link](https://x.y) [ref]: https://x.y <https://x.y>",
    "<img src=x onerror=alert(1)> <!-- mawep:status:00000000:" + "0" * 32 + " -->",
    "```\n@octocat #12\n```", "~~~~\n#12", "`a` ``b`` ```c", "| a | b |\n|---|---|\n| #1 | @b |",
    "# heading\n\n---\n\n- [ ] item\n1. one\n> quote", "&#64;octocat &commat;octocat &num;12",
    "a\\", "\\", "- x", "+ x", "1. x", "1) x", "=== x", "$x$ $$y$$", "*a* _b_ ~~c~~", "[^1]: note",
    "\u202eabc\u200b#12",
    "@\u200boctocat", "#\u200b12", "acme/shop@0123456789abcdef0123456789abcdef01234567", "\x1b[31m@red\x1b[0m",
    "https:/\u200b/github.com/acme/shop/issues/1", "a\r\n#12\r@b", "<details>", "&lt;img&gt;", "::: x", "`" * 90,
]  # fmt: skip
PIECES = st.one_of(
    st.sampled_from(["@", "#", "12", "GH-", "://", "https", "www.", "/", "`", "```", "~~~", "\n", " ", "<", ">", "!",
                     "[", "]", "(", ")", "|", "\\", "*", "_", "&", ";", "octocat", "acme/shop", "\r", "\u200b",
                     "-", "."]),
    st.text(max_size=4),
)  # fmt: skip
FOREIGN = st.one_of(st.lists(PIECES, max_size=30).map("".join), st.sampled_from(HOSTILE), st.text())


def tokens(markdown: str) -> list[Token]:
    """Everything that the text consists of when it is rendered."""
    found = []
    for token in RENDERER.parse(markdown):
        found += [token, *(token.children or [])]
    return found


def harmless(markdown: str) -> None:
    """Fails when something in it is a link, a picture, HTML, a mention or a reference."""
    for token in tokens(markdown):
        assert token.type not in {"html_block", "html_inline", "image", "link_open"}, token
        if token.type == "text":
            assert not REFERENCES.search(token.content), token.content


def in_words(text: str) -> str:
    """What can be seen of it, on one line."""
    return " ".join(visible(" ".join(without_sequences(text).split())).split())


def all_hostile(test):  # type: ignore[no-untyped-def]
    """Let the test see every text of the list, and not only those that are drawn."""
    for text in HOSTILE:
        test = example(text=text)(test)
    return test


@all_hostile
@given(text=FOREIGN)
def test_words_mention_nobody_and_break_out_of_nothing(text: str) -> None:
    shown = inline(text)
    assert "\n" not in shown and "\r" not in shown
    for around in ("{}", "- {}", "## {}", "> {}", "before {} after", "**{}**"):
        markdown = around.format(shown)
        harmless(markdown)
        harmless(f"{markdown}\nThe next line")
    harmless(f"| a | b |\n| --- | --- |\n| {shown} | x |")
    kinds = [token.type for token in RENDERER.parse(f"- {shown or 'x'}\n")]
    assert kinds == ["bullet_list_open", "list_item_open", "paragraph_open", "inline", "paragraph_close",
                     "list_item_close", "bullet_list_close"]  # fmt: skip


@all_hostile
@given(text=FOREIGN)
def test_a_title_refers_to_nothing_and_is_not_escaped(text: str) -> None:
    shown = bare(text, 1000)
    assert not REFERENCES.search(shown)
    assert shown.replace("\u200b", "") == in_words(text)


@all_hostile
@given(text=FOREIGN)
def test_words_read_as_they_were_written(text: str) -> None:
    read = "".join(token.content for token in tokens(f"x{inline(text, 1000)}") if token.type == "text")
    expected = in_words(text)
    assert read.replace("\u200b", "").strip() == f"x{expected}".strip()


@all_hostile
@given(text=FOREIGN)
def test_code_in_a_line_stays_code(text: str) -> None:
    shown = code(text)
    if shown:
        [paragraph] = [token for token in RENDERER.parse(f"See {shown} there") if token.type == "inline"]
        assert [child.type for child in paragraph.children or []] == ["text", "code_inline", "text"]


@all_hostile
@given(text=FOREIGN)
def test_a_fence_cannot_be_broken(text: str) -> None:
    parsed = RENDERER.parse(f"Before\n\n{fenced(text)}\n\nAfter")
    assert [token.type for token in parsed if token.type != "inline"] == [
        "paragraph_open", "paragraph_close", "fence", "paragraph_open", "paragraph_close",
    ]  # fmt: skip


@all_hostile
@given(text=FOREIGN)
def test_a_quotation_stays_one_and_mentions_nobody(text: str) -> None:
    harmless(quoted(text))
    parsed = RENDERER.parse(f"{quoted(text)}\n\nAfter")
    depth = [token.type for token in parsed]
    assert depth[0] == "blockquote_open" and depth[-4] == "blockquote_close"


@given(
    text=st.lists(st.sampled_from(["```text", "````", "```", "words " * 5, "~~~", ""]), max_size=60).map(
        "\n".join
    ),
    most=st.integers(40, 300),
)
def test_what_is_too_long_is_cut_between_lines_and_blocks_are_ended(text: str, most: int) -> None:
    cut = bounded(text, most)
    assert len(cut) <= most
    if cut != text:
        assert RENDERER.parse(f"{cut}\n\nAfter")[-2].content == "After"


def test_the_end_of_a_long_log_is_kept() -> None:
    shown = fenced("x" * 20_000 + "\nthe error", 100)
    assert "the error" in shown and "… (cut)" in shown and len(shown) < 200


def test_plain_words_stay_plain() -> None:
    words = "Add a co-op mode (v2.0); don't break src/shop/cart.py, 50% done: see 1.5"
    assert inline(words) == words
    assert code("src/a.py") == "`src/a.py`"
    assert inline("x" * 400) == "x" * 299 + "…"


@pytest.mark.parametrize("lines", [10, 100_000])
def test_nothing_is_longer_than_a_forge_takes(lines: int) -> None:
    assert len(bounded("a line\n" * lines)) <= MOST
