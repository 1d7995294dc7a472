"""After the death of an owner its git children are found and its lock files taken away, and nobody else's."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mawep.adapters import git_orphans
from mawep.adapters.git import Repository, find_repository
from mawep.adapters.git_orphans import end_orphans, remove_stale_lock
from mawep.adapters.git_process import MARK, owner_mark, start_time
from tests.support.repos import git, head, make_repository, write
from tests.support.waiting import eventually

OWNER = """
import asyncio, sys
from pathlib import Path
from mawep.adapters.git import find_repository

async def main(path):
    repository = await find_repository(Path(path))
    print("open", flush=True)
    sys.stdin.readline()
    await asyncio.gather(*(repository.run("cat-file", "--batch", *args) for args in ((), ())))

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "r")


@pytest.fixture
async def repository(path: Path) -> Repository:
    return await find_repository(path)


@pytest.fixture
def owner(path: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A MAWEP whose next git calls last until they are ended; their pids are in `tmp_path/pids`."""
    lasting = f"*--batch*) echo $$ >> {tmp_path}/pids; exec sleep 60;;"
    real = f'*) PATH="{os.environ["PATH"]}" exec git "$@";;'
    write(tmp_path / "bin" / "git", f'#!/bin/sh\ncase "$*" in {lasting} {real} esac\n').chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    process.stdin.write(b"go\n")
    process.stdin.flush()
    yield process
    process.kill()
    process.communicate()
    for pid in children(tmp_path):
        if start_time(pid):
            os.kill(pid, signal.SIGKILL)


def children(tmp_path: Path) -> tuple[int, ...]:
    said = tmp_path / "pids"
    return tuple(sorted(map(int, said.read_text().split()))) if said.exists() else ()


async def test_children_of_a_killed_owner_are_ended(
    repository: Repository, owner: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    pids = await eventually("both run", lambda: children(tmp_path) if len(children(tmp_path)) == 2 else ())
    owner.kill()
    owner.wait()
    assert all(start_time(pid) for pid in pids), "they outlive their owner"
    assert await end_orphans(repository.common_dir, patience=1.0) == pids
    assert not any(start_time(pid) for pid in pids)
    assert await end_orphans(repository.common_dir) == ()


async def test_children_of_a_live_owner_are_left_alone(
    repository: Repository, owner: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    pids = await eventually("both run", lambda: children(tmp_path) if len(children(tmp_path)) == 2 else ())
    assert await end_orphans(repository.common_dir) == ()
    assert all(start_time(pid) for pid in pids)


async def runs(process: subprocess.Popen[bytes], name: str) -> None:
    """Until it is known by its name and has its environment, which is a moment after it has been started."""
    proc = Path(f"/proc/{process.pid}")
    await eventually(
        "it runs",
        lambda: (proc / "comm").read_text() == f"{name}\n" and (proc / "environ").read_bytes(),
    )


@pytest.mark.parametrize("marked", ["another repository", "our own", "a reused pid", "a dead pid"])
async def test_the_mark_decides(repository: Repository, tmp_path: Path, marked: str) -> None:
    ours = owner_mark(repository.common_dir)
    name = ours.partition(":")[0]
    mark = {
        "another repository": f"{'0' * 16}:1:1",
        "our own": ours,
        "a reused pid": f"{name}:{os.getpid()}:1",
        "a dead pid": f"{name}:999999999:5",
    }[marked]
    process = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], MARK: mark})
    try:
        await runs(process, "sleep")
        found = await end_orphans(repository.common_dir, patience=0.5)
        assert found == ((process.pid,) if marked.endswith("pid") else ())
    finally:
        process.kill()
        process.wait()


async def test_one_is_ended_however_long_we_stood_still_meanwhile(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood = itertools.chain([0.0], itertools.repeat(1000.0))
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + next(stood))
    name = owner_mark(repository.common_dir).partition(":")[0]
    process = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], MARK: f"{name}:999999999:5"})
    monkeypatch.setattr(git_orphans, "time", clock)
    try:
        await runs(process, "sleep")
        assert await end_orphans(repository.common_dir, patience=1.0) == (process.pid,)
    finally:
        process.kill()
        process.wait()


async def test_one_that_finishes_by_itself_is_only_waited_for(repository: Repository, tmp_path: Path) -> None:
    name = owner_mark(repository.common_dir).partition(":")[0]
    go, done = tmp_path / "go", tmp_path / "done"
    process = subprocess.Popen(
        ["sh", "-c", f"until [ -e {go} ]; do sleep 0.05; done; touch {done}"],
        env={"PATH": os.environ["PATH"], MARK: f"{name}:999999999:5"},
    )
    await runs(process, "sh")
    ending = asyncio.create_task(end_orphans(repository.common_dir, patience=60))
    await asyncio.sleep(0)  # it has looked once
    go.touch()
    found = await ending
    assert process.pid in found
    assert done.exists()
    assert process.wait() == 0


def lock_of(repository: Repository) -> Path:
    return repository.common_dir / "refs" / "heads" / "main.lock"


@pytest.mark.parametrize("written", ["the new sha", "nothing yet"])
async def test_the_lock_of_our_dead_child_is_removed(
    repository: Repository, path: Path, written: str
) -> None:
    began = time.time()
    lock = write(lock_of(repository), f"{head(path)}\n" if written == "the new sha" else "")
    assert remove_stale_lock(repository, lock, intended_at=began, content=head(path))
    assert not lock.exists()
    assert remove_stale_lock(repository, lock, intended_at=began, content=head(path))
    git(path, "commit", "--quiet", "--allow-empty", "-m", "the ref can move again")


@pytest.mark.parametrize("why", ["older than the intent", "another sha", "a live git"])
async def test_a_lock_that_may_be_somebody_elses_stays(
    repository: Repository, path: Path, tmp_path: Path, why: str
) -> None:
    process = None
    if why == "a live git":
        process = subprocess.Popen(["git", "cat-file", "--batch"], cwd=path, stdin=subprocess.PIPE)
    try:
        if process:
            await runs(process, "git")
        lock = write(lock_of(repository), f"{'1' * 40 if why == 'another sha' else head(path)}\n")
        began = time.time() + (60 if why == "older than the intent" else 0)
        assert not remove_stale_lock(repository, lock, intended_at=began, content=head(path))
        assert lock.exists()
    finally:
        if process:
            process.communicate()


async def test_a_git_elsewhere_does_not_keep_a_lock(
    repository: Repository, path: Path, tmp_path: Path
) -> None:
    other = make_repository(tmp_path / "r2")
    lock = write(lock_of(repository), "")
    process = subprocess.Popen(["git", "cat-file", "--batch"], cwd=other, stdin=subprocess.PIPE)
    try:
        assert remove_stale_lock(repository, lock, intended_at=time.time(), content=head(path))
    finally:
        process.communicate()


async def test_a_git_that_is_younger_than_the_lock_does_not_keep_it(
    repository: Repository, path: Path
) -> None:
    """Ours and the agents' run all the time: none of those that started later can hold it."""
    lock = write(lock_of(repository), "")
    os.utime(lock, (time.time() - 5,) * 2)
    process = subprocess.Popen(["git", "cat-file", "--batch"], cwd=path, stdin=subprocess.PIPE)
    try:
        assert remove_stale_lock(repository, lock, intended_at=time.time() - 6, content=head(path))
    finally:
        process.communicate()
