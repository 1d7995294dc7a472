"""The hall: everything through the journal first, everything that breaks stops the run so that it can be resumed."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mawep.clock import SystemClock
from mawep.core import events as ev
from mawep.core.engine import replay
from mawep.core.model import FailureReason, GateRecord, GateResult, Issue, IssueState, Question, Rules
from mawep.core.state import State
from mawep.errors import BusGoneError, InfrastructureError, JournalError, UsageError
from mawep.orchestrator import hall as halls
from mawep.orchestrator.hall import Incoming, Orchestrator
from mawep.state import journal as journals
from mawep.state.journal import Journal
from tests.support.waiting import eventually, let_pass

PATIENCE = 20.0


@dataclass
class World:
    """What carries out intents here: it is told what each kind of intent leads to, and remembers what it did.

    Like the real one it may answer, answer nothing, or fail.
    """

    answers: dict[type[ev.AnyEvent], Callable[[ev.Recorded], ev.AnyEvent | None]] = field(
        default_factory=dict
    )
    done: list[ev.Recorded] = field(default_factory=list)
    answered: list[ev.QuestionAnswered] = field(default_factory=list)
    in_the_way: bool = False
    watch_error: Exception | None = None

    async def perform(self, recorded: ev.Recorded) -> ev.AnyEvent | None:
        self.done.append(recorded)
        await asyncio.sleep(0)
        answer = self.answers.get(type(recorded.event))
        return answer(recorded) if answer else None

    async def answer(self, answered: ev.QuestionAnswered) -> None:
        self.answered.append(answered)

    async def still_blocked(self, state: State) -> bool:
        if self.watch_error:
            raise self.watch_error
        return self.in_the_way

    def did(self, kind: type[ev.AnyEvent]) -> list[ev.Recorded]:
        return [recorded for recorded in self.done if isinstance(recorded.event, kind)]


def landing_world() -> World:
    """A world in which every step succeeds at once, but for what agents do."""
    tree = "t" * 40

    def imported(recorded: ev.Recorded) -> ev.AnyEvent:
        intent = recorded.event
        assert isinstance(intent, ev.ImportIntended)
        return ev.CandidateImported(intent.issue, intent.attempt, "c" * 40, tree, ("a.txt",))

    def composed(recorded: ev.Recorded) -> ev.AnyEvent:
        intent = recorded.event
        assert isinstance(intent, ev.LandingOpened)
        return ev.LandingComposed(intent.base, tuple(ev.Step(n, "m" * 40, tree) for n in intent.members))

    def sealed(recorded: ev.Recorded) -> ev.AnyEvent:
        intent = recorded.event
        assert isinstance(intent, ev.SealIntended)
        return ev.LandingSealed(intent.base, intent.steps)

    def moved(recorded: ev.Recorded) -> ev.AnyEvent:
        intent = recorded.event
        assert isinstance(intent, ev.MoveIntended)
        return ev.TargetMoved(intent.old, intent.new, intent.steps)

    def retired(recorded: ev.Recorded) -> ev.AnyEvent:
        intent = recorded.event
        assert isinstance(intent, ev.RetireIntended)
        return ev.WorkspacesRetired(intent.issues)

    green = GateRecord("key", tree, GateResult.GREEN, (), 0.1, "log")
    return World(
        answers={
            ev.ImportIntended: imported,
            ev.GateIntended: lambda _: ev.GateFinished(green),
            ev.LandingOpened: composed,
            ev.SealIntended: sealed,
            ev.MoveIntended: moved,
            ev.RetireIntended: retired,
        }
    )


class Jumping(SystemClock):
    """A clock that can jump, as when the machine was suspended."""

    ahead = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead)

    def boottime(self) -> float:
        return super().boottime() + self.ahead


@dataclass
class Stage:
    """A run of some issues, with its journal."""

    journal: Journal
    clock: Jumping = field(default_factory=Jumping)
    seen: list[ev.AnyEvent] = field(default_factory=list)

    async def begin(self, *issues: Issue, rules: Rules | None = None) -> Orchestrator:
        started = ev.RunStarted("r1", "t", "main", "0" * 40, issues, rules or Rules(max_agents=2))
        self.journal.append(started, self.clock.now())
        await self.journal.commit()
        return self.again()

    def again(self) -> Orchestrator:
        """A hall that goes on from what the journal holds, as a new process would."""
        state = replay(journals.read(self.journal.path))
        return Orchestrator(self.journal, state, self.clock, [lambda one, state: self.seen.append(one.event)])

    def written(self) -> list[ev.AnyEvent]:
        return [recorded.event for recorded in journals.read(self.journal.path)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    journal = Journal.create(tmp_path / "run" / "journal.db", "r1")
    yield Stage(journal)
    journal.close()


def ended(number: int, fence: int) -> ev.TurnEnded:
    return ev.TurnEnded(number, fence, "h" * 40, "end_turn")


async def attempt_of(hall: Orchestrator, number: int) -> int:
    """The fence of the issue's attempt, once it has one."""

    def fence() -> int:
        attempt = hall.state.issues[number].attempt
        return attempt.fence if attempt else 0

    return await eventually(f"#{number} is assigned", fence, PATIENCE)


