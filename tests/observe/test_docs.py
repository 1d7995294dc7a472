"""The documents are documented: every key that is there, and none that is not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mawep.core.graph import build
from mawep.core.model import FailureReason, IssueState
from mawep.core.schedule import RefusalKind
from mawep.observe.documents import explain_document, plan_document, result_document
from mawep.observe.live import ForgeBudget
from mawep.observe.look import LOOKS
from mawep.observe.readmodel import LandingPhase, Phase
from mawep.observe.status import status_of, to_json
from tests.observe.play import Part, payment_sprint, say_progress, sprint

PAGE = (Path(__file__).parents[2] / "docs" / "status.md").read_text()


def tables(section: str) -> list[list[tuple[str, str]]]:
    """The tables of a section: (first, last) cell of each row."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    rows = [[re.findall(r"(?<=\| ).*?(?= \|)", line) for line in table.splitlines()[2:]] for table in found]
    return [[(cells[0], cells[-1]) for cells in table] for table in rows]


def keys(table: list[tuple[str, str]]) -> list[str]:
    return [key for first, _ in table for key in re.findall(r"`(\w+)`", first)]


def inner(table: list[tuple[str, str]], key: str) -> set[str]:
    """The keys of the objects that a documented key holds."""
    described = next(last for first, last in table if f"`{key}`" in first)
    return set(re.findall(r'"(\w+)"', described.partition("}")[0]))


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    """One of each."""
    play = payment_sprint(i103=Part(4.0, red=1), i104=Part(3.0, asks="May I?"))
    play.until(17)
    say_progress(play, 102)
    now = play.clock.now()
    play.live.forge_left(now, ForgeBudget("own", 1990, 2000))
    play.live.blocker(now, 103, 1, kind="question", text="?")
    play.live.breaking_change(now, 103, 1, file="a", change="b", affects=["c"], migration="d", severity="low")
    return {
        "Result": result_document(play.state, play.records),
        "Status": json.loads(to_json(status_of(play.state, now, play.live, play.records))),
        "Explanation": explain_document(play.state, 101, now, play.records),
        "Plan": plan_document(sprint(), build(sprint()), 5),
    }


@pytest.mark.parametrize(
    ("section", "list_"),
    [("Result", "issues"), ("Status", "issues"), ("Explanation", "attempts"), ("Plan", None)],
)
def test_every_key_is_documented(
    documents: dict[str, dict[str, Any]], section: str, list_: str | None
) -> None:
    document, (outer, *more) = documents[section], tables(section)
    assert sorted(keys(outer)) == sorted(document)
    if list_ is not None:
        assert sorted(keys(more[0])) == sorted(document[list_][0])


def test_keys_of_what_is_inside_are_documented(documents: dict[str, dict[str, Any]]) -> None:
    status, (outer, issues) = documents["Status"], tables("Status")
    assert inner(outer, "target") == set(status["target"])
    assert inner(outer, "landing") == set(status["landing"])
    for name in ("agents", "claims", "gates", "forge_budgets", "blockers", "breaking_changes", "events"):
        assert status[name], name
        assert inner(outer, name) == set(status[name][0])
    asks = next(issue for issue in status["issues"] if issue["question"])
    works = next(issue for issue in status["issues"] if issue["plan"])
    assert inner(issues, "question") == set(asks["question"])
    assert inner(issues, "plan") == set(works["plan"][0])
    plan, explanation = documents["Plan"], documents["Explanation"]
    assert inner(tables("Plan")[0], "edges") == set(plan["edges"][0])
    assert inner(tables("Explanation")[0], "dependents") == set(explanation["dependents"][0])
    assert inner(tables("Explanation")[1], "gates") == set(explanation["attempts"][0]["gates"][0])


def test_every_word_that_programs_may_meet_is_documented() -> None:
    (states,) = tables("States")
    assert [first.strip("`") for first, _ in states] == [look.sign for look in LOOKS.values()]
    for word in (*IssueState, *RefusalKind, *FailureReason, *Phase, *LandingPhase):
        assert f"`{word}`" in PAGE
