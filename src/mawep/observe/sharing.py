"""Which issues change the same files, in words: as agents were seen to change them."""

from __future__ import annotations

from collections.abc import Mapping

from mawep.core.model import Number
from mawep.core.state import State
from mawep.core.touched import sharers
from mawep.observe.text import numbers, one_line

MOST_FILES, MOST_SENTENCES = 5, 8


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


def _by_issues(shared: Mapping[str, tuple[Number, ...]]) -> dict[tuple[Number, ...], list[str]]:
    found: dict[tuple[Number, ...], list[str]] = {}
    for path, issues in shared.items():
        found.setdefault(issues, []).append(path)
    return found


def _told(issues: tuple[Number, ...], files: list[str]) -> str:
    more = f" and {len(files) - MOST_FILES} more" if len(files) > MOST_FILES else ""
    return f"{numbers(issues)} all change {', '.join(map(one_line, files[:MOST_FILES]))}{more}"