async def test_a_run_goes_from_issues_to_its_end(stage: Stage) -> None:
    hall, world = await stage.begin(Issue(1, "one")), landing_world()
    running = asyncio.create_task(hall.run(world))
    hall.tell(ended(1, await attempt_of(hall, 1)))
    state = await running
    assert state.ended == "landed"
    assert state.issues[1].state is IssueState.LANDED
    assert replay(journals.read(stage.journal.path)) == state, "what is in memory is what the journal says"
    kinds = [type(recorded.event) for recorded in world.done]
    assert kinds == [
        ev.AttemptAssigned,
        ev.ImportIntended,
        ev.GateIntended,
        ev.CandidateQueued,
        ev.LandingOpened,
        ev.SealIntended,
        ev.MoveIntended,
        ev.RetireIntended,
    ]


async def test_a_name_that_no_journal_can_hold_is_folded_as_it_was_written(stage: Stage) -> None:
    """The state that conducts a run and the one that a resume makes of its journal are the same."""
    hall, world = await stage.begin(Issue(1, "one")), landing_world()
    world.answers[ev.ImportIntended] = lambda _: ev.CandidateImported(1, 1, "c" * 40, "t" * 40, ("a\udcff",))
    running = asyncio.create_task(hall.run(world))
    hall.tell(ended(1, await attempt_of(hall, 1)))
    assert await running == replay(journals.read(stage.journal.path))


async def test_an_effect_begins_only_when_the_journal_has_its_intent(stage: Stage) -> None:
    hall = await stage.begin(Issue(1, "one"))
    missing: list[ev.AnyEvent] = []

    class Looking(World):
        async def perform(self, recorded: ev.Recorded) -> ev.AnyEvent | None:
            if recorded.event not in stage.written():
                missing.append(recorded.event)
            return await super().perform(recorded)

    world = Looking(answers=landing_world().answers)
    running = asyncio.create_task(hall.run(world))
    hall.tell(ended(1, await attempt_of(hall, 1)))
    await running
    assert missing == []
    assert len(world.done) == 8


async def test_who_asked_is_answered_after_the_journal_and_before_the_end(stage: Stage) -> None:
    """The last answer of a run is not cut off by its end."""
    hall = await stage.begin(Issue(1, "one"))
    running = asyncio.create_task(hall.run(landing_world()))
    fence = await attempt_of(hall, 1)
    written: list[bool] = []

    async def settled(state: State) -> None:
        await let_pass(0.2)
        written.append(any(isinstance(event, ev.IssueCancelled) for event in stage.written()))

    cancelled = (ev.IssueCancelled(1, "a person"), ev.AttemptInterrupted(1, fence))
    hall.post(Incoming(lambda state: cancelled, settled))
    state = await running
    assert state.ended == "failed"
    assert written == [True]


