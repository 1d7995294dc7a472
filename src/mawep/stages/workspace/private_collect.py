"""Brings what an agent committed in its own git directory into the repository: packed inside walls, checked outside.

The skeleton is hostile: settings, refs, objects and links in it may say anything. Git therefore reads it only inside a
sandbox that sees nothing else, and what comes out is a claim (two names) and a pack, which git checks strictly before
a byte of it is where the repository keeps objects. Whether the commits may land is decided later, elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.fences import around
from mawep.adapters.git import Repository
from mawep.adapters.git_files import read_plain
from mawep.adapters.git_objects import rev_parse
from mawep.adapters.git_refs import update_refs
from mawep.adapters.process import PIPE, Supervisor
from mawep.adapters.sandbox import Walls
from mawep.core.model import Sha
from mawep.errors import GitError
from mawep.stages.workspace import layout
from mawep.stages.workspace.private import Made, Private
from mawep.stages.workspace.registry import Registry
from mawep.stages.workspace.values import CollectError, Confinement, Workspace

PACK_SECONDS = 120.0
MOST_PACK_BYTES = 2**30
MOST_HELD_BYTES = 2**29
"""What git may hold of one thing at a time: a commit of a megabyte, packed, may be a gigabyte."""
STREAMED = ("-c", "core.bigFileThreshold=128m")
"""Files longer than that are never held as a whole."""
CHUNK = 2**16
PACK_HEADER_BYTES = 12
SAID_BYTES = 2000

_PACK = """\
g=$1; ref=$2; shift 2
run() { git "--git-dir=$g" -c core.fsmonitor=false -c core.hooksPath=/dev/null -c core.commitGraph=false \
  -c core.alternateRefsCommand=true -c pack.useBitmaps=false -c core.bigFileThreshold=128m "$@"; }
branch=$(run rev-parse --verify --quiet "$ref^{commit}") || branch=-
head=$(run rev-parse --verify --quiet "HEAD^{commit}") || head=-
echo "$branch $head"
{ for sha in $branch $head; do [ "$sha" = - ] || echo "$sha"; done; for sha; do echo "^$sha"; done; } |
  run pack-objects --revs --stdout --quiet --local --delta-base-offset --threads=1 --window=0
