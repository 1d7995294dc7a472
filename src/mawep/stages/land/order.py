"""Which candidates conflict with one another, and the order of composition that follows."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_merge import conflicting_files
from mawep.core.model import Number
from mawep.core.order import least_conflicting


async def ordered(repository: Repository, candidates: Mapping[Number, Sha]) -> tuple[Number, ...]:
    """The candidates in the order in which fewest conflict. Raises GitError."""
    pairs = list(combinations(candidates, 2))
    found = await conflicting_files(repository, [(candidates[a], candidates[b]) for a, b in pairs])
    clashing = {frozenset(pair) for pair, files in zip(pairs, found, strict=True) if files}
    return least_conflicting(tuple(candidates), clashing)
