"""Merges composed without a work tree, and what to show of those that conflict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_objects import SUBMODULE, list_tree, read_blob
from mawep.errors import GitError

CONTEXT = 3
"""Lines shown around a conflicting hunk."""

MAX_FILES = 50
MAX_WIDTH = 400


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
class Conflicted:
    """The sides do not fit. `tree` holds every file, those in `files` with conflict markers or one side's text."""

    tree: Sha
    files: tuple[str, ...]
    messages: tuple[Message, ...]


async def merge_trees(repository: Repository, ours: Sha, theirs: Sha) -> Merged | Conflicted:
    """Merge two commits in memory, without attributes or drivers. Raises GitError when they cannot be merged."""
    command = ("merge-tree", "--write-tree", "-z", "--name-only", "--messages", ours, theirs)
    done = await repository.call(*command)
    if done.code not in {0, 1}:
        raise GitError(("git", *command), done.code, done.stdout, done.stderr)
    fields = iter(done.stdout.decode("utf-8", "surrogateescape").split("\0"))
    tree = next(fields)
    if done.code == 0:
        return Merged(tree)
    files = tuple(iter(fields.__next__, ""))
    return Conflicted(tree, files, tuple(_messages(fields)))


async def conflict_hunks(
    repository: Repository, conflicted: Conflicted, *, max_lines: int = 200
) -> dict[str, str]:
    """What a person or agent has to see of each conflicting file, at most `max_lines` lines a file.

    Text conflicts show their hunks with markers and some context, others the sentence git has for them.
    At most 50 files are shown.
    """
    shown = conflicted.files[:MAX_FILES]
    blobs = {entry.path: entry for entry in await list_tree(repository, conflicted.tree, *shown)}
    texts = {}
    for path in shown:
        said = [message.text.strip() for message in conflicted.messages if _is_about(message, path)]
        hunks: list[str] = []
        if path in blobs and blobs[path].mode != SUBMODULE and _has_markers(conflicted, path):
            content = await read_blob(repository, blobs[path].sha)
            hunks = list(_hunks(content.decode("utf-8", "replace").splitlines()))
        texts[path] = "\n".join(_bounded([*said, *hunks], max_lines))
    return texts


def _messages(fields: Iterator[str]) -> Iterator[Message]:
    for count in fields:
        # git 2.39 prints advice about submodules without framing after the last message.
        if not count.isdigit():
            return
        paths = tuple(next(fields) for _ in range(int(count)))
        yield Message(paths, next(fields), next(fields))


def _is_about(message: Message, path: str) -> bool:
    return message.kind.startswith("CONFLICT") and path in message.paths


def _has_markers(conflicted: Conflicted, path: str) -> bool:
    kinds = {message.kind for message in conflicted.messages if path in message.paths}
    return "CONFLICT (contents)" in kinds


def _hunks(lines: list[str]) -> Iterator[str]:
    """The lines from each opening to each closing marker, with context, and where they are."""
    wanted: set[int] = set()
    opened: int | None = None
    for number, line in enumerate(lines):
        if line.startswith("<<<<<<< "):
            opened = number
        elif line.startswith(">>>>>>> ") and opened is not None:
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
