"""Commits on an agent's behalf: everything it left, onto its recorded branch, whatever it did to git."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from mawep.adapters.git import Repository
from mawep.adapters.git_refs import RefUpdate
from mawep.errors import MawepError
from mawep.stages.workspace import BranchMovedError, LeftOutError, TreeGoneError, Workspace, Workspaces
from tests.stages.test_workspace_lend import count_git
from tests.stages.workspace_site import AGENT, Site, make_hole, next_second, site
from tests.support.repos import commit, git, head, write

__all__ = ["site"]

committing: Any = import_module("mawep.stages.workspace.commit")

TRAILERS = {"Mawep-Run": "r", "Mawep-Issue": "101", "Mawep-Attempt": "1"}


async def commit_for(workspaces: Workspaces, lent: Workspace) -> str | None:
    return await workspaces.commit_for_agent(lent, "feat: do the thing", AGENT, TRAILERS)


def changes(site: Site, old: str, new: str) -> list[str]:
    return git(site.checkout, "diff-tree", "-r", "--name-status", "--no-renames", old, new).splitlines()


async def test_what_an_agent_left_is_committed_under_its_name(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    write(lent.path / "src/a.py", "a = 2\n")
    write(lent.path / "neu/数.txt", "x\n")
    write(lent.path / "build/ignored.o", "x\n")
    (lent.path / "README.md").unlink()
    (lent.path / "link").symlink_to("src/a.py")
    (lent.path / "src/b.py").chmod(0o755)
    ran = count_git(monkeypatch)
    async with site.repository.resident():
        made = await commit_for(workspaces, lent)
    assert ran == ["add", "write-tree"]
    assert made == head(site.checkout, lent.branch)
    assert changes(site, lent.base, str(made)) == [
        "D\tREADME.md",
        "A\tlink",
        '''A\t"neu/\\346\\225\\260.txt"''',
        "M\tsrc/a.py",
        "M\tsrc/b.py",
    ]
    assert git(site.checkout, "cat-file", "-p", f"{made}:link") == "src/a.py"
    assert git(site.checkout, "log", "-1", "--format=%an <%ae>%n%cn%n%at", str(made)).splitlines() == [
        "agent-0 <agent-0@example.org>",
        "agent-0",
        str(int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())),
    ]
    assert git(site.checkout, "log", "-1", "--format=%B", str(made)) == (
        "feat: do the thing\n\nMawep-Run: r\nMawep-Issue: 101\nMawep-Attempt: 1\n"
    )
    site.assert_sound()


async def test_nothing_left_is_seen_in_one_process(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    ran = count_git(monkeypatch)
    assert await commit_for(workspaces, lent) is None
    assert ran == ["add"]
    write(lent.path / "new", "x\n")
    assert await commit_for(workspaces, lent) is not None
    del ran[:]
    assert await commit_for(workspaces, lent) is None
    assert ran == ["add"]
    os.utime(lent.path / "src/a.py")
    assert await commit_for(workspaces, lent) is None


async def test_an_agent_that_commits_itself_leaves_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    own = commit(lent.path, {"src/a.py": "a = 2\n", "build/forced.o": "ignored, but committed\n"})
    ran = count_git(monkeypatch)
    assert await commit_for(workspaces, lent) is None
    assert ran == ["read-tree", "add"]
    write(lent.path / "more", "x\n")
    made = await commit_for(workspaces, lent)
    assert made is not None and head(site.checkout, f"{made}^") == own
    assert changes(site, own, made) == ["A\tmore"]


async def test_each_repair_round_builds_on_the_one_before(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    made = []
    for number in range(3):
        write(lent.path / "src/a.py", f"a = {number + 5}\n")
        made.append(await commit_for(workspaces, lent))
    assert git(site.checkout, "rev-list", f"{lent.base}..{lent.branch}").splitlines() == made[::-1]
    again = await site.open()
    assert await commit_for(again, lent) is None
    write(lent.path / "src/a.py", "a = 9\n")
    assert await commit_for(again, lent) is not None


async def test_same_size_edits_in_the_second_of_the_checkout_are_seen(site: Site) -> None:
    workspaces = await site.open(spares=1)
    await workspaces.refill(site.target())
    lent = await site.lend(workspaces)
    times = (lent.path / "src/a.py").stat()
    with (lent.path / "src/a.py").open("r+") as file:
        file.write("a = 7\n")
    os.utime(lent.path / "src/a.py", ns=(times.st_atime_ns, times.st_mtime_ns))
    await next_second(lent.path / "src/a.py")
    made = await commit_for(workspaces, lent)
    assert made is not None and git(site.checkout, "show", f"{made}:src/a.py") == "a = 7"


async def test_commit_on_behalf_does_not_move_main_when_the_agent_points_its_head_there(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    before = site.target()
    git(lent.path, "symbolic-ref", "HEAD", "refs/heads/main")
    write(lent.path / "src/a.py", "a = 2\n")
    made = await commit_for(workspaces, lent)
    assert site.target() == before
    assert head(site.checkout, lent.branch) == made


async def test_commit_on_behalf_refuses_a_branch_that_is_a_link_to_main(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    before = site.target()
    git(lent.path, "symbolic-ref", lent.ref, "refs/heads/main")
    write(lent.path / "src/a.py", "a = 2\n")
    with pytest.raises(BranchMovedError, match="link to another branch"):
        await commit_for(workspaces, lent)
    assert site.target() == before


async def test_commit_on_behalf_refuses_a_branch_file_that_is_a_symbolic_link(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    loose = site.common / lent.ref
    loose.unlink()
    loose.symlink_to("../main")
    write(lent.path / "src/a.py", "a = 2\n")
    with pytest.raises(BranchMovedError, match="link to another branch"):
        await commit_for(workspaces, lent)
    assert site.target() == lent.base


async def test_commit_on_behalf_refuses_a_branch_of_another_history(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    git(lent.path, "checkout", "--quiet", "--orphan", "other")
    foreign = commit(lent.path, {"src/a.py": "a = 3\n"})
    git(lent.path, "update-ref", lent.ref, foreign)
    write(lent.path / "src/a.py", "a = 4\n")
    with pytest.raises(BranchMovedError, match="does not descend"):
        await commit_for(workspaces, lent)
    assert head(site.checkout, lent.branch) == foreign


async def test_work_on_another_branch_is_committed_on_the_recorded_one(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    git(lent.path, "switch", "--quiet", "-c", "my-own-idea")
    elsewhere = commit(lent.path, {"src/a.py": "a = 2\n"})
    made = await commit_for(workspaces, lent)
    assert made is not None and head(site.checkout, lent.branch) == made
    assert changes(site, elsewhere, made) == []
    assert head(site.checkout, f"{made}^") == lent.base


async def test_a_removed_branch_is_made_again(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    git(lent.path, "checkout", "--quiet", "--detach")
    git(lent.path, "branch", "--quiet", "-D", lent.branch)
    write(lent.path / "src/a.py", "a = 2\n")
    assert await commit_for(workspaces, lent) == head(site.checkout, lent.branch)


async def test_a_deleted_git_file_does_not_matter(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    (lent.path / ".git").unlink()
    write(lent.path / "src/a.py", "a = 2\n")
    made = await commit_for(workspaces, lent)
    assert made is not None and changes(site, lent.base, made) == ["M\tsrc/a.py"]


async def test_skip_worktree_and_a_forged_index_hide_nothing(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    git(lent.path, "update-index", "--skip-worktree", "src/a.py")
    git(lent.path, "update-index", "--assume-unchanged", "src/b.py")
    write(lent.path / "src/a.py", "a = 2\n")
    write(lent.path / "src/b.py", "b = 2\n")
    git(lent.path, "rm", "--quiet", "--cached", "README.md")
    made = await commit_for(workspaces, lent)
    assert made is not None and changes(site, lent.base, made) == ["M\tsrc/a.py", "M\tsrc/b.py"]


async def test_hooks_filters_and_fsmonitor_of_the_agent_do_not_run(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    tripwire = site.base.parent / "sprung"
    trap = f"touch {tripwire}; cat"
    for key, value in (("core.fsmonitor", trap), ("filter.x.clean", trap), ("filter.x.smudge", trap)):
        git(site.checkout, "config", key, value)
    hook = write(site.common / "hooks" / "reference-transaction", f"#!/bin/sh\n{trap}\n")
    hook.chmod(0o755)
    write(lent.path / ".gitattributes", "* filter=x\n")
    write(lent.path / "src/a.py", "a = 2\n")
    assert await commit_for(workspaces, lent) is not None
    assert not tripwire.exists()
    hook.unlink()


async def test_nested_repositories_are_committed_as_plain_files_and_never_entered(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    tripwire = site.base.parent / "sprung"
    for place, with_commit in (("plain", True), ("unborn", False), ("plain/deeper", True)):
        nested = lent.path / place
        write(nested / "file.txt", f"{place}\n")
        write(nested / "skipped.log", "ignored\n")
        git(nested, "init", "--quiet")
        if with_commit:
            commit(nested, {"file.txt": f"{place}\n"})
        git(nested, "config", "core.fsmonitor", f"touch {tripwire}; false")
    made = await commit_for(workspaces, lent)
    assert made is not None
    assert changes(site, lent.base, made) == [
        "A\tplain/deeper/file.txt",
        "A\tplain/file.txt",
        "A\tunborn/file.txt",
    ]
    assert not tripwire.exists()
    assert await commit_for(workspaces, lent) is None


async def test_a_committed_link_to_a_nested_repository_is_taken_apart(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    tripwire = site.base.parent / "sprung"
    nested = lent.path / "vendor"
    write(nested / "file.txt", "x\n")
    git(nested, "init", "--quiet")
    commit(nested, {"file.txt": "x\n"})
    git(lent.path, "add", "vendor")
    git(lent.path, "commit", "--quiet", "-m", "a link")
    git(nested, "config", "core.fsmonitor", f"touch {tripwire}; false")
    write(nested / "file.txt", "y\n")
    made = await commit_for(workspaces, lent)
    assert made is not None and not tripwire.exists()
    assert changes(site, lent.base, made) == ["A\tvendor/file.txt"]


async def test_files_directories_and_links_may_take_each_others_place(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    outside = site.base.parent / "outside"
    write(outside / "a.py", "not yours\n")
    for careful in (False, True):
        git(lent.path, "checkout", "--quiet", "--force", lent.base, "--", ".")
        for file in ("a.py", "b.py"):
            (lent.path / "src" / file).unlink(missing_ok=True)
        (lent.path / "src").rmdir()
        (lent.path / "src").symlink_to(outside)
        (lent.path / "README.md").unlink()
        write(lent.path / "README.md/inside", "x\n")
        if careful:
            git(lent.path, "init", "--quiet", "nested")
        made = await commit_for(workspaces, lent)
        assert (made is None) == careful
        assert changes(site, lent.base, head(site.checkout, lent.branch)) == [
            "D\tREADME.md",
            "A\tREADME.md/inside",
            "A\tsrc",
            "D\tsrc/a.py",
            "D\tsrc/b.py",
        ]
        (lent.path / "README.md/inside").unlink()
        (lent.path / "README.md").rmdir()
        (lent.path / "src").unlink()


@pytest.mark.parametrize("kind", ["link", "gone", "file"])
async def test_a_directory_that_was_replaced_is_not_followed(site: Site, kind: str) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    lent.path.rename(site.base / "moved")
    if kind == "link":
        home = site.base.parent / "home"
        write(home / "secret", "x\n")
        lent.path.symlink_to(home)
    elif kind == "file":
        lent.path.write_text("x")
    with pytest.raises(TreeGoneError):
        await commit_for(workspaces, lent)
    assert head(site.checkout, lent.branch) == lent.base
    (site.base / "moved").rename(lent.path) if kind == "gone" else None


async def test_what_cannot_be_committed_is_an_error_that_names_it(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    (lent.path / "src/a.py").unlink()
    os.mkfifo(lent.path / "src/a.py")
    with pytest.raises(LeftOutError, match=r"src/a\.py is not a file"):
        await commit_for(workspaces, lent)
    assert head(site.checkout, lent.branch) == lent.base


@pytest.mark.parametrize("place", ["disk.img", "nested/disk.img", "src/a.py"])
async def test_a_file_of_holes_is_refused_before_anybody_reads_it(site: Site, place: str) -> None:
    workspaces = await site.open(quota_gb=0.001)
    lent = await site.lend(workspaces)
    if place.startswith("nested"):
        git(lent.path, "init", "--quiet", "nested")
    write(lent.path / "README.md", "changed\n")
    make_hole(lent.path / place)
    with pytest.raises(LeftOutError, match=r"4398\.0 GB to read, the limit is 0\.001"):
        await commit_for(workspaces, lent)
    assert head(site.checkout, lent.branch) == lent.base


async def test_holes_in_ignored_files_are_in_nobodys_way(site: Site) -> None:
    workspaces = await site.open(quota_gb=0.001)
    lent = await site.lend(workspaces)
    write(lent.path / "build/data.mdb", "")
    make_hole(lent.path / "build/data.mdb")
    write(lent.path / "README.md", "changed\n")
    made = await commit_for(workspaces, lent)
    assert made is not None and changes(site, lent.base, made) == ["M\tREADME.md"]


async def test_a_fifo_does_not_hang_the_commit(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    os.mkfifo(lent.path / "pipe")
    write(lent.path / "src/a.py", "a = 2\n")
    made = await commit_for(workspaces, lent)
    assert made is not None and changes(site, lent.base, made) == ["M\tsrc/a.py"]


def interrupted(
    monkeypatch: pytest.MonkeyPatch, name: str, *, before: Callable[[], object], times: int = 1
) -> None:
    """Something happens before each of the first so many calls of a function that commits are made with."""
    function = getattr(committing, name)
    left = [times]

    async def later(*arguments: Any, **more: Any) -> Any:
        if left[0]:
            left[0] -= 1
            before()
        return await function(*arguments, **more)

    monkeypatch.setattr(committing, name, later)


@pytest.mark.parametrize("step", ["commit_tree", "exists", "update_refs"])
@pytest.mark.parametrize("removed", [False, True], ids=["branch", "no branch"])
async def test_gc_by_the_user_between_tree_and_branch_is_made_good(
    site: Site, monkeypatch: pytest.MonkeyPatch, removed: bool, step: str
) -> None:
    interrupted(monkeypatch, step, before=lambda: git(site.checkout, "gc", "--quiet", "--prune=now"))
    async with site.repository.resident():
        workspaces = await site.open()
        lent = await site.lend(workspaces)
        if removed:
            git(lent.path, "checkout", "--quiet", "--detach")
            git(lent.path, "branch", "--quiet", "-D", lent.branch)
        write(lent.path / "src/a.py", "a = 2\n")
        made = await commit_for(workspaces, lent)
        assert made is not None and head(site.checkout, lent.branch) == made
        assert changes(site, lent.base, made) == ["M\tsrc/a.py"]
        site.assert_sound()
        write(lent.path / "src/a.py", "a = 3\n")
        assert await commit_for(workspaces, lent) is not None


async def test_gc_by_the_user_again_and_again_fails_the_commit_and_harms_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    collect = ("gc", "--quiet", "--prune=now")
    interrupted(monkeypatch, "commit_tree", before=lambda: git(site.checkout, *collect), times=2)
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    write(lent.path / "src/a.py", "a = 2\n")
    with pytest.raises(MawepError, match="taken away meanwhile"):
        await commit_for(workspaces, lent)
    assert head(site.checkout, lent.branch) == lent.base
    git(site.checkout, *collect)
    site.assert_sound()
    made = await commit_for(workspaces, lent)
    assert made is not None and changes(site, lent.base, made) == ["M\tsrc/a.py"]


async def test_a_branch_that_moved_to_a_commit_without_its_tree_moves_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collection that looked for refs before we moved ours takes the tree after."""
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    move, collections = committing.update_refs, [1, 2]

    async def then_take_the_tree(repository: Repository, updates: Sequence[RefUpdate], **more: Any) -> None:
        await move(repository, updates, **more)
        if collections and head(site.checkout, lent.branch) != lent.base:
            collections.pop()
            tree = git(site.checkout, "rev-parse", f"{lent.branch}^{{tree}}")
            (site.common / "objects" / tree[:2] / tree[2:]).unlink()

    monkeypatch.setattr(committing, "update_refs", then_take_the_tree)
    write(lent.path / "src/a.py", "a = 2\n")
    with pytest.raises(MawepError, match="taken away meanwhile"):
        await commit_for(workspaces, lent)
    assert collections == []
    assert head(site.checkout, lent.branch) == lent.base
    made = await commit_for(workspaces, lent)
    assert made is not None and changes(site, lent.base, made) == ["M\tsrc/a.py"]
    site.assert_sound()


async def test_nothing_of_a_commit_stays_beside_the_index(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    write(lent.path / "new", "x\n")
    await commit_for(workspaces, lent)
    house = site.common / "mawep" / "workspaces" / lent.name
    assert sorted(path.name for path in house.iterdir()) == ["index", "record.json"]
    assert not list(Path(lent.path).glob(".mawep-*"))
