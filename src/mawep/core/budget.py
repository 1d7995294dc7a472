"""What may be spent: by an attempt, on an issue, in a run; in dollars, tokens, turns and minutes of work.

Minutes are those in which an agent works: not while it waits for a person, for a verdict or for its provider.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from mawep.core.model import Budget, Number, Usage
from mawep.core.state import Attempt, IssueRecord, Progress, Spent, State, replace
from mawep.core.usage import highest

SCOPES = ("attempt", "issue", "run")
KINDS = ("usd", "tokens", "turns", "minutes")
_SHOWN = {"usd": "${:,.2f}", "tokens": "{:,.0f} tokens", "turns": "{:g} turns", "minutes": "{:.1f} minutes"}


class Line(msgspec.Struct, frozen=True):
    """One budget and what was spent of it. `issue` None: it is that of the run."""

    name: str
    kind: str
    limit: float
    spent: Spent
    issue: Number | None = None
    attempt: int | None = None

    @property
    def key(self) -> str:
        """What it is known by in a run: `issue_usd:101`."""
        return ":".join(str(part) for part in (self.name, self.issue, self.attempt) if part is not None)

    def amount(self, now: datetime) -> float:
        """How much was spent."""
        return self.spent.of(self.kind, now)

    def moment(self) -> datetime | None:
        """When its minutes are used up, if whoever works now goes on; None when nobody works or it is no time."""
        if self.kind != "minutes" or not self.spent.since:
            return None
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        began = sum((since - epoch for since in self.spent.since), timedelta())
        left = timedelta(minutes=self.limit) - self.spent.worked
        return epoch + (left + began) / len(self.spent.since)

    def used_up(self, now: datetime) -> bool:
        """True when nothing is left; a turn that runs is one that was allowed."""
        moment = self.moment()
        return moment <= now if moment is not None else self.amount(now) >= self.limit

    def told(self, now: datetime) -> str:
        """In words."""
        show = _SHOWN[self.kind].format
        return f"agents.budget.{self.name} is used up: {show(self.amount(now))} of {show(self.limit)}"

    def warned(self, now: datetime) -> str:
        """The same while something is left."""
        show = _SHOWN[self.kind].format
        whose = f" for #{self.issue}" if self.issue is not None else ""
        return f"agents.budget.{self.name}{whose}: {show(self.amount(now))} of {show(self.limit)} are spent"


def of_attempt(attempt: Attempt) -> Spent:
    """What an attempt has spent."""
    since = (attempt.works_since,) if attempt.works_since else ()
    return Spent(
        attempt.usage.cost_usd or 0.0, attempt.usage.tokens or 0, 1 + attempt.repairs, attempt.worked, since
    )


def of_past(record: IssueRecord) -> Spent:
    """What earlier attempts on an issue and its reviews have spent."""
    return Spent(record.spent.cost_usd or 0.0, record.spent.tokens or 0, record.turns, record.worked)


def of_issue(record: IssueRecord) -> Spent:
    """What all attempts on an issue have spent."""
    over = of_past(record)
    return over + of_attempt(record.attempt) if record.attempt and record.active else over


def of_run(state: State) -> Spent:
    """What the run has spent."""
    live = (state.issues[number].attempt for number in state.active)
    return sum((of_attempt(attempt) for attempt in live if attempt is not None), state.spent)


def run_lines(state: State) -> list[Line]:
    """The budgets of the run."""
    wanted = _limits(state.rules.budget, "run")
    spent = of_run(state) if wanted else Spent()
    return [Line(name, kind, limit, spent) for name, kind, limit in wanted]


def issue_lines(state: State, number: Number) -> Iterator[Line]:
    """The budgets of an issue. What was spent before a person reopened it does not count."""
    record = state.issues[number]
    for name, kind, limit in _limits(state.rules.budget, "issue"):
        yield Line(name, kind, limit, of_issue(record) - record.granted, number)


def attempt_lines(state: State, number: Number) -> Iterator[Line]:
    """The budgets of the attempt on an issue."""
    attempt = state.issues[number].attempt
    for name, kind, limit in _limits(state.rules.budget, "attempt"):
        if attempt is not None:
            yield Line(name, kind, limit, of_attempt(attempt), number, attempt.number)


def bounds(budget: Budget, scope: str) -> bool:
    """True when anything is limited for an attempt, an issue or the run."""
    return bool(_limits(budget, scope))


@lru_cache(maxsize=16)
def _limits(budget: Budget, scope: str) -> tuple[tuple[str, str, float], ...]:
    """Name, kind and limit; asked of the same budget for every issue at every decision."""
    limits = ((kind, getattr(budget, f"{scope}_{kind}")) for kind in KINDS)
    return tuple((f"{scope}_{kind}", kind, limit) for kind, limit in limits if limit is not None)


def all_lines(state: State, number: Number, run: list[Line]) -> list[Line]:
    """Every budget that concerns the agent on an issue."""
    return [*attempt_lines(state, number), *issue_lines(state, number), *run]


def moments(state: State) -> Iterator[datetime]:
    """When minutes are used up."""
    if not any(getattr(state.rules.budget, f"{scope}_minutes") for scope in SCOPES):
        return
    run = run_lines(state)
    for number in state.active:
        attempt = state.issues[number].attempt
        if attempt is not None and attempt.progress is Progress.RUNNING:
            yield from (moment for line in all_lines(state, number, run) if (moment := line.moment()))


def warnings(state: State, run: list[Line], now: datetime) -> Iterator[Line]:
    """Budgets of which so much is spent that people should know, and do not know yet."""
    percent = state.rules.budget.soft_percent
    lines = [
        line
        for number in state.active
        for line in (*attempt_lines(state, number), *issue_lines(state, number))
    ]
    for line in (*lines, *run):
        if line.key not in state.warned and line.amount(now) >= line.limit * percent / 100:
            yield line


def stopped(attempt: Attempt, at: datetime) -> Attempt:
    """The attempt whose agent does not work from `at` on."""
    if attempt.works_since is None:
        return attempt
    worked = attempt.worked + max(at - attempt.works_since, timedelta())
    return replace(attempt, worked=worked, works_since=None)


def seen(attempt: Attempt, usage: Usage) -> Attempt:
    """The attempt with a newer word on what it has consumed in all; it never falls."""
    return replace(attempt, usage=highest(attempt.usage, usage))
