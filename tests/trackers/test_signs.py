"""Priority and size from labels, fields and text."""

from __future__ import annotations

import pytest

from mawep.core.model import Priority
from mawep.trackers.markdown import Markdown
from mawep.trackers.signs import hours_of, priority_of


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ((), Priority.NORMAL),
        (("bug", "high-availability", "highlight", "P5", "p", "critical-css"), Priority.NORMAL),
        (("priority: high",), Priority.HIGH),
        (("Priority/High",), Priority.HIGH),
        (("prio-low",), Priority.LOW),
        (("high priority",), Priority.HIGH),
        (("P0",), Priority.CRITICAL),
        (("p3",), Priority.LOW),
        (("priority: p1",), Priority.HIGH),
        (("priority:2",), Priority.NORMAL),
        (("critical",), Priority.CRITICAL),
        (("priority::urgent",), Priority.CRITICAL),
        (("urgent", "P3"), Priority.CRITICAL),
        (("priority: whatever",), Priority.NORMAL),
    ],
)
def test_priority_by_labels(labels: tuple[str, ...], expected: Priority) -> None:
    assert priority_of(labels) is expected


def test_priority_by_a_field() -> None:
    assert priority_of(("bug",), {"Priority": "Urgent"}) is Priority.CRITICAL
    assert priority_of(("P0",), {"Priority": "P3"}) is Priority.CRITICAL
    assert priority_of((), {"Priority": "some day"}) is Priority.NORMAL


@pytest.mark.parametrize(
    ("labels", "body", "expected"),
    [
        (("estimate: 3h",), "", 3.0),
        (("estimate/90m",), "", 1.5),
        (("Effort: 2 days",), "", 16.0),
        (("estimate:1w",), "", 40.0),
        (("estimate: 1d 4h",), "", 12.0),
        (("estimate-hours: 5",), "", 5.0),
        (("estimate: 5",), "", None),
        (("size/XL", "estimated"), "", None),
        (("estimate: 3h",), "Estimate: 9h", 3.0),
        ((), "Words.\n\n**Estimate:** 2.5 hours\n", 2.5),
        ((), "- Estimate: 30 min", 0.5),
        ((), "### Estimate\n\n3h\n", 3.0),
        ((), "### Estimate (hours)\n\n4\n", 4.0),
        ((), "### Estimate\n\n_No response_\n\n3h", None),
        ((), "```\nEstimate: 3h\n```", None),
        ((), "The estimate: hard to say, 3h perhaps", None),
        ((), "Estimate: 0h", None),
    ],
)
def test_hours(labels: tuple[str, ...], body: str, expected: float | None) -> None:
    assert hours_of(labels, Markdown(body)) == expected


def test_hours_by_a_field() -> None:
    assert hours_of(("estimate: 3h",), Markdown(""), {"Estimate": "2"}) == 2.0
    assert hours_of((), Markdown(""), {"Hours": "1.5"}) == 1.5
    assert hours_of((), Markdown(""), {"Estimate": "big"}) is None
