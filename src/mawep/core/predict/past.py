"""What the past of a repository tells: which landings a text resembles, and which files changed when and together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from mawep.core.predict.search import Search, holders_of
from mawep.core.predict.words import counted

NEAREST = 30
"""Landings that a text is compared with in the end: those that resemble it most."""
HALF_LIFE = 150
"""Landings after which a change counts half."""
WIDEST = 15
"""A change of more files than this says little about any of them."""
EVENS = 0.3
"""Titles are of nearly one length."""
COMPANY = 10
"""Files that change together with another that are looked at."""
UNSURE = 2.0
"""Added to how often something was seen, so that what was seen once proves little."""

_BOOKS = re.compile(
    r"(^|/)(changes|changelog|history|news|authors|contributors)(\.(md|rst|txt|adoc))?$"
    r"|(^|/)(changes|changelog(\.d)?|newsfragments?|\.changeset)/"
    r"|\.lock$|(^|/)(package-lock\.json|pnpm-lock\.yaml|go\.sum)$|\.po$",
    re.IGNORECASE,
)
_ROUTINE = re.compile(
    r"Merge (branch|remote|tag)|Bump |\[pre-commit|build\(deps|chore\((deps|release)|(Prepare )?Release|v?\d+\.\d+"
)
_PULL = re.compile(r"Merge pull request #\d+ from \S+?/(\S+)")
_OURS = re.compile(r"Merge #\d+ into \S+: ")
_NUMBER = re.compile(r"\(?#\d+\)?")


@dataclass(frozen=True, slots=True)
class Landing:
    """What once landed: what it was said to be about, its files, and its commit."""

    title: str
    files: tuple[str, ...]
    commit: str = ""


def is_book(path: str) -> bool:
    """True for what nearly every change writes into, such as a changelog or a lock file: it tells nothing apart."""
    return _BOOKS.search(path) is not None


def landing_of(subject: str, detail: str, files: Iterable[str], commit: str = "") -> Landing | None:
    """What a commit of the target's own line tells; None: it is routine, too wide, or changes only books.

    `detail` is the first line below the subject: a forge's merge says there what the pull request is about.
    """
    own = tuple(path for path in files if not is_book(path))
    pull = _PULL.match(subject)
    title = (detail or pull[1].replace("-", " ").replace("_", " ")) if pull else subject
    title = _NUMBER.sub("", _OURS.sub("", title)).strip()
    if not 0 < len(own) <= WIDEST or not title or _ROUTINE.match(title):
        return None
    return Landing(title, own, commit)


class Past:
    """Landings, newest first; of their files only those in `paths` count. Indexed once."""

    def __init__(self, landings: Iterable[Landing], paths: frozenset[str]) -> None:
        kept = [(one.title, tuple(path for path in one.files if path in paths)) for one in landings]
        self._files = [files for _, files in kept]
        titles = {place: counted(title) for place, (title, files) in enumerate(kept) if files}
        self._titles = Search(holders_of(titles), {n: words.total() for n, words in titles.items()}, EVENS)
        self.often: Counter[str] = Counter()
        self.recent: dict[str, float] = {}
        self._said: dict[str, Counter[str]] = {}
        self._company: dict[str, Counter[str]] = {}
        for place, words in titles.items():
            self._take(words, self._files[place], 0.5 ** (place / HALF_LIFE))

    def _take(self, words: Iterable[str], files: Sequence[str], fresh: float) -> None:
        for path in files:
            self.often[path] += 1
            self.recent[path] = self.recent.get(path, 0.0) + fresh
            self._company.setdefault(path, Counter()).update(other for other in files if other != path)
        for word in words:
            self._said.setdefault(word, Counter()).update(files)

    def alike(self, asked: Mapping[str, float]) -> dict[str, float]:
        """The files of the landings that resemble a text most."""
        found: dict[str, float] = {}
        scores = self._titles(asked)
        for place in sorted(scores, key=lambda n: (-scores[n], n))[:NEAREST]:
            files = self._files[place]
            for path in files:
                found[path] = found.get(path, 0.0) + scores[place] ** 2 / sqrt(len(files))
        return found

    def said(self, asked: Mapping[str, float]) -> dict[str, float]:
        """The files that changed when one of these words was in a title, by how often it meant them."""
        found: dict[str, float] = {}
        for word, share in asked.items():
            weight = share * self._titles.weight(word)
            if not weight:
                continue
            seen = self._titles.holding(word) + UNSURE
            for path, often in self._said[word].items():
                found[path] = found.get(path, 0.0) + weight * often / seen
        return found

    def company(self, path: str) -> Iterator[tuple[str, float]]:
        """What changed together with a file, and not just once, with the share of its changes in which it did."""
        together = self._company.get(path, Counter())
        for other, often in sorted(together.items(), key=lambda item: (-item[1], item[0]))[:COMPANY]:
            if often > 1:
                yield other, often / (self.often[path] + UNSURE)
