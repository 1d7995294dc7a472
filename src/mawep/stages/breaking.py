"""What a move of the target breaks of work under way: what of its changes others rely on, and whose files use it."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_blobs import read_small_blobs
from mawep.adapters.git_files import read_plain
from mawep.adapters.git_objects import ABSENT, SYMLINK, Change, changed_paths_raw, is_ancestor, list_tree
from mawep.core.claims import covers
from mawep.core.events import Broken
from mawep.core.model import Number
from mawep.surface.offers import Break
from mawep.surface.texts import Reader, breaks, everywhere
from mawep.surface.uses import doors

LARGEST = 256 * 1024
"""Bytes of a file that is looked at."""
MOST_CHANGED = 500
"""Changed files that are looked at, in the order of their paths."""
MOST_SHOWN = 12_000
"""Characters that one agent is told."""
MOST_LINES = 60
"""Lines of the difference that are shown of each file."""
LONGEST = 200
"""Characters of a definition that are shown."""


Places = Mapping[str, tuple[Break, ...]]
"""Breaks by the file that is imported to get at them."""


@dataclass(frozen=True)
class Work:
    """What an attempt works on: files or patterns, the newest commit of its branch, its worktree where that is here."""

    issue: Number
    attempt: int
    base: Sha
    head: Sha | None
    files: tuple[str, ...]
    worktree: Path | None


@dataclass(frozen=True)
class _Changed:
    path: str
    before: str
    after: str
    breaks: tuple[Break, ...]


async def broken_by(repository: Repository, old: Sha, new: Sha, works: Sequence[Work]) -> tuple[Broken, ...]:
    """What each of these is to be told of the move of the target; nothing for whom it breaks nothing.

    Raises GitError.
    """
    changed = await _changed(repository, old, new)
    if not changed:
        return ()
    titles = (
        await repository.run("log", "--first-parent", "--max-count=10", "--format=%s", f"{old}..{new}")
    ).decode("utf-8", "replace")
    there = {entry.path: entry.sha for entry in await list_tree(repository, new)}
    paths = there.keys() | {c.path for c in changed}
    places = await _places(repository, changed, there, paths)
    found = []
    for work in works:
        if work.head is not None and await is_ancestor(repository, new, work.head):
            continue  # it has merged that already
        texts = await _texts(repository, work)
        text = await asyncio.to_thread(_told, changed, texts, paths, places, titles)
        if text:
            found.append(Broken(work.issue, work.attempt, text[:MOST_SHOWN]))
    return tuple(found)


async def _changed(repository: Repository, old: Sha, new: Sha) -> list[_Changed]:
    """The changed files that break something for whoever uses it."""
    changes = [c for c in await changed_paths_raw(repository, old, new) if c.status != "A"]
    changes = [c for c in changes if SYMLINK not in (c.old_mode, c.new_mode)][:MOST_CHANGED]
    contents = await _read(repository, [sha for c in changes for sha in (c.old_sha, c.new_sha)])
    return await asyncio.to_thread(_breaking, changes, contents)


def _breaking(changes: Sequence[Change], contents: Mapping[Sha, str]) -> list[_Changed]:
    found = []
    for change in changes:
        gone = change.new_mode == ABSENT
        before, after = contents.get(change.old_sha), contents.get(change.new_sha)
        if before is not None and (gone or after is not None):
            broken = breaks(before, after, change.path)
            if broken:
                found.append(_Changed(change.path, before, after or "", broken))
    return found


async def _places(
    repository: Repository, changed: Sequence[_Changed], there: Mapping[str, Sha], paths: Collection[str]
) -> dict[str, Places]:
    """Of each changed file, what others import to get at what it breaks: itself, and packages that pass it on."""
    around = {one.path: doors(one.path, there) for one in changed}
    wanted = {door for inner in around.values() for door in inner}
    contents = await _read(repository, [there[path] for path in wanted])
    readers = {path: Reader(path, contents[there[path]]) for path in wanted if there[path] in contents}

    def of(one: _Changed) -> Places:
        passing = [readers[door] for door in around[one.path] if door in readers]
        return everywhere(one.path, one.breaks, passing, paths)

    return await asyncio.to_thread(lambda: {one.path: of(one) for one in changed})


async def _texts(repository: Repository, work: Work) -> dict[str, str]:
    """The files of an attempt as they are now: those it has changed, and those it is known to work on."""
    known = {entry.path: entry.sha for entry in await list_tree(repository, work.base)}
    wanted = {path: sha for path, sha in known.items() if any(covers(one, path) for one in work.files)}
    if work.head is not None:
        for change in await changed_paths_raw(repository, work.base, work.head):
            wanted[change.path] = change.new_sha
    contents = await _read(repository, wanted.values())
    texts = {path: contents[sha] for path, sha in wanted.items() if sha in contents}
    if work.worktree is not None:
        texts |= await asyncio.to_thread(_edited, work.worktree.resolve(), {*work.files, *texts})
    return texts


def _edited(worktree: Path, paths: Iterable[str]) -> dict[str, str]:
    """Files as they lie in a worktree, in which whoever works there may have put links to anywhere."""
    inside = [path for path in paths if (worktree / path).resolve().is_relative_to(worktree)]
    texts = ((path, _text(read_plain(worktree / path, LARGEST))) for path in inside)
    return {path: text for path, text in texts if text}


async def _read(repository: Repository, names: Iterable[Sha]) -> dict[Sha, str]:
    contents = await read_small_blobs(repository, names, LARGEST)
    return {sha: text for sha, content in contents.items() if (text := _text(content)) is not None}


def _text(content: bytes) -> str | None:
    return None if b"\0" in content else content.decode("utf-8", "replace")


# --- in words


def _told(
    changed: Sequence[_Changed],
    texts: Mapping[str, str],
    paths: Collection[str],
    places: Mapping[str, Places],
    titles: str,
) -> str:
    """What of the changes these texts use, with the difference; empty when nothing."""
    readers = [Reader(path, text) for path, text in sorted(texts.items())]
    files, parts, differences = [], [], []
    for one in changed:
        users = {reader.path: _uses(reader, places[one.path], paths) for reader in readers}
        used = [what for what in one.breaks if any(what in hits for hits in users.values())]
        if used:
            files.append(one.path)
            names = ", ".join(path for path, hits in users.items() if hits)
            parts.append("\n".join([f"{one.path}, used in {names}:", *map(_sentence, used)]))
            differences.append(_difference(one))
    if not files:
        return ""
    return "\n\n".join([f"What landed changes {', '.join(files)}:\n{titles}", *parts, *differences])


def _uses(reader: Reader, places: Places, paths: Collection[str]) -> set[Break]:
    return {hit for place, breaks in places.items() for hit in reader.uses(place, breaks, paths)}


def _sentence(what: Break) -> str:
    if not what.name:
        return "  the file is gone" if what.after is None else "  the file is another"
    before = what.before[:LONGEST]
    return f"  {before} is gone" if what.after is None else f"  {before}\n    is now {what.after[:LONGEST]}"


def _difference(one: _Changed) -> str:
    before, after = one.before.splitlines(), one.after.splitlines()
    lines = list(difflib.unified_diff(before, after, f"a/{one.path}", f"b/{one.path}", n=2, lineterm=""))
    more = [f"({len(lines) - MOST_LINES} more lines)"] if len(lines) > MOST_LINES else []
    return "\n".join([*lines[:MOST_LINES], *more])
