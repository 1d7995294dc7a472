"""Lending: one worktree for each attempt, warm or cold, and nothing changed when it cannot be."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from mawep.adapters.git_process import Completed, execute
from mawep.errors import GitError, InfrastructureError, UsageError
from mawep.stages.workspace import DiskFloorError, WorkspaceExists
from mawep.stages.workspace import workspaces as workspaces_module
from mawep.stages.workspace.registry import Kind, Record
from mawep.stages.workspace.trees import Trees
from tests.stages.workspace_site import FILES, Site, site
from tests.support.repos import commit, git, head

__all__ = ["site"]


async def test_a_workspace_is_a_clean_worktree_on_its_own_branch(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    assert (lent.path, lent.branch, lent.base) == (
        site.base / "agent-0-issue-101",
        "feature/101-thing",
        site.target(),
    )
    assert not lent.reused_spare
    assert git(lent.path, "status", "--porcelain", "--branch") == "## feature/101-thing"
    assert {name for name in FILES if (lent.path / name).read_text() != FILES[name]} == set()
    assert site.worktrees() == {str(lent.path): "refs/heads/feature/101-thing"}
    assert head(lent.path) == site.target()
    site.assert_sound()


async def test_a_warm_spare_is_handed_over_in_one_git_process(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspaces = await site.open(spares=1)
    await workspaces.refill(site.target())
    ran = count_git(monkeypatch)
    lent = await site.lend(workspaces)
    assert lent.reused_spare
    assert len(ran) <= 1, ran
    assert git(lent.path, "status", "--porcelain", "--branch") == "## feature/101-thing"
    assert site.worktrees() == {str(lent.path): "refs/heads/feature/101-thing"}
    site.assert_sound()


async def test_a_spare_at_an_older_commit_is_brought_forward(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspaces = await site.open(spares=1)
    await workspaces.refill(site.target())
    newer = commit(site.checkout, {"src/a.py": "a = 2\n", "src/c.py": "c = 1\n", "README.md": None})
    ran = count_git(monkeypatch)
    lent = await site.lend(workspaces)
    assert lent.reused_spare
    assert len(ran) <= 2, ran
    assert (lent.path / "src/a.py").read_text() == "a = 2\n"
    assert not (lent.path / "README.md").exists()
    assert git(lent.path, "status", "--porcelain") == ""
    assert head(lent.path) == newer


async def test_a_spare_can_be_brought_forward_before_it_is_taken(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspaces = await site.open(spares=2)
    await workspaces.advance(site.target())
    await workspaces.refill(site.target())
    newer = commit(site.checkout, {"src/a.py": "a = 2\n"})
    ran = count_git(monkeypatch)
    await workspaces.advance(newer)
    await workspaces.advance(newer)
    assert ran == ["read-tree"]
    lent = await site.lend(workspaces)
    assert lent.reused_spare and head(lent.path) == newer
    assert ran.count("read-tree") == 1
    assert git(lent.path, "status", "--porcelain") == ""
    site.assert_sound()


async def test_agents_can_commit_rebase_and_push_in_a_workspace(site: Site) -> None:
    workspaces = await site.open(spares=1)
    await workspaces.refill(site.target())
    lent = await site.lend(workspaces)
    made = commit(lent.path, {"new.txt": "new\n"})
    newer = commit(site.checkout, {"src/a.py": "a = 2\n"})
    git(lent.path, "rebase", "--quiet", "main")
    assert head(site.checkout, "feature/101-thing") != made
    assert git(lent.path, "log", "--format=%H", "-1", "HEAD^") == newer
    assert git(lent.path, "reflog", "show", "feature/101-thing").count("\n") >= 2


async def test_eight_lends_at_once_all_succeed(site: Site) -> None:
    workspaces = await site.open(spares=2)
    await workspaces.refill(site.target())
    lent = await asyncio.gather(*(site.lend(workspaces, number) for number in range(8)))
    assert sum(workspace.reused_spare for workspace in lent) == 2
    assert len({workspace.ports for workspace in lent}) == 8
    assert site.worktrees() == {str(one.path): f"refs/heads/{one.branch}" for one in lent}
    assert [git(one.path, "status", "--porcelain") for one in lent] == [""] * 8
    site.assert_sound()


async def test_lending_while_agents_add_worktrees_of_their_own(site: Site) -> None:
    workspaces = await site.open()
    first = await site.lend(workspaces)

    async def agent(number: int) -> None:
        own = site.base.parent / f"own-{number}"
        for command in (("add", "--detach", "--quiet", str(own)), ("remove", "--force", str(own))):
            process = await asyncio.create_subprocess_exec("git", "-C", str(first.path), "worktree", *command)
            await process.wait()

    numbers = range(200, 212)
    _, lent = await asyncio.gather(
        asyncio.gather(*(agent(number) for number in range(3))),
        asyncio.gather(*(site.lend(workspaces, number) for number in numbers)),
    )
    assert [git(one.path, "status", "--porcelain") for one in lent] == [""] * len(numbers)


async def test_two_processes_share_a_repository(site: Site) -> None:
    one, two = await site.open(spares=2), await site.open(spares=2)
    await asyncio.gather(one.refill(site.target()), two.refill(site.target()))
    lent = await asyncio.gather(
        *(
            site.lend(workspaces, 10 * side + n)
            for side, workspaces in enumerate((one, two))
            for n in range(3)
        )
    )
    assert sum(workspace.reused_spare for workspace in lent) == 4
    assert len({workspace.ports for workspace in lent}) == 6
    with pytest.raises(WorkspaceExists):
        await site.lend(two, 0)
    site.assert_sound()


async def test_the_same_name_is_lent_only_once(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    with pytest.raises(WorkspaceExists):
        await workspaces.lend(name=lent.name, branch="feature/other", base=site.target(), port_slot=0)
    assert git(site.checkout, "branch", "--list", "feature/other") == ""
    assert workspaces.find(lent.name) is not None


async def test_a_taken_branch_is_not_touched(site: Site) -> None:
    git(site.checkout, "branch", "feature/101-thing")
    workspaces = await site.open(spares=1)
    await workspaces.refill(site.target())
    with pytest.raises(WorkspaceExists, match="branch feature/101-thing"):
        await site.lend(workspaces)
    assert head(site.checkout, "feature/101-thing") == site.target()
    assert workspaces.find("agent-0-issue-101") is None
    assert (await site.lend(workspaces, 102)).reused_spare


async def test_a_packed_branch_is_seen(site: Site) -> None:
    git(site.checkout, "branch", "feature/101-thing")
    git(site.checkout, "pack-refs", "--all")
    workspaces = await site.open()
    with pytest.raises(WorkspaceExists):
        await site.lend(workspaces)


async def test_a_directory_or_an_entry_that_is_not_ours_is_not_touched(site: Site) -> None:
    workspaces = await site.open(spares=1)
    await workspaces.refill(site.target())
    precious = site.base / "agent-0-issue-101" / "precious"
    precious.parent.mkdir()
    precious.write_text("mine\n")
    with pytest.raises(WorkspaceExists):
        await site.lend(workspaces)
    assert precious.read_text() == "mine\n"
    assert git(site.checkout, "branch", "--list", "feature/101-thing") == ""

    elsewhere = site.base.parent / "agent-0-issue-102"
    git(site.checkout, "worktree", "add", "--quiet", "--detach", str(elsewhere))
    with pytest.raises(WorkspaceExists):
        await site.lend(workspaces, 102)
    assert site.worktrees()[str(elsewhere)] == "detached"
    git(site.checkout, "worktree", "remove", str(elsewhere))
    precious.unlink()
    assert (await site.lend(workspaces, 103)).reused_spare


@pytest.mark.parametrize(
    "name", ["", "..", "a/b", ".spares", "-x", "a b", "a..b", "x.lock", "a\nb", "a~1", "@{u}"]
)
async def test_a_name_that_is_no_directory_or_no_entry_is_refused(site: Site, name: str) -> None:
    workspaces = await site.open()
    with pytest.raises(UsageError):
        await workspaces.lend(name=name, branch="feature/x", base=site.target(), port_slot=0)
    assert git(site.checkout, "branch", "--list", "feature/*") == ""


async def test_names_may_be_unicode(site: Site) -> None:
    workspaces = await site.open()
    lent = await workspaces.lend(
        name="agent-ü-issue-7", branch="feature/7-größe-数", base=site.target(), port_slot=0
    )
    (lent.path / "数.txt").write_text("x\n")
    git(lent.path, "add", "-A")
    git(lent.path, "commit", "--quiet", "-m", "x")
    assert head(site.checkout, "feature/7-größe-数") == head(lent.path)
    assert workspaces.find("agent-ü-issue-7") is not None
    site.assert_sound()
    await workspaces.discard(lent)
    assert site.worktrees() == {}


async def test_a_base_that_does_not_exist_leaves_nothing(site: Site) -> None:
    workspaces = await site.open(spares=1)
    await workspaces.refill(site.target())
    with pytest.raises(GitError):
        await site.lend(workspaces, base="1" * 40)
    assert workspaces.find("agent-0-issue-101") is None
    assert not (site.base / "agent-0-issue-101").exists()
    assert (await site.lend(workspaces)).reused_spare


async def test_a_cancelled_lend_leaves_nothing(site: Site) -> None:
    workspaces = await site.open(setup=("sleep 100",))
    lending = asyncio.create_task(site.lend(workspaces))
    while not list((site.base / ".spares").iterdir()):
        await asyncio.wait([lending], timeout=0.01)
    lending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await lending
    assert site.worktrees() == {}
    assert git(site.checkout, "branch", "--list", "feature/*") == ""
    assert workspaces.lent() == []


async def test_a_spare_that_died_is_replaced(site: Site) -> None:
    workspaces = await site.open(spares=2)
    await workspaces.refill(site.target())
    gone, broken = sorted((site.base / ".spares").iterdir())
    git(site.checkout, "worktree", "unlock", str(gone))
    git(site.checkout, "worktree", "remove", "--force", str(gone))
    newer = commit(site.checkout, {"src/a.py": "a = 2\n"})
    (broken / "src/a.py").write_text("somebody was here\n")
    lent = await site.lend(workspaces)
    assert not lent.reused_spare
    assert head(lent.path) == newer
    assert git(lent.path, "status", "--porcelain") == ""
    assert site.worktrees() == {str(lent.path): f"refs/heads/{lent.branch}"}


async def test_a_spare_that_died_without_a_new_base_is_replaced(site: Site) -> None:
    workspaces = await site.open(spares=2)
    await workspaces.refill(site.target())
    for spare in (site.base / ".spares").iterdir():
        shutil.rmtree(spare)
    lent = await site.lend(workspaces)
    assert not lent.reused_spare
    assert site.worktrees() == {str(lent.path): f"refs/heads/{lent.branch}"}


async def test_a_branch_made_in_the_blink_of_an_eye_is_kept(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspaces = await site.open()
    git(site.checkout, "branch", "feature/101-thing")
    monkeypatch.setattr(workspaces_module, "branch_head", lambda *_: None)
    with pytest.raises(WorkspaceExists):
        await site.lend(workspaces)
    assert head(site.checkout, "feature/101-thing") == site.target()
    assert workspaces.find("agent-0-issue-101") is None


async def test_full_disk_nothing_is_made_below_the_floor(site: Site) -> None:
    workspaces = await site.open(disk_floor_gb=1e9)
    with pytest.raises(DiskFloorError, match="GB are free"):
        await site.lend(workspaces)
    with pytest.raises(DiskFloorError):
        await workspaces.refill(site.target())
    with pytest.raises(DiskFloorError):
        async with workspaces.gate_tree(site.target()):
            pass
    assert git(site.checkout, "branch", "--list", "feature/*") == ""
    assert site.worktrees() == {}


async def test_each_attempt_has_a_private_tmpdir_and_a_lock_out_of_its_tree(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    assert stat.S_IMODE(lent.tmp.stat().st_mode) == 0o700
    assert not lent.tmp.is_relative_to(lent.path)
    assert lent.lock.parent.is_dir() and not lent.lock.is_relative_to(site.base)
    (lent.tmp / "left").write_text("x")
    await workspaces.discard(lent)
    assert not lent.tmp.exists() and not lent.lock.parent.exists()


async def test_ports_come_in_blocks_of_ten_that_nobody_listens_on(site: Site) -> None:
    first = free_block()
    workspaces = await site.open(ports_from=first)
    with socket.create_server(("127.0.0.1", first + 3)):
        one = await site.lend(workspaces, 1)
    two = await site.lend(workspaces, 2)
    assert one.ports == range(first + 10, first + 20)
    assert two.ports == range(first, first + 10)
    with pytest.raises(InfrastructureError, match="no ten ports"):
        await site.lend(await site.open(ports_from=65530), 9)
    assert not (site.base / "agent-0-issue-9").exists()
    other = await site.open(ports_from=first)
    assert (await site.lend(other, 3)).ports.start >= first + 20
    await workspaces.discard(two)
    assert (await site.lend(other, 4)).ports == range(first, first + 10)


async def test_a_resumed_process_finds_its_attempts_and_keeps_their_ports(site: Site) -> None:
    first = free_block()
    before = await site.open(ports_from=first)
    lent = await site.lend(before)
    await site.close(before)
    after = await site.open(ports_from=first)
    assert after.find(lent.name) == lent
    assert after.find("agent-9-issue-9") is None
    assert after.lent() == [lent]
    assert (await site.lend(after, 102)).ports.start == first + 10


async def test_a_refill_yields_to_lenders(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workspaces = await site.open(spares=3)
    ran = count_git(monkeypatch)
    make, waiting = Trees.make, []

    async def watched(trees: Trees, kind: Kind, commit: str) -> Record:
        if asyncio.current_task() is refilling:
            waiting.append(workspaces._spares._takers)
        return await make(trees, kind, commit)

    monkeypatch.setattr(Trees, "make", watched)
    refilling = asyncio.create_task(workspaces.refill(site.target()))
    lent = await asyncio.gather(*(site.lend(workspaces, number) for number in range(3)))
    await refilling
    assert len(waiting) >= 3 and not any(waiting)
    assert len(list((site.base / ".spares").iterdir())) == 3
    assert len(lent) == 3 and ran.count("read-tree") == 6


async def test_refills_at_once_make_each_spare_once_at_the_newest_base(site: Site) -> None:
    workspaces = await site.open(spares=3)
    old = site.target()
    newer = commit(site.checkout, {"src/a.py": "a = 2\n"})
    await asyncio.gather(*(workspaces.refill(base) for base in (old, newer, newer)))
    heads = [git(Path(path), "rev-parse", "HEAD") for path in site.worktrees()]
    assert sorted(heads, key=[old, newer].index) == [old, newer, newer]  # the first was begun already


async def test_a_refill_may_be_asked_for_less(site: Site) -> None:
    workspaces = await site.open(spares=3)
    await workspaces.refill(site.target(), at_most=1)
    assert len(site.worktrees()) == 1


def count_git(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The git commands that run from here on."""
    ran: list[str] = []

    async def counted(argv: list[str], **kwargs: object) -> Completed:
        words = iter(argv[1:])
        ran.append(next(word for word in words if not word.startswith("-") and "=" not in word))
        return await execute(argv, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr("mawep.adapters.git.execute", counted)
    return ran


def free_block() -> int:
    """The first of forty ports that nobody listens on now, another one in each test process."""
    for start in range(21000 + 40 * (os.getpid() % 290), 60000, 40):
        probes = [socket.socket() for _ in range(40)]
        try:
            for offset, probe in enumerate(probes):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", start + offset))
            return start
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
    raise AssertionError("no forty ports in a row are free")
