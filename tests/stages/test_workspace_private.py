"""A git directory of an agent's own: what works in it, what comes out of it, and what never does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mawep.adapters.fences import around
from mawep.adapters.sandbox import Walls
from mawep.stages.workspace import CollectError, Workspace, Workspaces, private_collect
from mawep.stages.workspace.private import PrivateGit
from tests.stages.workspace_site import AGENT, Site, site
from tests.support.repos import branch, git, head

__all__ = ["site"]

KINDS = pytest.mark.parametrize("kind", ["required", "landlock"])


def inside(
    workspace: Workspace, private: PrivateGit, script: str, kind: str = "required", check: bool = True
) -> str:
    """Run a script as the agent of that workspace would; what it says on stdout."""
    walls = Walls(
        cwd=workspace.path,
        writable=(workspace.path, workspace.tmp, private.git),
        read_only=(*private.borrowed, *private.fixed),
        mounts=(private.pointer,),
    )
    done = subprocess.run(
        [*around(kind, walls), "sh", "-c", f"set -e; {script}" if check else script],
        cwd=workspace.path,
        env={"PATH": os.environ["PATH"], "HOME": str(workspace.tmp), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout + ("" if check else done.stderr)


async def secluded(site: Site, kind: str = "required") -> tuple[Workspaces, Workspace, PrivateGit]:
    workspaces = await site.open()
    workspace = await site.lend(workspaces)
    return workspaces, workspace, await workspaces.seclude(workspace, kind, AGENT)


def branch_of(site: Site, workspace: Workspace) -> str:
    return head(site.checkout, workspace.branch)


@KINDS
async def test_an_agent_commits_in_its_own_git_directory_and_it_is_collected(site: Site, kind: str) -> None:
    workspaces, workspace, private = await secluded(site, kind)
    before = sorted(path for path in site.common.rglob("*") if "mawep" not in path.parts)
    script = "echo 'a = 2' > src/a.py; git commit -qam one; mkdir new; echo x > new/x; git add .; git commit -qm two"
    inside(workspace, private, script, kind)
    assert sorted(path for path in site.common.rglob("*") if "mawep" not in path.parts) == before
    assert branch_of(site, workspace) == workspace.base
    await workspaces.collect(workspace)
    assert git(site.checkout, "log", "--format=%s %an", f"{workspace.base}..{workspace.branch}").split(
        "\n"
    ) == [
        "two agent-0",
        "one agent-0",
    ]
    assert git(site.checkout, "show", f"{workspace.branch}:new/x") == "x"
    site.assert_sound()
    await workspaces.discard(workspace)


@KINDS
async def test_git_inside_is_clean_and_knows_branches_and_tags(site: Site, kind: str) -> None:
    git(site.checkout, "tag", "v1")
    workspaces, workspace, private = await secluded(site, kind)
    said = inside(
        workspace, private, "git status --porcelain; git describe --tags; git rev-parse main HEAD", kind
    )
    assert said.split() == ["v1", workspace.base, workspace.base]
    said = inside(workspace, private, "git symbolic-ref HEAD; git branch --list; git stash list", kind)
    assert f"* {workspace.branch}" in said
    await workspaces.discard(workspace)


async def test_the_settings_and_hooks_of_a_private_git_directory_cannot_be_changed(site: Site) -> None:
    workspaces, workspace, private = await secluded(site)
    said = inside(
        workspace,
        private,
        "git config core.fsmonitor /bin/evil; echo x > $(git rev-parse --git-dir)/hooks/pre-commit; "
        "echo /tmp > $(git rev-parse --git-dir)/objects/info/alternates; rm -rf .git; echo gitdir: /tmp > .git",
        check=False,
    )
    assert said.count("Read-only file system") + said.count("busy") >= 3, said
    assert "fsmonitor" not in (private.git / "config").read_text()
    assert (workspace.path / ".git").read_text() == f"gitdir: {site.common}/worktrees/{workspace.name}\n"
    await workspaces.discard(workspace)


async def test_nothing_committed_costs_no_process_and_moves_nothing(site: Site) -> None:
    workspaces, workspace, private = await secluded(site)
    inside(workspace, private, "echo x > left.txt; git status --porcelain")
    packs = list((site.common / "objects" / "pack").iterdir())
    await workspaces.collect(workspace)
    await workspaces.collect(workspace)
    assert list((site.common / "objects" / "pack").iterdir()) == packs
    assert branch_of(site, workspace) == workspace.base
    await workspaces.discard(workspace)


async def test_what_is_committed_for_the_agent_is_in_its_next_git_directory(site: Site) -> None:
    workspaces, workspace, private = await secluded(site)
    inside(workspace, private, "echo one > one.txt; git add .; git commit -qm one; echo two > two.txt")
    await workspaces.collect(workspace)
    committed = await workspaces.commit_for_agent(workspace, "for it", AGENT, {})
    assert committed == branch_of(site, workspace)
    private = await workspaces.seclude(workspace, "required", AGENT)
    assert inside(workspace, private, "git status --porcelain; git rev-parse HEAD") == f"{committed}\n"
    assert branch_of(site, workspace) == committed
    await workspaces.discard(workspace)


async def test_a_living_agent_that_commits_again_is_collected_again(site: Site) -> None:
    """MAWEP committed for it in between: the files decide, nothing that it made is lost."""
    workspaces, workspace, private = await secluded(site)
    inside(workspace, private, "echo one > one.txt; git add .; git commit -qm one; echo two > two.txt")
    await workspaces.collect(workspace)
    await workspaces.commit_for_agent(workspace, "for it", AGENT, {})
    ours = branch_of(site, workspace)
    await workspaces.collect(workspace)
    assert branch_of(site, workspace) == ours
    inside(workspace, private, "echo three > three.txt; git add .; git commit -qm three")
    await workspaces.collect(workspace)
    assert git(site.checkout, "ls-tree", "--name-only", workspace.branch).split("\n")[-2:] == [
        "three.txt",
        "two.txt",
    ]
    await workspaces.discard(workspace)


async def test_what_a_process_left_is_collected_by_the_next_one(site: Site) -> None:
    workspaces, workspace, private = await secluded(site)
    inside(workspace, private, "echo one > one.txt; git add .; git commit -qm one")
    await site.close(workspaces)
    again = await site.open()
    found = again.find(workspace.name)
    assert found is not None
    await again.seclude(found, "required", AGENT)
    assert git(site.checkout, "show", f"{workspace.branch}:one.txt") == "one"
    await again.discard(found)


async def test_commits_on_another_branch_or_none_are_salvaged(site: Site) -> None:
    workspaces, workspace, private = await secluded(site)
    inside(workspace, private, "git switch -qc mine; echo one > one.txt; git add .; git commit -qm one")
    await workspaces.collect(workspace)
    assert branch_of(site, workspace) == workspace.base
    kept = await workspaces.salvage(workspace, "refs/mawep/r/salvage/1-a1", "kept", AGENT)
    assert kept is not None
    assert "one" in git(site.checkout, "log", "--format=%s", kept).split("\n")
    await workspaces.discard(workspace)


async def test_another_attempts_branch_is_not_to_be_seen_and_cannot_be_moved(site: Site) -> None:
    workspaces, workspace, private = await secluded(site)
    other = await site.lend(workspaces, 102)
    said = inside(
        workspace,
        private,
        f"git update-ref {other.ref} $(git commit-tree -m x HEAD^{{tree}}); git update-ref refs/heads/main "
        "$(git commit-tree -m y HEAD^{tree}); git commit -q --allow-empty -m mine",
    )
    assert said == ""
    await workspaces.collect(workspace)
    assert head(site.checkout, other.branch) == other.base
    assert head(site.checkout, "main") == workspace.base
    for one in (workspace, other):
        await workspaces.discard(one)


LOOSE = "d=$(git rev-parse --git-dir); "
HOSTILE = {
    "a branch that names no object": LOOSE + "echo 1234567890123456789012345678901234567890 > $d/{ref}",
    "a commit whose tree is missing": LOOSE
    + "sha=$(printf 'tree 1234567890123456789012345678901234567890\\nauthor a <a> 1 +0000\\n"
    "committer a <a> 1 +0000\\n\\nx' | git hash-object -t commit -w --literally --stdin); echo $sha > $d/{ref}",
    "a commit with a malformed author": LOOSE
    + 'sha=$(printf "tree $(git rev-parse HEAD^{{tree}})\\nauthor\\ncommitter a <a> 1 +0000\\n\\nx"'
    " | git hash-object -t commit -w --literally --stdin); echo $sha > $d/{ref}",
    "a tree that holds .git": LOOSE
    + 'blob=$(echo x | git hash-object -w --stdin); tree=$(printf "100644 blob $blob\\t.git\\n" | git mktree);'
    " git update-ref {ref} $(git commit-tree -m x $tree)",
    "a loose object with another content": "git commit -q --allow-empty -m x; "
    + LOOSE
    + "sha=$(git rev-parse HEAD); f=$d/objects/$(echo $sha | cut -c1-2)/$(echo $sha | cut -c3-); "
    "other=$(git commit-tree -m other HEAD^{{tree}}); "
    "o=$d/objects/$(echo $other | cut -c1-2)/$(echo $other | cut -c3-); "
    "chmod u+w $f; cp $o $f",
    "objects that are a link to elsewhere": "git commit -q --allow-empty -m x; "
    + LOOSE
    + "mv $d/objects $d/moved; ln -s /etc $d/objects",
    "a common directory of its own": "git commit -q --allow-empty -m x; "
    + LOOSE
    + "echo /etc > $d/commondir",
    "a HEAD that never ends": LOOSE + "rm $d/HEAD; mkfifo $d/HEAD",
    "no git directory at all": LOOSE + "rm -rf $d/refs $d/HEAD $d/index; true",
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_git_directory_is_refused_and_its_files_are_kept(
    site: Site, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mawep.stages.workspace.private_collect.PACK_SECONDS", 3.0)
    workspaces, workspace, private = await secluded(site)
    script = HOSTILE[what].format(ref=workspace.ref)
    inside(workspace, private, f"echo mine > mine.txt; {script}", check=False)
    with pytest.raises(CollectError):
        await workspaces.collect(workspace)
    assert branch_of(site, workspace) == workspace.base
    kept = await workspaces.salvage(workspace, "refs/mawep/r/salvage/1-a1", "kept", AGENT)
    assert kept is not None
    assert git(site.checkout, "show", f"{kept}:mine.txt") == "mine"
    site.assert_sound()
    await workspaces.discard(workspace)


async def test_what_git_is_told_in_a_skeleton_runs_nothing_of_ours(site: Site, tmp_path: Path) -> None:
    """Settings, hooks and replaced objects that came into it all the same, as where Landlock stands."""
    workspaces, workspace, private = await secluded(site)
    inside(workspace, private, "echo one > one.txt; git add .; git commit -qm one")
    evil = tmp_path / "ran"
    program = tmp_path / "evil.sh"
    program.write_text(f"#!/bin/sh\ntouch {evil}\n")
    program.chmod(0o755)
    with (private.git / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {program}\n\talternateRefsCommand = {program}\n\thooksPath = {tmp_path}\n"
            f"[include]\n\tpath = {tmp_path}/more\n[uploadpack]\n\tpackObjectsHook = {program}\n"
        )
    (private.git / "refs" / "replace").mkdir()
    (private.git / "refs" / "replace" / workspace.base).write_text(f"{workspace.base}\n")
    await workspaces.collect(workspace)
    assert not evil.exists()
    assert git(site.checkout, "log", "-1", "--format=%s", workspace.branch) == "one"
    assert git(site.checkout, "for-each-ref", "refs/replace") == ""
    await workspaces.discard(workspace)


async def test_too_much_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mawep.stages.workspace.private_collect.MOST_PACK_BYTES", 100_000)
    workspaces, workspace, private = await secluded(site)
    inside(workspace, private, "head -c 300000 /dev/urandom > big; git add .; git commit -qm big")
    with pytest.raises(CollectError, match="too much"):
        await workspaces.collect(workspace)
    await workspaces.discard(workspace)


async def test_objects_of_a_repository_that_borrows_are_seen_inside(site: Site, tmp_path: Path) -> None:
    store = tmp_path / "shared"
    git(tmp_path, "clone", "--quiet", "--bare", str(site.checkout), str(store))
    (site.common / "objects" / "info" / "alternates").write_text(f"{store}/objects\n")
    workspaces, workspace, private = await secluded(site)
    assert store / "objects" in private.borrowed
    inside(workspace, private, "git fsck")
    await workspaces.discard(workspace)


async def test_nothing_private_is_left_of_a_discarded_workspace(site: Site) -> None:
    workspaces, workspace, _ = await secluded(site)
    (workspaces.home(workspace) / ".session").write_text("kept until then")
    assert workspaces.home(workspace).stat().st_mode & 0o777 == 0o700
    await workspaces.shelve(workspace)
    assert (workspaces.home(workspace) / ".session").exists()
    await workspaces.discard(workspace)
    await site.close(workspaces)
    assert site.leftovers() == []


@KINDS
async def test_whoever_looks_at_a_shelved_worktree_uses_the_git_directory_of_the_repository(
    site: Site, kind: str
) -> None:
    workspaces, workspace, private = await secluded(site, kind)
    inside(workspace, private, "rm -f .git; echo gitdir: /tmp/evil > .git", kind, check=False)
    await workspaces.shelve(workspace)
    assert (workspace.path / ".git").read_text() == f"gitdir: {site.common}/worktrees/{workspace.name}\n"
    await workspaces.discard(workspace)


async def test_merging_the_target_works_inside(site: Site) -> None:
    branch(site.checkout, "side", {"side.txt": "side\n"})
    workspaces, workspace, private = await secluded(site)
    inside(workspace, private, "git merge -q --no-edit side")
    await workspaces.collect(workspace)
    assert git(site.checkout, "show", f"{workspace.branch}:side.txt") == "side"
    await workspaces.discard(workspace)


async def test_a_file_claimed_by_another_is_mounted_read_only_and_a_link_in_its_place_is_not_followed(
    site: Site, tmp_path: Path
) -> None:
    workspaces, workspace, _ = await secluded(site)
    patterns = ["src/a.py", "docs/**", "**/README.md", "absent.txt", "*.none"]
    found = await workspaces.existing(workspace, patterns)
    assert found == tuple(workspace.path / name for name in ("src/a.py", "docs", "README.md"))
    (workspace.path / "src" / "a.py").unlink()
    (workspace.path / "src" / "a.py").symlink_to(tmp_path / "secret")
    (workspace.path / "docs").rename(workspace.path / "moved")
    (workspace.path / "docs").symlink_to("/etc")
    assert await workspaces.existing(workspace, patterns) == (workspace.path / "README.md",)
    await workspaces.discard(workspace)


async def test_a_file_of_holes_for_a_head_is_not_read_into_memory(site: Site) -> None:
    workspaces, workspace, private = await secluded(site)
    inside(workspace, private, "truncate -s 100G $(git rev-parse --git-dir)/HEAD")
    await workspaces.collect(workspace)  # git itself reads the beginning of it only
    assert branch_of(site, workspace) == workspace.base
    await workspaces.discard(workspace)


@pytest.mark.parametrize("where", ["packed inside", "checked outside"])
async def test_a_commit_that_unpacks_to_more_than_can_be_held_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    workspaces, workspace, private = await secluded(site)
    monkeypatch.setattr(private_collect, "MOST_HELD_BYTES", 2**24)
    if where == "checked outside":  # as if the agent's own git had packed it
        bounded = private_collect._environment
        monkeypatch.setattr(
            private_collect, "_environment", lambda: {**bounded(), "GIT_ALLOC_LIMIT": str(2**30)}
        )
    script = "head -c 20M /dev/zero | tr '\\0' a >$TMPDIR/m; git commit -q --allow-empty -F $TMPDIR/m"
    inside(workspace, private, f"TMPDIR={workspace.tmp}; {script}")
    with pytest.raises(CollectError) as refused:
        await workspaces.collect(workspace)
    assert "over limit" in refused.value.cause
    assert branch_of(site, workspace) == workspace.base
    await workspaces.discard(workspace)
