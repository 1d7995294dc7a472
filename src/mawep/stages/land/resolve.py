"""Resolving a merge's conflicts by rule, when every one of them can be: trees, and what was done to which file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_merge import Conflicted, Stage
from mawep.adapters.git_objects import read_blob, size_of
from mawep.adapters.git_scratch import scratch
from mawep.merging.best_first import best_first
from mawep.merging.candidates import Candidate, candidates
from mawep.merging.offers import Trust
from mawep.merging.rungs import RUNGS, trusted

LARGEST = 2**18
"""What is larger is not merged by rule, in bytes: it was hardly written by hand, and would take its time."""

PATIENCE = 30.0
"""How long the rules may take over one file, in seconds; what they have found by then counts."""

_FILES = frozenset({"100644", "100755"})


@dataclass(frozen=True)
class Resolved:
    """The merge without conflicts. `rungs` says what was done: `path: rung (why)`."""

    tree: Sha
    rungs: tuple[str, ...]


async def resolve(repository: Repository, conflicted: Conflicted) -> Resolved | None:
    """The merge with every conflict resolved by rules that are likely to be right; None when one is left."""
    return next(iter(await resolutions(repository, conflicted, 1, guesses=False)), None)


async def resolutions(
    repository: Repository, conflicted: Conflicted, most: int, *, guesses: bool = True
) -> list[Resolved]:
    """Ways to resolve every conflict, the best first; none when one has no answer, or is not about a file's lines."""
    if any(not _of_lines(message.kind) for message in conflicted.messages):
        return []
    merged: list[list[_Merged]] = []
    for path, stages in groupby(conflicted.stages, key=lambda stage: stage.path):
        found = await _merged(repository, path, list(stages), most, guesses)
        if not found:
            return []
        merged.append(found)
    return [await _resolved(repository, conflicted, files) for files in islice(best_first(merged), most)]


@dataclass(frozen=True)
class _Merged:
    """What a file could be."""

    mode: str
    path: str
    found: Candidate


async def _resolved(repository: Repository, conflicted: Conflicted, files: Iterable[_Merged]) -> Resolved:
    entries: list[tuple[str, Sha, str]] = []
    rungs: list[str] = []
    for file in files:
        content = file.found.text.encode("utf-8", "surrogateescape")
        blob = await repository.run("hash-object", "-w", "--no-filters", "--stdin", input=content)
        entries.append((file.mode, blob.decode().strip(), file.path))
        rungs += [f"{file.path}: {applied.rung} ({applied.why})" for applied in file.found.applied]
    return Resolved(await _tree(repository, conflicted.tree, entries), tuple(rungs))


def _of_lines(kind: str) -> bool:
    return kind == "CONFLICT (contents)" or not kind.startswith("CONFLICT")


async def _merged(
    repository: Repository, path: str, stages: list[Stage], most: int, guesses: bool
) -> list[_Merged]:
    if [stage.number for stage in stages] != [1, 2, 3] or {stage.mode for stage in stages} - _FILES:
        return []
    if len({stage.mode for stage in stages}) > 1:
        return []
    if max([await size_of(repository, stage.blob) for stage in stages]) > LARGEST:
        return []
    contents = [await read_blob(repository, stage.blob) for stage in stages]
    if any(b"\0" in content for content in contents):
        return []
    base, ours, theirs = (content.decode("utf-8", "surrogateescape") for content in contents)
    found: list[Candidate] = []
    looking = asyncio.to_thread(_look, found, base, ours, theirs, path, most, guesses)
    try:
        await asyncio.wait_for(looking, PATIENCE)
    except TimeoutError:
        found = found.copy()  # the thread ends by itself
    return [_Merged(stages[0].mode, path, candidate) for candidate in found]


def _look(  # noqa: PLR0917
    found: list[Candidate], base: str, ours: str, theirs: str, path: str, most: int, guesses: bool
) -> None:
    """The best `most` texts: those that only rules made which are likely to be right, then those with guesses."""
    until = time.monotonic() + PATIENCE
    texts = set[str]()
    for candidate in _by_trust(base, ours, theirs, path, guesses):
        if candidate.text not in texts:
            texts.add(candidate.text)
            found.append(candidate)
        if len(found) == most or time.monotonic() > until:
            return


def _by_trust(base: str, ours: str, theirs: str, path: str, guesses: bool) -> Iterator[Candidate]:
    likely = candidates(base, ours, theirs, path, trusted(Trust.LIKELY))
    return chain(likely, candidates(base, ours, theirs, path, RUNGS) if guesses else ())


async def _tree(repository: Repository, tree: Sha, entries: Iterable[tuple[str, Sha, str]]) -> Sha:
    """The tree with these files put in."""
    with scratch(repository.common_dir) as place:
        index = Path(place, "index")
        await repository.run("read-tree", tree, index=index)
        lines = "".join(f"{mode} {blob}\t{path}\0" for mode, blob, path in entries)
        listing = lines.encode("utf-8", "surrogateescape")
        await repository.run("update-index", "-z", "--index-info", input=listing, index=index)
        return (await repository.run("write-tree", index=index)).decode().strip()
