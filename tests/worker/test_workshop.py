"""The workshop: assignments become turns under leases, and every turn has exactly one end that is reported."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mawep.adapters.git_worktrees import worktrees_locked
from mawep.adapters.process import Supervisor
from mawep.agents.base import AgentFailed, AgentSession, Launch, Needs, PathPolicy
from mawep.clock import SystemClock
from mawep.coordination import channels
from mawep.coordination import payloads as wire
from mawep.coordination.leases import Lease, Leases
from mawep.core.model import FailureReason
from mawep.errors import BusGoneError, StaleFenceError
from mawep.stages.attempt import Limits
from tests.support.repos import git, head
from tests.support.waiting import eventually, let_pass
from tests.worker.shop import PATIENCE, Shop, hold_lock, lives

# --- one turn


async def test_an_assignment_becomes_a_committed_head_under_its_fence(shop: Shop) -> None:
    shop.agent(101, "echo work > work.txt; env | sort > ../../env.txt; cat > ../../stdin.txt")
    shop.open()
    await shop.assign(101, fence=7)
    result = await shop.result(101, fence=7)
    assert (result.outcome, result.reason, result.stop_reason) == ("finished", None, "end_turn")
    assert result.head == head(shop.checkout, "defect/101-thing")
    assert git(shop.checkout, "show", "-s", "--format=%an%n%B", result.head).splitlines()[:2] == [
        "agent-0",
        "fix: Thing 101",
    ]
    assert "Mawep-Issue: 101" in git(shop.checkout, "show", "-s", "--format=%B", result.head)
    started = await shop.hears(wire.AttemptStarted, 101, fence=7)
    assert (started.agent, started.resumed) == ("agent-0", False)
    assert started.worktree.endswith("agent-0-issue-101")
    assert shop.file("stdin.txt").read_text() == "the prompt"
    told = dict(line.split("=", 1) for line in shop.file("env.txt").read_text().splitlines() if "=" in line)
    assert (told["MAWEP_ISSUE"], told["MAWEP_ATTEMPT"], told["MAWEP_RUN"]) == ("101", "1", shop.run)
    assert int(told["MAWEP_PORT"]) >= 20_000
    assert "# Thing 101" in (shop.directory / "attempts" / "101-a1" / "issue.md").read_text()


async def test_no_change_at_all_is_a_failure(shop: Shop) -> None:
    shop.agent(101, "true")
    shop.open()
    await shop.assign(101)
    assert (await shop.result(101)).reason == FailureReason.NO_CHANGES


async def test_a_crash_is_reported_with_its_last_words_and_its_work_salvaged(shop: Shop) -> None:
    shop.agent(101, "echo half > half.txt; echo 'I give up' >&2; exit 3")
    shop.open()
    await shop.assign(101)
    result = await shop.result(101)
    assert (result.outcome, result.reason) == ("failed", FailureReason.AGENT_ERROR)
    assert "I give up" in result.detail
    assert result.salvage is not None
    assert shop.show(f"{result.salvage}:half.txt") == "half"
    assert [workspace.name for workspace in shop.workspaces.lent()] == ["agent-0-issue-101"], "it is kept"


async def test_a_hanging_agent_is_ended_as_stalled(shop: Shop) -> None:
    shop.limits = Limits(stall=0.5, turn=60)
    shop.agent(101, "exec sleep 60")
    shop.open()
    await shop.assign(101)
    result = await shop.result(101)
    assert result.reason == FailureReason.STALLED
    assert not lives((await shop.hears(wire.AttemptStarted, 101)).pid)


async def test_a_worktree_that_cannot_be_made_fails_the_attempt(shop: Shop) -> None:
    shop.agent(101, "true")
    (shop.root / "trees" / "agent-0-issue-101").mkdir()
    shop.open()
    await shop.assign(101)
    assert (await shop.result(101)).reason == FailureReason.WORKSPACE_ERROR


@pytest.mark.parametrize("changed", [True, False])
async def test_an_agent_that_deletes_its_branch_loses_no_work(shop: Shop, changed: bool) -> None:
    shop.agent(101, f"{'echo x > x;' if changed else ''} git update-ref -d refs/heads/defect/101-thing")
    shop.open()
    await shop.assign(101)
    result = await shop.result(101)
    if changed:
        assert shop.show(f"{result.head}:x") == "x"
    else:
        assert result.reason == FailureReason.WORKSPACE_ERROR


async def test_a_salvage_that_fails_does_not_keep_the_failure_from_being_told(shop: Shop) -> None:
    git(shop.checkout, "update-ref", f"refs/mawep/{shop.run}/salvage", "HEAD")  # no ref can be below it
    shop.agent(101, "echo half > half.txt; exit 3")
    shop.open()
    await shop.assign(101)
    result = await shop.result(101)
    assert (result.reason, result.salvage) == (FailureReason.AGENT_ERROR, None)
    assert (shop.root / "trees" / "agent-0-issue-101" / "half.txt").exists(), "its worktree is kept"


# --- one attempt, one turn at a time


async def test_an_assignment_that_comes_again_is_not_run_again(shop: Shop) -> None:
    shop.agent(101, "echo began >> ../../began; while [ ! -e ../../go ]; do sleep 0.05; done; echo x > x")
    shop.open()
    await shop.assign(101, fence=5)
    await shop.appears("began")
    await shop.assign(101, fence=5)
    await shop.assign(101, fence=4)
    shop.agent(102, "echo x > x")
    await shop.assign(102, fence=6)
    await shop.result(102, fence=6)
    shop.file("go").touch()
    await shop.result(101, fence=5)
    assert shop.file("began").read_text() == "began\n"
    assert len(shop.said(wire.TurnResult, 101)) == 1


async def test_two_turns_of_one_attempt_never_run_at_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn under a greater fence takes over; what the older one made is never reported under its own."""
    monkeypatch.setattr("mawep.worker.workshop.HANDOVER_SECONDS", 0.2)
    shop.agent(
        101,
        "exec 9>> ../../lock; flock -n 9 || echo overlap > ../../overlap; echo began >> ../../began;"
        'if [ -n "$MAWEP_FEEDBACK_FILE" ]; then echo x > x; else exec sleep 60; fi',
    )
    shop.open()
    await shop.assign(101, fence=5)
    await shop.appears("began")
    await shop.repair(101, fence=9)
    result = await shop.result(101, fence=9)
    assert result.outcome == "finished"
    assert not shop.file("overlap").exists()
    assert shop.said(wire.TurnResult, 101, fence=5) == []


