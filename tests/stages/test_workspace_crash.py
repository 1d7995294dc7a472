"""Crashes: whatever a killed process left half made is removed by its recorded name, and nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mawep.stages.workspace.registry import Kind, Record, Stage
from tests.stages.workspace_site import Site, site
from tests.support.repos import commit, git, head
from tests.support.waiting import eventually

__all__ = ["site"]

LENDER = """
import asyncio, json, sys
from pathlib import Path
import mawep.adapters.git_refs, mawep.stages.workspace.trees as trees, mawep.stages.workspace.layout as layout
from mawep.adapters.git import find_repository
from mawep.adapters.process import Supervisor
from mawep.clock import SystemClock
from mawep.stages.workspace import Workspaces, WorkspaceSettings

def stop_at(owner, name, when):
    plain = getattr(owner, name)
    def stop(now):
        if now == when:
            print("here", flush=True)
            sys.stdin.readline()
    async def asynchronous(*args, **kwargs):
        stop("before")
        done = await plain(*args, **kwargs)
        stop("after")
        return done
    def synchronous(*args, **kwargs):
        stop("before")
        done = plain(*args, **kwargs)
        stop("after")
        return done
    setattr(owner, name, asynchronous if asyncio.iscoroutinefunction(plain) else synchronous)

async def main(checkout, base, commit, spares, point, when):
    supervisor = await Supervisor.start()
    settings = WorkspaceSettings(base=Path(base), spares=int(spares), disk_floor_gb=0)
    workspaces = Workspaces(await find_repository(Path(checkout)), supervisor, settings, SystemClock())
    await workspaces.open()
    if int(spares):
        await workspaces.refill(commit)
    owners = {"check_out": trees.Trees, "seat": trees.Trees, "rename": trees.Trees, "settle": trees.Trees,
              "move_entry": layout, "set_head": layout, "point": layout, "_make_branch": Workspaces}
    stop_at(owners[point], point, when)
    await workspaces.lend(name="agent-0-issue-101", branch="feature/101-thing", base=commit, port_slot=0)

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def lender(site: Site, *, spares: int, point: str, when: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that lends and stops right before or after `point`; killed in the end."""
    command = [sys.executable, "-c", LENDER, str(site.checkout), str(site.base), site.target()]
    process = subprocess.Popen(
        [*command, str(spares), point, when],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=site.base.parent,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == b"here\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def go_on(process: subprocess.Popen[bytes]) -> None:
    """Let the lender go on from where it stopped."""
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("spares", "point"),
    [
        *((0, point) for point in ("_make_branch", "check_out", "seat", "settle", "rename")),
        *((1, point) for point in ("_make_branch", "move_entry", "set_head", "point", "rename")),
    ],
)
async def test_worktree_create_killed_anywhere_is_discarded_and_rebuilt(
    site: Site, spares: int, point: str, when: str
) -> None:
    git(site.checkout, "branch", "feature/101-other")
    with lender(site, spares=spares, point=point, when=when) as process:
        process.kill()
        process.wait()
        workspaces = await site.open(spares=spares)
        assert workspaces.lent() == []
        assert (
            git(site.checkout, "branch", "--list", "--format=%(refname:short)") == "feature/101-other\nmain"
        )
        assert set(site.worktrees().values()) <= {"detached"}
        site.assert_sound()
        lent = await site.lend(workspaces)
        assert git(lent.path, "status", "--porcelain", "--branch") == "## feature/101-thing"


async def test_worktree_create_killed_inside_git_is_discarded_and_rebuilt(site: Site) -> None:
    commit(site.checkout, {f"many/{number:03}": f"{number}\n" for number in range(200)})
    blob = git(site.checkout, "rev-parse", "HEAD:many/100")
    loose, aside = site.common / "objects" / blob[:2] / blob[2:], site.common / "aside"
    loose.rename(aside)
    os.mkfifo(loose)  # git waits there
    with lender(site, spares=0, point="_make_branch", when="before") as process:
        go_on(process)
        spares = site.base / ".spares"
        locks = site.common / "mawep" / "workspaces"
        await eventually("git writes files", lambda: list(spares.glob("*/many/099")), timeout=60)
        assert list(locks.glob("*/index.lock"))
        process.kill()
        process.wait()
        os.close(os.open(loose, os.O_WRONLY))  # git goes on, and finds no object
        aside.rename(loose)
        workspaces = await site.open()
    assert workspaces.lent() == [] and site.worktrees() == {}
    assert git(site.checkout, "branch", "--list", "feature/*") == ""
    lent = await site.lend(workspaces)
    assert git(lent.path, "status", "--porcelain") == ""
    site.assert_sound()


async def test_a_branch_that_moved_since_the_dead_try_is_kept(site: Site) -> None:
    with lender(site, spares=1, point="rename", when="after") as process:
        process.kill()
        process.wait()
    work = commit(site.base / "agent-0-issue-101", {"src/a.py": "a = 2\n"})
    await site.open()
    assert head(site.checkout, "feature/101-thing") == work
    assert site.worktrees() == {}


async def test_what_a_living_process_makes_is_left_alone(site: Site) -> None:
    with lender(site, spares=1, point="rename", when="after") as process:
        workspaces = await site.open(spares=1)
        assert site.base.joinpath("agent-0-issue-101").is_dir()
        assert git(site.checkout, "branch", "--list", "feature/*") != ""
        go_on(process)
        await eventually("the other process has lent", workspaces.lent)
    assert git(workspaces.lent()[0].path, "status", "--porcelain", "--branch") == "## feature/101-thing"


async def test_attempts_outlive_their_process_and_are_left_alone(site: Site) -> None:
    with lender(site, spares=2, point="_make_branch", when="after") as process:
        go_on(process)
        record = site.common / "mawep" / "workspaces" / "agent-0-issue-101" / "record.json"
        await eventually(
            "it has lent", lambda: record.exists() and json.loads(record.read_bytes())["stage"] == "lent"
        )
    (site.base / "agent-0-issue-101" / "work").write_text("in progress\n")
    workspaces = await site.open(spares=2)
    found = workspaces.find("agent-0-issue-101")
    assert found is not None and (found.path / "work").read_text() == "in progress\n"
    assert site.worktrees()[str(found.path)] == "refs/heads/feature/101-thing"


async def test_finished_spares_of_a_dead_process_are_used_again(site: Site) -> None:
    with lender(site, spares=2, point="_make_branch", when="before") as process:
        process.kill()
    spares = sorted((site.base / ".spares").iterdir())
    assert len(spares) == 2
    (spares[0] / "src/a.py").write_text("touched\n")
    workspaces = await site.open(spares=2)
    assert [path for path in spares if path.exists()] == spares[1:]
    assert (await site.lend(workspaces)).reused_spare


async def test_a_discard_that_was_killed_is_finished(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    await site.close(workspaces)
    house = site.common / "mawep" / "workspaces" / lent.name
    record = json.loads((house / "record.json").read_bytes())
    (house / "record.json").write_text(json.dumps({**record, "stage": "leaving"}))
    lent.path.rename(site.base / ".trash" / "doomed")
    after = await site.open()
    assert after.lent() == [] and site.worktrees() == {}
    assert head(site.checkout, lent.branch) == site.target()
    await site.close(after)
    assert site.leftovers() == []


async def test_a_record_that_cannot_be_read_makes_nothing_disappear(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    await site.close(workspaces)
    house = site.common / "mawep" / "workspaces" / lent.name
    (house / "record.json").write_bytes(b"")
    after = await site.open()
    assert lent.path.is_dir() and str(lent.path) in site.worktrees()
    with pytest.raises(Exception, match="take another name"):
        await site.lend(after)
    git(site.checkout, "worktree", "unlock", str(lent.path))
    git(site.checkout, "worktree", "remove", "--force", str(lent.path))


async def test_a_name_taken_by_a_process_that_died_at_once_is_given_back(site: Site) -> None:
    await site.close(await site.open())
    house = site.common / "mawep" / "workspaces" / "agent-0-issue-101"
    house.mkdir()
    await site.close(await site.open())
    assert house.exists()  # it may be a process that is about to write its record
    os.utime(house, (0, 0))
    workspaces = await site.open()
    assert not house.exists()
    await site.lend(workspaces)


async def test_a_spare_whose_directory_is_gone_is_forgotten(site: Site) -> None:
    workspaces = await site.open()
    registry = workspaces._registry
    registry.create(
        Record(
            "mawep-spare-0", Kind.SPARE, Stage.READY, "dead", str(site.base / ".spares" / "x"), site.target()
        )
    )
    await site.open()
    assert registry.read("mawep-spare-0") is None
