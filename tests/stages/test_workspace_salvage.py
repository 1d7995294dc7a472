"""Salvage: whatever an attempt made is under one ref before anything of it is removed."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from mawep.stages.workspace import Workspace, Workspaces, snapshot
from tests.stages.workspace_site import AGENT, Site, make_hole, site
from tests.support.repos import commit, git, head, write

__all__ = ["site"]

REF = "refs/mawep/run/salvage/101-a1"


async def salvage(workspaces: Workspaces, lent: Workspace) -> str | None:
    return await workspaces.salvage(lent, REF, "salvage: issue 101, attempt 1", AGENT)


def files(site: Site, commit: str) -> list[str]:
    return git(
        site.checkout, "-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", commit
    ).splitlines()


def added(site: Site, lent: Workspace, commit: str) -> set[str]:
    return set(files(site, commit)) - set(files(site, lent.base))


async def test_uncommitted_work_is_under_the_ref_and_the_branch_stays(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    write(lent.path / "src/a.py", "a = 2\n")
    write(lent.path / "neu/数.txt", "x\n")
    write(lent.path / "build/ignored.o", "x\n")
    (lent.path / "link").symlink_to("/etc/passwd")
    made = await salvage(workspaces, lent)
    assert made is not None and head(site.checkout, REF) == made
    assert added(site, lent, made) == {"neu/数.txt", "link"}
    assert git(site.checkout, "cat-file", "-p", f"{made}:link") == "/etc/passwd"
    assert git(site.checkout, "rev-parse", f"{made}^") == head(site.checkout, lent.branch) == lent.base
    assert git(site.checkout, "log", "-1", "--format=%an %s", made) == "agent-0 salvage: issue 101, attempt 1"
    site.assert_sound()


async def test_nothing_made_is_nothing_to_keep(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    write(lent.path / "build/ignored.o", "x\n")
    os.utime(lent.path / "src/a.py")
    assert await salvage(workspaces, lent) is None
    assert git(site.checkout, "for-each-ref", "refs/mawep") == ""


async def test_committed_work_is_kept_as_it_is(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    own = commit(lent.path, {"src/a.py": "a = 2\n"})
    assert await salvage(workspaces, lent) == own == head(site.checkout, REF)


async def test_salvage_again_gives_the_same_and_never_loses_the_first(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    write(lent.path / "one", "x\n")
    first = await salvage(workspaces, lent)
    assert await salvage(workspaces, lent) == first
    (lent.path / "one").unlink()
    write(lent.path / "two", "x\n")
    second = await salvage(workspaces, lent)
    assert second is not None and added(site, lent, second) == {"two"}
    assert first in git(site.checkout, "rev-list", second).splitlines()


async def test_salvage_sees_what_skip_worktree_hides(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    git(lent.path, "update-index", "--skip-worktree", "src/a.py")
    write(lent.path / "src/a.py", "a = 2\n")
    assert git(lent.path, "status", "--porcelain") == ""
    made = await salvage(workspaces, lent)
    assert made is not None and git(site.checkout, "show", f"{made}:src/a.py") == "a = 2"


async def test_salvage_archives_nested_repositories_with_their_history(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    tripwire = site.base.parent / "sprung"
    nested = lent.path / "vendor/lib"
    git(lent.path, "init", "--quiet", "vendor/lib")
    commit(nested, {"lib.c": "int x;\n"})
    write(nested / "uncommitted.c", "int y;\n")
    git(nested, "config", "core.fsmonitor", f"touch {tripwire}; false")
    git(lent.path, "add", "vendor/lib")
    git(lent.path, "commit", "--quiet", "-m", "a bare link")
    tripwire.unlink(missing_ok=True)
    made = await salvage(workspaces, lent)
    assert made is not None and not tripwire.exists()
    assert added(site, lent, made) == {
        "vendor/lib/lib.c",
        "vendor/lib/uncommitted.c",
        "vendor/lib/git-directory.tar",
    }
    archive = subprocess.run(
        ["git", "-C", str(site.checkout), "cat-file", "blob", f"{made}:vendor/lib/git-directory.tar"],
        capture_output=True,
        check=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert ".git/HEAD" in tar.getnames()
    site.assert_sound()


async def test_salvage_of_a_worktree_that_was_made_a_repository_of_its_own(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    (lent.path / ".git").unlink()
    git(lent.path, "init", "--quiet", "--initial-branch=mine")
    commit(lent.path, {"src/a.py": "a = 2\n"})
    made = await salvage(workspaces, lent)
    assert made is not None and added(site, lent, made) == {"git-directory.tar"}
    assert git(site.checkout, "show", f"{made}:src/a.py") == "a = 2"


async def test_salvage_keeps_commits_of_another_branch_and_of_a_detached_head(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    on_branch = commit(lent.path, {"src/a.py": "a = 2\n"})
    git(lent.path, "checkout", "--quiet", "--detach", lent.base)
    detached = commit(lent.path, {"src/b.py": "b = 2\n"})
    made = await salvage(workspaces, lent)
    assert made is not None
    assert git(site.checkout, "rev-parse", f"{made}^1", f"{made}^2").splitlines() == [on_branch, detached]
    assert git(site.checkout, "show", f"{made}:src/b.py") == "b = 2"


async def test_salvage_when_the_directory_is_gone_keeps_the_branch(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    own = commit(lent.path, {"src/a.py": "a = 2\n"})
    home = site.base.parent / "home"
    write(home / "secret", "x\n")
    lent.path.rename(site.base / "moved")
    lent.path.symlink_to(home)
    made = await salvage(workspaces, lent)
    assert made is not None and git(site.checkout, "rev-parse", f"{made}^") == own
    assert added(site, lent, made) == set()
    assert "not the directory that was lent" in git(site.checkout, "log", "-1", "--format=%B", made)


async def test_salvage_leaves_out_and_names_what_is_too_large(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "LARGEST_FILE", 1000)
    monkeypatch.setattr(snapshot, "LARGEST_TOTAL", 3000)
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    write(lent.path / "core.dump", b"x" * 1001)
    for number in range(4):
        write(lent.path / f"part-{number}", b"x" * 900)
    made = await salvage(workspaces, lent)
    assert made is not None and added(site, lent, made) == {"part-0", "part-1", "part-2"}
    message = git(site.checkout, "log", "-1", "--format=%B", made)
    assert "Not in this commit:" in message and "'core.dump'" in message and "'part-3'" in message


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "not noted"])
async def test_salvage_reads_no_file_of_holes_tracked_or_not(site: Site, noted: bool) -> None:
    """Git compares what it has not looked at yet, such as what the agent has just committed, by reading it."""
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    commit(lent.path, {"mine.bin": "x\n", "empty": ""})
    if not noted:
        (site.common / "mawep" / "workspaces" / lent.name / "index").unlink()
    for name in ("mine.bin", "empty", "src/a.py", "new.img"):
        make_hole(lent.path / name)
    write(lent.path / "README.md", "changed\n")
    made = await salvage(workspaces, lent)
    assert made is not None and added(site, lent, made) == {"mine.bin", "empty"}
    assert git(site.checkout, "show", f"{made}:README.md") == "changed"
    message = git(site.checkout, "log", "-1", "--format=%B", made)
    for name in ("mine.bin", "empty", "src/a.py", "new.img"):
        assert f"'{name}' has 4194304 MiB, more than 100" in message


async def test_salvage_takes_a_large_file_that_is_as_it_was(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "LARGEST_FILE", 10)
    large = commit(site.checkout, {"large.txt": "more than ten bytes\n"})
    workspaces = await site.open()
    lent = await site.lend(workspaces, base=large)
    os.utime(lent.path / "large.txt")
    write(lent.path / "new", "x\n")
    made = await salvage(workspaces, lent)
    assert made is not None and added(site, lent, made) == {"new"}
    assert "Not in this commit" not in git(site.checkout, "log", "-1", "--format=%B", made)


async def test_salvage_bounds_nested_repositories(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MOST_NESTED", 2)
    monkeypatch.setattr(snapshot, "LARGEST_FILE", 10)
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    for number in range(3):
        git(lent.path, "init", "--quiet", f"n{number}")
        write(lent.path / f"n{number}" / "file", "x\n")
    made = await salvage(workspaces, lent)
    assert made is not None and len(added(site, lent, made)) == 2
    message = git(site.checkout, "log", "-1", "--format=%B", made)
    assert "more than 2 nested repositories" in message and ".git'" in message


async def test_salvage_is_synced_to_the_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    commit(lent.path, {"src/a.py": "a = 2\n"})
    write(lent.path / "new", "x\n")
    synced: list[str] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    made = await salvage(workspaces, lent)
    assert made is not None
    objects = git(site.checkout, "rev-list", "--objects", "--no-object-names", made, f"^{lent.base}").split()
    assert len(objects) >= 6
    loose = {str(site.common / "objects" / name[:2] / name[2:]) for name in objects}
    assert loose <= set(synced)
    assert str((site.common / REF).parent) in synced


async def test_salvage_after_a_restart_without_any_note_of_the_workspace(site: Site) -> None:
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    write(lent.path / "new", "x\n")
    (site.common / "mawep" / "workspaces" / lent.name / "index").unlink()
    await site.close(workspaces)
    again = await site.open()
    made = await salvage(again, lent)
    assert made is not None and added(site, lent, made) == {"new"}