async def test_a_repair_runs_the_program_again_with_the_evidence(shop: Shop) -> None:
    shop.agent(
        101,
        'if [ -n "$MAWEP_FEEDBACK_FILE" ]; then cat "$MAWEP_FEEDBACK_FILE" > fixed; else echo bad > bad; fi',
    )
    shop.open()
    await shop.assign(101, fence=1)
    first = await shop.result(101, fence=1)
    await shop.repair(101, fence=2, feedback="the gate is red")
    second = await shop.result(101, fence=2)
    assert second.outcome == "finished" and second.head != first.head
    assert shop.show("defect/101-thing:fixed") == "the gate is red"
    assert shop.show("defect/101-thing:bad") == "bad"


async def test_a_repair_by_a_new_process_finds_the_worktree_of_the_old_one(shop: Shop) -> None:
    shop.agent(101, 'echo "${MAWEP_FEEDBACK_FILE:-none}" >> notes; cat > ../../stdin.txt')
    shop.open()
    await shop.assign(101, fence=1)
    await shop.result(101, fence=1)
    await shop.close()
    shop.open()
    await shop.repair(101, fence=2, feedback="again, please")
    assert (await shop.result(101, fence=2)).outcome == "finished"
    assert shop.file("stdin.txt").read_text() == "the prompt\n\nagain, please"


async def test_a_repair_without_its_worktree_fails_the_attempt(shop: Shop) -> None:
    shop.agent(101, "true")
    shop.open()
    await shop.repair(101, fence=2)
    assert (await shop.result(101, fence=2)).reason == FailureReason.WORKSPACE_ERROR


# --- leases


