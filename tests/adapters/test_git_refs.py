"""Refs move by compare-and-swap, all or none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mawep.adapters.git import HARDENED, LockHeldError, Repository, find_repository
from mawep.adapters.git_refs import RefMovedError, hold, list_refs, read_ref, update_refs
from mawep.errors import GitError
from tests.support.repos import branch, git, head, make_repository, write


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    path = make_repository(tmp_path / "r")
    branch(path, "side", {"f": "1\n"})
    return await find_repository(path)


@pytest.fixture
def old(repository: Repository) -> str:
    return head(repository.common_dir.parent)


@pytest.fixture
def new(repository: Repository) -> str:
    return head(repository.common_dir.parent, "side")


async def test_they_are_made_moved_and_deleted_in_one_transaction(
    repository: Repository, old: str, new: str
) -> None:
    await update_refs(repository, [("refs/mawep/a", old, None), ("refs/mawep/b", old, None)])
    await update_refs(
        repository,
        [("refs/mawep/a", new, old), ("refs/mawep/b", None, old), ("refs/mawep/deep/c", new, None)],
    )
    assert await list_refs(repository, "refs/mawep/") == {"refs/mawep/a": new, "refs/mawep/deep/c": new}


@pytest.mark.parametrize("expected", ["another commit", "no such ref", "a ref"])
async def test_a_mismatch_is_typed_and_moves_nothing(
    repository: Repository, old: str, new: str, expected: str
) -> None:
    await update_refs(repository, [("refs/mawep/a", old, None)])
    ref, wrong, actual = {
        "another commit": ("refs/mawep/a", new, old),
        "no such ref": ("refs/mawep/a", None, old),
        "a ref": ("refs/mawep/none", old, None),
    }[expected]
    with pytest.raises(RefMovedError) as caught:
        await update_refs(repository, [("refs/mawep/b", new, None), (ref, new, wrong)])
    assert (caught.value.ref, caught.value.expected, caught.value.actual) == (ref, wrong, actual)
    assert await list_refs(repository, "refs/mawep/") == {"refs/mawep/a": old}


async def test_a_lock_in_the_way_is_not_a_mismatch(
    repository: Repository, old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mawep.adapters.git.HARDENED", (*HARDENED, "-c", "core.filesRefLockTimeout=0"))
    lock = write(repository.common_dir / "refs" / "heads" / "side.lock", "")
    with pytest.raises(LockHeldError) as caught:
        await update_refs(repository, [("refs/heads/side", old, new)])
    assert caught.value.path.resolve() == lock
    assert await read_ref(repository, "refs/heads/side") == new


async def test_a_bad_name_is_neither(repository: Repository, new: str) -> None:
    with pytest.raises(GitError) as caught:
        await update_refs(repository, [("refs/heads/a..b", new, None)])
    assert type(caught.value) is GitError


async def test_of_many_who_swap_at_once_one_wins(repository: Repository, old: str, new: str) -> None:
    await update_refs(repository, [("refs/mawep/a", old, None)])
    tries = [update_refs(repository, [("refs/mawep/a", new, old)], fsync=False) for _ in range(12)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert results.count(None) == 1
    assert all(isinstance(result, RefMovedError) and result.actual == new for result in results if result)


async def test_a_moved_branch_shows_in_the_reflogs_of_its_user(
    repository: Repository, old: str, new: str
) -> None:
    path = repository.common_dir.parent
    await update_refs(repository, [("refs/heads/main", new, old)], message="mawep: land #7")
    assert git(path, "reflog", "-1", "--format=%gs", "main") == "mawep: land #7"
    assert git(path, "reflog", "-1", "--format=%gs", "HEAD") == "mawep: land #7"


async def test_holding_moves_a_ref_of_ours_from_wherever_it_was(
    repository: Repository, old: str, new: str
) -> None:
    for sha in (old, old, new):
        await hold(repository, "refs/mawep/held", sha)
        assert await read_ref(repository, "refs/mawep/held") == sha
    assert await read_ref(repository, "refs/mawep/other") is None


async def test_every_repository_keeps_its_prefixes_apart(repository: Repository, old: str) -> None:
    await update_refs(repository, [("refs/mawep/r1/a", old, None), ("refs/mawep/r10/a", old, None)])
    assert list(await list_refs(repository, "refs/mawep/r1/")) == ["refs/mawep/r1/a"]
    assert len(await list_refs(repository, "refs/mawep/r1/", "refs/mawep/r10/")) == 2


@pytest.mark.parametrize("turns", [1, 2, 3, 10, 100])
async def test_an_update_is_not_broken_off_with_its_caller(
    repository: Repository, old: str, turns: int
) -> None:
    updating = asyncio.create_task(update_refs(repository, [("refs/mawep/a", old, None)]))
    for _ in range(turns):
        await asyncio.sleep(0)
    updating.cancel()
    await asyncio.wait({updating})
    assert await read_ref(repository, "refs/mawep/a") == old
    assert not list(repository.common_dir.rglob("*.lock"))
