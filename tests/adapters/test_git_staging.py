"""What lies in an agent's tree is staged whole, whatever the agent did to its index."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mawep.adapters.git import Repository, Sha, WorkTree, find_repository
from mawep.adapters.git_objects import SYMLINK, list_tree
from mawep.adapters.git_staging import Staged, stage_all
from mawep.errors import GitError
from tests.support.repos import commit, git, head, make_repository, write

FILES = {"a": "a\n", "b": "b\n", "d/c": "c\n", ".gitignore": "*.o\n"}


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    path = make_repository(tmp_path / "r", FILES)
    git(path, "worktree", "add", "--quiet", "-b", "feature", str(tmp_path / "agent"))
    return await find_repository(path)


@pytest.fixture
def agent(repository: Repository, tmp_path: Path) -> WorkTree:
    return repository.worktree(tmp_path / "agent", "agent")


@pytest.fixture
def base(agent: WorkTree) -> Sha:
    return head(agent.path)


async def staged(agent: WorkTree, base: Sha) -> Staged:
    return await stage_all(agent, base, index=agent.path.parent / "private index")


async def names(agent: WorkTree, result: Staged) -> list[str]:
    return [entry.path for entry in await list_tree(agent, result.tree)]


async def test_everything_is_staged_and_the_agents_index_is_not_touched(agent: WorkTree, base: Sha) -> None:
    write(agent.path / "new", "n\n")
    write(agent.path / "a", "edited\n")
    (agent.path / "b").unlink()
    write(agent.path / "ignored.o", "o\n")
    before = git(agent.path, "ls-files", "--stage")
    result = await staged(agent, base)
    assert await names(agent, result) == [".gitignore", "a", "d/c", "new"]
    assert git(agent.path, "show", f"{result.tree}:a") == "edited"
    assert (result.nested, result.skipped) == ((), "")
    assert git(agent.path, "ls-files", "--stage") == before


async def test_nothing_changed_gives_the_tree_of_the_start(agent: WorkTree, base: Sha) -> None:
    assert (await staged(agent, base)).tree == git(agent.path, "rev-parse", "HEAD^{tree}")


async def test_edits_hidden_in_the_agents_index_are_found(agent: WorkTree, base: Sha) -> None:
    git(agent.path, "update-index", "--skip-worktree", "a")
    git(agent.path, "update-index", "--assume-unchanged", "b")
    write(agent.path / "a", "hidden\n")
    write(agent.path / "b", "hidden\n")
    assert git(agent.path, "status", "--porcelain") == "", "plain git falls for it"
    result = await staged(agent, base)
    assert git(agent.path, "diff", "--name-only", base, result.tree).split() == ["a", "b"]


async def test_a_kept_index_finds_later_edits_too(agent: WorkTree, base: Sha) -> None:
    first = await staged(agent, base)
    write(agent.path / "a", "A\n")
    (agent.path / "d" / "c").unlink()
    second = await staged(agent, base)
    assert first.tree != second.tree
    assert await names(agent, second) == [".gitignore", "a", "b"]
    moved = commit(agent.path, {"z": "z\n"})
    assert await names(agent, await staged(agent, moved)) == [".gitignore", "a", "b", "z"]


@pytest.mark.parametrize("kind", ["untracked", "without commits", "linked", "in place of a file", "deep"])
async def test_nested_repositories_are_named_and_left_out(agent: WorkTree, base: Sha, kind: str) -> None:
    place = {"in place of a file": "a", "deep": "d/e/f"}.get(kind, "nested")
    if kind == "in place of a file":
        (agent.path / "a").unlink()
    if kind == "without commits":
        git(agent.path, "init", "--quiet", "nested")
        write(agent.path / "nested" / "f", "f\n")
    else:
        make_repository(agent.path / place, {"f": "f\n"})
    if kind == "linked":
        git(agent.path, "add", "nested")
        git(agent.path, "commit", "--quiet", "-m", "link")
        base = head(agent.path)
    write(agent.path / "new", "n\n")
    result = await staged(agent, base)
    assert result.nested == (place,)
    expected = {".gitignore", "a", "b", "d/c", "new"} - {place}
    assert set(await names(agent, result)) == expected


async def test_a_git_directory_that_is_none_does_not_hide_its_files(agent: WorkTree, base: Sha) -> None:
    write(agent.path / "odd" / ".git" / "HEAD", "nonsense\n")
    write(agent.path / "odd" / "f", "f\n")
    result = await staged(agent, base)
    assert "odd/f" in await names(agent, result)
    assert result.nested == ()


async def test_links_and_pipes_are_what_they_are(agent: WorkTree, base: Sha) -> None:
    (agent.path / "broken").symlink_to("nowhere")
    (agent.path / "outside").symlink_to("/etc/passwd")
    os.mkfifo(agent.path / "pipe")
    result = await stage_all(agent, base, index=agent.path.parent / "private index", fsync=True)
    modes = {entry.path: entry.mode for entry in await list_tree(agent, result.tree)}
    assert (modes["broken"], modes["outside"]) == (SYMLINK, SYMLINK)
    assert "pipe" not in modes


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
async def test_what_cannot_be_read_is_said_and_the_rest_is_staged(agent: WorkTree, base: Sha) -> None:
    write(agent.path / "new", "n\n")
    write(agent.path / "secret", "s\n").chmod(0)
    result = await staged(agent, base)
    assert "secret" in result.skipped
    assert "new" in await names(agent, result)


async def test_a_tree_that_git_cannot_take_is_an_error_and_not_half_a_tree(
    agent: WorkTree, base: Sha
) -> None:
    write(agent.path / ".gitattributes", "bad working-tree-encoding=no-such-encoding\n")
    write(agent.path / "bad", "b\n")
    with pytest.raises(GitError, match="exited 128"):
        await staged(agent, base)


@pytest.mark.parametrize(
    "command", [("add", "-A"), ("commit", "-a", "-m", "m"), ("stash",), ("submodule", "update")]
)
async def test_commands_that_enter_nested_repositories_are_refused(
    agent: WorkTree, command: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="git_staging"):
        await agent.run(*command)
