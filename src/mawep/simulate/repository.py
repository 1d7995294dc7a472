"""Git in memory: commits, merges, the target, and the truth about which tree is red."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mawep.core.model import Number, Sha
from mawep.core.scopes import affected, reads, unread
from mawep.simulate.scenario import GOOD, RED, Scenario, Turn


class Patch(NamedTuple):
    """What one turn changed. `who` is an issue, or negative: somebody else.

    `heeds` are those it was merged with, `way` counts the ways to merge it by rule.
    """

    who: int
    turn: Turn
    heeds: frozenset[int] = frozenset()
    way: int = 0


class Commit(NamedTuple):
    """A commit: everything that its tree contains, and what it added itself."""

    sha: Sha
    tree: Sha
    patches: frozenset[Patch]
    parents: tuple[Sha, ...]
    own: Patch | None = None
    base: frozenset[Patch] = frozenset()


class Repository:
    """The commits of a run and the branch that it lands on."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._commits: dict[Sha, Commit] = {}
        self._trees: dict[frozenset[Patch], Sha] = {}
        self._contents: dict[Sha, frozenset[Patch]] = {}
        self.target = self._add(frozenset(), ()).sha

    def __getitem__(self, sha: Sha) -> Commit:
        return self._commits[sha]

    def work(self, base: Sha, issue: Number, turn: Turn, *, merges: bool = False) -> Commit:
        """What an agent makes of `base` in one turn; one that merges heeds what is there."""
        below = self._commits[base].patches
        patch = Patch(issue, turn, frozenset(one.who for one in below) if merges else frozenset())
        return self._add(below | {patch}, (base,), patch, below)

    def push(self, who: int) -> None:
        """Somebody else puts a commit on the target."""
        below = self._commits[self.target].patches
        patch = Patch(who, Turn())
        self.target = self._add(below | {patch}, (self.target,), patch, below).sha

    def merge(self, onto: Commit, candidate: Commit) -> Commit | tuple[int, ...]:
        """The merge commit, or who of those that came before is in the way."""
        own = candidate.own
        unseen = onto.patches - candidate.base
        in_the_way = sorted(
            {
                patch.who
                for patch in unseen
                if own is not None and frozenset((own.who, patch.who)) in self._scenario.clashing
            }
        )
        if in_the_way:
            return tuple(in_the_way)
        return self._add(onto.patches | candidate.patches, (onto.sha, candidate.sha))

    def ways(self, onto: Commit, candidate: Commit) -> list[Commit]:
        """The merge commits that rules make of a candidate in conflict, the best first."""
        who = candidate.own.who if candidate.own else 0
        both, parents = onto.patches | candidate.patches, (onto.sha, candidate.sha)
        good = self._scenario.ways.get(who, ())
        return [
            self._add(both | {Patch(who, GOOD if fits else RED, way=way)}, parents)
            for way, fits in enumerate(good, 1)
        ]

    def reword(self, sha: Sha, parents: tuple[Sha, ...]) -> Commit:
        """The same tree under a final message."""
        return self._add(self._commits[sha].patches, parents)

    def move(self, old: Sha, new: Sha) -> bool:
        """Compare and swap; True when the target is or already was there."""
        if self.target == old:
            self.target = new
        return new in self.ancestry(self.target)

    def ancestry(self, sha: Sha) -> set[Sha]:
        """The commit and everything that it can reach."""
        found, ahead = set[Sha](), [sha]
        while ahead:
            sha = ahead.pop()
            if sha not in found:
                found.add(sha)
                ahead += self._commits[sha].parents
        return found

    def is_green(self, patches: Iterable[Patch], among: frozenset[str]) -> bool:
        """What a gate of these parts finds when it is allowed to finish: a part sees what concerns it."""
        patches = tuple(patches)
        there = {patch.who for patch in patches}
        heeded = {frozenset((patch.who, other)) for patch in patches for other in patch.heeds}
        reds = [{patch.who} for patch in patches if patch.turn.red]
        reds += [set(pair) for pair in self._scenario.red_together - heeded if pair <= there]
        return not any(all(part in self.concerned({who}) for who in red) for red in reds for part in among)

    @property
    def parts(self) -> frozenset[str]:
        """What the whole gate consists of: the scopes, or one part without a name."""
        return frozenset(scope.name for scope in self._scenario.rules.scopes) or frozenset({""})

    def concerned(self, who: Iterable[int]) -> frozenset[str]:
        """The parts of the gate that what these have changed can make a difference to; by hand."""
        found: set[str] = set()
        for path in (path for one in who for path in self._paths(one)):
            top = path.partition("/")[0]
            found |= {"api": {"api", "web"}, "web": {"web"}, "docs": {"docs"}}.get(top, self.parts)
        return frozenset(found) if self._scenario.rules.scopes else self.parts

    def affected(self, who: set[int]) -> tuple[str, ...] | None:
        """The scopes that the core says these changes affect; None: everything."""
        paths = [path for one in sorted(who) for path in self._paths(one)]
        return affected(self._scenario.rules.scopes, paths)

    def reads(self, sha: Sha, gated: Iterable[str] | None) -> str | None:
        """What the core says that these scopes read of a commit, where that matters; None: nothing is left out."""
        rules = self._scenario.rules
        if not rules.lanes or gated is None:
            return None
        passed_over = unread(rules.scopes, gated)
        found = frozenset(
            patch
            for patch in self._commits[sha].patches
            if any(reads(rules.scopes, passed_over, path) for path in self._paths(patch.who))
        )
        return f"reads {self._tree(found)}"

    def seen_by(self, part: str, tree: Sha) -> frozenset[Patch]:
        """All that a part of the gate sees of a tree; by hand."""
        return frozenset(patch for patch in self._contents[tree] if part in self.concerned({patch.who}))

    def _paths(self, who: int) -> tuple[str, ...]:
        return self._scenario.changes.get(who, ("README.md",))

    def differing(self, old: Sha, new: Sha) -> set[int]:
        """Whose changes only one of two commits contains."""
        return {patch.who for patch in self._commits[old].patches ^ self._commits[new].patches}

    def contained(self, sha: Sha) -> set[Number]:
        """The issues whose work a commit contains."""
        return {patch.who for patch in self._commits[sha].patches if patch.who > 0}

    def _tree(self, patches: frozenset[Patch]) -> Sha:
        tree = self._trees.setdefault(patches, f"{len(self._trees):x}".rjust(40, "0"))
        self._contents[tree] = patches
        return tree

    def _add(
        self,
        patches: frozenset[Patch],
        parents: tuple[Sha, ...],
        own: Patch | None = None,
        base: frozenset[Patch] = frozenset(),
    ) -> Commit:
        tree = self._tree(patches)
        sha = f"{len(self._commits):x}".rjust(40, "0")
        commit = Commit(sha, tree, patches, parents, own, base)
        self._commits[sha] = commit
        return commit
