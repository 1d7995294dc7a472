"""What happens on the tracker while a run goes on, by a chance of its own: edits, dependencies, commands."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from mawep.core import events as ev
from mawep.core.model import Issue, Priority

ELSEWHERE = 9000
"""The first number of issues that are not of the run."""
PATHS = ((), ("api/pay.py",), ("docs",), ("web/page.ts", "README.md"))


def happenings(seed: int, issues: Sequence[Issue]) -> tuple[tuple[float, ev.AnyEvent], ...]:
    """What happens and when, in seconds from the start; in half of all seeds nothing.

    A `DependencyAdded` is only what the tracker says: the hall decides what follows from it.
    """
    rng = random.Random(f"tracker {seed}")  # noqa: S311 - nothing secret hangs on it
    if rng.random() < 0.5:
        return ()
    return tuple(sorted(_happenings(rng, issues), key=lambda one: one[0]))


def leads_out(event: ev.AnyEvent) -> bool:
    """True for a dependency on an issue that nobody in the run can land."""
    return isinstance(event, ev.DependencyAdded) and event.on >= ELSEWHERE


def _happenings(rng: random.Random, issues: Sequence[Issue]) -> Iterator[tuple[float, ev.AnyEvent]]:
    numbers = [issue.number for issue in issues]
    for _ in range(rng.randint(0, 3)):
        yield _moment(rng), _edit(rng, rng.choice(issues))
    for _ in range(rng.randint(0, 5)):
        number, on, at = rng.choice(numbers), rng.choice(numbers), _moment(rng)
        yield at, ev.DependencyAdded(number, on, "native")
        if rng.random() < 0.4:
            yield at + rng.uniform(1, 400), ev.DependencyRemoved(number, on, "taken away")
    for _ in range(rng.randint(0, 2)):
        number, on, at = rng.choice(numbers), ELSEWHERE + rng.randrange(2), _moment(rng)
        yield at, ev.DependencyAdded(number, on, "body")
        if rng.random() < 0.7:
            yield at + rng.uniform(1, 300), ev.DependencyRemoved(number, on, "closed")
    for issue in rng.sample(issues, 2):
        for edge in issue.depends_on[:1]:
            yield _moment(rng), ev.DependencyRemoved(issue.number, edge.on, "taken away")
    number, at = rng.choice(numbers), _moment(rng)
    yield at, ev.IssueNoticed(number, "was reopened")
    yield at, ev.IssueUnclear(number, ("waits for acme/api#3",))
    yield at, ev.CommandTaken(number, 1, "ada", "status", True, "it waits")
    yield at, ev.OutsideRead(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=at))


def _moment(rng: random.Random) -> float:
    return rng.uniform(0, 900)


def _edit(rng: random.Random, issue: Issue) -> ev.IssueEdited:
    now = msgspec.structs.replace(
        issue,
        body="it is other now",
        priority=rng.choice(tuple(Priority)),
        files=rng.choice((issue.files, *PATHS)),
    )
    return ev.IssueEdited(issue.number, now)