async def test_an_answer_that_nobody_takes_does_not_keep_the_run(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halls, "SETTLE_SECONDS", 0.05)
    hall = await stage.begin(Issue(1, "one"))
    running = asyncio.create_task(hall.run(landing_world()))
    fence = await attempt_of(hall, 1)

    async def settled(state: State) -> None:
        await let_pass(3600)

    cancelled = (ev.IssueCancelled(1, "a person"), ev.AttemptInterrupted(1, fence))
    hall.post(Incoming(lambda state: cancelled, settled))
    await asyncio.wait_for(running, PATIENCE)


async def test_a_late_report_under_an_old_fence_is_counted_and_not_applied(stage: Stage) -> None:
    hall = await stage.begin(Issue(1, "one"))
    running = asyncio.create_task(hall.run(landing_world()))
    fence = await attempt_of(hall, 1)
    hall.tell(ended(1, fence - 1), ev.AttemptFailed(1, fence + 1, FailureReason.AGENT_ERROR))
    await eventually("both are counted", lambda: hall.state.late == 2, PATIENCE)
    assert hall.state.issues[1].state is IssueState.ASSIGNED
    hall.tell(ended(1, fence), ended(1, fence))
    assert (await running).ended == "landed"
    assert hall.state.late == 3, "the second copy of a report is late"


async def test_an_answer_to_a_question_is_brought_to_the_agent(stage: Stage) -> None:
    hall, world = await stage.begin(Issue(1, "one")), landing_world()
    running = asyncio.create_task(hall.run(world))
    fence = await attempt_of(hall, 1)
    answer = ev.QuestionAnswered(1, "q1", "yes", "a person")
    hall.tell(ev.QuestionAsked(1, fence, Question("q1", "Really?")), answer)
    await eventually("it is brought", lambda: world.answered == [answer], PATIENCE)
    hall.tell(ended(1, fence))
    await running


# --- what breaks


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (BusGoneError("the bus is gone"), "the bus is gone"),
        (UsageError("a setting cannot be followed"), "a setting cannot be followed"),
        (OSError(28, "no room"), "The machine refused what the run needs"),
        (RuntimeError("a defect"), "MAWEP itself broke"),
    ],
)
async def test_an_effect_that_breaks_stops_the_run_and_the_journal_says_why(
    stage: Stage, error: Exception, what: str
) -> None:
    hall, world = await stage.begin(Issue(1, "one")), landing_world()

    def broken(recorded: ev.Recorded) -> ev.AnyEvent:
        raise error

    world.answers[ev.ImportIntended] = broken
    running = asyncio.create_task(hall.run(world))
    hall.tell(ended(1, await attempt_of(hall, 1)))
    with pytest.raises(InfrastructureError, match=what):
        await running
    assert isinstance(stage.written()[-1], ev.RunStopped)
    assert any(isinstance(r.event, ev.ImportIntended) for r in hall.state.effects.values()), "it stays open"


async def test_what_was_open_is_driven_again_on_resume(stage: Stage) -> None:
    hall, world = await stage.begin(Issue(1, "one")), landing_world()

    def broken(recorded: ev.Recorded) -> ev.AnyEvent:
        raise BusGoneError("not now")

    world.answers[ev.ImportIntended] = broken
    running = asyncio.create_task(hall.run(world))
    hall.tell(ended(1, await attempt_of(hall, 1)))
    with pytest.raises(BusGoneError):
        await running
    again, better = stage.again(), landing_world()
    state = await again.run(better, ev.RunResumed("another process"))
    assert state.ended == "landed"
    assert isinstance(better.done[0].event, ev.ImportIntended)
    assert better.did(ev.AttemptAssigned) == []
    assert ev.RunResumed("another process") in stage.seen


