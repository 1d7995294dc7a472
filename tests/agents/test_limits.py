"""What agents say when their provider has had enough of them, and what only sounds like it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mawep.agents.limits import limit_in, limit_said

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

SAID = [
    ("Claude AI usage limit reached|1795350000", datetime.fromtimestamp(1795350000, UTC)),
    ("You've hit your session limit · resets 3pm (UTC)", NOW.replace(hour=15)),
    ("You\u2019ve hit your limit · resets 9am (UTC)", NOW.replace(hour=9) + timedelta(days=1)),
    ("5-hour limit reached ∙ resets 3:30pm (Europe/Berlin)", NOW.replace(hour=14, minute=30)),
    ("Weekly limit reached ∙ resets Nov 25, 1pm (UTC)", NOW.replace(day=25, hour=13)),
    ("You've hit your usage limit. Try again in 2 days 3 hours 4 minutes.", NOW + timedelta(2, 11040)),
    ("You've hit your usage limit. Upgrade to Pro, or try again at Nov 23rd, 2026 3:45 PM (UTC).",
     NOW.replace(day=23, hour=15, minute=45)),
    ("You're out of extra usage · resets 11pm (UTC)", NOW.replace(hour=23)),
    ("API Error: 529 {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}", None),
]  # fmt: skip

ERRORS = [
    ("it said: Internal error ({'details': 'exceeded retry limit, last status: 429 Too Many Requests'})", None),
    ("Rate limit reached for gpt-5.5 in organization org-x on tokens per min. Please try again in 1.2s.",
     NOW + timedelta(seconds=1.2)),
    ("got status: RESOURCE_EXHAUSTED. {\"code\":429,\"details\":[{\"retryDelay\":\"34s\"}]}",
     NOW + timedelta(seconds=34)),
    ("You have exhausted your capacity on this model. Your quota will reset after 1h2m3s.",
     NOW + timedelta(seconds=3723)),
    ("You exceeded your current quota, please check your plan and billing details.", None),
    ("HTTP 429: retry-after: 30", NOW + timedelta(seconds=30)),
    ("API Error: 529 Overloaded", None),
    ("usage_limit_reached, resets_in_seconds: 90", NOW + timedelta(seconds=90)),
    ("rate_limit_error: available again at 2026-11-22T12:00:00Z, retry then", NOW.replace(hour=12)),
    ("Quota exceeded, resetsAt: 1795350000000", datetime.fromtimestamp(1795350000, UTC)),
]  # fmt: skip

INNOCENT = [
    "the disk quota exceeded",
    "[Errno 122] Disk quota exceeded",
    "the context length limit was reached",
    "maximum recursion depth exceeded",
    "listening on port 4290",
    "it exited with code 1",
    "Invalid API key · Please run /login",
    "Credit balance is too low",
    "AssertionError: 429 != 529",
]


@pytest.mark.parametrize(("text", "until"), SAID)
def test_a_notice_is_recognised(text: str, until: datetime | None) -> None:
    limit = limit_said(text, NOW)
    assert limit is not None
    assert limit.until == until
    assert limit.why == " ".join(text.split())[:300]


@pytest.mark.parametrize(("text", "until"), [*SAID, *ERRORS])
def test_an_error_that_tells_of_a_limit_is_recognised(text: str, until: datetime | None) -> None:
    limit = limit_in(text, NOW)
    assert limit is not None
    assert limit.until == until


@pytest.mark.parametrize("text", INNOCENT)
def test_what_only_sounds_like_it_is_none(text: str) -> None:
    assert limit_in(text, NOW) is None
    assert limit_said(text, NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "I made the client wait when the API answers 429 Too Many Requests.",
        "Done. The rate limit is now reached after ten calls, as the issue asks.",
        "You've hit your usage limit. " + "This is a long text about it. " * 40,
        "",
    ],
)
def test_an_agent_that_talks_of_limits_has_not_met_one(text: str) -> None:
    assert limit_said(text, NOW) is None


@pytest.mark.parametrize(
    "when", ["resets 99pm", "resets Feb 31, 1pm (UTC)", "resets 3pm (Nowhere/Land)", "resets 3"]
)
def test_a_time_that_cannot_be_read_is_not_known(when: str) -> None:
    limit = limit_said(f"5-hour limit reached ∙ {when}", NOW)
    assert limit is not None
    assert limit.until is None


def test_a_time_that_is_past_or_far_away_is_not_believed() -> None:
    for moment in (1795000000, 1895350000):
        limit = limit_said(f"Claude AI usage limit reached|{moment}", NOW)
        assert limit is not None
        assert limit.until is None
