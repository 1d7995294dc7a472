"""From what a tracker found to the issues of a run: chosen, complete, and free of cycles.

An issue without work of its own (a *parent*) is no part of a run: choosing it chooses its sub-issues, and who
waits for it waits for them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

import msgspec

from mawep.core.far import named
from mawep.core.graph import CycleError, Graph, build
from mawep.core.model import Dependency, Far, FarDependency, Issue, Number, Sha
from mawep.errors import UsageError
from mawep.trackers.base import Found, Outside, Wanted

__all__ = ["Found", "Outside", "Selection", "Wanted", "select", "sources", "wanted"]

_SOURCES = {"front_matter": "front matter", "body": "text", "sub_issue": "sub-issue"}
_HOW = "write `--issues 101,102`, `--issues all`, or `--label`, `--milestone`, `--query` or `--project`"


@dataclass(frozen=True)
class Selection:
    """The issues of a run. With `problems` there is no `graph` and nothing may start.

    `already_landed` are issues that would have been chosen, had they not landed before, each with its landing
    commit. The graph is empty when all of them have, and were not asked for one by one. `notes` say what else of
    the question is not in the graph, and why.
    """

    graph: Graph | None
    problems: tuple[str, ...]
    already_landed: Mapping[Number, Sha]
    notes: tuple[str, ...] = ()


def wanted(
    issues: str | None,
    label: str | None,
    milestone: str | None = None,
    query: str | None = None,
    project: int | None = None,
) -> Wanted:
    """Read `--issues` (`101,102` or `all`), or what issues have to fit.

    Raises:
        UsageError: both are given or neither is, or there is something else than numbers.
    """
    if (issues is None) == (label is None and milestone is None and query is None and project is None):
        raise UsageError("which issues?", next_step=_HOW)
    if issues is None or issues.strip() == "all":
        return Wanted(label=label, milestone=milestone, query=query, project=project)
    words = [word for word in re.split(r"[,\s]+", issues) if word]
    found = [named(word) for word in words]
    wrong = [word for word, issue in zip(words, found, strict=True) if issue is None]
    if wrong or not words:
        raise _not_understood(wrong[0] if wrong else issues)
    chosen = [issue for issue in dict.fromkeys(found) if issue]
    return Wanted(
        tuple(issue.number for issue in chosen if not issue.repository),
        far=tuple(issue for issue in chosen if issue.repository),
    )


def _not_understood(word: str) -> UsageError:
    cause = f"`{word}` is no number of an issue"
    return UsageError(
        "which issues?",
        cause=cause,
        next_step="write `--issues 101,102` or `--issues all`, or `owner/name#101` of several repositories",
    )


def select(
    found: Found,
    asked: Wanted,
    *,
    with_dependencies: bool = False,
    landed: Mapping[Number, Sha] = MappingProxyType({}),
    among_others: bool = False,
) -> Selection:
    """Choose the issues of a run and check that everything they wait for is among them or done.

    `landed` are those that have landed on the target before, with their landing commits: they are not chosen
    again, and a dependency on one of them is met. `among_others`: the question is put to several repositories, and
    nothing here need be an answer.
    """
    choice = _Choice(found, asked, landed, among_others=among_others)
    meant = choice.meant()
    done = {number: landed[number] for number in sorted(meant) if number in landed}
    chosen = meant.difference(done)
    if asked.numbers and not chosen and not choice.problems:
        choice.problems += [_done_already(number, commit) for number, commit in done.items()]
    chosen = choice.completed(choice.trusted(chosen), with_dependencies=with_dependencies)
    choice.problems += [
        f"{_name(choice.known[number])}: {problem}"
        for number in sorted(chosen)
        for problem in found.problems.get(number, ())
    ]
    choice.problems += choice.missing(chosen)
    graph = choice.graph(chosen)
    return Selection(
        None if choice.problems else graph, tuple(choice.problems), done, tuple(dict.fromkeys(choice.notes))
    )


class _Choice:
    """What is known while issues are chosen; collects problems and notes on the way."""

    def __init__(
        self, found: Found, asked: Wanted, landed: Mapping[Number, Sha], *, among_others: bool
    ) -> None:
        self.found = found
        self.asked = asked
        self.landed = landed
        self.known: dict[Number, Issue] = {}
        self.problems: list[str] = []
        self.notes: list[str] = list(found.notes)
        self.unanswered = self.notes if among_others else self.problems
        for issue in found.issues:
            first = self.known.setdefault(issue.number, issue)
            if first is not issue:
                self.problems.append(f"{_name(issue)} has the same number as {_name(first)}")

    def meant(self) -> set[Number]:
        """The issues that a person means, landed or not."""
        asked, known = self.asked, self.known
        if asked.numbers:
            there = {number for number in asked.numbers if number in known or number in self.landed}
            self.problems += [
                f"#{number} {self.found.absent.get(number, 'is not an issue of the tracker')}"
                for number in asked.numbers
                if number not in there
            ]
            return there
        if self.found.matching is not None:
            if not self.found.matching:
                self.unanswered.append("no open issue is what you asked for")
            return {number for number in self.found.matching if number in known or number in self.landed}
        matching = {n for n, issue in known.items() if asked.label is None or asked.label in issue.labels}
        if not matching:
            self.unanswered.append(self._nothing_matches())
        return matching

    def _nothing_matches(self) -> str:
        if self.asked.label is None:
            return "the tracker has no issues"
        labels = {label for issue in self.known.values() for label in issue.labels}
        near = get_close_matches(self.asked.label, labels, n=1)
        return f"no issue has the label `{self.asked.label}`" + (
            f"; did you mean `{near[0]}`?" if near else ""
        )

    def trusted(self, chosen: Collection[Number]) -> set[Number]:
        """The chosen without those that are refused: asked for by number that is a problem, else it is noted.

        Nobody may keep a run from starting by opening an issue.
        """
        refused = sorted(number for number in chosen if number in self.found.refused)
        sentences = [f"{_name(self.known[number])} {self.found.refused[number]}" for number in refused]
        if self.asked.numbers:
            self.problems += sentences
        else:
            self.notes += [f"{sentence}; it is left out" for sentence in sentences]
        return set(chosen).difference(refused)

    def completed(self, chosen: set[Number], *, with_dependencies: bool) -> set[Number]:
        """The chosen with their open sub-issues and, if asked for, with all that is open and that they wait for."""
        found = set(chosen)
        to_see = list(found)
        while to_see:
            for dependency in self.known[to_see.pop()].depends_on:
                on = dependency.on
                pull = with_dependencies or "sub_issue" in dependency.source
                barred = on in found or on in self.landed or on in self.found.refused
                if pull and on in self.known and not barred:
                    found.add(on)
                    to_see.append(on)
        return found

    def missing(self, chosen: Collection[Number]) -> Iterator[str]:
        """A sentence for each dependency that nothing in the run will ever meet."""
        for number in sorted(chosen):
            issue = self.known[number]
            for dependency in issue.depends_on:
                on = dependency.on
                outside = self.found.outside.get(on)
                if on in chosen or on in self.landed:
                    continue
                waits = f"{_name(issue)} depends on #{on} ({sources(dependency)})"
                if on in self.found.refused and on in self.known:
                    yield f"{waits}, which {self.found.refused[on]}"
                elif outside in {Outside.DROPPED, Outside.DUPLICATE}:
                    self.notes.append(f"{waits}, which was {outside}: it counts as met")
                elif outside is Outside.PULL:
                    yield f"{waits}, which is an open pull request: merge or close it first"
                elif on in self.known or outside is Outside.OPEN:
                    yield f"{waits}, which is open and not in the set; add it, or take `--with-dependencies`"
                elif outside is None:
                    yield f"{waits}, which the tracker does not know"

    def graph(self, chosen: Collection[Number]) -> Graph | None:
        """The graph of the chosen with work of their own; None, and one more problem, when it goes round."""
        parents = self.found.parents.intersection(chosen)
        try:
            whole = build(_closed(self.known[number], chosen) for number in sorted(chosen))
        except CycleError as cycle:
            self.problems.append(
                f"these issues wait for each other: {cycle}; take one of the dependencies away"
            )
            return None
        if not parents:
            return whole
        for number in sorted(parents):
            self.notes.append(_is_a_parent(number, whole.dependencies[number]))
        wholes = _wholes(whole, parents)
        return build(
            msgspec.structs.replace(_past(issue, whole, parents), part_of=wholes.get(number, ()))
            for number, issue in whole.issues.items()
            if number not in parents
        )


def _wholes(whole: Graph, parents: Collection[Number]) -> Mapping[Number, tuple[Number, ...]]:
    """Of which of the parents an issue is a part, by its number."""
    found: dict[Number, tuple[Number, ...]] = {}
    for parent in sorted(parents):
        for part in _past(whole.issues[parent], whole, parents).depends_on:
            found[part.on] = (*found.get(part.on, ()), parent)
    return found


def _past(issue: Issue, whole: Graph, parents: Collection[Number]) -> Issue:
    """The issue, waiting for what its dependencies without work of their own wait for, instead of them."""
    if not any(dependency.on in parents for dependency in issue.depends_on):
        return issue
    found: dict[Number, Dependency] = {}
    far: dict[Far, FarDependency] = {edge.on: edge for edge in issue.far}
    ahead = list(reversed(issue.depends_on))
    seen: set[Number] = set()
    while ahead:
        dependency = ahead.pop()
        if dependency.on not in parents:
            found.setdefault(dependency.on, dependency)
        elif dependency.on not in seen:
            seen.add(dependency.on)
            parent = whole.issues[dependency.on]
            ahead += reversed(parent.depends_on)
            far |= {edge.on: edge for edge in parent.far if edge.on not in far}
    return msgspec.structs.replace(issue, depends_on=tuple(found.values()), far=tuple(far.values()))


def _is_a_parent(number: Number, needed: Collection[Number]) -> str:
    if not needed:
        return f"#{number} has no work of its own, and all its sub-issues are done"
    names = ", ".join(f"#{on}" for on in needed)
    return f"#{number} has no work of its own: it is done when {names} landed"


def _done_already(number: Number, commit: Sha) -> str:
    return (
        f"#{number} has landed already, as {commit[:12]}: it needs neither `mawep retry` nor an edit; "
        "what is new goes into an issue with a number of its own"
    )


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


def sources(dependency: Dependency | FarDependency) -> str:
    """Who said that one issue waits for the other, in words."""
    return " and ".join(_SOURCES.get(source, source) for source in dependency.source.split("+"))
