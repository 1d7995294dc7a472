"""What can be counted in an issue before it starts: its words and tasks, and the files it is likely to change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from mawep.core.claims import clean, is_glob, parents
from mawep.core.estimate import (
    EASY_WORDS,
    HARD_WORDS,
    OPEN_SIGNS,
    OPEN_WORDS,
    Features,
    Pace,
    Took,
    estimate,
    pace_of,
)
from mawep.core.model import Issue, Number

MOST_TEXT = 20_000
"""Characters of a text that are read; what follows is a log or a table."""
MOST_FILES = 40
"""Files that one issue is said to change."""
OF_PATTERN = 5
"""Files that a directory or pattern counts for, at most: few issues change all that they may."""
TOGETHER, AT_LEAST = 0.5, 3
"""Two files change together when the second is in this share of the changes of the first, and in so many."""
MOST_PATH = 500
"""Characters of one word that are looked at for paths."""
WIDE = 30
"""A change of more files than this says nothing about which belong together."""
NEWEST = 50
"""Landings in the same directory that are looked at."""

_TASK = re.compile(r"^[ \t]*(?:[-*+]|\d+[.)])[ \t]+\[ \]", re.MULTILINE)
_PATHLIKE = re.compile(r"[\w@+-]*(?:[./][\w@+-]+)+")
_WORD = re.compile(r"[a-z]+")
_TOKEN = re.compile(r"\w\S*")


@dataclass(frozen=True, slots=True)
class Change:
    """A commit on the target's own line: its files, how many lines they changed, and whose landing it was."""

    files: tuple[str, ...]
    lines: int
    issue: Number | None = None


class Surroundings:
    """What the repository tells about issues: its files, what changed together, what landings changed.

    `changes` are newest first. All of it is indexed once, so that each issue costs its own length.
    """

    def __init__(
        self, paths: Iterable[str] = (), changes: Sequence[Change] = (), past: Sequence[Took] = ()
    ) -> None:
        self.paths = frozenset(paths)
        self.past = tuple(past)
        self._changes = [change for change in changes if 0 < len(change.files) <= WIDE]
        self._landings = [change for change in changes if change.issue is not None]
        self._together: dict[str, tuple[str, ...]] = {}

    @cached_property
    def _by_name(self) -> dict[str, str]:
        """Files by their name alone, where only one is called so."""
        names = Counter(path.rpartition("/")[2] for path in self.paths)
        return {name: path for path in self.paths if names[name := path.rpartition("/")[2]] == 1}

    @cached_property
    def _below(self) -> Counter[str]:
        """How many files each directory holds."""
        return Counter(parent for path in self.paths for parent in parents(path))

    @cached_property
    def _changed(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place, change in enumerate(self._changes):
            for path in change.files:
                found.setdefault(path, []).append(place)
        return found

    @cached_property
    def _landed_in(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place, change in enumerate(self._landings):
            for directory in dict.fromkeys(path.rpartition("/")[0] for path in change.files):
                found.setdefault(directory, []).append(place)
        return found

    def mentioned(self, text: str) -> Iterator[str]:
        """The files of the repository that a text names, by path or by a name that only one has."""
        for part in text.split():
            if "." not in part and "/" not in part:
                continue
            for match in _PATHLIKE.finditer(part[:MOST_PATH]):
                word = match[0].removeprefix("./").lstrip("/")
                if word in self.paths:
                    yield word
                elif "/" not in word and word in self._by_name:
                    yield self._by_name[word]

    def together(self, path: str) -> tuple[str, ...]:
        """What changes with a file, most of the time."""
        if path not in self._together:
            places = self._changed.get(path, [])
            others = Counter(other for place in places for other in self._changes[place].files)
            enough = max(AT_LEAST, TOGETHER * len(places))
            self._together[path] = tuple(
                sorted(o for o, often in others.items() if often >= enough and o != path and o in self.paths)
            )
        return self._together[path]

    def lines_in(self, files: Iterable[str]) -> tuple[int, ...]:
        """How many lines the newest landings in the directories of these files changed."""
        directories = dict.fromkeys(path.rpartition("/")[0] for path in files)
        places = {place for directory in directories for place in self._landed_in.get(directory, ())}
        return tuple(self._landings[place].lines for place in sorted(places)[:NEWEST])

    def size_of(self, pattern: str) -> int:
        """For how many files a declared path or pattern counts."""
        if not is_glob(pattern) and pattern not in self._below:
            return 1
        directory = pattern
        while is_glob(directory):
            directory = directory.rpartition("/")[0]
        return max(1, min(self._below[directory] if directory else len(self.paths), OF_PATTERN))


def features_of(issue: Issue, around: Surroundings) -> Features:
    """What is known of an issue."""
    body = issue.body[:MOST_TEXT]
    declared = dict.fromkeys(map(clean, issue.files))
    named = dict.fromkeys([*declared, *around.mentioned(f"{issue.title}\n{body}")])
    single = [path for path in named if not is_glob(path) and path not in around._below]
    likely = dict.fromkeys(other for path in single[:MOST_FILES] for other in around.together(path))
    files = tuple(dict.fromkeys([*named, *likely]))[:MOST_FILES]
    said = set(_WORD.findall(" ".join([issue.title, *issue.labels]).lower()))
    return Features(
        words=len(_TOKEN.findall(issue.title)) + len(_TOKEN.findall(body)),
        tasks=len(_TASK.findall(body)) if "[ ]" in body else 0,
        named=sum(around.size_of(path) for path in named),
        files=files,
        count=sum(around.size_of(path) for path in files),
        areas=len({area_of(path) for path in files}),
        lines=around.lines_in(single),
        hard=tuple(sorted(said & HARD_WORDS)),
        easy=tuple(sorted(said & EASY_WORDS)),
        open=_leaves_open(body),
        labels=issue.labels,
        hours=issue.estimate_hours,
    )


def _leaves_open(text: str) -> bool:
    """True when the text says that something is not decided."""
    lower = text.lower()
    return any(sign in lower for sign in OPEN_SIGNS) and OPEN_WORDS.search(lower) is not None


def with_estimates(issues: Iterable[Issue], around: Surroundings) -> list[Issue]:
    """The issues, each with its estimate. The same arguments give the same."""
    paces: dict[tuple[str, ...], Pace] = {}
    found = []
    for issue in issues:
        if issue.labels not in paces:
            paces[issue.labels] = pace_of(issue.labels, around.past)
        judged = estimate(features_of(issue, around), paces[issue.labels])
        found.append(msgspec.structs.replace(issue, estimate=judged))
    return found


def area_of(path: str) -> str:
    """The directory that a file belongs to, no deeper than two."""
    directory = path if is_glob(path) else path.rpartition("/")[0]
    return "/".join(directory.split("/")[:2])
