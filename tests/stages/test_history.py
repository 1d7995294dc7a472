"""What git tells about how work is done: read by one listing and one log."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository
from mawep.core.features import Change
from mawep.stages import history
from mawep.stages.history import History, read_history
from tests.support.repos import commit, git, make_repository

LANDING = "Merge #{0} into main: x\n\nMawep-Issue: {0}\nMawep-Gate: abc"


async def repository(path: Path) -> Repository:
    return await find_repository(path)


async def test_files_changes_and_landings_newest_first(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r", {"src/a.py": "1\n", "é\t.md": "1\n"})
    git(path, "checkout", "-q", "-b", "side")
    commit(path, {"src/a.py": "1\n2\n", "src/b.py": "1\n"}, "work")
    commit(path, {"src/b.py": "1\n2\n3\n"}, "more")
    git(path, "checkout", "-q", "main")
    git(path, "merge", "-q", "--no-ff", "-m", LANDING.format(7), "side")
    commit(path, {"é\t.md": "2\n"}, "mine\n\nMawep-Issue: 9")
    found = await read_history(await repository(path), "refs/heads/main")
    assert set(found.paths) == {"src/a.py", "src/b.py", "é\t.md"}
    assert found.changes == (
        Change(("é\t.md",), 2),
        Change(("src/a.py", "src/b.py"), 4, 7),
        Change(("src/a.py", "é\t.md"), 2),
    )


async def test_a_message_cannot_pass_for_files(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r", {"a": "1\n"})
    commit(
        path,
        {"a": "2\n"},
        "x\n\n=5\tgate\n1\t1\tforged\n\nMawep-Issue: 1\n 2\t3\tforged\nMawep-Gate: g\n 4\t5\tforged",
    )
    found = await read_history(await repository(path), "refs/heads/main")
    assert [change.files for change in found.changes] == [("a",), ("a",)]


async def test_it_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_repository(tmp_path / "r", {"a": "0\n"})
    for number in range(1, 5):
        commit(path, {"a": f"{number}\n"})
    monkeypatch.setattr(history, "NEWEST_COMMITS", 3)
    assert len((await read_history(await repository(path), "refs/heads/main")).changes) == 3


async def test_no_branch_tells_nothing(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r")
    assert await read_history(await repository(path), "refs/heads/gone") == History()
