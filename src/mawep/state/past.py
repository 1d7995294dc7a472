"""What became of issues in earlier runs: read from their journals, without folding the whole of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

from mawep.adapters.sqlite_files import open_to_read
from mawep.core import events as ev
from mawep.core.estimate import Took, estimate
from mawep.core.features import Surroundings, features_of
from mawep.core.graph import hours
from mawep.core.model import FailureReason, Issue, Number
from mawep.core.suited import ROUGHLY, SMOOTHLY, Did, areas_of
from mawep.state.runs import directory_of, home

NEWEST_RUNS = 20
BLAMELESS = {FailureReason.LOST, FailureReason.WORKSPACE_ERROR, FailureReason.INPUT_TIMEOUT}
"""Ways to fail that say nothing of an agent."""
MOST_ISSUES = 500
"""Landed issues that are looked at, those of the newest runs first: more would not say more."""

_KINDS = [
    kind.__name__
    for kind in (
        *(ev.RunStarted, ev.RunResumed, ev.AttemptAssigned, ev.RepairIntended, ev.TargetMoved),
        ev.PullRequestMerged,
        *(ev.AttemptFailed, ev.AttemptInterrupted, ev.ProviderLimitHit, ev.AttemptContinued),
        *(ev.QuestionAsked, ev.QuestionAnswered),
    )
]
_ROWS = """
SELECT at, json FROM events
WHERE type IN (SELECT value FROM json_each(?)) OR seq + 1 IN (SELECT seq FROM events WHERE type = 'RunResumed')
ORDER BY seq
"""


def past_issues(common_dir: Path) -> list[Took]:
    """The issues that landed in earlier runs of the repository, newest runs first.

    A journal that cannot be read, or whose events this version does not know, tells nothing.
    """
    return list(islice(chain.from_iterable(map(_took, _runs(common_dir))), MOST_ISSUES))


def past_work(common_dir: Path) -> list[Did]:
    """What became of the issues of earlier runs that agents worked on, by how these were driven, newest runs first.

    What failed through no fault of its agent, was cancelled or is parked tells nothing.
    """
    return list(islice(chain.from_iterable(map(_did, _runs(common_dir))), MOST_ISSUES))


def planned_issues(common_dir: Path) -> dict[Number, Issue]:
    """The issues that runs of the repository began with, each as the newest of them had it."""
    found: dict[Number, Issue] = {}
    for events in _runs(common_dir, None):
        for began in (event for _, event in events if isinstance(event, ev.RunStarted)):
            found = {issue.number: issue for issue in began.issues} | found
    return found


def _runs(common_dir: Path, most: int | None = NEWEST_RUNS) -> Iterator[list[tuple[datetime, ev.AnyEvent]]]:
    root = home(common_dir) / "runs"
    names = sorted((entry.name for entry in root.iterdir()), reverse=True) if root.is_dir() else []
    for name in names[:most]:
        try:
            with closing(open_to_read(directory_of(common_dir, name).journal)) as db:
                rows = db.execute(_ROWS, [json.dumps(_KINDS)]).fetchall()
            yield [(datetime.fromisoformat(at), ev.decode(text)) for at, text in rows]
        except (sqlite3.Error, ValueError):
            continue


def _took(events: Iterable[tuple[datetime, ev.AnyEvent]]) -> Iterator[Took]:
    """What landed, each with how long it was worked on, gated and landed: from its agent to the target.

    Left out is when no process conducted the run, and when the issue waited for a person, its provider or a retry.
    """
    issues: dict[Number, Issue] = {}
    worked: dict[Number, float] = {}
    since: dict[Number, float] = {}
    rough: set[Number] = set()
    clock, last = 0.0, None
    for at, event in events:
        clock += 0.0 if last is None or isinstance(event, ev.RunResumed) else (at - last).total_seconds()
        last = at
        match event:
            case ev.RunStarted():
                issues = {issue.number: issue for issue in event.issues}
            case ev.AttemptAssigned() | ev.AttemptContinued() | ev.QuestionAnswered():
                since.setdefault(event.issue, clock)
                if isinstance(event, ev.AttemptAssigned) and event.attempt > 1:
                    rough.add(event.issue)
            case ev.AttemptFailed() | ev.AttemptInterrupted() | ev.ProviderLimitHit() | ev.QuestionAsked():
                worked[event.issue] = worked.get(event.issue, 0.0) + clock - since.pop(event.issue, clock)
            case ev.RepairIntended(issue=number):
                rough.add(number)
            case ev.TargetMoved() | ev.PullRequestMerged():
                for number in (one for one in _landed(event) if one in issues):
                    seconds = worked.get(number, 0.0) + clock - since.pop(number, clock)
                    issue = issues[number]
                    yield Took(frozenset(issue.labels), seconds / 3600, _held_for(issue), number not in rough)
            case _:
                pass


def _did(events: Iterable[tuple[datetime, ev.AnyEvent]]) -> Iterator[Did]:
    issues: dict[Number, Issue] = {}
    runtimes: dict[Number, str] = {}
    worth: dict[Number, float] = {}
    rough: set[Number] = set()
    default = ""
    for _, event in events:
        match event:
            case ev.RunStarted():
                issues, default = {issue.number: issue for issue in event.issues}, event.runtime
            case ev.AttemptAssigned(issue=number):
                runtimes[number] = event.runtime or default
                if event.attempt > 1:
                    rough.add(number)
            case ev.RepairIntended(issue=number):
                rough.add(number)
            case ev.AttemptFailed(issue=number, reason=reason) if reason not in BLAMELESS:
                worth[number] = 0.0
            case ev.TargetMoved() | ev.PullRequestMerged():
                worth |= {number: ROUGHLY if number in rough else SMOOTHLY for number in _landed(event)}
            case _:
                pass
    for number in runtimes.keys() & issues.keys() & worth.keys():
        labels = frozenset(label.lower() for label in issues[number].labels)
        yield Did(runtimes[number], labels, areas_of(issues[number]), worth[number])


def _landed(event: ev.TargetMoved | ev.PullRequestMerged) -> tuple[int, ...]:
    if isinstance(event, ev.PullRequestMerged):
        return (event.issue,)
    return tuple(step.issue for step in event.steps if not step.reverts)


def _held_for(issue: Issue) -> float:
    """For how many hours of work the issue was held; a journal from before there were estimates is judged now."""
    if issue.estimate_hours is not None or issue.estimate is not None:
        return hours(issue)
    return estimate(features_of(issue, Surroundings())).hours.middle
