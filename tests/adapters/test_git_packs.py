"""What is made for a ref is whole when the ref holds it, whatever a person's collection of garbage does meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mawep.adapters.git import Repository, Sha, find_repository
from mawep.adapters.git_merge import Merged, merge_trees
from mawep.adapters.git_objects import Identity, commit_tree
from mawep.adapters.git_packs import OURS, forget_dead_keeps, kept
from mawep.adapters.git_refs import hold
from mawep.adapters.git_scratch import forget_dead_scratch, scratch
from mawep.errors import GitError
from tests.support.repos import branch, commit, git, head, make_repository

COLLECT = ("gc", "--quiet", "--prune=now")


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    return await find_repository(make_repository(tmp_path / "r", {"a": "a\n", "b": "b\n"}))


async def composed(repository: Repository) -> tuple[Sha, list[Sha]]:
    """A merge that no ref holds, and what of it is held."""
    path = repository.common_dir.parent
    other = branch(path, "other", {"dir/b": "changed\n"})
    ours = commit(path, {"a": "changed\n"})
    merged = await merge_trees(repository, ours, other)
    assert isinstance(merged, Merged)
    date, who = datetime(2026, 5, 4, tzinfo=UTC), Identity("A", "a@example.org")
    made = await commit_tree(repository, merged.tree, [ours, other], "Compose", author=who, date=date)
    return made, [ours, other]


def keeps(repository: Repository) -> list[Path]:
    return list((repository.common_dir / "objects/pack").glob("*.keep"))


async def test_gc_by_the_user_before_the_ref_is_made_takes_nothing_of_it(repository: Repository) -> None:
    path = repository.common_dir.parent
    made, known = await composed(repository)
    async with kept(repository, [made], known):
        git(path, *COLLECT)
        await hold(repository, "refs/mawep/r/landing/x", made)
    assert git(path, "fsck", "--strict", "--no-dangling") == ""
    git(path, *COLLECT)
    assert git(path, "log", "-1", "--format=%s", "refs/mawep/r/landing/x") == "Compose"
    assert keeps(repository) == []


async def test_what_was_taken_before_is_said_and_leaves_nothing(repository: Repository) -> None:
    made, known = await composed(repository)
    git(repository.common_dir.parent, *COLLECT)
    with pytest.raises(GitError):
        async with kept(repository, [made], known):
            raise AssertionError("there is nothing to keep")
    assert keeps(repository) == []


async def test_nothing_lies_loose_that_a_power_cut_could_leave_half_written(repository: Repository) -> None:
    made, known = await composed(repository)
    objects = repository.common_dir / "objects"
    assert (objects / made[:2] / made[2:]).exists()
    async with kept(repository, [made], known):
        assert not (objects / made[:2] / made[2:]).exists()
        assert git(objects, "cat-file", "-t", made) == "commit"


async def test_what_is_known_as_a_whole_needs_no_pack(repository: Repository) -> None:
    at = head(repository.common_dir.parent)
    async with kept(repository, [at], [at]):
        assert not list((repository.common_dir / "objects/pack").glob("*.pack"))


async def test_a_keep_that_a_dead_process_left_is_taken_away_and_no_other(repository: Repository) -> None:
    store = repository.common_dir / "objects/pack"
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], check=True, capture_output=True
    )
    said = {
        "dead": f"{OURS}{int(gone.stdout)}\n",
        "alive": f"{OURS}{os.getpid()}\n",
        "of-root": f"{OURS}1\n",
        "of-a-person": "do not touch\n",
        "empty": "",
    }
    for name, text in said.items():
        (store / f"pack-{name}.keep").write_text(text)
    forget_dead_keeps(repository.common_dir)
    assert {keep.stem for keep in keeps(repository)} == {f"pack-{name}" for name in said if name != "dead"}


async def test_scratch_that_a_dead_process_left_is_taken_away_and_no_other(repository: Repository) -> None:
    place = repository.common_dir / "mawep"
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], check=True, capture_output=True
    )
    (place / f"scratch-{int(gone.stdout)}-x").mkdir()
    (place / "scratch-of-a-person").mkdir()
    with scratch(repository.common_dir) as ours:
        forget_dead_scratch(repository.common_dir)
        assert {found.name for found in place.glob("scratch-*")} == {Path(ours).name, "scratch-of-a-person"}