async def test_a_report_that_cannot_be_made_sense_of_stops_the_run_and_not_every_resume(stage: Stage) -> None:
    hall = await stage.begin(Issue(1, "one"))
    running = asyncio.create_task(hall.run(landing_world()))
    fence = await attempt_of(hall, 1)

    def senseless(state: State) -> list[ev.AnyEvent]:
        raise LookupError("a defect")

    hall.post(Incoming(senseless))
    with pytest.raises(InfrastructureError, match="MAWEP itself broke"):
        await running
    assert stage.written()[-1] == ev.RunStopped("MAWEP itself broke")
    again = stage.again()
    running = asyncio.create_task(again.run(landing_world(), ev.RunResumed("another process")))
    await eventually("it is reclaimed", lambda: fence_of(again) > fence, PATIENCE)
    again.tell(ended(1, fence_of(again)))
    assert (await running).ended == "landed"


def fence_of(hall: Orchestrator) -> int:
    attempt = hall.state.issues[1].attempt
    return attempt.fence if attempt else 0


async def test_a_journal_that_is_gone_stops_the_run(stage: Stage) -> None:
    """SQLite would go on writing into the unlinked file."""
    hall = await stage.begin(Issue(1, "one"))
    running = asyncio.create_task(hall.run(landing_world()))
    fence = await attempt_of(hall, 1)
    stage.journal.path.unlink()
    hall.tell(ended(1, fence))
    with pytest.raises(JournalError):
        await running


async def test_nothing_more_is_done_after_the_run_has_failed(stage: Stage) -> None:
    hall, world = await stage.begin(Issue(1, "one"), Issue(2, "two")), landing_world()
    running = asyncio.create_task(hall.run(world))
    await attempt_of(hall, 2)
    hall.fail(BusGoneError("the bus is gone"))
    hall.fail(BusGoneError("and something else"))
    with pytest.raises(BusGoneError, match="the bus is gone"):
        await running
    assert stage.written()[-1] == ev.RunStopped("the bus is gone")


# --- time


async def test_a_worker_that_is_silent_for_too_long_has_lost_its_attempt(stage: Stage) -> None:
    hall = await stage.begin(Issue(1, "one"), rules=Rules(lease_seconds=3))
    state = await hall.run(landing_world())
    assert (state.issues[1].state, state.issues[1].reason) == (IssueState.FAILED, FailureReason.LOST)


async def test_nobody_is_blamed_for_the_time_in_which_we_could_not_hear(stage: Stage) -> None:
    """The process was stopped, or the machine suspended, for longer than a lease."""
    hall = await stage.begin(Issue(1, "one"), rules=Rules(lease_seconds=60))
    running = asyncio.create_task(hall.run(landing_world()))
    fence = await attempt_of(hall, 1)
    stage.clock.ahead += 3600
    hall.tell(ev.DispatchPaused("a person"))
    await eventually("it is paused", lambda: hall.state.paused, PATIENCE)
    assert hall.state.issues[1].state is IssueState.ASSIGNED
    await eventually(
        "leases are extended", lambda: any(isinstance(e, ev.LeasesExtended) for e in stage.seen), PATIENCE
    )
    hall.tell(ended(1, fence))
    assert (await running).ended == "landed"


# --- the target's checkout


def blocking(world: World, times: int) -> None:
    """Files are in the way of the first moves."""
    moved, left = world.answers[ev.MoveIntended], [times]

    def move(recorded: ev.Recorded) -> ev.AnyEvent | None:
        left[0] -= 1
        return ev.MoveBlocked(("a.txt",), "/checkout") if left[0] >= 0 else moved(recorded)

    world.answers[ev.MoveIntended] = move


async def test_a_run_for_which_only_the_checkout_is_missing_ends_resumably(stage: Stage) -> None:
    hall, world = await stage.begin(Issue(1, "one")), landing_world()
    blocking(world, 1)
    running = asyncio.create_task(hall.run(world))
    hall.tell(ended(1, await attempt_of(hall, 1)))
    state = await running
    assert state.ended is None and state.move_blocked is not None
    state = await stage.again().run(world, ev.RunResumed("another process"))
    assert state.ended == "landed"


