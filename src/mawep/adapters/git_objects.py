"""Objects: named, read, written, compared and checked."""

from __future__ import annotations

import filecmp
from asyncio import StreamReader
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mawep.adapters.git import Door, Repository, Sha
from mawep.adapters.git_loose import write_object
from mawep.adapters.git_packs import names_in
from mawep.adapters.git_scratch import scratch
from mawep.errors import GitError, MawepError

SUBMODULE = "160000"
SYMLINK = "120000"
ABSENT = "000000"


@dataclass(frozen=True)
class Identity:
    """Who made a commit."""

    name: str
    email: str


@dataclass(frozen=True)
class Change:
    """One path that differs between two trees.

    `status` is A, D, M or T (type change). An absent side has mode 000000 and an all-zero sha.
    `path` is UTF-8; bytes that are not are kept as surrogate escapes.
    """

    status: str
    old_mode: str
    new_mode: str
    old_sha: Sha
    new_sha: Sha
    path: str


@dataclass(frozen=True)
class Entry:
    """One file of a tree: mode in octal, type (blob or commit), object and path."""

    mode: str
    kind: str
    sha: Sha
    path: str


class UnsoundObjectsError(MawepError):
    """The objects of a head fail git's own check; it is not imported."""


async def rev_parse(door: Door, revision: str, kind: str = "commit") -> Sha:
    """The object that `revision` names, peeled to `kind` (commit, tree, blob, object). Raises GitError."""
    output = await door.run("rev-parse", "--verify", "--end-of-options", f"{revision}^{{{kind}}}")
    return output.decode().strip()


async def exists(door: Door, sha: Sha) -> bool:
    """True when the object is in the repository; seldom costs a process."""
    return await door.ask("cat-file", "--batch-check", question=f"{sha}\n".encode(), read=_read_presence)


async def _read_presence(answers: StreamReader) -> bool:
    return not (await answers.readuntil(b"\n")).endswith(b" missing\n")


async def is_ancestor(door: Door, ancestor: Sha, descendant: Sha) -> bool:
    """True when `descendant` contains `ancestor` (a commit contains itself). Raises GitError."""
    command = ("merge-base", "--is-ancestor", ancestor, descendant)
    done = await door.call(*command)
    if done.code not in {0, 1}:
        raise GitError(("git", *command), done.code, done.stdout, done.stderr)
    return done.code == 0


async def read_blob(door: Door, sha: Sha) -> bytes:
    """The exact bytes of a blob; `sha` may also be `<commit>:<path>`. Raises GitError."""
    return await door.run("cat-file", "blob", sha)


async def size_of(door: Door, sha: Sha) -> int:
    """The size of an object in bytes. Raises GitError."""
    return int(await door.run("cat-file", "-s", sha))


async def commit_tree(
    repository: Repository,
    tree: Sha,
    parents: Sequence[Sha],
    message: str,
    *,
    author: Identity,
    date: datetime,
    committer: Identity | None = None,
) -> Sha:
    """Write a commit and return it; the same arguments always give the same commit.

    `date` (aware, whole seconds count) is both author and committer date, written in UTC.
    """
    when = f"{int(date.timestamp())} +0000"
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
    lines += [f"author {_named(author)} {when}", f"committer {_named(committer or author)} {when}"]
    text = "\n".join([*lines, "", message.replace("\0", "")])  # git takes no message with a zero byte
    return write_object(repository, "commit", text.encode("utf-8", "replace"))


def _named(who: Identity) -> str:
    """A name as it stands in a commit, where some characters would end it."""
    name, email = ("".join(char for char in part if char not in "<>\n\0") for part in (who.name, who.email))
    return f"{name.strip()} <{email.strip()}>"


_DIFF = ("diff-tree", "--stdin", "--always", "-r", "-z", "--raw", "--no-renames", "--full-index")


async def changed_paths_raw(door: Door, old: Sha, new: Sha) -> tuple[Change, ...]:
    """Every path that differs between two commits, in tree order, renames as delete and add."""
    # Git repeats what is no object name: the empty line shows where the answer ends.
    return await door.ask(*_DIFF, question=f"{new} {old}\n\n".encode(), read=_read_changes)


async def _read_changes(answers: StreamReader) -> tuple[Change, ...]:
    """The name of the new commit, its changes, and an empty line; git passes over what is no commit."""
    if (await answers.readexactly(1)) == b"\n" or b" " in await answers.readuntil(b"\0"):
        raise GitError(_DIFF, 128, b"", b"what was to be compared are no commits")
    changes = []
    while (await answers.readexactly(1)) == b":":
        modes, path = [
            (await answers.readuntil(b"\0"))[:-1].decode("utf-8", "surrogateescape") for _ in range(2)
        ]
        old_mode, new_mode, old_sha, new_sha, status = modes.split(" ")
        changes.append(Change(status, old_mode, new_mode, old_sha, new_sha, path))
    return tuple(changes)


async def list_tree(door: Door, tree: Sha, *paths: str) -> tuple[Entry, ...]:
    """Every file of a tree or commit, or only those at or under `paths`, taken literally."""
    recursion = () if paths else ("-r",)
    listing = ("ls-tree", *recursion, "-z", "--full-tree", tree, "--", *paths)
    output = await door.run(*listing, env={"GIT_LITERAL_PATHSPECS": "1"})
    entries = []
    for line in output.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        head, _, path = line.partition("\t")
        mode, kind, sha = head.split(" ")
        entries.append(Entry(mode, kind, sha, path))
    return tuple(entries)


async def new_objects(repository: Repository, base: Sha, head: Sha) -> tuple[Sha, ...]:
    """The names of every object that `head` has and `base` has not."""
    listed = await repository.run("rev-list", "--objects", "--no-object-names", head, f"^{base}")
    return tuple(listed.decode().split())


async def check_new_objects(repository: Repository, base: Sha, head: Sha) -> tuple[Sha, ...]:
    """Check every object that `head` has and `base` has not, by the rules of `git fsck`; returns their names.

    They are packed as they lie on disk, and the pack is indexed again from nothing: an index that differs
    means an object whose content is not what its name says. Raises UnsoundObjectsError.
    """
    with scratch(repository.common_dir) as place:
        revisions = f"{head}\n^{base}\n".encode()
        try:
            # What an attempt makes is little, and the pack is thrown away: no threads, no search for deltas.
            packed = await repository.run(
                *("pack-objects", "--quiet", "--threads=1", "--window=0", "--revs", f"{place}/new"),
                input=revisions,
            )
            pack = Path(place, f"new-{packed.decode().strip()}.pack")
            again = Path(place, "again.idx")
            await repository.run("index-pack", "--strict", "--threads=1", "-o", str(again), str(pack))
        except GitError as error:
            raise UnsoundObjectsError(f"the objects of {head} are not sound", cause=error.cause) from error
        if not filecmp.cmp(pack.with_suffix(".idx"), again, shallow=False):
            raise UnsoundObjectsError(
                f"the objects of {head} are not sound", cause="an object's content is not what its name says"
            )
        return names_in(again.read_bytes(), len(head) // 2)
