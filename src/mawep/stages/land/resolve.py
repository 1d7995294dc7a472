"""Resolving a merge's conflicts by rule, when every one of them can be: a tree, and what was done to which file."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_merge import Conflicted, Stage
from mawep.adapters.git_objects import read_blob, size_of
from mawep.merging.candidates import Candidate, candidates
from mawep.merging.offers import Trust
from mawep.merging.rungs import trusted

LARGEST = 2**18
"""What is larger is not merged by rule, in bytes: it was hardly written by hand, and would take its time."""

PATIENCE = 30.0
"""How long the rules may take over one file, in seconds."""

_FILES = frozenset({"100644", "100755"})


@dataclass(frozen=True)
class Resolved:
    """The merge without conflicts. `rungs` says what was done: `path: rung (why)`."""

    tree: Sha
    rungs: tuple[str, ...]


async def resolve(repository: Repository, conflicted: Conflicted) -> Resolved | None:
    """The same merge with every conflict resolved by rule; None when one is left, or is not about a file's lines."""
    if any(not _of_lines(message.kind) for message in conflicted.messages):
        return None
    entries: list[tuple[str, Sha, str]] = []
    rungs: list[str] = []
    for path, group in groupby(conflicted.stages, key=lambda stage: stage.path):
        stages = list(group)
        found = await _merged(repository, path, stages)
        if found is None:
            return None
        content = found.text.encode("utf-8", "surrogateescape")
        blob = await repository.run("hash-object", "-w", "--no-filters", "--stdin", input=content)
        entries.append((stages[-1].mode, blob.decode().strip(), path))
        rungs += [f"{path}: {applied.rung} ({applied.why})" for applied in found.applied]
    return Resolved(await _tree(repository, conflicted.tree, entries), tuple(rungs))


def _of_lines(kind: str) -> bool:
    return kind == "CONFLICT (contents)" or not kind.startswith("CONFLICT")


async def _merged(repository: Repository, path: str, stages: list[Stage]) -> Candidate | None:
    if [stage.number for stage in stages] != [1, 2, 3] or {stage.mode for stage in stages} - _FILES:
        return None
    if len({stage.mode for stage in stages}) > 1:
        return None
    if max([await size_of(repository, stage.blob) for stage in stages]) > LARGEST:
        return None
    contents = [await read_blob(repository, stage.blob) for stage in stages]
    if any(b"\0" in content for content in contents):
        return None
    base, ours, theirs = (content.decode("utf-8", "surrogateescape") for content in contents)
    try:
        return await asyncio.wait_for(asyncio.to_thread(_best, base, ours, theirs, path), PATIENCE)
    except TimeoutError:
        return None


def _best(base: str, ours: str, theirs: str, path: str) -> Candidate | None:
    return next(candidates(base, ours, theirs, path, trusted(Trust.LIKELY)), None)


async def _tree(repository: Repository, tree: Sha, entries: Iterable[tuple[str, Sha, str]]) -> Sha:
    """The tree with these files put in."""
    with tempfile.TemporaryDirectory(dir=repository.common_dir / "mawep", prefix="resolve-") as scratch:
        index = Path(scratch, "index")
        await repository.run("read-tree", tree, index=index)
        lines = "".join(f"{mode} {blob}\t{path}\0" for mode, blob, path in entries)
        listing = lines.encode("utf-8", "surrogateescape")
        await repository.run("update-index", "-z", "--index-info", input=listing, index=index)
        return (await repository.run("write-tree", index=index)).decode().strip()