async def test_a_lost_lease_ends_the_agent_and_keeps_its_work(shop: Shop) -> None:
    shop.ttl = 9.0  # it is renewed, or found to be lost, six times in that time
    shop.agent(101, "echo half > half.txt; echo $$ > ../../pid; exec sleep 60")
    shop.open()
    await shop.assign(101, fence=3)
    pid = int(await shop.appears("pid"))
    await shop.leases().acquire("101/1", "another worker", 8, "8")
    result = await shop.result(101, fence=3)
    assert (result.outcome, result.reason) == ("failed", FailureReason.LOST)
    assert not lives(pid)
    assert result.salvage is not None
    assert shop.show(f"{result.salvage}:half.txt") == "half"
    (heard,) = [item for item in shop.heard if isinstance(item.payload, wire.TurnResult)]
    assert heard.channel == channels.direct(channels.ORCHESTRATOR), "the lease's results are for who holds it"


async def test_a_late_result_under_an_old_fence_is_told_but_not_committed(shop: Shop) -> None:
    """The lease is taken over before the turn begins: nothing of it may become a result."""
    shop.agent(101, "echo x > x")
    await shop.leases().acquire("101/1", "another worker", 8, "8")
    shop.open()
    await shop.assign(101, fence=3)
    result = await shop.result(101, fence=3)
    assert result.reason == FailureReason.LOST
    with pytest.raises(StaleFenceError):
        await shop.leases().acquire("101/1", "worker-0", 3, "3")
    holder = await shop.leases().holder("101/1")
    assert holder is not None and holder[:2] == ("another worker", 8)


async def test_a_result_without_a_lease_is_told_as_lost_and_not_dropped(shop: Shop) -> None:
    shop.ttl = 60.0  # no renewal in between brings the lease back
    shop.agent(101, "touch ../../begun; while [ ! -e ../../go ]; do sleep 0.05; done; echo x > work.txt")
    shop.open()
    await shop.assign(101, fence=7)
    await eventually("it works", shop.file("begun").exists, PATIENCE)
    assert shop.worker is not None
    shop.worker._desks[101, 1].lease = None
    shop.file("go").touch()
    result = await shop.result(101, fence=7)
    assert (result.outcome, result.reason) == ("failed", FailureReason.LOST)
    assert result.salvage is not None
    assert shop.show(f"{result.salvage}:work.txt") == "x"


