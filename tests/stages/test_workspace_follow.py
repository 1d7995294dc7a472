"""A worktree that is brought up to the target between two turns of its agent."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from mawep.errors import GitError
from mawep.stages.workspace import Workspace, Workspaces
from tests.stages.workspace_site import AGENT, Site, site
from tests.support.repos import commit, git, head, write

__all__ = ["site"]

following: Any = import_module("mawep.stages.workspace.following")

TRAILERS = {"Mawep-Run": "r", "Mawep-Issue": "101", "Mawep-Attempt": "1"}


async def begun(site: Site) -> tuple[Workspaces, Workspace, str]:
    """A worktree with a commit, and a target that has gone on since."""
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    write(lent.path / "src/a.py", "a = 2\n")
    await workspaces.commit_for_agent(lent, "work", AGENT, TRAILERS)
    return workspaces, lent, commit(site.checkout, {"src/b.py": "b = 2\n", "new.log": "new\n"}, "landed")


async def test_files_branch_and_what_git_says_there_are_those_of_the_merge(site: Site) -> None:
    workspaces, lent, target = await begun(site)
    before = head(site.checkout, lent.branch)
    assert await workspaces.follow(lent, target, AGENT, TRAILERS) == ()
    made = head(site.checkout, lent.branch)
    assert git(site.checkout, "rev-list", "--parents", "-1", made).split() == [made, before, target]
    assert "Mawep-Issue: 101" in git(site.checkout, "log", "-1", "--format=%B", made)
    assert (lent.path / "src/b.py").read_text() == "b = 2\n"
    assert git(lent.path, "status", "--porcelain") == ""
    assert await workspaces.commit_for_agent(lent, "more", AGENT, TRAILERS) is None, (
        "nothing is left to commit"
    )
    assert await workspaces.follow(lent, target, AGENT, TRAILERS) == ()
    assert head(site.checkout, lent.branch) == made, "it has the target already"


async def test_what_does_not_merge_is_named_and_nothing_is_done(site: Site) -> None:
    workspaces, lent, _ = await begun(site)
    target = commit(site.checkout, {"src/a.py": "a = 3\n"}, "landed as well")
    before = head(site.checkout, lent.branch)
    assert await workspaces.follow(lent, target, AGENT, TRAILERS) == ("src/a.py",)
    assert head(site.checkout, lent.branch) == before
    assert (lent.path / "src/a.py").read_text() == "a = 2\n"


async def test_what_is_not_committed_is_not_written_over(site: Site) -> None:
    workspaces, lent, target = await begun(site)
    write(lent.path / "src/b.py", "the agent's own\n")
    before = head(site.checkout, lent.branch)
    with pytest.raises(GitError):
        await workspaces.follow(lent, target, AGENT, TRAILERS)
    assert (lent.path / "src/b.py").read_text() == "the agent's own\n"
    assert head(site.checkout, lent.branch) == before and not (lent.path / "new.log").exists()


async def test_killed_between_files_and_branch_nothing_of_the_target_is_undone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspaces, lent, target = await begun(site)

    async def killed(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(following, "update_refs", killed)
    with pytest.raises(KeyboardInterrupt):
        await workspaces.follow(lent, target, AGENT, TRAILERS)
    again = await site.open()
    made = await again.commit_for_agent(again.find(lent.name) or lent, "more", AGENT, TRAILERS)
    assert git(site.checkout, "show", f"{made}:src/b.py") == "b = 2"
    assert git(site.checkout, "show", f"{made}:src/a.py") == "a = 2"