async def test_an_interrupted_run_waits_neither_for_a_checkout_nor_for_a_provider(stage: Stage) -> None:
    hall, world = await stage.begin(Issue(1, "one"), Issue(2, "two")), landing_world()
    blocking(world, 1)
    world.in_the_way = True
    running = asyncio.create_task(hall.run(world))
    fences = [await attempt_of(hall, number) for number in (1, 2)]
    hall.tell(ended(1, fences[0]), ev.ProviderLimitHit(2, fences[1], None, "429"))
    await eventually("the move waits", lambda: hall.state.move_blocked, PATIENCE)
    assert not running.done()
    hall.tell(ev.Interrupted(1))
    async with asyncio.timeout(PATIENCE):
        state = await running
    assert state.ended is None and state.issues[2].limited


async def test_while_others_work_a_checkout_is_looked_at_until_it_is_clean(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halls, "DIRTY_POLL", 0.05)
    hall, world = await stage.begin(Issue(1, "one"), Issue(2, "two")), landing_world()
    blocking(world, 1)
    world.in_the_way = True
    running = asyncio.create_task(hall.run(world))
    fences = [await attempt_of(hall, number) for number in (1, 2)]
    hall.tell(ended(1, fences[0]))
    await eventually("the move waits", lambda: hall.state.move_blocked, PATIENCE)
    world.in_the_way = False
    await eventually("#1 lands", lambda: hall.state.issues[1].state is IssueState.LANDED, PATIENCE)
    hall.tell(ended(2, fences[1]))
    assert (await running).ended == "landed"


async def test_an_effect_that_the_end_leaves_no_time_to_begin_is_put_away_in_silence(stage: Stage) -> None:
    """The last thing that could be done for now is queued in the round in which the run ends."""
    hall, world = await stage.begin(Issue(1, "one"), Issue(2, "two")), landing_world()
    blocking(world, 1)
    world.in_the_way = True
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        running = asyncio.create_task(hall.run(world))
        fences = [await attempt_of(hall, number) for number in (1, 2)]
        hall.tell(ended(1, fences[0]))
        await eventually("the move waits", lambda: hall.state.move_blocked, PATIENCE)
        hall.tell(ended(2, fences[1]))
        assert (await running).ended is None
        gc.collect()
    assert [str(warning.message) for warning in said] == []


async def test_a_look_at_the_checkout_that_breaks_stops_the_run(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would look any more, and the landing would wait for ever."""
    monkeypatch.setattr(halls, "DIRTY_POLL", 0.05)
    hall, world = await stage.begin(Issue(1, "one"), Issue(2, "two")), landing_world()
    blocking(world, 1)
    world.watch_error = InfrastructureError("git does not start")
    running = asyncio.create_task(hall.run(world))
    fences = [await attempt_of(hall, number) for number in (1, 2)]
    hall.tell(ended(1, fences[0]))
    with pytest.raises(InfrastructureError, match="git does not start"):
        await running


# --- people


async def test_an_interrupted_run_ends_when_what_runs_has_ended(stage: Stage) -> None:
    hall = await stage.begin(Issue(1, "one"), Issue(2, "two"), rules=Rules(max_agents=1))
    running = asyncio.create_task(hall.run(landing_world()))
    fence = await attempt_of(hall, 1)
    hall.tell(ev.Interrupted(1))
    hall.tell(ended(1, fence))
    state = await running
    assert state.ended is None
    assert [state.issues[n].state for n in (1, 2)] == [IssueState.LANDED, IssueState.READY]


async def test_rounds_are_timed_and_witnesses_see_each_event_once(stage: Stage) -> None:
    hall = await stage.begin(Issue(1, "one"))
    rounds: list[float] = []
    hall.time_rounds(rounds.append)
    later: list[int] = []
    hall.attend(lambda recorded, state: later.append(recorded.seq))
    running = asyncio.create_task(hall.run(landing_world()))
    hall.tell(ended(1, await attempt_of(hall, 1)))
    await running
    assert len(rounds) > 3 and all(seconds >= 0 for seconds in rounds)
    assert later == list(range(2, hall.state.seq + 1))
