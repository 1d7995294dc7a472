"""A git that stays answers like one that was started for the question."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mawep.adapters.git import LockHeldError, Repository, find_repository
from mawep.adapters.git_history import commits_between
from mawep.adapters.git_objects import changed_paths_raw
from mawep.adapters.git_refs import RefMovedError, list_refs, read_ref, update_refs
from mawep.errors import GitError
from tests.support.repos import branch, commit, git, head, make_repository, write
from tests.support.waiting import eventually


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "r", {"a": "1\n", "b": "2\n"})


@pytest.fixture(params=["alone", "resident"])
async def repository(path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Repository]:
    found = await find_repository(path)
    if request.param == "alone":
        yield found
        return
    async with found.resident():
        yield found


def children() -> set[int]:
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def noticed(repository: Repository) -> bool:
    """True when the end of the one resident is known here too, which is later than the kernel knows it."""
    (resident,) = (repository._residents or {}).values()
    process = resident._process
    return process is not None and process.stdout is not None and process.stdout.at_eof()


async def test_many_questions_get_their_own_answers(repository: Repository, path: Path) -> None:
    base = head(path)
    heads = [branch(path, f"side-{n}", {f"f{n}": "x\n", "odd\nname ": ":\n"}) for n in range(5)]
    for _ in range(2):
        found = await asyncio.gather(*(changed_paths_raw(repository, base, side) for side in heads))
        assert [{c.path for c in changes} for changes in found] == [{f"f{n}", "odd\nname "} for n in range(5)]
        lines = await asyncio.gather(*(commits_between(repository, base, side) for side in heads))
        assert [[c.sha for c in line] for line in lines] == [[side] for side in heads]
        assert await changed_paths_raw(repository, base, base) == ()
        assert await commits_between(repository, base, base) == ()


async def test_what_came_after_its_start_is_seen(repository: Repository, path: Path) -> None:
    base = head(path)
    await update_refs(repository, [("refs/mawep/a", base, None)])
    assert len(await changed_paths_raw(repository, base, commit(path, {"c": "3\n"}))) == 1
    packed = commit(path, {"d": "4\n"})
    git(path, "gc", "--quiet", "--prune=now")
    assert len(await changed_paths_raw(repository, base, packed)) == 2
    await update_refs(repository, [("refs/mawep/a", packed, base), ("refs/mawep/b", packed, None)])
    git(path, "update-ref", "-d", "refs/mawep/b")
    await update_refs(repository, [("refs/mawep/b/c", packed, None), ("refs/mawep/a", None, packed)])
    assert await list_refs(repository, "refs/mawep/") == {"refs/mawep/b/c": packed}


async def test_a_question_that_fails_leaves_the_next_one_alone(repository: Repository, path: Path) -> None:
    base, none = head(path), "1" * 40
    for pair in ((base, none), (none, base), (base, git(path, "rev-parse", "HEAD^{tree}"))):
        with pytest.raises(GitError):
            await changed_paths_raw(repository, *pair)
    assert await changed_paths_raw(repository, base, base) == ()
    await update_refs(repository, [("refs/mawep/a", base, None)])
    with pytest.raises(RefMovedError) as moved:
        await update_refs(repository, [("refs/mawep/b", base, None), ("refs/mawep/a", base, None)])
    assert (moved.value.ref, moved.value.actual) == ("refs/mawep/a", base)
    with pytest.raises(GitError, match="update-ref"):
        await update_refs(repository, [("refs/mawep/a..b", base, None)])
    await update_refs(repository, [("refs/mawep/b", base, None)])
    assert list(await list_refs(repository, "refs/mawep/")) == ["refs/mawep/a", "refs/mawep/b"]


async def test_a_lock_in_the_way_is_named(
    repository: Repository, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mawep.adapters.git.HARDENED", ("-c", "core.filesRefLockTimeout=0"))
    lock = write(path / ".git" / "refs" / "heads" / "side.lock", "")
    with pytest.raises(LockHeldError) as caught:
        await update_refs(repository, [("refs/heads/side", head(path), None)])
    assert caught.value.path.resolve() == lock


async def test_one_that_was_killed_is_started_again(path: Path) -> None:
    repository, base = await find_repository(path), head(path)
    others = children()
    async with repository.resident():
        await changed_paths_raw(repository, base, base)
        (pid,) = children() - others
        os.kill(pid, signal.SIGKILL)
        await eventually("its end is noticed", lambda: noticed(repository))
        assert await changed_paths_raw(repository, base, base) == ()
    assert children() == others


async def test_a_caller_that_leaves_takes_its_answer_along(path: Path) -> None:
    repository, base = await find_repository(path), head(path)
    async with repository.resident():
        asking = asyncio.create_task(update_refs(repository, [("refs/mawep/a", base, None)]))
        while not asking.done():
            await asyncio.sleep(0)
            if repository._residents:
                asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await changed_paths_raw(repository, base, base) == ()
        await update_refs(repository, [("refs/mawep/b", base, None)])
        assert await read_ref(repository, "refs/mawep/b") == base


async def test_it_goes_with_its_owner(path: Path) -> None:
    repository, others = await find_repository(path), children()
    async with repository.resident():
        await changed_paths_raw(repository, head(path), head(path))
        assert len(children() - others) == 1
    assert children() == others


async def test_it_goes_also_when_its_owner_is_cancelled_while_leaving(path: Path) -> None:
    repository, base, others = await find_repository(path), head(path), children()

    async def own(answered: asyncio.Event) -> None:
        async with repository.resident():
            await changed_paths_raw(repository, base, base)
            answered.set()

    for turns in range(10):
        answered = asyncio.Event()
        owning = asyncio.create_task(own(answered))
        await answered.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        owning.cancel()
        await asyncio.wait({owning})
        assert children() == others, f"cancelled after {turns} turns of the loop"
