"""From what a tracker knows to the issues of a run: chosen, complete, and free of cycles."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

import msgspec

from mawep.core.graph import CycleError, Graph, build
from mawep.core.model import Dependency, Issue, Number, Sha
from mawep.errors import UsageError

_NUMBER = re.compile(r"#?([1-9][0-9]{0,17})")
_SOURCES = {"front_matter": "front matter", "body": "text"}


@dataclass(frozen=True)
class Wanted:
    """Which issues a person asked for: some `numbers`, those with `label`, or, with neither, all."""

    numbers: tuple[Number, ...] = ()
    label: str | None = None


@dataclass(frozen=True)
class Selection:
    """The issues of a run. With `problems` there is no `graph` and nothing may start.

    `already_landed` are issues that would have been chosen, had they not landed before, each with its landing
    commit. The graph is empty when all of them have, and were not asked for one by one.
    """

    graph: Graph | None
    problems: tuple[str, ...]
    already_landed: Mapping[Number, Sha]


def wanted(issues: str | None, label: str | None) -> Wanted:
    """Read `--issues` (`101,102` or `all`) and `--label`.

    Raises:
        UsageError: both are given or neither is, or there is something else than numbers.
    """
    if (issues is None) == (label is None):
        raise UsageError(
            "which issues?",
            next_step="write `--issues 101,102`, `--issues all` or `--label NAME`, one of them",
        )
    if label is not None or issues is None or issues.strip() == "all":
        return Wanted(label=label)
    words = [word for word in re.split(r"[,\s]+", issues) if word]
    found = [_NUMBER.fullmatch(word) for word in words]
    wrong = [word for word, number in zip(words, found, strict=True) if number is None]
    if wrong or not words:
        cause = f"`{wrong[0] if wrong else issues}` is no number of an issue"
        raise UsageError("which issues?", cause=cause, next_step="write `--issues 101,102` or `--issues all`")
    return Wanted(tuple(dict.fromkeys(int(number[1]) for number in found if number)))


def select(
    issues: Iterable[Issue],
    asked: Wanted,
    *,
    with_dependencies: bool = False,
    landed: Mapping[Number, Sha] = MappingProxyType({}),
) -> Selection:
    """Choose the issues of a run and check that everything they wait for is among them or has landed.

    `landed` are those that have landed on the target before, with their landing commits: they are not chosen
    again, and a dependency on one of them is met.
    """
    known: dict[Number, Issue] = {}
    problems: list[str] = []
    for issue in issues:
        first = known.setdefault(issue.number, issue)
        if first is not issue:
            problems.append(f"{_name(issue)} has the same number as {_name(first)}")
    meant, wrong = _meant(known, asked, landed)
    problems += wrong
    done = {number: landed[number] for number in sorted(meant) if number in landed}
    chosen = meant.difference(done)
    if asked.numbers and not chosen and not wrong:
        problems += [_done_already(number, commit) for number, commit in done.items()]
    if with_dependencies:
        chosen = _with_dependencies(known, chosen, landed)
    problems += _missing(known, chosen, landed)
    graph = None
    try:
        graph = build(_closed(known[number], chosen) for number in sorted(chosen))
    except CycleError as cycle:
        problems.append(f"these issues wait for each other: {cycle}; take one of the dependencies away")
    return Selection(None if problems else graph, tuple(problems), done)


def _meant(
    known: Mapping[Number, Issue], asked: Wanted, landed: Collection[Number]
) -> tuple[set[Number], list[str]]:
    """The issues that a person means, landed or not, and what is wrong with the question."""
    if asked.numbers:
        there = {number for number in asked.numbers if number in known or number in landed}
        return there, [
            f"#{number} is not an issue of the tracker" for number in asked.numbers if number not in there
        ]
    matching = {n for n, issue in known.items() if asked.label is None or asked.label in issue.labels}
    if matching:
        return matching, []
    if asked.label is None:
        return matching, ["the tracker has no issues"]
    labels = {label for issue in known.values() for label in issue.labels}
    near = get_close_matches(asked.label, labels, n=1)
    return matching, [
        f"no issue has the label `{asked.label}`" + (f"; did you mean `{near[0]}`?" if near else "")
    ]


def _done_already(number: Number, commit: Sha) -> str:
    return (
        f"#{number} has landed already, as {commit[:12]}: it needs neither `mawep retry` nor an edit; "
        "what is new goes into an issue with a number of its own"
    )


def _with_dependencies(
    known: Mapping[Number, Issue], chosen: Iterable[Number], landed: Collection[Number]
) -> set[Number]:
    """The chosen ones and everything known and open that they wait for, directly or not."""
    found = set(chosen)
    to_see = list(found)
    while to_see:
        for dependency in known[to_see.pop()].depends_on:
            if dependency.on not in found and dependency.on in known and dependency.on not in landed:
                found.add(dependency.on)
                to_see.append(dependency.on)
    return found


def _missing(
    known: Mapping[Number, Issue], chosen: Collection[Number], landed: Collection[Number]
) -> Iterator[str]:
    for number in sorted(chosen):
        for dependency in known[number].depends_on:
            if dependency.on in chosen or dependency.on in landed:
                continue
            waits = f"{_name(known[number])} depends on #{dependency.on} ({_source(dependency)})"
            if dependency.on in known:
                yield f"{waits}, which is open and not in the set; add it, or take `--with-dependencies`"
            else:
                yield f"{waits}, which the tracker does not know"


def _closed(issue: Issue, chosen: Collection[Number]) -> Issue:
    """The issue without the dependencies that are met."""
    open_ones = tuple(dependency for dependency in issue.depends_on if dependency.on in chosen)
    return (
        issue
        if len(open_ones) == len(issue.depends_on)
        else msgspec.structs.replace(issue, depends_on=open_ones)
    )


def _name(issue: Issue) -> str:
    return f"#{issue.number} ({issue.origin})" if issue.origin else f"#{issue.number}"


def _source(dependency: Dependency) -> str:
    return _SOURCES.get(dependency.source, dependency.source)
