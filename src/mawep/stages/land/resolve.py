"""Resolving a merge's conflicts by rule, when every one of them can be: trees, and what was done to which file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, groupby, islice
from pathlib import Path

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_merge import Conflicted, Message, Stage
from mawep.adapters.git_objects import commit_tree, list_tree, read_blob, size_of
from mawep.adapters.git_scratch import scratch
from mawep.merging.best_first import best_first
from mawep.merging.candidates import Candidate, candidates
from mawep.merging.offers import Trust
from mawep.merging.rungs import RUNGS, trusted
from mawep.stages.land.author import MAWEP
from mawep.stages.land.regenerate import Generated, Make, assigned

LARGEST = 2**18
"""What is larger is not merged by rule, in bytes: it was hardly written by hand, and would take its time."""

PATIENCE = 30.0
"""How long the rules may take over one file, in seconds; what they have found by then counts."""

_FILES = frozenset({"100644", "100755"})
_WHOLE = frozenset({"CONFLICT (add/add)", "CONFLICT (binary)"})
"""Conflicts about whole files, of which one that is made anew needs nothing."""

MADE_ANEW = "Compose, for files that are made anew\n"
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Resolved:
    """The merge without conflicts. `rungs` says what was done: `path: rung (why)`."""

    tree: Sha
    rungs: tuple[str, ...]


@dataclass(frozen=True)
class Resolver:
    """Resolves the conflicts of merges in at most `most` ways; `make` makes `generated` files anew."""

    most: int = 6
    generated: tuple[Generated, ...] = ()
    make: Make | None = None

    async def best(self, repository: Repository, conflicted: Conflicted) -> Resolved | None:
        """The merge resolved by rules that are likely to be right; None when they leave a conflict."""
        return next(iter(await self._ways(repository, conflicted, 1, guesses=False)), None)

    async def ways(self, repository: Repository, conflicted: Conflicted) -> list[Resolved]:
        """Ways to resolve every conflict, the best first; none when one has no answer."""
        return await self._ways(repository, conflicted, self.most, guesses=True)

    async def _ways(
        self, repository: Repository, conflicted: Conflicted, most: int, *, guesses: bool
    ) -> list[Resolved]:
        commands = assigned(self.generated, conflicted.files)
        anew = {path for paths in commands.values() for path in paths}
        if not all(_can_be_resolved(message, anew) for message in conflicted.messages):
            return []
        merged: list[list[_Merged]] = []
        for path, stages in groupby(conflicted.stages, key=lambda stage: stage.path):
            if path not in anew:
                merged.append(await _merged(repository, path, list(stages), most, guesses))
                if not merged[-1]:
                    return []
        start = await _put(repository, conflicted.tree, _kept(conflicted.stages, anew))
        found = [await _resolved(repository, start, files) for files in islice(best_first(merged), most)]
        made = [await self._made_anew(repository, conflicted.ours, way, commands) for way in found]
        return [way for way in made if way is not None]

    async def _made_anew(
        self, repository: Repository, ours: Sha, resolved: Resolved, commands: Mapping[str, Sequence[str]]
    ) -> Resolved | None:
        for command, paths in commands.items():
            commit = await commit_tree(repository, resolved.tree, [ours], MADE_ANEW, author=MAWEP, date=EPOCH)
            made = await self.make(commit, command, paths) if self.make else None
            if made is None:
                return None
            tree = await _filled(repository, resolved.tree, made)
            told = tuple(f"{path}: regenerated ({command})" for path in paths)
            resolved = Resolved(tree, (*resolved.rungs, *told))
        return resolved


@dataclass(frozen=True)
class _Merged:
    """What a file could be."""

    mode: str
    path: str
    found: Candidate


async def _resolved(repository: Repository, tree: Sha, files: Iterable[_Merged]) -> Resolved:
    entries: list[tuple[str, Sha, str]] = []
    rungs: list[str] = []
    for file in files:
        content = file.found.text.encode("utf-8", "surrogateescape")
        entries.append((file.mode, await _blob(repository, content), file.path))
        rungs += [f"{file.path}: {applied.rung} ({applied.why})" for applied in file.found.applied]
    return Resolved(await _put(repository, tree, entries), tuple(rungs))


async def _filled(repository: Repository, tree: Sha, contents: Mapping[str, bytes]) -> Sha:
    """The tree with other contents in files that it has."""
    modes = {entry.path: entry.mode for entry in await list_tree(repository, tree, *contents)}
    entries = [(modes[path], await _blob(repository, content), path) for path, content in contents.items()]
    return await _put(repository, tree, entries)


async def _blob(repository: Repository, content: bytes) -> Sha:
    written = await repository.run("hash-object", "-w", "--no-filters", "--stdin", input=content)
    return written.decode().strip()


def _kept(stages: Iterable[Stage], anew: Container[str]) -> list[tuple[str, Sha, str]]:
    """Files that are made anew begin as the target has them."""
    return [
        (stage.mode, stage.blob, stage.path) for stage in stages if stage.number == 2 and stage.path in anew
    ]


def _can_be_resolved(message: Message, anew: Container[str]) -> bool:
    if not message.kind.startswith("CONFLICT") or message.kind == "CONFLICT (contents)":
        return True
    return message.kind in _WHOLE and all(path in anew for path in message.paths)


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
        async with asyncio.timeout(PATIENCE):
            await looking
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


async def _put(repository: Repository, tree: Sha, entries: Sequence[tuple[str, Sha, str]]) -> Sha:
    """The tree with these files put in."""
    if not entries:
        return tree
    with scratch(repository.common_dir) as place:
        index = Path(place, "index")
        await repository.run("read-tree", tree, index=index)
        lines = "".join(f"{mode} {blob}\t{path}\0" for mode, blob, path in entries)
        listing = lines.encode("utf-8", "surrogateescape")
        await repository.run("update-index", "-z", "--index-info", input=listing, index=index)
        return (await repository.run("write-tree", index=index)).decode().strip()
