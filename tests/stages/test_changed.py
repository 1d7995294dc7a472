"""What an agent changes in its worktree is seen, whatever way it writes, and told once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.adapters.git import find_repository
from mawep.errors import GitError
from mawep.stages.attempt import Changed
from tests.support.repos import make_repository
from tests.support.waiting import eventually

FILES = {"a.py": "1\n", "src/b.py": "2\n", ".gitignore": "*.pyc\nout/\n", "src/kept.log": "3\n"}


async def settled(watched: Path) -> None:
    """A file system's clock may lag behind: wait until what is written now counts as later."""
    mark = watched.parent / "mark"
    mark.touch()
    before = mark.stat().st_ctime_ns

    def later() -> bool:
        mark.touch()
        return mark.stat().st_ctime_ns > before

    await eventually("the file system's clock goes on", later)


async def test_each_changed_file_is_told_once(tmp_path: Path) -> None:
    make_repository(tmp_path / "repo", FILES)
    repository = await find_repository(tmp_path / "repo")
    await settled(tmp_path / "repo")
    changed, root = Changed(repository.worktree(tmp_path / "repo", None)), tmp_path / "repo"
    await settled(root)
    assert await changed.look() == []
    (root / "src/b.py").write_text("other\n")
    (root / "new file.py").write_text("")
    assert await changed.look() == ["new file.py", "src/b.py"]
    (root / "src/b.py").write_text("again\n")
    (root / "café.py").write_text("")
    assert await changed.look() == ["café.py"]


async def test_what_git_ignores_or_keeps_for_itself_is_not_told(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    make_repository(root, FILES)
    repository = await find_repository(root)
    changed = Changed(repository.worktree(root, None))
    await settled(root)
    for name in ("a.pyc", "out/made.py", ".git/notes", "sub/.git/config", "sub/c.py", "odd\nname"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / "src/link").symlink_to("nowhere")
    assert await changed.look() == ["src/link", "sub/c.py"]


async def test_a_worktree_that_is_gone_is_no_news(tmp_path: Path) -> None:
    make_repository(tmp_path / "repo", FILES)
    repository = await find_repository(tmp_path / "repo")
    assert await Changed(repository.worktree(tmp_path / "gone", None)).look() == []


async def test_what_git_cannot_say_is_an_error_and_asked_again(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    make_repository(root, FILES)
    repository = await find_repository(root)
    changed = Changed(repository.worktree(root, None))
    await settled(root)
    (root / "a.py").write_text("other\n")
    (root / ".gitignore").rename(root / "aside")
    (root / "config").write_text("")
    git = repository.common_dir / "HEAD"
    kept = git.read_text()
    git.write_text("nonsense")
    with pytest.raises(GitError):
        await changed.look()
    git.write_text(kept)
    assert "a.py" in await changed.look()
