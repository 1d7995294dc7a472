"""Giving back: a worktree goes at once, by its name, and nothing goes that is not ours or not over."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mawep.errors import UsageError
from mawep.stages.workspace import check_base
from mawep.stages.workspace.trash import Trash
from tests.stages.test_workspace_lend import count_git
from tests.stages.workspace_site import AGENT, Site, site
from tests.support.repos import commit, git, head, make_repository, write
from tests.support.waiting import eventually

__all__ = ["site"]


async def test_discard_runs_no_git_and_leaves_the_branch(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    work = commit(lent.path, {"src/a.py": "a = 2\n"})
    ran = count_git(monkeypatch)
    await workspaces.discard(lent)
    assert ran == []
    assert not lent.path.exists() and site.worktrees() == {}
    assert head(site.checkout, lent.branch) == work
    await workspaces.discard(lent)
    await eventually("the trash is empty", lambda: site.leftovers() == [str(owner) for owner in owners(site)])
    site.assert_sound()


def owners(site: Site) -> list[Path]:
    return list((site.common / "mawep" / "workspaces" / ".owners").iterdir())


async def test_a_closed_stage_leaves_nothing(site: Site) -> None:
    workspaces = await site.open(spares=2, gate_slots=2, setup=("touch build.log",))
    await workspaces.refill(site.target())
    lent = await site.lend(workspaces)
    async with workspaces.gate_tree(site.target()):
        pass
    await workspaces.discard(lent)
    await site.close(workspaces)
    assert site.leftovers() == []
    assert site.worktrees() == {}


async def test_the_branch_goes_only_from_where_it_is_expected(site: Site) -> None:
    workspaces = await site.open()
    one, two = await site.lend(workspaces, 1), await site.lend(workspaces, 2)
    work = commit(two.path, {"src/a.py": "a = 2\n"})
    await workspaces.discard(one, drop_branch_at=one.base)
    await workspaces.discard(two, drop_branch_at=two.base)
    assert git(site.checkout, "branch", "--list", "feature/*", "--format=%(refname:short)") == two.branch
    assert head(site.checkout, two.branch) == work


async def test_a_name_can_be_lent_again_after_it_was_given_back(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    await workspaces.discard(lent, drop_branch_at=lent.base)
    again = await site.lend(workspaces)
    assert git(again.path, "status", "--porcelain") == ""


async def test_a_tree_that_its_agent_made_hard_to_remove(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    write(lent.path / "deep" / "er" / "file", "x\n")
    os.mkfifo(lent.path / "pipe")
    outside = write(site.base.parent / "outside" / "file", "precious\n")
    (lent.path / "out").symlink_to(outside.parent)
    for place in ("deep/er", "deep", ""):
        (lent.path / place).chmod(0o000)
    await workspaces.discard(lent)
    await site.close(workspaces)
    assert site.leftovers() == []
    assert outside.read_text() == "precious\n"


@pytest.mark.parametrize("kind", ["gone", "link", "file"])
async def test_a_tree_that_its_agent_replaced(site: Site, kind: str) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    outside = write(site.base.parent / "outside" / "file", "precious\n")
    moved = site.base.parent / "moved"
    lent.path.rename(moved)
    if kind == "link":
        lent.path.symlink_to(outside.parent)
    elif kind == "file":
        lent.path.write_text("x")
    await workspaces.discard(lent)
    await site.close(workspaces)
    assert not os.path.lexists(lent.path) and outside.exists() and moved.exists()
    assert site.worktrees() == {} and site.leftovers() == []


async def test_cleanup_never_takes_a_users_unplugged_worktree(site: Site) -> None:
    unplugged = site.base.parent / "usb-stick"
    git(site.checkout, "worktree", "add", "--quiet", "--detach", str(unplugged))
    precious = commit(unplugged, {"src/a.py": "a = 9\n"})
    unplugged.rename(site.base.parent / "away")
    workspaces = await site.open(spares=1)
    await workspaces.refill(site.target())
    await workspaces.discard(await site.lend(workspaces))
    await site.close(workspaces)
    assert list(site.worktrees()) == [str(unplugged)]
    (site.base.parent / "away").rename(unplugged)
    assert head(unplugged) == precious
    git(site.checkout, "worktree", "remove", "--force", str(unplugged))


async def test_a_users_prune_never_takes_ours(site: Site) -> None:
    workspaces = await site.open(spares=1)
    await workspaces.refill(site.target())
    lent = await site.lend(workspaces)
    lent.path.rename(site.base / "away")
    git(site.checkout, "worktree", "prune", "--expire=now")
    (site.base / "away").rename(lent.path)
    assert git(lent.path, "status", "--porcelain", "--branch") == "## feature/101-thing"


async def test_a_base_inside_another_repository_is_refused(site: Site, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "other")
    bare = make_repository(tmp_path / "bare.git", bare=True)
    for base in (other / "trees", other, bare / "trees", site.common / "trees", site.checkout):
        with pytest.raises(UsageError, match="is inside the"):
            await site.unopened(base=base).open()
    assert not (other / "trees").exists() and not (bare / "trees").exists()


async def test_a_base_inside_a_worktree_is_refused(site: Site, tmp_path: Path) -> None:
    git(site.checkout, "worktree", "add", "--quiet", "--detach", str(tmp_path / "side"))
    with pytest.raises(UsageError, match="is inside the repository"):
        await site.unopened(base=tmp_path / "side" / "trees").open()
    git(site.checkout, "worktree", "remove", str(tmp_path / "side"))


async def test_a_base_inside_the_checkout_is_a_warning_and_excluded(site: Site) -> None:
    base = site.checkout / "tmp dir" / "trees!"
    assert check_base(base, site.checkout, site.common) != ()
    assert not base.exists()
    for _ in range(2):
        workspaces = site.unopened(base=base)
        site.opened.append(workspaces)
        assert "inside the checkout" in (await workspaces.open())[0]
    lent = await site.lend(workspaces)
    assert git(site.checkout, "status", "--porcelain") == ""
    assert (site.common / "info" / "exclude").read_text().splitlines().count("/tmp\\ dir/trees\\!/") == 1
    await workspaces.discard(lent)


async def test_a_base_that_cannot_be_made_is_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot be kept"):
        await site.unopened(base=tmp_path / "file" / "trees").open()


async def test_a_base_whose_name_is_no_text_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        await site.unopened(base=tmp_path / os.fsdecode(b"\xff")).open()


async def test_a_base_behind_a_link_works(site: Site, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    workspaces = await site.open(base=tmp_path / "link" / "trees")
    lent = await site.lend(workspaces)
    assert lent.path.is_relative_to(tmp_path / "real")
    write(lent.path / "new", "x\n")
    assert await workspaces.commit_for_agent(lent, "x", AGENT, {})
    await workspaces.discard(lent)


def test_what_its_owner_may_not_write_to_is_removed() -> None:
    top = Path(tempfile.mkdtemp())
    tree = write(top / "tree" / "deep" / "file", "x\n").parents[1]
    (top / "bin").mkdir()
    with as_somebody(top):
        for place in (tree / "deep", tree):
            place.chmod(0o500)
        trash = Trash(top, top / "bin", top / "bin")
        trash.throw(tree)
        asyncio.run(trash.close())
    assert [path.name for path in top.rglob("*")] == ["bin"]
    shutil.rmtree(top)


def test_an_end_does_not_wait_for_all_that_is_thrown_away(tmp_path: Path) -> None:
    """A large repository's worktrees take minutes to remove; who opens it next goes on with them."""
    trash = Trash(tmp_path, tmp_path / "bin", tmp_path / "bin")
    (tmp_path / "bin").mkdir()
    trees = [tmp_path / str(number) for number in range(40)]
    for tree in trees:
        for name in range(100):
            write(tree / str(name), "x\n")
    for tree in trees:
        trash.throw(tree)
    asyncio.run(trash.close(patience=0))
    assert list((tmp_path / "bin").iterdir()), "it did not wait"
    later = Trash(tmp_path, tmp_path / "bin", tmp_path / "bin")
    later.empty()
    asyncio.run(later.close())
    assert list(tmp_path.iterdir()) == [tmp_path / "bin"]
    assert not list((tmp_path / "bin").iterdir())


@contextmanager
def as_somebody(top: Path) -> Iterator[None]:
    """Be somebody whom permissions apply to, and who owns everything from `top` down."""
    if os.geteuid() != 0:
        yield
        return
    nobody = 65534
    for path in (top, *top.rglob("*")):
        os.chown(path, nobody, nobody)
    modes = [(path, path.stat().st_mode) for path in top.parents]
    closed = [(path, mode) for path, mode in modes if not mode & 0o001]
    for path, mode in closed:
        path.chmod(mode | 0o111)
    os.seteuid(nobody)
    try:
        yield
    finally:
        os.seteuid(0)
        for path, mode in closed:
            path.chmod(mode)
