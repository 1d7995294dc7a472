"""The issues of several repositories: chosen in each, and complete and free of cycles over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from mawep.cli.landing import landed
from mawep.cli.members import Member, known
from mawep.cli.plan_source import chosen_issues, landed_before
from mawep.cli.tracking import tracker_of
from mawep.core.far import circle
from mawep.core.graph import Graph, build
from mawep.core.model import Far, FarDependency, Issue, Number
from mawep.errors import ProblemsError, UsageError
from mawep.stages.intake import Selection, Wanted, sources
from mawep.trackers.base import NotAllowed, NotThere
from mawep.trackers.found import Outside

MET, OPEN = "", "is open and not in the set; add it, or take `--with-dependencies`"


@dataclass
class Crossing:
    """What was chosen, by the key of its repository. With `problems` nothing may start."""

    selections: dict[str, Selection] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def graph(self, key: str) -> Graph:
        """The graph of a repository whose issues take part."""
        found = self.selections[key].graph
        return build(()) if found is None else found

    def issues(self, key: str) -> list[Issue]:
        """The issues of a repository that take part."""
        selection = self.selections.get(key)
        return list(selection.graph.issues.values()) if selection and selection.graph else []


async def cross(
    members: Sequence[Member], asked: Wanted, *, with_dependencies: bool = False, for_a_run: bool = False
) -> Crossing:
    """Choose what a person means in every repository, and check what waits for what across them.

    Raises:
        UsageError: it is not clear which issues are meant.
    """
    work = _Crossing(members, with_dependencies=with_dependencies, for_a_run=for_a_run)
    await work.choose(_questions(members, asked))
    work.settle()
    return work.found


def _questions(members: Sequence[Member], asked: Wanted) -> dict[str, Wanted]:
    """What each repository is asked for; those are left out that are asked for nothing."""
    if asked.numbers:
        raise UsageError(
            f"#{asked.numbers[0]} of which repository?",
            next_step=f"write `--issues {members[0].name}#{asked.numbers[0]}`; {known(members)}",
        )
    if not asked.far:
        return {member.key: asked for member in members}
    keys = {member.key for member in members}
    if strange := next((one for one in asked.far if one.repository not in keys), None):
        raise UsageError(f"{strange} is in no repository of the configuration", next_step=f"{known(members)}")
    return {
        key: Wanted(tuple(one.number for one in asked.far if one.repository == key))
        for key in dict.fromkeys(one.repository for one in asked.far)
    }


class _Crossing:
    """What is known while issues are chosen."""

    def __init__(self, members: Sequence[Member], *, with_dependencies: bool, for_a_run: bool) -> None:
        self.members = {member.key: member for member in members}
        self.with_dependencies = with_dependencies
        self.for_a_run = for_a_run
        self.found = Crossing()
        self.fates: dict[Far, str] = {}

    async def choose(self, questions: Mapping[str, Wanted]) -> None:
        """Ask every repository, and again for what others wait for, until nothing new comes up."""
        while questions:
            for key, asked in questions.items():
                await self._ask(self.members[key], asked)
            questions = await self._follow()

    async def _ask(self, member: Member, asked: Wanted) -> None:
        try:
            selection = await chosen_issues(
                *(member.config, member.repository, asked),
                with_dependencies=self.with_dependencies,
                for_a_run=self.for_a_run,
                around=member.around,
            )
        except ProblemsError as error:
            selection = Selection(None, error.problems, {})
        except UsageError as error:
            selection = Selection(None, (error.line,), {})
        self.found.selections[member.key] = selection

    async def _follow(self) -> dict[str, Wanted]:
        """Find out what became of issues that others wait for; what is to be asked for besides."""
        unknown = [on for on in self._awaited() if on not in self.fates and not self._is_chosen(on)]
        questions: dict[str, Wanted] = {}
        for key in dict.fromkeys(on.repository for on in unknown):
            numbers = tuple(on.number for on in unknown if on.repository == key)
            fates = await self._look(self.members[key], numbers)
            self.fates |= {Far(key, number): fate for number, fate in fates.items()}
            pulled = {number for number in numbers if fates[number] == OPEN}
            if pulled and self._pulls_in(key):
                chosen = {issue.number for issue in self.found.issues(key)}
                questions[key] = Wanted(tuple(sorted(chosen | pulled)))
        return questions

    def _pulls_in(self, key: str) -> bool:
        return self.with_dependencies or self.members[key].config.issues.with_dependencies

    def _awaited(self) -> Iterable[Far]:
        """Every issue that one elsewhere waits for, once."""
        return dict.fromkeys(
            edge.on for key in self.found.selections for issue in self.found.issues(key) for edge in issue.far
        )

    def _is_chosen(self, on: Far) -> bool:
        return any(issue.number == on.number for issue in self.found.issues(on.repository))

    async def _look(self, member: Member, numbers: tuple[Number, ...]) -> dict[Number, str]:
        """What became of issues that are not chosen: MET, OPEN, or why nobody can wait for them."""
        before = await landed(member.config, member.repository)
        try:
            async with tracker_of(member.config, member.repository, member.around) as tracker:
                found = await tracker.find(Wanted(numbers))
        except (ProblemsError, UsageError, NotAllowed, NotThere) as error:
            said = error.problems[0] if isinstance(error, ProblemsError) else error.line
            return dict.fromkeys(numbers, f"cannot be looked up: {said}")
        open_ones = {issue.number for issue in found.issues}

        def fate(number: Number) -> str:
            outside = found.outside.get(number)
            if number in before or (outside is not None and outside.met):
                return MET
            if number in found.parents:
                return "has no work of its own; wait for its sub-issues"
            if number in found.refused:
                return found.refused[number]
            if outside is Outside.PULL:
                return "is an open pull request: merge or close it first"
            return OPEN if number in open_ones else f"is not an issue of {member.name}"

        return {number: fate(number) for number in numbers}

    # --- what all of it comes to

    def settle(self) -> None:
        """Take away the dependencies that are met, and collect what is wrong."""
        for key, selection in self.found.selections.items():
            self.found.problems += [self._named(key, problem) for problem in selection.problems]
            self.found.notes += [
                self._named(key, note) for note in landed_before(self.members[key].config, selection)
            ]
            if selection.graph is not None:
                issues = [self._settled(key, issue) for issue in selection.graph.issues.values()]
                self.found.selections[key] = replace(selection, graph=build(issues))
        plans = {key: self.found.issues(key) for key in self.found.selections}
        if round_ := circle(plans):
            path = " → ".join(map(str, round_))
            self.found.problems.append(
                f"these issues wait for each other: {path}; take one of the dependencies away"
            )
        if not self.found.problems and not any(plans.values()) and not self._all_landed():
            self.found.problems.append("no repository has an issue that you asked for")

    def _all_landed(self) -> bool:
        return any(selection.already_landed for selection in self.found.selections.values())

    def _settled(self, key: str, issue: Issue) -> Issue:
        """The issue without what it need not wait for."""
        return msgspec.structs.replace(issue, far=tuple(e for e in issue.far if self._waits(key, issue, e)))

    def _waits(self, key: str, issue: Issue, edge: FarDependency) -> bool:
        fate = self.fates.get(edge.on, MET)
        if self._is_chosen(edge.on):
            return True
        if fate != MET:
            where = f"#{issue.number} ({issue.origin})" if issue.origin else f"#{issue.number}"
            waits = f"{where} depends on {edge.on} ({sources(edge)}), which {fate}"
            self.found.problems.append(self._named(key, waits))
        return False

    def _named(self, key: str, text: str) -> str:
        return f"{self.members[key].name}: {text}"
