"""Which issues change the same files: as agents were seen to change them, and as it is likely of what has not begun."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from mawep.core.model import IssueState, Number
from mawep.core.predict.overlap import LIKELY, Shared, sharing
from mawep.core.state import State
from mawep.core.touched import sharers
from mawep.observe.text import numbers, one_line

MOST_FILES, MOST_SENTENCES = 5, 8
WHY = {
    "declared": "declared",
    "named": "named in its text",
    "text": "its words stand in it",
    "path": "its words stand in the path",
    "alike": "changed by landings that read alike",
    "said": "changed when its words were in a title",
    "often": "changes often",
    "together": "changes together with others of these",
    "name": "its name stands in the title",
}
MOST_LIKELY, LEAST_SHARE = 3, 0.1
"""So many of the likeliest files are told of an issue, none that is less likely."""
NEXT = 20
"""Issues that start next, of which it is said what they are likely to share."""


def shared_of(state: State, number: Number) -> list[dict[str, object]]:
    """Who changes the files that an issue shares with others."""
    found = {path: issues for path, issues in sharers(state).items() if number in issues}
    return [
        {"with": [n for n in issues if n != number], "files": files, "told": _told(issues, files)}
        for issues, files in _by_issues(found).items()
    ]


def shared_warnings(state: State) -> list[str]:
    """A sentence for those who share files, as far as a person reads that many."""
    told = [_told(issues, files) for issues, files in _by_issues(sharers(state)).items()]
    return [*told[:MOST_SENTENCES], *(["and others change the same files"] if told[MOST_SENTENCES:] else [])]


def likely_with(state: State, number: Number) -> list[dict[str, object]]:
    """With which issues that are not over an issue is likely to share a file; none once it has landed or ended."""
    if state.issues[number].state.terminal:
        return []
    others = [n for n, record in state.issues.items() if n != number and not record.state.terminal]
    return [
        {"with": pair.b if pair.a == number else pair.a, "chance": pair.chance, "files": list(pair.files)}
        for pair in sharing(state.graph, [number], others)
    ]


def likely_ahead(state: State) -> list[Shared]:
    """Of the issues that start next: which are likely to share a file with one another or with work under way."""
    waits = (IssueState.READY, IssueState.WAITING)
    ahead = list(islice((n for n in state.graph.by_rank if state.issues[n].state in waits), NEXT))
    pairs = sharing(state.graph, ahead, [*ahead, *state.active])
    return [pair for pair in pairs if pair.chance >= LIKELY][:MOST_SENTENCES]


def likely_files(predicted: Iterable[Mapping[str, Any]]) -> str:
    """The files that an issue is likely to change, with what speaks for each; empty when there is none worth saying."""
    worth = [file for file in predicted if file["share"] >= LEAST_SHARE][:MOST_LIKELY]
    return ", ".join(f"{one_line(one['path'])} {one['share']:.0%} ({WHY[one['why']]})" for one in worth)


def _by_issues(shared: Mapping[str, tuple[Number, ...]]) -> dict[tuple[Number, ...], list[str]]:
    found: dict[tuple[Number, ...], list[str]] = {}
    for path, issues in shared.items():
        found.setdefault(issues, []).append(path)
    return found


def _told(issues: tuple[Number, ...], files: list[str]) -> str:
    more = f" and {len(files) - MOST_FILES} more" if len(files) > MOST_FILES else ""
    return f"{numbers(issues)} all change {', '.join(map(one_line, files[:MOST_FILES]))}{more}"
