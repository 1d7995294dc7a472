"""How long the live conflict matrix takes: `python -m benchmarks.matrix [branches] [files]`.

A generated repository, every branch with two or three changed files, every fourth in conflict with the one before.
Measured: the first look at all pairs, a look after one branch has changed, and one after nothing has.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.support.repos import branch, head, make_repository

from mawep.adapters.git import find_repository
from mawep.stages.matrix import Matrix

ROUNDS = 7


def text(number: int, line: str = "") -> str:
    """A file of forty lines, one of them changed."""
    return "".join(f"{line if line and at == 20 else f'{number} {at}'}\n" for at in range(40))


def changes(place: int, files: int, turn: int = 0) -> dict[str, str]:
    """What a branch changes: files of its own, and one that its neighbour changes as well."""
    own = dict.fromkeys((place * 7 % files, place * 131 % files), f"branch {place} {turn}")
    shared = {4_000 % files + place // 4: f"branch {place} {turn}"} if place % 4 < 2 else {}
    return {path(at): text(at, line) for at, line in (own | shared).items()}


def path(number: int) -> str:
    """Where a file lies."""
    return f"src/p{number // 250}/m{number // 25 % 10}/f{number}.py"


async def measure(place: Path, branches: int, files: int) -> None:
    """Measure and print."""
    made = make_repository(place / "r", {path(number): text(number) for number in range(files)})
    heads = {n: branch(made, f"b{n}", changes(n, files)) for n in range(branches)}
    again = [branch(made, f"again{turn}", changes(0, files, turn)) for turn in range(1, ROUNDS + 1)]
    repository, target = await find_repository(made), head(made)
    first, one, none = [], [], []
    for sha in again:
        matrix = Matrix(repository)
        for times, changed in ((first, heads), (one, {**heads, 0: sha}), (none, {**heads, 0: sha})):
            began = time.perf_counter()
            found = await matrix.look(changed, target)
            times.append(time.perf_counter() - began)
    print(f"{branches} branches, {files:,} files, {len(found)} conflicts; median (worst) of {ROUNDS}")
    for told, times in (("all pairs", first), ("one branch changed", one), ("nothing changed", none)):
        print(f"{told}: {statistics.median(times) * 1000:.1f} ms ({max(times) * 1000:.1f} ms)")


def main(branches: int = 16, files: int = 5_000) -> None:
    """Measure in a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(measure(Path(place), branches, files))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
