"""What a test left behind: processes, file descriptors, temporary entries, worktrees and refs.

A process belongs to this test run if it carries our mark in its environment, works inside our temporary
directories, or names them on its command line: the last two still hold when its environment was cleaned.
Only processes that appeared during the test are looked at, so the usual cost is one listing of /proc.
"""

from __future__ import annotations

import gc
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
MARK = "MAWEP_TEST"
GRACE = 3.0
# Opened once by the interpreter or a library and kept on purpose.
SHARED_DESCRIPTORS = ("/dev/", "/proc/", "/sys/")


@dataclass(frozen=True)
class Territory:
    """Where this test process may leave things: its mark and its directories."""

    mark: str
    scratch: Path
    directories: tuple[str, ...]

    def owns(self, pid: int) -> bool:
        """True if our tests started the process; False also when it is gone or not ours to read."""
        root = PROC / str(pid)
        try:
            if f"{MARK}={self.mark}\0".encode() in (root / "environ").read_bytes():
                return True
            whereabouts = str((root / "cwd").readlink())
            arguments = (root / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return False
        return any(_names(text, place) for place in self.directories for text in (whereabouts, arguments))


def _names(text: str, place: str) -> bool:
    """True if the text has the path of the directory, or of something in it; `gw1` is not `gw10`."""
    return re.search(re.escape(place) + r"(?!\w)", text) is not None


def process_ids() -> frozenset[int]:
    """Every process on the machine; empty where there is no /proc."""
    try:
        return frozenset(int(name) for name in os.listdir(PROC) if name.isdigit())  # noqa: PTH208 - hot path
    except FileNotFoundError:
        return frozenset()


def processes_left(territory: Territory, before: frozenset[int]) -> list[str]:
    """Describe and then end every process of ours that began after `before` and outlives the grace period."""
    suspects = [pid for pid in process_ids() - before if pid != os.getpid() and territory.owns(pid)]
    deadline = time.monotonic() + GRACE
    return [described for pid in suspects if (described := _outlives(pid, deadline))]


def _outlives(pid: int, deadline: float) -> str | None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return None
        described = f"process {pid}: {_command(pid)}"
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        return described
    finally:
        os.close(handle)


def _command(pid: int) -> str:
    with suppress(OSError):
        return (
            (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        )
    return "(gone)"


def descriptors() -> dict[int, str]:
    """Every open file descriptor of this process with what it points to; empty where there is no /proc."""
    found: dict[int, str] = {}
    try:
        entries = os.scandir(PROC / "self" / "fd")
    except FileNotFoundError:
        return found
    with closing(entries):
        for entry in entries:
            with suppress(OSError):  # the descriptor of this very listing is gone when it is read
                found[int(entry.name)] = os.readlink(entry.path)  # noqa: PTH115 - hot path
    return found


def descriptors_left(before: dict[int, str]) -> list[str]:
    """Describe descriptors opened since `before` that nothing refers to any more or that nobody closed."""
    if len(descriptors()) <= len(before):
        return []
    gc.collect()
    after = descriptors()
    if len(after) <= len(before):
        return []
    return [
        f"file descriptor {number}: {target}"
        for number, target in after.items()
        if before.get(number) != target and not target.startswith(SHARED_DESCRIPTORS)
    ]


def temporary_entries(territory: Territory) -> frozenset[str]:
    """Everything directly inside our temporary and runtime directories."""
    return frozenset(
        entry.path for place in ("tmp", "run") for entry in os.scandir(territory.scratch / place)
    )


@dataclass(frozen=True)
class RepositoryState:
    """What git keeps about a repository besides its ordinary branches and tags."""

    worktrees: frozenset[str]
    refs: frozenset[str]
    locks: frozenset[str]

    @classmethod
    def of(cls, path: Path) -> RepositoryState:
        """Read it from the repository at `path`."""
        worktrees = _git(path, "worktree", "list", "--porcelain").splitlines()
        refs = _git(path, "for-each-ref", "--format=%(refname)").splitlines()
        common = Path(_git(path, "rev-parse", "--path-format=absolute", "--git-common-dir").strip())
        return cls(
            worktrees=frozenset(line for line in worktrees if line.startswith("worktree ")),
            refs=frozenset(ref for ref in refs if not ref.startswith(("refs/heads/", "refs/tags/"))),
            locks=frozenset(str(lock) for lock in _lock_files(common)),
        )

    def left_since(self, before: RepositoryState, keep: tuple[str, ...]) -> list[str]:
        """Describe what came since `before`, but for refs and worktree paths that start with `keep`."""
        return sorted(
            [f"ref {ref}" for ref in self.refs - before.refs if not ref.startswith(keep)]
            + [
                line
                for line in self.worktrees - before.worktrees
                if not line.removeprefix("worktree ").startswith(keep)
            ]
            + [f"lock {lock}" for lock in self.locks - before.locks]
        )


def _lock_files(common: Path) -> Iterator[Path]:
    """Git's own lock files; those under `mawep/` are flock targets, which stay."""
    for lock in common.rglob("*.lock"):
        if "mawep" not in lock.relative_to(common).parts:
            yield lock


def _git(path: Path, *arguments: str) -> str:
    completed = subprocess.run(
        ["git", "-C", str(path), *arguments], check=True, capture_output=True, text=True
    )
    return completed.stdout


@contextmanager
def nothing_left(territory: Territory) -> Iterator[None]:
    """Raise AssertionError if the body leaves a process, a file descriptor or a temporary entry behind."""
    processes, files, entries = process_ids(), descriptors(), temporary_entries(territory)
    yield
    left = processes_left(territory, processes)
    left += descriptors_left(files)
    left += [f"temporary entry {path}" for path in sorted(temporary_entries(territory) - entries)]
    if left:
        raise AssertionError("the test left behind:\n  " + "\n  ".join(left))
