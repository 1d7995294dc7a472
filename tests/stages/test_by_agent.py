"""What is told of an agent's merge: of each file in conflict, whether both sides are in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository
from mawep.stages.land.by_agent import LONGEST, accounted
from tests.support.repos import branch, commit, git, head, make_repository

BASE = "one\nmiddle\nlast\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", {"a.txt": BASE, "b.txt": "b\n"})


@pytest.fixture
async def repository(checkout: Path) -> Repository:
    return await find_repository(checkout)


def merged(checkout: Path, before: str, files: dict[str, str | None]) -> str:
    """What an agent makes of its merge with the target."""
    git(checkout, "checkout", "-q", "--detach", before)
    git(checkout, "merge", "-q", "--no-commit", "-s", "ours", "main")
    made = commit(checkout, files)
    git(checkout, "checkout", "-q", "main")
    return made


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("one\nmine\nother\nlast\n", "a.txt: resolved, every line of both sides is accounted for"),
        ("one\nmine\nlast\n", "a.txt: resolved, not as either side wrote it: the target's `other`"),
        (f"one\n{'x' * 300}\nlast\n", "`mine`"),
        (None, "a.txt: resolved, it is gone"),
    ],
    ids=["both", "one is lost", "something else", "gone"],
)
async def test_each_file_in_conflict_is_told_of(
    repository: Repository, checkout: Path, made: str | None, told: str
) -> None:
    before = branch(checkout, "mine", {"a.txt": "one\nmine\nlast\n"})
    target = commit(checkout, {"a.txt": "one\nother\nlast\n", "b.txt": "c\n"})
    after = merged(checkout, before, {"a.txt": made, "b.txt": "c\n"})
    (line,) = await accounted(repository, before, after, target)
    assert line.startswith("a.txt: resolved") and told in line
    assert len(line) < 5 * (LONGEST + 20)


async def test_what_both_added_otherwise_has_no_account(repository: Repository, checkout: Path) -> None:
    before = branch(checkout, "mine", {"new.txt": "mine\n"})
    target = commit(checkout, {"new.txt": "other\n"})
    after = merged(checkout, before, {"new.txt": "both\n"})
    assert await accounted(repository, before, after, target) == ("new.txt: resolved",)


async def test_without_a_conflict_nothing_is_told(repository: Repository, checkout: Path) -> None:
    before = branch(checkout, "mine", {"a.txt": "mine\n"})
    target = commit(checkout, {"b.txt": "c\n"})
    assert await accounted(repository, before, before, target) == ()
    assert await accounted(repository, before, merged(checkout, before, {"b.txt": "c\n"}), target) == ()
    assert head(checkout, "main") == target
