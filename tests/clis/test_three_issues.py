"""Three issues, one of which depends on another: planned, done, seen, metered and landed by each agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clis.crew import PATIENCE, Crew, describe, work
from tests.clis.fleet import Member
from tests.clis.results import found
from tests.models.server import ModelServer
from tests.support import promises

pytestmark = [pytest.mark.clis, pytest.mark.timeout(300)]


def test_three_issues_land(member: Member, model: ModelServer, tmp_path: Path) -> None:
    crew = Crew(tmp_path, member, model)
    crew.piece(101, work(101, pause="seen"))
    crew.piece(102, work(102))
    crew.piece(103, work(103), after=[101])
    live = crew.begin_start()
    live.until("the model is asked for the last step of #101", lambda: model.waits("101"), PATIENCE)
    # What the agent said before that request is on its way to the live view, which is written twice a second.
    seen = live.until("it shows", lambda: shown(crew, member), PATIENCE)
    model.release("seen")
    ended = live.wait(PATIENCE)
    assert ended.code == 0, ended.said
    promises.kept(crew)
    for number in (101, 102, 103):
        assert (crew.repo / f"piece-{number}.txt").read_text() == f"piece {number}\n"
        assert crew.git("log", "--format=%an", f"--grep=^Add piece {number}$", "main") == "agent"
    issue = next(one for one in ended.document["issues"] if one["number"] == 101)
    spent = sum(sum(r.usage) for r in model.ledger.requests if r.scenario == "101")
    if member.usage:
        assert issue["tokens"] == spent, describe(issue)
    if member.costs:
        assert issue["cost_usd"] > 0, describe(issue)
    found(
        member.runtime,
        "three-issues",
        starts=True,
        plan=bool(seen["plan"]),
        files=seen["files"],
        tokens=issue["tokens"],
        tokens_spent=spent,
        cost_usd=issue["cost_usd"],
        whole_run=True,
    )


def shown(crew: Crew, member: Member) -> dict[str, object]:
    """What `mawep status` says of #101 once it has everything that this agent shows; empty before."""
    issue = crew.seen(101)
    if not issue:
        return {}
    planned = {line["content"]: line["status"] for line in issue["plan"]}
    expected = {"Write it": "completed", "Look at it": "completed", "Commit it": "in_progress"}
    complete = (
        issue["state"] == "working"
        and planned == (expected if member.plans else {})
        and (issue["percent"] == pytest.approx(250 / 3, abs=1) if member.plans else True)
        and (issue["files"] == ["piece-101.txt"] if member.files else True)
    )
    return issue if complete else {}
