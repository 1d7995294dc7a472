"""The sprint of the demonstration by pull requests: proposed, checked, reviewed, put right, merged, closed, told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mawep.core import events as ev
from tests.forge.outside import everything_once
from tests.forge.people import People
from tests.forge.sprint import EDGES, NUMBERS, REMARK, Sprint
from tests.forge.world import BOT, REVIEWER, ForgeWorld

APPROVES = ["sh", "-c", """echo '{"verdict": "approve", "summary": "as the issue asks for"}'"""]

pytestmark = [pytest.mark.forge, pytest.mark.timeout(900)]

RED, DISPUTED = 2, 3


def test_a_sprint_lands_by_pull_requests(checked_world: ForgeWorld, tmp_path: Path) -> None:
    world = checked_world
    people = People(world, red=RED, disputed=DISPUTED)
    sprint = Sprint(
        tmp_path / "sprint",
        world,
        landing={"mode": "pull_request"},
        more={"github": {"poll_seconds": 10}, "review": {"runtime": "command", "command": APPROVES}},
        second={number: [REMARK[number]] for number in (RED, DISPUTED)},
    )
    planned = sprint.run("plan", "--issues", "all", "--json")
    assert planned.code == 0, planned.said
    asked_for_natively(json.loads(planned.out))
    live = sprint.begin_start()
    live.until("the run is over", lambda: people.act() or live.process.poll() is not None, timeout=480)
    ended = live.wait()
    assert ended.code == 0, ended.said
    assert ended.states == dict.fromkeys(NUMBERS, "landed")
    proposed_and_merged_in_order(world)
    assert people.was_red and people.was_disputed
    agents_were_told(sprint)
    the_remark_was_answered(world)
    told_on_each_issue(world)
    evidence_is_told(world, sprint)
    everything_once(world, NUMBERS)  # and `checked_world` that every request was a valid one


def asked_for_natively(plan: dict[str, Any]) -> None:
    """The dependencies are the forge's own."""
    edges = {(edge["to"], edge["from"]): edge["source"] for edge in plan["edges"]}
    assert set(edges) == {(number, on) for number, others in EDGES.items() for on in others}
    assert all("native" in source.split("+") for source in edges.values()), edges


def evidence_is_told(world: ForgeWorld, sprint: Sprint) -> None:
    """Who reviewed it and what landed is in each pull request and on each issue, and an audit finds it so."""
    said = "approved it: as the issue asks for"
    for pull in world.pulls():
        assert said in pull["body"]
        assert "The tree that the gate saw is the one on the target." in pull["body"]
    for number in NUMBERS:
        told = [comment["body"] for comment in world.comments(number)]
        assert any(f"Review: command {said}" in body for body in told), told
    audited = sprint.run("audit")
    assert audited.code == 0, audited.out
    assert audited.out.count("by pull request #") == len(NUMBERS)


def proposed_and_merged_in_order(world: ForgeWorld) -> None:
    """One pull request for each issue, which it closes; what an issue waits for was merged before it."""
    pulls = {int(pull["head"]["ref"].split("/")[1].split("-")[0]): pull for pull in world.pulls()}
    assert sorted(pulls) == list(NUMBERS)
    order = world.bare.git("rev-list", "--first-parent", "--reverse", "main").split()
    at = {number: order.index(pull["merge_commit_sha"]) for number, pull in pulls.items()}
    for number, pull in pulls.items():
        assert pull["merged_at"] and f"Closes #{number}" in pull["body"]
        assert all(at[on] < at[number] for on in EDGES.get(number, ()))
        assert world.show(number)["state"] == "closed"


def agents_were_told(sprint: Sprint) -> None:
    """Of the red check and of the reviewer's remark, each once; what they made of it has landed."""
    repairs = [
        (recorded.event.issue, recorded.event.feedback)
        for recorded in sprint.journal()
        if isinstance(recorded.event, ev.RepairIntended)
    ]
    assert sorted(number for number, _ in repairs) == [RED, DISPUTED]
    told = dict(repairs)
    assert "test_declined_codes failed" in told[RED]
    assert "Please say why." in told[DISPUTED]
    for number, name in ((RED, "card"), (DISPUTED, "wallet")):
        landed = sprint.forge.bare.git("show", f"main:payments/providers/{name}.py")
        assert landed.endswith(REMARK[number]["append"]["text"].strip())


def the_remark_was_answered(world: ForgeWorld) -> None:
    """Below the reviewer's remark stands one answer, by us, that names a commit in which it is heeded."""
    [pull] = [one for one in world.pulls() if one["head"]["ref"].split("/")[1].startswith(f"{DISPUTED}-")]
    remarks = world.review_comments(int(pull["number"]))
    [asked] = [one for one in remarks if one["user"]["login"] == REVIEWER]
    [answer] = [one for one in remarks if one["user"]["login"] == BOT]
    assert answer["in_reply_to_id"] == asked["id"]
    commit = answer["body"].rstrip(".").rpartition(" ")[2]
    assert world.bare.git("merge-base", commit, "main").startswith(commit)
    heeded = world.bare.git("show", f"{commit}:payments/providers/wallet.py")
    assert heeded.endswith(REMARK[DISPUTED]["append"]["text"].strip())


def told_on_each_issue(world: ForgeWorld) -> None:
    """One sticky comment on each of the five, which says how it ended."""
    for number in NUMBERS:
        [status] = [
            comment["body"]
            for comment in world.comments(number, by=BOT)
            if comment["body"].startswith("<!-- mawep:status:")
        ]
        assert "### Landed on main" in status and "which the remote has" in status
