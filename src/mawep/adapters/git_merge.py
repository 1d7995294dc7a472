"""Merges composed without a work tree, and what to show of those that conflict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_objects import SUBMODULE, list_tree, read_blob, size_of
from mawep.errors import GitError

CONTEXT = 3
"""Lines shown around a conflicting hunk."""

MAX_FILES = 50
MAX_WIDTH = 400
MAX_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Merged:
    """Both sides fit together as `tree`."""

    tree: Sha


@dataclass(frozen=True)
class Message:
    """What git says about some paths; `kind` is stable, such as `CONFLICT (contents)`."""

    paths: tuple[str, ...]
    kind: str
    text: str


@dataclass(frozen=True)
class Stage:
    """A file of a conflict as it is in the base (1), in ours (2) or in theirs (3)."""

    mode: str
    blob: Sha
    number: int
    path: str


@dataclass(frozen=True)
class Conflicted:
    """The sides do not fit. `tree` holds every file, with conflict markers or one side's text."""

    ours: Sha
    theirs: Sha
    tree: Sha
    stages: tuple[Stage, ...]
    messages: tuple[Message, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The files that do not fit."""
        return tuple(dict.fromkeys(stage.path for stage in self.stages))


async def merge_trees(repository: Repository, ours: Sha, theirs: Sha) -> Merged | Conflicted:
    """Merge two commits in memory, without attributes or drivers.

    Raises GitError when they cannot be merged at all, as with unrelated histories.
    """
    command = ("merge-tree", "--write-tree", "-z", "--messages", ours, theirs)
    done = await repository.call(*command)
    if done.code not in {0, 1}:
        raise GitError(("git", *command), done.code, done.stdout, done.stderr)
    fields = iter(done.stdout.decode("utf-8", "surrogateescape").split("\0"))
    tree = next(fields)
    if done.code == 0:
        return Merged(tree)
    stages = tuple(map(_stage, iter(fields.__next__, "")))
    return Conflicted(ours, theirs, tree, stages, tuple(_messages(fields)))


async def conflicting_files(
    repository: Repository, pairs: Sequence[tuple[Sha, Sha]]
) -> list[tuple[str, ...]]:
    """The files in which each pair of commits does not merge, as `merge_trees` does it; one process for all of them.

    Raises GitError when two cannot be merged at all.
    """
    command = ("merge-tree", "--write-tree", "--stdin", "-z", "--name-only", "--no-messages")
    asked = "".join(f"{ours} {theirs}\n" for ours, theirs in pairs)
    done = await repository.call(*command, input=asked.encode())
    if done.code != 0:
        raise GitError(("git", *command), done.code, done.stdout, done.stderr)
    fields = iter(done.stdout.decode("utf-8", "surrogateescape").split("\0"))
    found = []
    for _ in pairs:
        next(fields), next(fields)  # whether it merges, and the tree
        found.append(tuple(iter(fields.__next__, "")))
    return found


async def conflict_hunks(
    repository: Repository,
    conflicted: Conflicted,
    *,
    names: Mapping[Sha, str] | None = None,
    max_lines: int = 200,
) -> dict[str, str]:
    """What a person or agent has to see of each conflicting file: path to text.

    That is git's sentence about it and, for text, its conflicting hunks with markers and some context, at most
    `max_lines` lines a file and 50 files. `names` says what to call the two commits.
    """
    shown = conflicted.files[:MAX_FILES]
    entries = {entry.path: entry for entry in await list_tree(repository, conflicted.tree, *shown)}
    texts = {}
    for path in shown:
        said = [message.text.strip() for message in conflicted.messages if _is_about(message, path)]
        hunks: list[str] = []
        if path in entries and entries[path].mode != SUBMODULE:
            hunks = list(_hunks(await _lines(repository, entries[path].sha), conflicted))
        text = "\n".join(_bounded([*said, *hunks], max_lines))
        for sha, name in (names or {}).items():
            text = text.replace(sha, name)
        texts[path] = text
    return texts


async def _lines(repository: Repository, blob: Sha) -> list[str]:
    """The lines of a text, none of a binary or huge one."""
    if await size_of(repository, blob) > MAX_BYTES:
        return []
    content = await read_blob(repository, blob)
    return [] if b"\0" in content else content.decode("utf-8", "replace").splitlines()


def _stage(line: str) -> Stage:
    entry, _, path = line.partition("\t")
    mode, blob, number = entry.split(" ")
    return Stage(mode, blob, int(number), path)


def _messages(fields: Iterator[str]) -> Iterator[Message]:
    for count in fields:
        # git 2.39 prints advice about submodules without framing after the last message.
        if not count.isdigit():
            return
        paths = tuple(next(fields) for _ in range(int(count)))
        yield Message(paths, next(fields), next(fields))


def _is_about(message: Message, path: str) -> bool:
    return message.kind.startswith("CONFLICT") and path in message.paths


def _hunks(lines: list[str], conflicted: Conflicted) -> Iterator[str]:
    """The lines from each opening to each closing marker, with context, and where they are."""
    opening, closing = f"<<<<<<< {conflicted.ours}", f">>>>>>> {conflicted.theirs}"
    wanted: set[int] = set()
    opened: int | None = None
    for number, line in enumerate(lines):
        if line.startswith(opening):
            opened = number
        elif line.startswith(closing) and opened is not None:
            wanted.update(range(max(0, opened - CONTEXT), min(len(lines), number + CONTEXT + 1)))
            opened = None
    previous = -2
    for number in sorted(wanted):
        if number != previous + 1:
            yield f"@@ line {number + 1} @@"
        yield lines[number][:MAX_WIDTH]
        previous = number


def _bounded(lines: list[str], most: int) -> list[str]:
    if len(lines) <= most:
        return lines
    return [*lines[:most], f"({len(lines) - most} more lines)"]
