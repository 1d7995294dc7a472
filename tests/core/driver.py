"""Drives the core by hand: tells it events, lets it decide, and plays git, gate and worker on request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from mawep.core import events as ev
from mawep.core.engine import decide, evolve, replay
from mawep.core.model import Dependency, GateRecord, GateResult, Issue, IssueState, Number, Rules
from mawep.core.state import Attempt, State

Kind = TypeVar("Kind", bound=ev.Event)

START = datetime(2026, 1, 1, tzinfo=UTC)


def issue(number: Number, *on: Number, files: Iterable[str] = (), hours: float | None = None) -> Issue:
    """An issue that depends on others."""
    return Issue(
        number=number,
        title=f"issue {number}",
        depends_on=tuple(Dependency(other) for other in on),
        files=tuple(files),
        estimate_hours=hours,
    )


def green(tree: str) -> ev.GateFinished:
    return verdict(tree, GateResult.GREEN)


def red(tree: str) -> ev.GateFinished:
    return verdict(tree, GateResult.RED)


def verdict(tree: str, result: GateResult) -> ev.GateFinished:
    return ev.GateFinished(GateRecord(f"key of {tree}", tree, result, (), 1.0, "log", f"{tree} is {result}"))


class Driver:
    """A run, its journal, and a clock that stands still."""

    def __init__(self, *issues: Issue, rules: Rules | None = None, settle: bool = True) -> None:
        self.now = START
        self.state = State()
        self.journal: list[ev.Recorded] = []
        started = ev.RunStarted("0198-run-12345678", "trace", "main", "target-0", issues, rules or Rules())
        self.tell(started)
        if settle:
            self.settle()

    # --- time and events

    def wait(self, seconds: float) -> Driver:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        return self

    def tell(self, *events: ev.AnyEvent) -> None:
        """Journal events without a decision."""
        for event in events:
            rec = ev.Recorded(len(self.journal) + 1, self.now, event)
            self.journal.append(rec)
            self.state = evolve(self.state, rec)

    def settle(self) -> list[ev.AnyEvent]:
        """Decide until there is nothing more to decide; gives the decisions back."""
        made: list[ev.AnyEvent] = []
        while commands := decide(self.state, self.now):
            self.tell(*commands)
            made += commands
        assert replay(self.journal) == self.state
        return made

    def go(self, *events: ev.AnyEvent) -> list[ev.AnyEvent]:
        """Tell and settle."""
        self.tell(*events)
        return self.settle()

    # --- what to look at

    def at(self, number: Number) -> IssueState:
        return self.state.issues[number].state

    def attempt(self, number: Number) -> Attempt:
        attempt = self.state.issues[number].attempt
        assert attempt is not None
        return attempt

    def fence(self, number: Number) -> int:
        return self.attempt(number).fence

    def last(self, kind: type[Kind]) -> Kind:
        """The last event of that kind in the journal."""
        return next(rec.event for rec in reversed(self.journal) if isinstance(rec.event, kind))

    def count(self, kind: type[ev.Event]) -> int:
        return sum(isinstance(rec.event, kind) for rec in self.journal)

    # --- the walk of an issue

    def start(self, *numbers: Number) -> Driver:
        """Their agents run."""
        for number in numbers:
            self.go(ev.AttemptStarted(number, self.fence(number), 4711))
        return self

    def finish(self, *numbers: Number) -> Driver:
        """Their agents say that they have finished."""
        for number in numbers:
            self.go(ev.TurnEnded(number, self.fence(number), f"head-{number}", "end_turn"))
        return self

    def import_(self, *numbers: Number) -> Driver:
        """Their candidates pass the import checks; the tree is called after the issue."""
        for number in numbers:
            attempt = self.attempt(number)
            self.go(ev.CandidateImported(number, attempt.number, f"c-{number}", f"t-{number}", ("a.py",)))
        return self

    def verify(self, *numbers: Number) -> Driver:
        """From assigned to candidates that wait for their gate."""
        return self.start(*numbers).finish(*numbers).import_(*numbers)

    def queue(self, *numbers: Number) -> Driver:
        """From assigned to the landing queue."""
        self.verify(*numbers)
        for number in numbers:
            self.go(green(f"t-{number}"))
        return self

    def compose(self, *conflicts: ev.MergeConflict, name: str = "u") -> tuple[ev.Step, ...]:
        """Answer the open composition: who does not conflict is merged, tree `u-1,2` for #1 and #2."""
        opened = self.last(ev.LandingOpened)
        out = {conflict.issue for conflict in conflicts}
        steps = self.steps([n for n in opened.members if n not in out], name)
        self.go(ev.LandingComposed(opened.base, steps, conflicts, parks=False))
        return steps

    def conflict(self, conflict: ev.MergeConflict, ways: int = 0) -> tuple[ev.Step, ...]:
        """Answer the open composition of one that conflicts: so many ways to merge it, trees `w-1`, `w-2` and so on."""
        opened = self.last(ev.LandingOpened)
        steps = tuple(ev.Step(conflict.issue, f"mw-{way + 1}", f"w-{way + 1}") for way in range(ways))
        self.go(ev.LandingComposed(opened.base, (), (conflict,), steps, parks=False))
        return steps

    @staticmethod
    def steps(members: Iterable[Number], name: str = "u") -> tuple[ev.Step, ...]:
        numbers = list(members)
        trees = [f"{name}-{','.join(map(str, numbers[: i + 1]))}" for i in range(len(numbers))]
        return tuple(ev.Step(n, f"m{tree}", tree) for n, tree in zip(numbers, trees, strict=True))

    def probe(self, merges: bool = True) -> ev.ProbeIntended:
        """Answer the last probe."""
        asked = self.last(ev.ProbeIntended)
        self.go(ev.ProbeComposed(asked.base, asked.members, self.steps(asked.members) if merges else ()))
        return asked

    def seal(self) -> None:
        asked = self.last(ev.SealIntended)
        self.go(ev.LandingSealed(asked.base, asked.steps))

    def move(self) -> list[ev.AnyEvent]:
        asked = self.last(ev.MoveIntended)
        return self.go(ev.TargetMoved(asked.old, asked.new, asked.steps))

    def land(self, *numbers: Number) -> Driver:
        """From assigned to landed, in one batch with a green gate on what is composed."""
        self.queue(*numbers)
        steps = self.compose()
        self.go(green(steps[-1].tree))
        self.seal()
        self.move()
        self.go(ev.WorkspacesRetired(self.last(ev.RetireIntended).issues))
        return self
