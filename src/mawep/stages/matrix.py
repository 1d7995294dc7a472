"""The live conflict matrix: which branches do not merge with one another, or with the target, as they are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_merge import conflicting_files
from mawep.core.model import Number
from mawep.errors import GitError


class Matrix:
    """Knows each pair of commits that it has seen last; only what changed is merged again, in memory."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._known: dict[tuple[Sha, Sha], tuple[str, ...]] = {}
        self._lines: dict[tuple[Sha, Sha], int] = {}

    async def look(
        self, heads: Mapping[Number, Sha], target: Sha
    ) -> dict[tuple[Number, ...], tuple[str, ...]]:
        """The files in which branches conflict: by two issues, or by one that conflicts with the target."""
        pairs: dict[tuple[Number, ...], tuple[Sha, Sha]] = {(n,): (target, head) for n, head in heads.items()}
        pairs |= {(a, b): (heads[a], heads[b]) for a, b in combinations(sorted(heads), 2)}
        unknown = [pair for pair in dict.fromkeys(pairs.values()) if pair not in self._known]
        found = await self._conflicting(unknown)
        known = self._known | dict(zip(unknown, found, strict=True))
        self._known = {pair: known[pair] for pair in pairs.values()}
        return {issues: self._known[pair] for issues, pair in pairs.items() if self._known[pair]}

    async def lines(self, base: Sha, head: Sha) -> int:
        """How many lines differ between two commits, in files of text; counted once."""
        if (base, head) not in self._lines:
            listed = await self._repository.run(
                "diff-tree", "-r", "--numstat", "-z", "--no-renames", base, head
            )
            counts = [field.split(b"\t")[:2] for field in listed.split(b"\0")[:-1]]
            self._lines[base, head] = sum(int(n) for two in counts for n in two if n.isdigit())
        return self._lines[base, head]

    async def _conflicting(self, pairs: Sequence[tuple[Sha, Sha]]) -> list[tuple[str, ...]]:
        """Who cannot be merged at all, as with another history, spoils it for nobody else and conflicts nowhere."""
        if not pairs:
            return []
        try:
            return await conflicting_files(self._repository, pairs)
        except GitError:
            if len(pairs) == 1:
                return [()]
            return [files for pair in pairs for files in await self._conflicting([pair])]