"""
_NAMES = re.compile(rb"(?P<branch>-|[0-9a-f]{40}|[0-9a-f]{64}) (?P<head>-|[0-9a-f]{40}|[0-9a-f]{64})\n")


@dataclass(frozen=True)
class _Claim:
    """What the skeleton claims: where its recorded branch and its HEAD are, and a pack with what is new."""

    branch: Sha | None
    head: Sha | None
    pack: Path


class Collector:
    """Collects from the skeletons of one repository."""

    def __init__(
        self,
        repository: Repository,
        supervisor: Supervisor,
        registry: Registry,
        private: Private,
        confinement: Confinement,
    ) -> None:
        self._repository = repository
        self._supervisor = supervisor
        self._registry = registry
        self._private = private
        self._confinement = confinement

    async def collect(self, workspace: Workspace) -> None:
        """Move the recorded branch to where the skeleton's is, with everything that it takes in the repository.

        A commit that the skeleton's HEAD is on otherwise becomes the HEAD of the worktree's own entry, where a
        salvage finds it. Nothing happens without a skeleton, or when nothing was committed in it. Durable when it
        returns. Raises CollectError when what is there cannot be taken, with the branch where it was.
        """
        made = self._private.made(workspace.name)
        if made is None or self._untouched(workspace, made):
            return
        with self._scratch(workspace.name) as scratch:
            claim = await self._pack(workspace, made, scratch)
            try:
                await self._bring(workspace, made, claim, scratch)
            except GitError:  # a person's `git gc --prune=now` takes what no ref holds yet
                await self._bring(workspace, made, claim, scratch)

    def _untouched(self, workspace: Workspace, made: Made) -> bool:
        """True when the skeleton's branch and HEAD are plainly as they were; costs no process."""
        git = self._private.git_of(workspace.name)
        return (
            read_plain(git / "HEAD") == f"ref: {workspace.ref}\n".encode()
            and read_plain(git / workspace.ref) == f"{made.head}\n".encode()
        )

    async def _bring(self, workspace: Workspace, made: Made, claim: _Claim, scratch: Path) -> None:
        if _count(claim.pack):
            await self._index(claim.pack, scratch)
        old = layout.branch_head(self._repository.common_dir, workspace.ref)
        if claim.branch is not None and claim.branch not in {made.head, old}:
            await self._require(claim.branch)
            await update_refs(
                self._repository, [(workspace.ref, claim.branch, old)], message="mawep: collected"
            )
        entry = layout.entry_of(self._repository.common_dir, workspace.name)
        elsewhere = claim.head is not None and claim.head != claim.branch
        if elsewhere and claim.head is not None:
            await self._require(claim.head)
        on = claim.head if elsewhere and claim.head else f"ref: {workspace.ref}"
        if layout.head_of(entry) != on:
            layout.set_head(entry, on)
        if claim.branch is not None:
            self._private.note(workspace.name, Made(made.kind, claim.branch))

    async def _require(self, commit: Sha) -> None:
        try:
            await rev_parse(self._repository, commit)
        except GitError as error:
            raise CollectError(
                "what the agent committed cannot be taken", cause=f"{commit} is not among its objects"
            ) from error

    async def _pack(self, workspace: Workspace, made: Made, scratch: Path) -> _Claim:
        """Have git pack what is new inside the skeleton. Raises CollectError."""
        git = self._private.git_of(workspace.name)
        old = layout.branch_head(self._repository.common_dir, workspace.ref)
        known = dict.fromkeys(sha for sha in (workspace.base, made.head, old) if sha)
        walls = Walls(
            cwd=git.parent,
            read_only=(git.parent, *self._private.stores(), *self._confinement.shown),
            network=False,
        )
        house = self._registry.house(workspace.name)
        process = await self._supervisor.spawn(
            [*around(made.kind, walls), "sh", "-c", _PACK, "sh", str(git), workspace.ref, *known],
            cwd=git.parent,
            env=_environment(),
            lock=house / "collect.lock",
            status_file=house / "collect.status",
            stdout=PIPE,
            stderr=PIPE,
        )
        assert process.stdout is not None and process.stderr is not None  # noqa: S101 (asked for)
        complaining = asyncio.create_task(_first_bytes(process.stderr))
        try:
            async with asyncio.timeout(PACK_SECONDS):
                names = await process.stdout.readuntil(b"\n")
                await _spool(process.stdout, scratch / "new.pack")
                status = await process.wait()
        except TimeoutError:
            raise CollectError(
                "what the agent committed cannot be taken", cause=f"packing it took over {PACK_SECONDS:g} s"
            ) from None
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            names, status = b"", await process.kill()
        finally:
            await process.kill()
            complaint = await complaining
        found = _NAMES.fullmatch(names)
        if not status.ok or found is None:
            raise CollectError("the agent's git directory cannot be read", cause=complaint)
        branch, head = (None if name == b"-" else name.decode() for name in found.groups())
        if branch is None and head is None:
            raise CollectError("the agent's git directory names no commit", cause=complaint)
        return _Claim(branch, head, scratch / "new.pack")

    async def _index(self, pack: Path, scratch: Path) -> None:
        """Check every object, then put the pack among the repository's. Raises CollectError."""
        index = scratch / "new.idx"
        index.unlink(missing_ok=True)
        command = (*STREAMED, "index-pack", "--strict", "--threads=1", "-o", str(index), str(pack))
        try:
            async with asyncio.timeout(PACK_SECONDS):
                done = await self._repository.call(*command, env=_bounds())
        except TimeoutError:
            raise CollectError(
                "what the agent committed cannot be taken", cause=f"checking it took over {PACK_SECONDS:g} s"
            ) from None
        if done.code != 0:
            raise CollectError(
                "the objects that the agent made are not sound",
                cause=done.stderr.decode(errors="replace").strip()[-SAID_BYTES:],
            )
        await asyncio.to_thread(_install, pack, index, self._repository.common_dir / "objects" / "pack")

    @contextmanager
    def _scratch(self, name: str) -> Iterator[Path]:
        """A directory of ours on the repository's file system; it goes with the body."""
        scratch = self._registry.house(name) / f"collect-{secrets.token_hex(4)}"
        scratch.mkdir(mode=0o700)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Of a git that reads what somebody hostile has written."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        **_bounds(),
    }


def _bounds() -> dict[str, str]:
    """What a git may hold of what somebody hostile has made."""
    return {"GIT_ALLOC_LIMIT": str(MOST_HELD_BYTES)}


async def _spool(stream: asyncio.StreamReader, target: Path) -> None:
    """Write a stream to a file. Raises CollectError when it is too long."""
    size = 0
    with target.open("xb") as file:
        while data := await stream.read(CHUNK):
            size += len(data)
            if size > MOST_PACK_BYTES:
                raise CollectError(
                    "the agent committed too much", cause=f"more than {MOST_PACK_BYTES >> 20} MiB in one turn"
                )
            file.write(data)


def _count(pack: Path) -> int:
    """How many objects a pack says that it has."""
    with pack.open("rb") as file:
        header = file.read(PACK_HEADER_BYTES)
    return int.from_bytes(header[8:]) if header.startswith(b"PACK") else 0


def _install(pack: Path, index: Path, store: Path) -> None:
    """Put a checked pack where git finds it, durably; the index last, as git looks for that."""
    with pack.open("rb") as file:
        file.seek(-20, os.SEEK_END)
        name = f"pack-{file.read().hex()}"
    for source, suffix in ((pack, ".pack"), (index, ".idx")):
        with source.open("rb") as file:
            os.fsync(file.fileno())
        source.chmod(0o444)
        # A second try finds the first one's: a name stands for the content.
        with suppress(FileExistsError):
            (store / f"{name}{suffix}").hardlink_to(source)
    descriptor = os.open(store, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _first_bytes(stream: asyncio.StreamReader) -> str:
    """The first that git has to say; the rest is let go, so that it never has to wait."""
    kept = b""
    while data := await stream.read(CHUNK):
        kept = (kept + data)[:SAID_BYTES]
    return kept.decode(errors="replace").strip()
