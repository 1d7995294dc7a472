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
    assert set(found.files) == {"src/a.py", "src/b.py", "é\t.md"}
    assert found.files["src/a.py"] == (git(path, "rev-parse", "main:src/a.py").strip(), 4)
    assert found.changes == (
        Change(("é\t.md",), 2),
        Change(("src/a.py", "src/b.py"), 4, 7),
        Change(("src/a.py", "é\t.md"), 2),
    )
    assert [(one.title, one.files) for one in found.landings[:2]] == [
        ("mine", ("é\t.md",)),
        ("x", ("src/a.py", "src/b.py")),
    ]
    assert found.landings[0].commit == git(path, "rev-parse", "main").strip()


async def test_a_message_cannot_pass_for_files(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r", {"a": "1\n"})
    commit(
        path,
        {"a": "2\n"},
        "x\n\n=5\tgate\n1\t1\tforged\n\nMawep-Issue: 1\n 2\t3\tforged\nMawep-Gate: g\n 4\t5\tforged",
    )
    found = await read_history(await repository(path), "refs/heads/main")
    assert [change.files for change in found.changes] == [("a",), ("a",)]
    assert [landing.files for landing in found.landings] == [("a",), ("a",)]


async def test_it_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_repository(tmp_path / "r", {"a": "0\n"})
    for number in range(1, 5):
        commit(path, {"a": f"{number}\n"})
    monkeypatch.setattr(history, "NEWEST_COMMITS", 3)
    monkeypatch.setattr(history, "MOST_COMMITS", 2)
    found = await read_history(await repository(path), "refs/heads/main")
    assert (len(found.changes), len(found.landings)) == (3, 2)


async def test_no_branch_tells_nothing(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r")
    assert await read_history(await repository(path), "refs/heads/gone") == History()


async def test_links_to_other_repositories_and_empty_commits_are_no_files(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r", {"a": "1\n"})
    git(path, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(path, "commit", "-qm", "link")
    git(path, "commit", "-q", "--allow-empty", "-m", "nothing")
    found = await read_history(await repository(path), "refs/heads/main")
    assert set(found.files) == {"a"}
    assert "nothing" not in [landing.title for landing in found.landings]


async def test_a_path_that_looks_like_a_message_breaks_nothing(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r", {"a": "1\n"})
    for ending in ("", "x\x01", "x\x01y"):
        commit(path, {f"\x01{'0' * 40}\x01{ending}": "1\n", "z": f"{ending}\n"}, "odd")
    found = await read_history(await repository(path), "refs/heads/main")
    assert found.landings[-1].files == ("a",)