async def test_a_lease_is_renewed_while_the_agent_works_and_health_is_said(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mawep.worker.workshop.HEALTH_SECONDS", 0.05)
    shop.ttl = 9.0
    shop.agent(101, "echo x > x; while [ ! -e ../../go ]; do sleep 0.05; done; echo done > done.txt")
    shop.open()
    await shop.assign(101, fence=3)

    def seen() -> list[wire.AttemptHealth]:
        said = [h for h in shop.said(wire.Health, 101) if any(a.pid for a in h.attempts)]
        return said[-1].attempts if said else []

    async def ends() -> float:
        holder = await shop.leases().holder("101/1")
        assert holder is not None
        return SystemClock().boottime() + holder[2] / 1000

    async def twice() -> bool:
        return await ends() > first + shop.ttl / 4

    renewed_twice: Callable[[], bool | Awaitable[bool]] = twice
    (health,) = await eventually("its health is said", seen, PATIENCE)
    assert (health.issue, health.attempt, health.fence) == (101, 1, 3)
    first = await ends()
    await eventually("it has been renewed twice", renewed_twice, PATIENCE)
    shop.file("go").touch()
    assert (await shop.result(101, fence=3)).outcome == "finished"


async def test_a_result_that_is_handed_in_is_not_lost_to_a_renewal_beside_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server knows the lease as done before the worker knows that its result is there."""
    handed_in = Leases.commit

    async def answered_late(leases: Leases, lease: Lease, payload: bytes) -> str:
        entry = await handed_in(leases, lease, payload)
        await let_pass(leases.ttl / 5)  # a renewal is due in that time
        return entry

    monkeypatch.setattr(Leases, "commit", answered_late)
    shop.ttl = 9.0
    shop.agent(101, "echo x > x")
    shop.open()
    await shop.assign(101, fence=3)
    assert (await shop.result(101, fence=3)).outcome == "finished"
    await shop.repair(101, fence=4)
    assert (await shop.result(101, fence=4)).outcome == "finished"
    said = [item.payload for item in shop.heard if isinstance(item.payload, wire.TurnResult)]
    assert [result.outcome for result in said] == ["finished", "finished"]


async def test_a_worker_that_is_ended_while_it_gives_an_attempt_up_leaves_nothing_open(shop: Shop) -> None:
    shop.ttl = 9.0
    shop.agent(101, "trap 'echo told > ../../told' TERM; echo up > ../../up; while :; do sleep 1; done")
    shop.open()
    await shop.assign(101, fence=3)
    await shop.appears("up")
    await shop.leases().acquire("101/1", "worker-9", 9, "9")
    await shop.appears("told")  # its lease is lost, and it does not end by itself
    await shop.close()
    gc.collect()  # the socket of its tools, if it is open now, is a warning, and a warning is an error


# --- stops


async def test_a_stop_ends_the_agent_and_salvages(shop: Shop) -> None:
    shop.agent(
        101, "echo half > half.txt; setsid sleep 60 & echo $! > ../../child; echo $$ > ../../pid; wait"
    )
    shop.open()
    await shop.assign(101, fence=3)
    pids = [int(await shop.appears(name)) for name in ("pid", "child")]
    await shop.stop(101, fence=3, reason="input_timeout")
    result = await shop.result(101, fence=3)
    assert (result.outcome, result.reason, result.detail) == ("stopped", "input_timeout", "enough")
    assert not any(lives(pid) for pid in pids)
    assert result.salvage is not None
    assert shop.show(f"{result.salvage}:half.txt") == "half"
    assert await shop.leases().holder("101/1") is None


async def test_a_stop_right_behind_its_assignment_leaves_nothing(shop: Shop) -> None:
    shop.agent(101, "echo began > ../../began; exec sleep 60")
    await shop.assign(101, fence=3)
    await shop.stop(101, fence=3)
    shop.open()
    result = await shop.result(101, fence=3)
    assert (result.outcome, result.reason) == ("stopped", None)


async def test_a_stop_while_a_worktree_is_lent_leaves_nothing(shop: Shop) -> None:
    shop.agent(101, "true")
    async with worktrees_locked(shop.repository):
        shop.open()
        await shop.assign(101, fence=3)
        await shop.leased(101)
        await shop.stop(101, fence=3)
        await shop.obeyed()
    result = await shop.result(101, fence=3)
    assert (result.outcome, result.salvage) == ("stopped", None)
    assert shop.workspaces.lent() == []
    assert git(shop.checkout, "branch", "--format=%(refname:short)") == "main"


async def test_a_stop_after_a_crash_of_ours_waits_for_the_agent_to_be_gone(shop: Shop) -> None:
    """Another process began it: what is left of its agent may still write."""
    shop.agent(101, "echo half > half.txt")
    shop.open()
    await shop.assign(101, fence=1)
    await shop.result(101, fence=1)
    await shop.close()
    holder = hold_lock(shop.directory / "attempts" / "101-a1" / "lock")
    try:
        shop.open()
        await shop.stop(101, fence=2)
        (shop.root / "trees" / "agent-0-issue-101" / "late.txt").write_text("late\n")
    finally:
        holder.communicate(b"\n")
    result = await shop.result(101, fence=2)
    assert result.outcome == "stopped" and result.salvage is not None
    assert shop.show(f"{result.salvage}:late.txt") == "late"


async def test_a_stop_for_what_never_had_a_worktree_is_answered(shop: Shop) -> None:
    shop.open()
    await shop.stop(101, fence=2, reason="lost")
    result = await shop.result(101, fence=2)
    assert (result.outcome, result.salvage) == ("stopped", None)


async def test_released_work_keeps_its_branch_and_gives_back_its_session(shop: Shop) -> None:
    shop.scripted(101, {"write": {"path": "x.txt", "text": "x\n"}})
    shop.open("scripted")
    await shop.assign(101)
    pid = (await shop.hears(wire.AttemptStarted, 101)).pid
    await shop.result(101)
    assert lives(pid), "its session waits for a verdict"
    await shop.tell(wire.Release(issue=101, attempt=1))
    await eventually("its agent is gone", lambda: not lives(pid), PATIENCE)
    await shop.tell(wire.Release(issue=999, attempt=1))


async def test_a_worker_that_ends_ends_every_agent(shop: Shop) -> None:
    shop.agent(101, "echo $$ > ../../pid; exec sleep 60")
    shop.open()
    await shop.assign(101)
    pid = int(await shop.appears("pid"))
    await shop.close()
    assert not lives(pid)
    assert shop.said(wire.TurnResult, 101) == []


# --- after a crash of ours


async def test_a_program_that_finished_while_we_were_dead_is_not_run_again(shop: Shop) -> None:
    shop.agent(101, "echo x > x; echo began >> ../../began; sleep 0.3")
    shop.open()
    await shop.assign(101, fence=1)
    await shop.appears("began")
    status = shop.directory / "attempts" / "101-a1" / "status.json"
    await eventually(
        "its status is written", lambda: status.exists() and shop.said(wire.TurnResult, 101), PATIENCE
    )
    await shop.close()
    shop.open()
    await shop.assign(101, fence=2, resume=True, ended_fence=1)
    assert (await shop.result(101, fence=2)).outcome == "finished"
    assert shop.file("began").read_text() == "began\n"


@pytest.mark.parametrize("lost", ["before it began", "in its turn", "without a session"])
async def test_a_turn_that_died_with_us_is_lost(shop: Shop, lost: str) -> None:
    shop.agent(101, "echo x > x; echo $$ > ../../pid; exec sleep 60")
    shop.open()
    if lost != "before it began":
        await shop.assign(101, fence=1)
        await shop.appears("pid")
        await shop.close()
        shop.open("scripted" if lost == "without a session" else "command")
    await shop.assign(101, fence=2, resume=True, ended_fence=1)
    result = await shop.result(101, fence=2)
    assert result.reason == FailureReason.LOST
    assert (result.salvage is not None) == (lost != "before it began")


async def test_a_session_that_can_be_loaded_is_continued(shop: Shop) -> None:
    shop.scripted(
        101,
        {"write": {"path": "one.txt", "text": "1\n"}},
        {"run": f"until [ -e {shop.root}/go ]; do sleep 0.05; done"},
        {"write": {"path": "two.txt", "text": "2\n"}},
    )
    shop.open("scripted")
    await shop.assign(101, fence=1)
    session = (await shop.hears(wire.SessionOpened, 101)).session_id
    one = shop.root / "trees" / "agent-0-issue-101" / "one.txt"
    await eventually("it has begun", one.exists, PATIENCE)
    await shop.close()
    shop.file("go").touch()
    shop.open("scripted")
    await shop.assign(101, fence=2, resume=True, session_id=session)
    result = await shop.result(101, fence=2)
    assert result.outcome == "finished"
    assert shop.show("defect/101-thing:one.txt") == "1"
    assert shop.show("defect/101-thing:two.txt") == "2"
    assert shop.said(wire.AttemptStarted, 101, fence=2)[0].resumed


async def test_a_session_that_cannot_be_loaded_for_a_repair_is_begun_anew_with_the_evidence(
    shop: Shop,
) -> None:
    shop.scripted(101, {"write": {"path": "x.txt", "text": "x\n"}})
    shop.open("scripted")
    await shop.assign(101, fence=1)
    await shop.result(101, fence=1)
    await shop.close()
    shutil.rmtree(shop.directory / "attempts" / "101-a1" / "scripted")
    shop.open("scripted")
    await shop.repair(101, fence=2, session_id="gone")
    assert (await shop.result(101, fence=2)).outcome == "finished"


async def test_a_repair_without_a_session_to_load_begins_with_the_task_itself(shop: Shop) -> None:
    shop.scripted(101, {"write": {"path": "x.txt", "text": "x\n"}})
    shop.open("scripted")
    await shop.assign(101, fence=1)
    await shop.result(101, fence=1)
    await shop.close()
    shop.open("scripted")
    await shop.repair(101, fence=2, session_id=None)
    assert (await shop.result(101, fence=2)).outcome == "finished"
    transcript = (shop.directory / "attempts" / "101-a1" / "transcript.jsonl").read_text()
    told = [line["text"] for line in map(json.loads, transcript.splitlines()) if line["kind"] == "prompt"]
    assert told == ["the prompt", "the prompt\n\ncorrect it"]


# --- what people say


async def test_a_message_for_a_program_waits_for_its_next_start(shop: Shop) -> None:
    shop.agent(101, "cat > ../../stdin.txt; echo x >> x; while [ ! -e ../../go ]; do sleep 0.05; done")
    shop.open()
    await shop.assign(101, fence=1)
    await shop.appears("stdin.txt")
    deliver = wire.Deliver(issue=101, attempt=1, message_id="m1", text="mind the gap", sender="a person")
    await shop.tell(deliver, 1)
    shop.file("go").touch()
    await shop.result(101, fence=1)
    assert shop.said(wire.Delivered, 101) == []
    await shop.repair(101, fence=2)
    assert (await shop.hears(wire.Delivered, 101, fence=2)).message_id == "m1"
    await shop.result(101, fence=2)
    assert "Message from a person:\nmind the gap" in shop.file("stdin.txt").read_text()


async def test_a_message_before_the_agent_has_a_session_is_kept_for_it(shop: Shop) -> None:
    shop.agent(101, "cat > ../../stdin.txt; echo x > x")
    deliver = wire.Deliver(issue=101, attempt=1, message_id="m1", text="mind the gap", sender="a person")
    await shop.assign(101, fence=1)
    await shop.tell(deliver, 1)
    async with worktrees_locked(shop.repository):
        shop.open()
        await shop.leased(101)
        await let_pass(0.2)
    assert (await shop.hears(wire.Delivered, 101)).message_id == "m1"
    await shop.result(101)
    assert "mind the gap" in shop.file("stdin.txt").read_text()


async def test_a_message_that_overtakes_its_attempt_on_resume_is_kept_for_it(shop: Shop) -> None:
    shop.agent(101, "cat > ../../stdin.txt; echo x > x")
    deliver = wire.Deliver(issue=101, attempt=1, message_id="m1", text="mind the gap", sender="a person")
    await shop.tell(deliver, 1)
    await shop.assign(101, fence=2)
    shop.open()
    assert (await shop.hears(wire.Delivered, 101)).message_id == "m1"
    await shop.result(101, fence=2)
    assert "mind the gap" in shop.file("stdin.txt").read_text()


async def test_a_question_travels_to_a_person_and_the_answer_back(shop: Shop) -> None:
    shop.scripted(
        101,
        {"ask": {"text": "Which language?", "options": ["English", "French"]}},
        {"write": {"path": "answer.txt", "text": "${ANSWER}\n"}},
    )
    shop.open("scripted")
    await shop.assign(101)
    question = await shop.hears(wire.Question, 101)
    assert (question.text, question.options) == ("Which language?", ["English", "French"])
    assert (await shop.hears(wire.Blocker, 101)).kind == "question"
    await shop.tell(wire.Answer(issue=101, attempt=1, question_id="another", text="German"), 1)
    answer = wire.Answer(issue=101, attempt=1, question_id=question.question_id, text="French")
    await shop.tell(answer, 1)
    await shop.tell(wire.Answer(issue=999, attempt=1, question_id="q", text="x"), 1)
    assert (await shop.result(101)).outcome == "finished"
    assert shop.show("defect/101-thing:answer.txt") == "French"


async def test_plans_and_breaking_changes_are_said_to_everybody(shop: Shop) -> None:
    change = {"file": "a.py", "change": "renamed", "affects": ["b.py"], "migration": "use the new name"}
    shop.scripted(
        101,
        {"plan": ["one", "two"]},
        {"write": {"path": "x.txt", "text": "x\n"}},
        {"announce": change},
    )
    shop.open("scripted")
    await shop.assign(101)
    announced = await shop.hears(wire.BreakingChange, 101)
    assert (announced.file, announced.affects, announced.migration) == ("a.py", ["b.py"], "use the new name")
    assert (await shop.hears(wire.Progress, 101)).agent == "agent-0"
    await shop.result(101)


async def test_an_agent_may_not_write_what_others_claimed_or_what_is_protected(shop: Shop) -> None:
    shop.scripted(101, {"write": {"path": "locked/x.txt", "text": "x\n"}})
    shop.scripted(102, {"write": {"path": ".GitHub/x.yml", "text": "x\n"}})
    shop.open("scripted")
    for number in (101, 102):
        await shop.assign(number, fence=number, worktree=f"agent-0-issue-{number}")
        await shop.result(number, fence=number)
        assert not (shop.root / "trees" / f"agent-0-issue-{number}" / "locked").exists()


# --- defects of ours


class Broken:
    """A runtime with a defect."""

    name = "broken"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def needs(self, command: tuple[str, ...]) -> Needs:
        return Needs()

    async def open(
        self, launch: Launch, supervisor: Supervisor, policy: PathPolicy, *, resume: str | None
    ) -> AgentSession:
        (launch.cwd / "half.txt").write_text("half\n")
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("a defect"), OSError(28, "no room")])
async def test_a_defect_in_a_turn_fails_the_attempt_and_no_other(shop: Shop, error: Exception) -> None:
    shop.open(Broken(error))
    await shop.assign(101, fence=1)
    await shop.assign(102, fence=2, worktree="agent-1-issue-102")
    for number, fence in ((101, 1), (102, 2)):
        result = await shop.result(number, fence=fence)
        assert result.reason == FailureReason.WORKSPACE_ERROR
        assert str(error.args[-1]) in result.detail
        assert result.salvage is not None
        assert shop.show(f"{result.salvage}:half.txt") == "half"


async def test_a_result_that_cannot_be_said_still_fails_the_attempt(shop: Shop) -> None:
    """An agent's last words may be anything, also what no message can carry."""
    shop.open(Broken(AgentFailed("it failed", detail="\udcff")))
    await shop.assign(101, fence=1)
    result = await shop.result(101)
    assert (result.outcome, result.reason) == ("failed", FailureReason.WORKSPACE_ERROR)
    assert result.salvage is not None


async def test_a_message_that_makes_no_sense_does_not_end_the_worker(shop: Shop) -> None:
    shop.agent(102, "echo x > x")
    shop.open()
    await shop.assign(101, issue={"no": "issue"})
    await shop.tell(wire.Ping())
    await shop.assign(102, fence=2)
    assert (await shop.result(102, fence=2)).outcome == "finished"


async def test_what_comes_back_after_an_outage_of_the_bus_is_complete(shop: Shop) -> None:
    """Every connection of the server is cut in the middle of a turn."""
    shop.agent(101, "echo $$ > ../../pid; while [ ! -e ../../go ]; do sleep 0.05; done; echo x > x")
    shop.open()
    await shop.assign(101, fence=1)
    await shop.appears("pid")
    await shop.connection.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
    shop.file("go").touch()
    listening = asyncio.create_task(relisten(shop))
    try:
        assert (await shop.result(101, fence=1)).outcome == "finished"
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def relisten(shop: Shop) -> None:
    """Its own connection may be found to be cut only now."""
    while True:
        with suppress(BusGoneError):
            await shop.listen()


# --- while it works


async def test_the_last_that_an_agent_did_is_told_while_it_thinks(shop: Shop) -> None:
    """Progress is told four times a second at most; what is held back is told then, though nothing follows it."""
    lines = "".join(f"echo line {number}; " for number in range(1, 9))
    shop.agent(101, f"{lines} read -r forever < ../../until")
    os.mkfifo(shop.file("until"))
    shop.open()
    await shop.assign(101)

    def told() -> list[str]:
        return [progress.activity for progress in shop.said(wire.Progress, 101)]

    await eventually("the last line is told", lambda: "line 8" in told(), PATIENCE)
    assert len(told()) < 8
    await shop.stop(101)
    await shop.result(101)


async def test_what_an_agent_changes_is_told_and_what_changed_between_its_turns_is_not(shop: Shop) -> None:
    shop.agent(101, 'touch "turn $(ls ../../ | grep -c ^turn)"; read -r forever < ../../until')
    os.mkfifo(shop.file("until"))
    shop.open()

    def changed(fence: int) -> set[str]:
        return {file for said in shop.said(wire.Progress, 101, fence) for file in said.files}

    async def turn(fence: int, expected: set[str]) -> None:
        await eventually("what it changes is told", lambda: changed(fence) == expected, PATIENCE)
        with shop.file("until").open("w") as pipe:
            pipe.write("go on\n")
        await shop.result(101, fence=fence)

    await shop.assign(101, fence=1)
    await turn(1, {"turn 0"})
    started = await shop.hears(wire.AttemptStarted, 101, 1)
    (Path(started.worktree) / "of others").touch()
    shop.file("turn").touch()
    await shop.repair(101, fence=2)
    await turn(2, {"turn 1"})
