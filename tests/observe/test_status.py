"""The read model: what every view of a run shows."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion

from mawep.core import events as ev
from mawep.core.model import FailureReason, Issue, IssueState, Rules
from mawep.core.state import State
from mawep.observe import panels
from mawep.observe.live import BusCounts, Disk, ForgeBudget, Live
from mawep.observe.readmodel import IssueStatus, LandingPhase, Phase, Status
from mawep.observe.status import RECENT, event_lines, status_of, to_json
from tests.observe.play import HOUR, START, USAGE, Part, Play, payment_sprint, say_progress


def status(play: Play, **changes: Any) -> Status:
    return status_of(play.state, play.clock.now(), play.live, play.records, **changes)


def issue(play: Play, number: int) -> IssueStatus:
    return next(issue for issue in status(play).issues if issue.number == number)


def test_the_json_document(snapshot: SnapshotAssertion) -> None:
    play = payment_sprint(i103=Part(6.0, asks="May I rename it?"))
    play.until(20)
    say_progress(play, 102)
    play.live.blocker(play.clock.now(), 103, 1, kind="question", text="waits for an answer")
    play.live.restarted(play.clock.now())
    seen = status(play)
    newest = msgspec.structs.replace(seen.events[-1], seq=42)  # what else happens before is not of this test
    assert json.loads(to_json(msgspec.structs.replace(seen, events=(newest,)))) == snapshot


def test_every_phase_has_its_name() -> None:
    play = payment_sprint()
    assert (status(play).phase, status(play).outcome, status(play).alive) == (Phase.RUNNING, None, True)
    play.tell(ev.DispatchPaused("ada"))
    assert status(play).phase is Phase.PAUSED
    assert status(play).why == "paused by ada; `mawep resume` lets new attempts start"
    play.tell(ev.DispatchUnpaused("ada"))
    play.tell(ev.Interrupted(1))
    assert (status(play).phase, status(play).outcome) == (Phase.INTERRUPTED, "interrupted")
    play.tell(ev.RunStopped("the disk is full"))
    assert (status(play).phase, status(play).why) == (Phase.STOPPED, "the disk is full")
    play.die(away=1)
    play.finish()
    assert (status(play).phase, status(play).outcome, status(play).alive) == (Phase.ENDED, "landed", False)


def test_a_run_whose_process_was_killed_is_interrupted() -> None:
    play = payment_sprint()
    play.until(3)
    say_progress(play, 101)
    seen = status(play, alive=False)
    assert (seen.phase, seen.outcome, seen.alive) == (Phase.INTERRUPTED, "interrupted", False)
    assert seen.why is not None
    assert "mawep resume" in seen.why
    assert seen.issues[0].percent is None  # what it said when it lived is not true any more


def test_a_halted_run_says_so() -> None:
    issues = (Issue(1, "one"), Issue(2, "two"))
    rules = Rules(halt_on_failure=True, lease_seconds=HOUR)
    play = Play(issues, {1: Part(3.0, fails=FailureReason.STALLED), 2: Part(60.0)}, rules)
    play.until(10)
    assert status(play).phase is Phase.RUNNING
    assert status(play).why == "an issue failed and on_failure is halt: nothing new starts"


def test_elapsed_time_leaves_out_what_nobody_conducted() -> None:
    play = payment_sprint()
    play.until(5)
    play.die(away=HOUR)
    play.until(HOUR + 10)
    assert status(play).elapsed_s == pytest.approx(10, abs=6)
    assert status_of(play.state, play.clock.now()).elapsed_s > HOUR
    play.finish()
    play.clock.advance(HOUR)
    assert status(play).elapsed_s < 70


def test_counts_name_every_state() -> None:
    play = payment_sprint()
    play.until(20)
    counts = status(play).counts
    assert set(counts) == set(IssueState)
    assert (counts["landed"], counts["working"], counts["waiting"], counts["failed"]) == (1, 3, 1, 0)
    assert sum(counts.values()) == 5


def test_an_issue_that_does_not_run_says_why() -> None:
    play = payment_sprint()
    play.until(20)
    (why,) = issue(play, 105).waiting_for
    assert (why.kind, why.detail) == ("dependency", "waits for #104 (working) to land")
    assert issue(play, 104).waiting_for == ()


def test_progress_is_shown_only_while_it_is_true() -> None:
    play = payment_sprint()
    play.until(20)
    say_progress(play, 102)
    play.clock.advance(10)
    working = issue(play, 102)
    assert (working.percent, working.eta_s, working.stage, working.activity) == (
        40.0,
        20.0,
        "working",
        "editing",
    )
    assert [line.status for line in working.plan] == ["completed", "in_progress"]
    assert working.files == ("payments/card.py",)
    assert (issue(play, 104).percent, issue(play, 104).eta_s) == (None, None)
    assert issue(play, 101).percent == 100.0
    play.until(33)
    verifying = issue(play, 102)
    assert (verifying.state, verifying.percent, verifying.eta_s, verifying.activity) == (
        "verifying",
        None,
        None,
        "",
    )


def test_stages_are_finer_than_states() -> None:
    play = payment_sprint()
    seen = {}
    for tenth in range(600):
        play.until(tenth / 10)
        for one in status(play).issues:
            seen[one.state.value, one.stage] = True
    assert {
        ("waiting", "waiting"),
        ("assigned", "starting"),
        ("assigned", "repairing"),
        ("working", "working"),
        ("verifying", "checking"),
        ("verifying", "gate"),
        ("landing", "composing"),
        ("landing", "gating"),
        ("landing", "sealing"),
        ("landing", "moving"),
        ("landed", "landed"),
    } <= set(seen)


def test_a_candidate_waits_for_the_one_gate_slot() -> None:
    play = Play((Issue(1, "one"), Issue(2, "two")), {1: Part(3.0), 2: Part(3.0)})
    play.until(3.5)
    assert [issue(play, n).stage for n in (1, 2)] == ["gate", "waits for gate"]
    assert issue(play, 2).waiting_for[0].kind == "gate"
    (gate,) = status(play).gates
    assert gate.why == "#1"
    assert gate.since == START + timedelta(seconds=3.1)


def test_an_attempt_that_is_stopped_says_so() -> None:
    play = payment_sprint()
    play.until(3)
    play.tell(ev.IssueCancelled(101, "ada"))
    assert issue(play, 101).stage == "stopping"


def test_tokens_and_cost_are_summed_or_unknown() -> None:
    play = payment_sprint(i102=Part(3.0, fails=FailureReason.AGENT_ERROR, usage=USAGE))
    assert (status(play).tokens, status(play).cost_usd) == (None, None)
    play.until(20)
    play.tell(ev.IssueReopened(102, "ada"))
    play.until(20.9)
    say_progress(play, 102)
    again = issue(play, 102)
    assert (again.attempts, again.tokens, again.cost_usd) == (2, 30_000, 0.24)
    play.finish()
    assert (issue(play, 105).tokens, issue(play, 105).cost_usd) == (None, None)
    assert status(play).tokens == 75_000


def test_agents_are_listed_with_what_their_worker_says() -> None:
    play = payment_sprint()
    play.until(20)
    say_progress(play, 102)
    agents = {agent.name: agent for agent in status(play).agents}
    assert len(agents) == 5
    assert (agents["agent-1"].issue, agents["agent-1"].rss_mb, agents["agent-1"].idle_s) == (102, 212.5, 1.5)
    assert agents["agent-4"].issue is None


def test_claims_queue_and_batch_are_shown() -> None:
    play = payment_sprint()
    play.until(20)
    assert {(claim.issue, claim.path) for claim in status(play).claims} >= {(102, "payments/card.py")}
    play = payment_sprint()
    play.until(10.15)
    landing = status(play).landing
    assert (landing.queue, landing.batch, landing.phase) == ((101,), (101,), LandingPhase.COMPOSING)


def test_a_red_batch_is_searched() -> None:
    issues = (Issue(1, "one"), Issue(2, "two"), Issue(3, "three"))
    play = Play(issues, {n: Part(2.0) for n in (1, 2, 3)}, red_together=frozenset({2, 3}))
    phases = set()
    for tenth in range(300):
        play.until(tenth / 10)
        phases.add(status(play).landing.phase)
    assert LandingPhase.SEARCHING in phases
    assert None in phases


def test_a_checkout_in_the_way_is_named() -> None:
    play = payment_sprint()
    play.dirty = True
    play.until(20)
    landing = status(play).landing
    assert (landing.phase, landing.in_the_way) == (LandingPhase.BLOCKED, ("README.md",))
    assert issue(play, 101).waiting_for[0].kind == "dirty_checkout"


def test_a_failure_keeps_its_reason_and_its_work() -> None:
    play = payment_sprint(i101=Part(3.0, fails=FailureReason.STALLED, detail="no sign of life"))
    play.finish()
    failed, blocked = issue(play, 101), issue(play, 102)
    assert (failed.reason, failed.detail, failed.salvage is not None) == ("stalled", "no sign of life", True)
    assert (blocked.state, blocked.blocked_by, blocked.reason) == ("blocked", 101, None)
    assert status(play).outcome == "failed"


def test_warnings_tell_what_is_not_as_it_should_be() -> None:
    play = payment_sprint()
    assert status(play).warnings == ()
    now = play.clock.now()
    play.live.restarted(now)
    play.live.count(now, BusCounts(dead_letters=2, dropped=1))
    play.live.room(now, Disk(free=6_000_000_000, floor=5_000_000_000))
    play.tell(ev.AttemptStarted(101, 999, 1))
    assert status(play).warnings == (
        "the message bus died and was started again 1 time",
        "2 messages could not be believed (dead letters)",
        "a reader of the bus fell behind 1 time",
        "1 report came too late and changed nothing",
        "6.0 GB of disk are free; under 5.0 GB no worktree is made",
    )


def test_events_are_the_newest_that_matter() -> None:
    play = payment_sprint()
    play.finish()
    lines = status(play).events
    assert len(lines) == RECENT
    assert [line.seq for line in lines] == sorted(line.seq for line in lines)
    assert lines[-1].text == "The run ended: landed"
    assert lines[-2].issue is None
    assert event_lines(play.records, 1) == [lines[-1]]
    assert status_of(play.state, play.clock.now()).events == ()


def test_a_run_that_has_not_begun_can_be_shown() -> None:
    seen = status_of(State(), START, Live())
    assert (seen.run, seen.elapsed_s, seen.issues) == ("", 0.0, ())


def test_the_status_is_light_to_import() -> None:
    """A person runs `mawep status` all day."""
    program = (
        "import sys, mawep.observe.status, mawep.observe.documents; "
        "print([name for name in ('rich', 'prometheus_client', 'pydantic', 'structlog') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_what_is_left_at_the_forge_is_told() -> None:
    play = payment_sprint()
    play.until(20)
    now = play.clock.now()
    assert status_of(play.state, now, play.live).forge_budgets == ()
    play.live.forge_left(now, ForgeBudget("core", 4000, 5000))
    play.live.forge_left(now, ForgeBudget("own", 12, 2000))
    shown = "\n".join(text.plain for text in panels.header(status_of(play.state, now, play.live), 120))
    assert "12 requests to the forge left" in shown and "requests to the forge wait" not in shown
    play.live.forge_left(now, ForgeBudget("own", 0, 2000, waiting_until=now))
    shown = "\n".join(text.plain for text in panels.header(status_of(play.state, now, play.live), 400))
    assert f"requests to the forge wait until {now:%H:%M:%S} UTC: the budget `own` is used up" in shown
