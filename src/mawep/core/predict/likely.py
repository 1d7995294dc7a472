"""From all that speaks for a file to how likely an issue is to change it.

Each kind of evidence gives every file a score from 0 to 1, the best file of an issue 1; what they are worth together
says a logistic model. Its weights were fitted to the past of projects of which no issue is predicted in the figures
that are published (`benchmarks/README.md`), once, and are the same for every repository: what is learnt from a
repository are its words, its landings and its files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import exp, log1p

from mawep.core.claims import clean, is_glob
from mawep.core.features import MOST_TEXT, Surroundings
from mawep.core.model import Issue, Likely
from mawep.core.predict.past import Landing, Past, is_book
from mawep.core.predict.search import Search, holders_of
from mawep.core.predict.words import counted

WEIGHTS = {
    "text": 2.0,  # its words stand in the file
    "path": 1.0,  # its words stand in the file's path
    "alike": 1.7,  # landings that read alike changed it
    "said": 0.8,  # landings with one of its words changed it
    "recent": 0.5,  # it changed lately
    "often": 2.0,  # it changes often
    "together": 0.9,  # it changes together with what the rest speaks for
    "name": 2.0,  # its name without ending is a word of the title
}
NONE = -7.0
"""What there is before any evidence: one file of a thousand."""
DECLARED, NAMED = 1.0, 0.9
"""How likely a file is that an issue declares; one that its text names."""
MOST_LIKELY = 20
"""Files that are kept of one issue."""
BODY, MOST_WORDS = 0.3, 40
"""What a word of the body counts beside one of the title, and how many of them are looked for, the rarest first."""
ROOTS = 8
"""Files whose company is looked at."""
SHORTEST = 4
"""Characters of a name that, alone in a title, means a file."""
PATH_EVENS, TEXT_EVENS = 0.3, 0.75

Scores = Mapping[str, float]


@dataclass(frozen=True)
class Contents:
    """Words in the files of the target: by word, the files that hold it and how often; and the length of each file."""

    holders: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)


def asked_words(issues: Iterable[Issue]) -> frozenset[str]:
    """Every word that `Predictor` may look for in files."""
    return frozenset(
        word for issue in issues for text in (issue.title, _body(issue)) for word in counted(text)
    )


def _body(issue: Issue) -> str:
    return issue.body[:MOST_TEXT]


class Predictor:
    """Everything that is known of a repository, indexed once. The same arguments give the same predictions."""

    def __init__(self, around: Surroundings, landings: Iterable[Landing], contents: Contents) -> None:
        self._around = around
        self._paths = frozenset(path for path in around.paths if not is_book(path))
        self._past = Past(landings, self._paths)
        names = {path: counted(path) for path in self._paths}
        self._names = Search(holders_of(names), {p: words.total() for p, words in names.items()}, PATH_EVENS)
        self._texts = Search(contents.holders, contents.lengths, TEXT_EVENS)
        self._stems = _stems(self._paths)
        self._prior = self._before_any_issue()
        self._usual = sorted(self._prior, key=lambda path: (-self._prior[path], path))[:MOST_LIKELY]

    def _before_any_issue(self) -> Scores:
        recent = _scaled(self._past.recent)
        often = _scaled({path: log1p(many) for path, many in self._past.often.items()})
        return {
            path: WEIGHTS["recent"] * score + WEIGHTS["often"] * often[path] for path, score in recent.items()
        }

    def likely(self, issue: Issue) -> tuple[Likely, ...]:
        """The files that an issue is likely to change, the likeliest first."""
        found = {one.path: one for one in self._judged(issue)}
        for path in self._around.mentioned(f"{issue.title}\n{_body(issue)}"):
            found[path] = Likely(path, max(NAMED, found[path].share if path in found else 0.0), "named")
        for path in map(clean, issue.files):
            if not is_glob(path):
                found[path] = Likely(path, DECLARED, "declared")
        return tuple(sorted(found.values(), key=lambda one: (-one.share, one.path))[:MOST_LIKELY])

    def _judged(self, issue: Issue) -> Iterable[Likely]:
        """By the model alone: every file for which something speaks, and those that change whatever is done."""
        tables = self._tables(issue)
        sums = {**dict.fromkeys(self._usual, 0.0), **_sums(tables)}
        for path, total in sums.items():
            why = (
                max(tables, key=lambda kind: WEIGHTS[kind] * tables[kind].get(path, 0.0))
                if total
                else "often"
            )
            share = 1 / (1 + exp(-(NONE + total + self._prior.get(path, 0.0))))
            yield Likely(path, round(share, 4), why)

    def _tables(self, issue: Issue) -> dict[str, Scores]:
        asked = self._asked(issue)
        tables: dict[str, Scores] = {
            "text": _scaled(self._texts(asked)),
            "path": _scaled(self._names(asked)),
            "alike": _scaled(self._past.alike(asked)),
            "said": _scaled(self._past.said(asked)),
            "name": {path: 1.0 for word in _plain(issue.title) for path in self._stems.get(word, ())},
        }
        return {**tables, "together": self._together(_sums(tables))}

    def _asked(self, issue: Issue) -> dict[str, float]:
        """The words of an issue, with what each counts."""
        title = counted(issue.title)
        body = [word for word in counted(_body(issue)) if word not in title]
        telling = sorted(body, key=lambda word: (-self._texts.weight(word), word))[:MOST_WORDS]
        return {**dict.fromkeys(telling, BODY), **dict.fromkeys(title, 1.0)}

    def _together(self, sums: Scores) -> Scores:
        """What changes together with the files for which most speaks so far."""
        found: dict[str, float] = {}
        for path in sorted(sums, key=lambda path: (-sums[path], path))[:ROOTS]:
            for other, share in self._past.company(path):
                found[other] = found.get(other, 0.0) + sums[path] * share
        return _scaled(found)


def _sums(tables: Mapping[str, Scores]) -> dict[str, float]:
    found: dict[str, float] = {}
    for kind, scores in tables.items():
        weight = WEIGHTS[kind]
        for path, score in scores.items():
            found[path] = found.get(path, 0.0) + weight * score
    return found


def _scaled(scores: Scores) -> Scores:
    """From 0 to 1, the best 1."""
    most = max(scores.values(), default=0.0)
    return {one: score / most for one, score in scores.items()} if most else {}


def _plain(title: str) -> frozenset[str]:
    """The words of a title as they are written, in small letters."""
    return frozenset(word.strip("`'\"()[]:,;.!?").lower() for word in title.split())


def _stems(paths: Iterable[str]) -> dict[str, list[str]]:
    """Files by their name, and by their name without its ending."""
    found: dict[str, list[str]] = {}
    for path in sorted(paths):
        name = path.rpartition("/")[2].lower()
        stem = name.rpartition(".")[0]
        for word in {name, stem}:
            if len(word) >= SHORTEST:
                found.setdefault(word, []).append(path)
    return found
