"""The door: finding a repository, running git, failing, being cancelled."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from mawep.adapters.git import LockHeldError, NotStartedError, Repository, find_repository
from mawep.adapters.git_objects import rev_parse
from mawep.errors import GitError, UsageError
from tests.support.repos import git, head, make_repository, write
from tests.support.waiting import eventually


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    return await find_repository(make_repository(tmp_path / "r"))


async def test_it_is_found_from_any_directory_inside(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r", {"deep/er/file": "x\n"})
    repository = await find_repository(path / "deep" / "er")
    assert repository.common_dir == path / ".git"
    assert repository.work_tree == repository.main_work_tree == path


async def test_it_is_found_from_a_linked_worktree(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r")
    git(path, "worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    repository = await find_repository(tmp_path / "linked")
    assert (repository.work_tree, repository.main_work_tree) == (tmp_path / "linked", path)


async def test_a_bare_one_has_no_work_tree(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r")
    git(path, "clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    repository = await find_repository(tmp_path / "bare.git")
    assert (repository.work_tree, repository.main_work_tree) == (None, None)
    assert await rev_parse(repository, "main") == head(path)


async def test_a_strange_path_is_found(tmp_path: Path) -> None:
    path = make_repository(tmp_path / 'a "quoted"\nname with ü')
    assert (await find_repository(path)).work_tree == path


async def test_sha256_is_known(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "r")
    git(tmp_path / "r", "commit", "--quiet", "--allow-empty", "-m", "first")
    repository = await find_repository(tmp_path / "r")
    assert len(await rev_parse(repository, "HEAD")) == len(repository.null) == 64


@pytest.mark.parametrize("kind", ["nothing", "no repository", "no commits"])
async def test_what_is_no_usable_repository_is_wrong_usage(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "r"
    if kind != "nothing":
        path.mkdir()
    if kind == "no commits":
        git(path, "init", "--quiet")
    with pytest.raises(UsageError):
        await find_repository(path)


@pytest.mark.parametrize(("says", "message"), [("git version 2.37.9", "too old"), (None, "cannot be run")])
async def test_git_too_old_or_missing_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str | None, message: str
) -> None:
    if says:
        write(tmp_path / "bin" / "git", f"#!/bin/sh\necho {says}\n").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(UsageError, match=message):
        await find_repository(tmp_path)


async def test_opening_it_twice_at_once_is_harmless(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r")
    opened = await asyncio.gather(*(find_repository(path) for _ in range(16)))
    assert len({repository.view for repository in opened}) == 1
    assert sorted(entry.name for entry in opened[0].view.iterdir()) == sorted(
        ["HEAD", "config", "empty", "info", "logs", "objects", "packed-refs", "refs", "shallow", "worktrees"]
    )


async def test_the_users_own_harmless_settings_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    write(
        home / ".gitconfig", '[core]\n\tautocrlf = input\n\texcludesFile = "~/my ignore"\n[alias]\n\tx = y\n'
    )
    write(home / "my ignore", "*.swp\n")
    monkeypatch.setenv("HOME", str(home))
    path = make_repository(tmp_path / "r")
    repository = await find_repository(path)
    tree = repository.worktree(path, None)
    write(path / "x.swp", "")
    assert await tree.run("config", "core.autocrlf") == b"input\n"
    assert await tree.run("status", "--porcelain") == b""
    assert (await tree.call("config", "alias.x")).code == 1


async def test_an_error_carries_command_code_and_both_outputs(repository: Repository) -> None:
    with pytest.raises(GitError) as caught:
        await repository.run("cat-file", "-p", "nothing")
    error = caught.value
    assert error.command == ("git", "cat-file", "-p", "nothing")
    assert (error.code, error.stdout) == (128, b"")
    assert b"Not a valid object name" in error.stderr
    assert "Not a valid object name" in str(error)


async def test_a_work_tree_that_is_gone_is_told(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(NotStartedError) as caught:
        await repository.worktree(tmp_path / "gone", "gone").run("status")
    assert str(caught.value).startswith(f"git status cannot be started in {tmp_path / 'gone'}")


async def test_a_repository_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r")
    write(path / ".git" / "mawep", "in the way\n")
    with pytest.raises(UsageError, match="cannot be used"):
        await find_repository(path)


async def test_unchecked_failure_returns_what_was_printed(repository: Repository) -> None:
    assert await repository.run("cat-file", "-e", "nothing", check=False) == b""
    assert (await repository.call("cat-file", "-e", "nothing")).code == 128


async def test_a_held_lock_is_told_apart(repository: Repository) -> None:
    lock = write(repository.common_dir / "index.lock", "")
    with pytest.raises(LockHeldError) as caught:
        await repository.worktree(repository.common_dir.parent, None).run("read-tree", "HEAD")
    assert caught.value.path == lock


async def test_input_larger_than_a_pipe_goes_in_and_out(repository: Repository) -> None:
    content = os.urandom(3 * 2**20)
    sha = await repository.run("hash-object", "-w", "--stdin", input=content)
    assert await repository.run("cat-file", "blob", sha.decode().strip()) == content


async def test_the_users_index_is_out_of_reach_without_a_work_tree(repository: Repository) -> None:
    path = repository.common_dir.parent
    await repository.run("read-tree", "--empty")
    assert git(path, "status", "--porcelain") == ""


def slow_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    """Put a git first on PATH that writes its pid to the returned file and then does `body`."""
    said = tmp_path / "pid"
    write(tmp_path / "bin" / "git", f"#!/bin/sh\n{body.format(pid=f'echo $$ > {said}')}\n").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return said


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("body", ["{pid}; exec sleep 60", "sleep 60 & {pid}; wait"])
async def test_cancelling_ends_git_and_its_children_and_waits_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    path = make_repository(tmp_path / "r")
    await find_repository(path)
    said = slow_git(tmp_path, monkeypatch, body)
    repository = await _reopened(path, monkeypatch)
    running = asyncio.create_task(repository.run("status"))
    await eventually("git runs", lambda: said.exists() and said.read_text().strip())
    pid = int(said.read_text())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert gone(pid)
    await eventually("its children are gone", lambda: not _group(pid))


async def test_a_git_that_ignores_the_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_repository(tmp_path / "r")
    monkeypatch.setattr("mawep.adapters.git_process.GRACE", 0.05)
    said = slow_git(tmp_path, monkeypatch, "trap '' TERM; {pid}; while :; do sleep 0.01; done")
    repository = await _reopened(path, monkeypatch)
    running = asyncio.create_task(repository.run("status"))
    await eventually("git runs", lambda: said.exists() and said.read_text().strip())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert gone(int(said.read_text()))


async def test_a_timeout_leaves_no_git_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_repository(tmp_path / "r")
    said = slow_git(tmp_path, monkeypatch, "{pid}; exec sleep 60")
    repository = await _reopened(path, monkeypatch)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await repository.run("status")
    pid = said.read_text() if said.exists() else ""
    assert not pid or gone(int(pid))


async def test_git_has_its_own_session_and_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_repository(tmp_path / "r")
    slow_git(tmp_path, monkeypatch, "cat /proc/self/stat; cat; (: < /dev/tty) 2>&1")
    repository = await _reopened(path, monkeypatch)
    done = await repository.call("status")
    _, _, _, _, group, session, terminal, *_ = done.stdout.decode().splitlines()[0].split()
    assert group == session != str(os.getsid(0))
    assert terminal == "0"
    assert b"/dev/tty" in done.stdout, "there is no terminal to open"


async def _reopened(path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The repository, found with the real git, whose door runs the git that is first on PATH now."""
    replaced = os.environ["PATH"]
    with monkeypatch.context() as patch:
        patch.setenv("PATH", replaced.partition(os.pathsep)[2])
        found = await find_repository(path)
    return Repository(
        found.common_dir,
        found.view,
        work_tree=found.work_tree,
        main_work_tree=found.main_work_tree,
        object_format=found.object_format,
    )


def _group(pid: int) -> list[str]:
    """The processes of that process group that still run."""
    stats = [_stat(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [fields[0] for fields in stats if fields and fields[2] == str(pid) and fields[0] != "Z"]


def _stat(entry: Path) -> list[str]:
    try:
        return (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
