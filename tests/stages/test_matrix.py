"""The matrix of live branches, on a real repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.adapters import git_merge
from mawep.adapters.git import Repository, find_repository
from mawep.stages import matrix
from mawep.stages.matrix import Matrix
from tests.support.repos import branch, commit, git, head, make_repository


def lines(**changed: str) -> str:
    return "".join(f"{changed.get(f'l{number}', number)}\n" for number in range(1, 20))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "r", {"f": lines(), "g": "g\n"})


async def test_pairs_and_the_target_are_compared_and_what_merges_is_left_out(path: Path) -> None:
    heads = {
        1: branch(path, "one", {"f": lines(l2="one")}),
        2: branch(path, "two", {"f": lines(l2="two")}),
        3: branch(path, "three", {"f": lines(l18="three")}),
        4: branch(path, "four", {"g": "four\n"}),
    }
    commit(path, {"g": "main\n"}, "main goes on")
    seen = Matrix(await find_repository(path))
    assert await seen.look(heads, head(path)) == {(1, 2): ("f",), (4,): ("g",)}
    assert await seen.look({}, head(path)) == {}


async def test_only_what_changed_is_merged_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    async def counted(repository: Repository, pairs: list[tuple[str, str]]) -> list[tuple[str, ...]]:
        asked.append(len(pairs))
        return await git_merge.conflicting_files(repository, pairs)

    monkeypatch.setattr(matrix, "conflicting_files", counted)
    heads = {n: branch(path, f"b{n}", {f"new-{n}": f"{n}\n"}) for n in range(1, 5)}
    seen, target = Matrix(await find_repository(path)), head(path)
    await seen.look(heads, target)
    await seen.look(heads, target)
    heads[1] = branch(path, "again", {"new-2": "mine\n"})
    assert await seen.look(heads, target) == {(1, 2): ("new-2",)}
    assert asked == [10, 4]


async def test_a_branch_with_another_history_hides_nothing(path: Path) -> None:
    heads = {1: branch(path, "one", {"g": "one\n"}), 2: branch(path, "two", {"g": "two\n"})}
    tree = git(path, "rev-parse", "HEAD^{tree}").strip()
    heads[3] = git(path, "commit-tree", "-m", "alone", tree).strip()
    assert await Matrix(await find_repository(path)).look(heads, head(path)) == {(1, 2): ("g",)}


async def test_lines_that_a_branch_changed_are_counted_in_text_only(path: Path) -> None:
    there = head(path)
    made = branch(path, "some", {"f": lines(l2="two"), "new\tname": "1\n2\n", "b": b"\0\1"})
    seen = Matrix(await find_repository(path))
    assert await seen.lines(there, made) == await seen.lines(there, made) == 4
