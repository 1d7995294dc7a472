"""Reads from a forge what a question needs and no more: issues, what they wait for, and what became of that.

Every step of the way out is a few requests, however many issues it is about: one for the edges, one for those that
are referenced and not known yet, and one for each that is in another repository.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from mawep.core.model import Dependency, Far, FarDependency, Issue, Number
from mawep.trackers.base import Forge, NotAllowed, NotThere
from mawep.trackers.forge_values import ForgeIssue, Query, Reference
from mawep.trackers.found import Outside
from mawep.trackers.issue_text import Reading, Target, read, same
from mawep.trackers.together import together

NATIVE, TEXT, PART = "native", "body", "sub_issue"
_REASONS = {"not_planned": Outside.DROPPED, "duplicate": Outside.DUPLICATE}


class ForgeReading:
    """What has been read so far. Of the repositories that are `near` (in lower case) nothing is asked here."""

    def __init__(self, forge: Forge, near: Collection[str] = ()) -> None:
        self._forge = forge
        self._near = near
        self.seen: dict[Number, ForgeIssue] = {}
        self.outside: dict[Number, Outside] = {}
        self.notes: dict[str, None] = {}
        self._texts: dict[Number, Reading] = {}
        self._waits: dict[Number, dict[Target, list[str]]] = {}
        self._elsewhere: dict[Target, Outside | str] = {}

    def take(self, issue: ForgeIssue) -> None:
        """An issue whose text is read and whose references are not followed."""
        self.seen[issue.number] = issue
        if issue.number not in self._texts:
            self._texts[issue.number] = read(issue, self._forge.repository)

    async def follow(self, issues: Iterable[ForgeIssue], *, with_dependencies: bool) -> list[ForgeIssue]:
        """Read what these wait for; gives the open ones among that which are to be followed in their turn."""
        fresh = [issue for issue in issues if issue.number not in self._waits]
        for issue in fresh:
            self.take(issue)
        told = await self._edges(fresh)
        pulled = [
            target
            for issue in fresh
            for target, sources in self._waits[issue.number].items()
            if with_dependencies or PART in sources
        ]
        wanted = {number for repository, number in pulled if repository == self._forge.repository}
        named = {
            number
            for issue in fresh
            for repository, number in self._waits[issue.number]
            if repository == self._forge.repository
        }
        self._note(told, wanted)
        await self.look([number for number in sorted(named) if number not in self.seen | self.outside.keys()])
        await self._look_elsewhere(
            [
                target
                for issue in fresh
                for target in self._waits[issue.number]
                if target[0] != self._forge.repository and not self._is_near(target)
            ]
        )
        return [
            self.seen[number]
            for number in sorted(wanted)
            if number in self.seen and self.seen[number].state == "open" and number not in self._waits
        ]

    async def look(self, numbers: Sequence[Number]) -> None:
        """Find out what is behind numbers; those behind which there is nothing stay unknown."""
        if not numbers:
            return
        found = await self._forge.issues(Query(numbers=tuple(numbers)))
        for issue in found:
            if issue.is_pull:
                self.outside[issue.number] = Outside.PULL if issue.state == "open" else Outside.DONE
            else:
                self.seen[issue.number] = issue

    def issues(self) -> tuple[Issue, ...]:
        """Every issue whose text was read, with what it waits for here and in what is near."""
        return tuple(
            msgspec.structs.replace(
                text.issue, depends_on=tuple(self._dependencies(number)), far=tuple(self._far(number))
            )
            for number, text in sorted(self._texts.items())
        )

    def problems(self) -> dict[Number, tuple[str, ...]]:
        """What is wrong with each."""
        found = {
            number: (*text.problems, *self._unmet_elsewhere(number)) for number, text in self._texts.items()
        }
        return {number: problems for number, problems in found.items() if problems}

    def parents(self) -> frozenset[Number]:
        """Those that have sub-issues and nothing to do besides."""
        return frozenset(
            number
            for number, waits in self._waits.items()
            if not self._texts[number].has_work and any(PART in sources for sources in waits.values())
        )

    def beyond(self) -> dict[Number, Outside]:
        """What became of the issues that were named and whose text was not read."""
        known = {n: outside_of(issue.state, issue.state_reason) for n, issue in self.seen.items()}
        return {n: state for n, state in {**self.outside, **known}.items() if n not in self._texts}

    async def _edges(self, issues: Sequence[ForgeIssue]) -> dict[Number, Reference]:
        """Unite the forge's own edges with those in the text; gives what the forge said of its ends here."""
        asked = [i.number for i in issues if i.blocked_by_total != 0 or i.sub_issues_total != 0]
        told: dict[Number, Reference] = {}
        edges = await self._forge.edges(asked) if asked else None
        if edges is not None and not edges.dependencies_supported:
            self.notes[
                f"{self._forge.name} tells nothing of dependencies here: only the texts say what waits"
            ] = None
        for issue in issues:
            waits = self._waits[issue.number] = {}
            blocked = edges.blocked_by.get(issue.number, ()) if edges else ()
            parts = edges.sub_issues.get(issue.number, ()) if edges else ()
            for source, references in ((NATIVE, blocked), (PART, parts)):
                for reference in references:
                    target = self._target(reference)
                    if target == (self._forge.repository, issue.number):
                        continue
                    waits.setdefault(target, []).append(source)
                    if target[0] == self._forge.repository:
                        told[target[1]] = reference
                    else:
                        self._elsewhere[target] = outside_of(reference.state, reference.state_reason)
            for target in self._texts[issue.number].waits_for:
                waits.setdefault(target, []).insert(1 if NATIVE in waits.get(target, ()) else 0, TEXT)
        return told

    def _target(self, reference: Reference) -> Target:
        here = self._forge.repository
        return here if same(reference.repository, here) else reference.repository, reference.number

    def _note(self, told: dict[Number, Reference], wanted: set[Number]) -> None:
        """Believe the forge on the state of what it names; only what is open and to be followed is read."""
        for number, reference in told.items():
            state = outside_of(reference.state, reference.state_reason)
            if number not in self.seen and (state.met or number not in wanted):
                self.outside[number] = state
        for number in wanted:
            if self.outside.get(number) is Outside.OPEN:
                del self.outside[number]

    async def _look_elsewhere(self, targets: Iterable[Target]) -> None:
        unknown = dict.fromkeys(target for target in targets if target not in self._elsewhere)

        async def look(target: Target) -> None:
            try:
                found = await self._forge.issue(target[1], repository=target[0])
            except (NotThere, NotAllowed) as error:
                self._elsewhere[target] = "; ".join(part for part in (error.what, error.cause) if part)
            else:
                self._elsewhere[target] = outside_of(found.state, found.state_reason)

        await together(look, list(unknown))

    def _dependencies(self, number: Number) -> Iterable[Dependency]:
        for (repository, on), sources in self._waits.get(number, {}).items():
            if repository == self._forge.repository:
                yield Dependency(on, "+".join(sources))

    def _far(self, number: Number) -> Iterable[FarDependency]:
        for target, sources in self._waits.get(number, {}).items():
            if self._is_near(target):
                yield FarDependency(Far(target[0].lower(), target[1]), "+".join(sources))

    def _is_near(self, target: Target) -> bool:
        return target[0].lower() in self._near and not same(target[0], self._forge.repository)

    def _unmet_elsewhere(self, number: Number) -> Iterable[str]:
        for target, sources in self._waits.get(number, {}).items():
            state = self._elsewhere.get(target)
            known = target[0] == self._forge.repository or self._is_near(target)
            if known or (isinstance(state, Outside) and state.met):
                continue
            line = self._texts[number].waits_for.get(target)
            who = " and ".join(f"line {line}" if source == TEXT else source for source in sources)
            waits = f"waits for {target[0]}#{target[1]} ({who.replace('_', '-')})"
            if isinstance(state, Outside):
                yield f"{waits}, which is open, and in another repository, where no run of this one lands"
            else:
                yield f"{waits}, which cannot be read: {state}; let MAWEP read it, or take the reference away"


def outside_of(state: str, reason: str | None) -> Outside:
    """What the state of an issue means for who waits for it."""
    return Outside.OPEN if state == "open" else _REASONS.get((reason or "").lower(), Outside.DONE)
