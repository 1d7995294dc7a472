"""Before a run: everything that stands in the way, at once, and nothing is touched."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mawep.adapters.git import find_repository
from mawep.stages.preflight import Findings, Needs, preflight
from tests.support.repos import branch, commit, git, head, make_repository, write


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that no repository is around."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name).resolve()


@pytest.fixture
def shop(place: Path) -> Path:
    return make_repository(place / "shop", {"README.md": "hello\n", "agent.sh": "#!/bin/sh\n"})


def needs(place: Path, **others: Any) -> Needs:
    usual = Needs(
        ref=f"refs/heads/{others.get('target', 'main')}",
        target="main",
        worktree_base=place / "state" / "worktrees",
        disk_floor_gb=0.0,
        setup=(),
        provided=(),
        gate=("true",),
        agents={},
        scripts=None,
        issues=(1, 2),
        search_path=os.environ["PATH"],
    )
    return dataclasses.replace(usual, **others)


async def look(repository: Path, wanted: Needs) -> Findings:
    return await preflight(await find_repository(repository), wanted)


async def problem(repository: Path, wanted: Needs) -> str:
    (found,) = (await look(repository, wanted)).problems
    return found


async def test_a_sound_repository_has_no_problem(shop: Path, place: Path) -> None:
    write(shop / "untracked.txt", "mine\n")
    assert await look(shop, needs(place)) == Findings(())


async def test_nothing_is_touched(shop: Path, place: Path) -> None:
    write(shop / "README.md", "changed\n")

    def everything() -> dict[str, object]:
        ours = shop / ".git" / "mawep"
        return {
            str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else "")
            for path in [place, *place.rglob("*")]
            if not path.is_relative_to(ours) and path.exists()
        }

    await find_repository(shop)
    before = everything()
    assert (await look(shop, needs(place))).problems
    assert everything() == before


async def test_a_missing_target_branch_names_those_there_are(shop: Path, place: Path) -> None:
    branch(shop, "develop", {"a": "a"})
    assert await problem(shop, needs(place, target="mian")) == (
        "the target branch `mian` does not exist; "
        "make it, or set `orchestrator.target_branch` to one that does (`develop`, `main`)"
    )


async def test_a_dirty_checkout_of_the_target_names_the_files(shop: Path, place: Path) -> None:
    write(shop / "README.md", "changed\n")
    commit(shop, {"staged.txt": "one\n", "gone.txt": "x\n"})
    write(shop / "staged.txt", "two\n")
    git(shop, "add", "staged.txt")
    (shop / "gone.txt").unlink()
    assert await problem(shop, needs(place)) == (
        f"{shop} is on `main` and is not clean: README.md, gone.txt, staged.txt; "
        "commit or stash these changes, as landing brings that checkout up to date"
    )
    branch(shop, "other", {}, "elsewhere")
    assert (await look(shop, needs(place, target="other"))).problems == ()


async def test_a_dirty_linked_worktree_on_the_target_counts_too(shop: Path, place: Path) -> None:
    git(shop, "switch", "-q", "-c", "mine")
    git(shop, "worktree", "add", "-q", str(place / "second"), "main")
    write(place / "second" / "README.md", "changed\n")
    assert (await problem(shop, needs(place))).startswith(
        f"{place / 'second'} is on `main` and is not clean: README.md"
    )


async def test_many_files_are_counted(shop: Path, place: Path) -> None:
    names = [f"f{number:02}" for number in range(30)]
    commit(shop, dict.fromkeys(names, "a"))
    for name in names:
        write(shop / name, "b")
    assert "f09 and 20 more; " in await problem(shop, needs(place))


async def test_an_operation_under_way_is_told(shop: Path, place: Path) -> None:
    branch(shop, "other", {"README.md": "theirs\n"})
    commit(shop, {"README.md": "ours\n"})
    git(shop, "merge", "other", check=False)
    assert await problem(shop, needs(place)) == (
        f"a merge is under way in {shop}, which is on `main`; finish or abort it"
    )


async def test_files_that_git_does_not_look_at_are_told(shop: Path, place: Path) -> None:
    git(shop, "update-index", "--assume-unchanged", "README.md")
    assert "(sparse, assume-unchanged): README.md; " in await problem(shop, needs(place))


async def test_a_shallow_clone_is_refused(shop: Path, place: Path) -> None:
    commit(shop, {"a": "a"})
    git(place, "clone", "-q", "--depth=1", f"file://{shop}", "clone")
    assert "git fetch --unshallow" in await problem(place / "clone", needs(place))


async def test_a_partial_clone_is_refused(shop: Path, place: Path) -> None:
    git(shop, "config", "uploadpack.allowFilter", "true")
    git(place, "clone", "-q", "--filter=blob:none", f"file://{shop}", "clone")
    assert "is a partial clone" in await problem(place / "clone", needs(place))


async def test_submodules_are_refused(shop: Path, place: Path) -> None:
    make_repository(place / "library")
    git(shop, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(place / "library"), "lib")
    git(shop, "commit", "-q", "-m", "library")
    assert (await problem(shop, needs(place))).startswith("submodules are not supported yet: lib; ")


async def test_lfs_is_refused(shop: Path, place: Path) -> None:
    commit(shop, {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    assert (await problem(shop, needs(place))).startswith("files in Git LFS are not supported yet")


async def test_a_filter_that_runs_is_refused(shop: Path, place: Path) -> None:
    commit(shop, {".gitattributes": "*.ipynb filter=strip\n"})
    assert (await look(shop, needs(place))).problems == ()
    git(shop, "config", "filter.strip.clean", "cat")
    assert (await problem(shop, needs(place))).startswith("the filter `strip` changes files on checkout")


async def test_required_signatures_are_refused(shop: Path, place: Path) -> None:
    git(shop, "config", "commit.gpgSign", "true")
    assert "`git config commit.gpgSign false`" in await problem(shop, needs(place))


async def test_replaced_objects_are_refused(shop: Path, place: Path) -> None:
    first = head(shop)
    git(shop, "replace", first, commit(shop, {"a": "a"}))
    assert (await problem(shop, needs(place))).startswith("objects are replaced (refs/replace)")


async def test_case_collisions_are_refused_where_case_does_not_count(shop: Path, place: Path) -> None:
    commit(shop, {"Readme.md": "other\n"})
    assert (await look(shop, needs(place))).problems == ()
    git(shop, "config", "core.ignoreCase", "true")
    assert "README.md and Readme.md; rename all but one" in await problem(shop, needs(place))


async def test_a_reftable_is_refused(shop: Path, place: Path) -> None:
    done = subprocess.run(
        ["git", "init", "-q", "--ref-format=reftable", str(place / "r")], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("this git knows no reftable")
    commit(place / "r", {"a": "a"})
    assert any("reftable" in line for line in (await look(place / "r", needs(place))).problems)


async def test_a_worktree_base_in_another_repository_is_refused(shop: Path, place: Path) -> None:
    make_repository(place / "other")
    base = place / "other" / "deep" / "worktrees"
    assert await problem(shop, needs(place, worktree_base=base)) == (
        f"the worktree base {base} is inside another repository, {place / 'other'}; "
        "set `orchestrator.worktree_base` to a place outside of it"
    )
    (place / "way").symlink_to(place / "other")
    assert "inside another repository" in await problem(shop, needs(place, worktree_base=place / "way" / "w"))


async def test_a_worktree_base_in_a_bare_repository_is_refused(shop: Path, place: Path) -> None:
    make_repository(place / "bare.git", bare=True)
    assert "inside another repository" in await problem(
        shop, needs(place, worktree_base=place / "bare.git" / "w")
    )


async def test_a_worktree_base_in_the_repository_is_allowed_with_a_warning(shop: Path, place: Path) -> None:
    base = shop / "trees"
    assert await look(shop, needs(place, worktree_base=base)) == Findings(
        (), (f"the worktree base {base} is inside {shop}: tools that climb directories see both",)
    )


async def test_a_worktree_base_that_is_a_checkout_itself_is_refused(shop: Path, place: Path) -> None:
    git(shop, "worktree", "add", "-q", "-b", "side", str(place / "side"))
    for base in (shop, place / "side"):
        assert "is itself a repository or a checkout" in await problem(shop, needs(place, worktree_base=base))


async def test_a_worktree_base_in_another_checkout_is_refused(shop: Path, place: Path) -> None:
    git(shop, "worktree", "add", "-q", "-b", "side", str(place / "side"))
    base = place / "side" / "trees"
    assert "inside another repository" in await problem(shop, needs(place, worktree_base=base))


async def test_a_worktree_base_in_the_git_directory_is_refused(shop: Path, place: Path) -> None:
    assert "inside the git directory" in await problem(
        shop, needs(place, worktree_base=shop / ".git" / "trees")
    )


async def test_a_worktree_base_that_cannot_be_made_is_refused(shop: Path, place: Path) -> None:
    write(place / "file", "")
    assert "cannot be made in" in await problem(shop, needs(place, worktree_base=place / "file" / "trees"))


async def test_a_full_disk_is_told_once_for_each_disk(shop: Path, place: Path) -> None:
    found = await problem(shop, needs(place, disk_floor_gb=1e9))
    assert found.startswith("not enough disk: ")
    assert f"GB are free at {place}, below `workspace.disk_floor_gb`, which is 1e+09" in found


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("no-such-program --flag", "no-such-program"),
        ("A=1 B='x y' no-such-program", "no-such-program"),
        ("/no/such/program", "/no/such/program"),
        ("true && missing", None),
        ("cd src && missing", None),
        ("if true; then missing; fi", None),
        ("[ -f x ]", None),
        ("./made-by-setup", None),
        ("$PROGRAM x", None),
        ("(missing)", None),
        ("sh -c 'unclosed", None),
        ("# only a comment", None),
        ("git status # a comment", None),
    ],
)
async def test_programs_that_are_not_there_are_told(
    shop: Path, place: Path, command: str, program: str | None
) -> None:
    for key, wanted in {
        "verify.commands": needs(place, gate=(command,)),
        "verify.scopes": needs(place, scopes=(command,)),
        "workspace.setup": needs(place, setup=(command,)),
        "agents.command": needs(place, agents={"agents.command": ("sh", "-c", command)}, setup=("true",)),
    }.items():
        expected = [f"`{key}`: there is no program `{program}`; install it, or correct the command"]
        assert list((await look(shop, wanted)).problems) == (expected if program else [])


async def test_an_agent_in_the_repository_has_to_be_on_the_target(shop: Path, place: Path) -> None:
    write(shop / "mine.sh", "#!/bin/sh\n")
    assert (await look(shop, needs(place, agents={"agents.command": ("./agent.sh",)}))).problems == ()
    assert await problem(shop, needs(place, agents={"agents.command": ("./mine.sh", "x")})) == (
        "`agents.command`: `./mine.sh` is not on `main`, so that no worktree has it; commit it, or write its full path"
    )
    for provided in ({"provided": ("mine.sh",)}, {"setup": ("true",)}):
        assert (
            await look(shop, needs(place, agents={"agents.command": ("./mine.sh",)}, **provided))
        ).problems == ()
    assert (await look(shop, needs(place, agents={"agents.command": (str(shop / "mine.sh"),)}))).problems == (
        f"`agents.command`: there is no program `{shop / 'mine.sh'}`; install it, or correct the command",
    )
    (shop / "mine.sh").chmod(0o755)
    assert (
        await look(shop, needs(place, agents={"agents.command": (str(shop / "mine.sh"),)}))
    ).problems == ()


async def test_scripted_agents_need_a_script_for_every_issue(shop: Path, place: Path) -> None:
    write(place / "scripts" / "1.yaml", "")
    assert await problem(shop, needs(place, scripts=place / "scripts")) == (
        f"scripts are missing in {place / 'scripts'} (`agents.script_dir`): 2.yaml; write them"
    )


async def test_everything_is_told_at_once(shop: Path, place: Path) -> None:
    git(shop, "config", "commit.gpgSign", "true")
    write(shop / "README.md", "changed\n")
    wanted = needs(
        place,
        gate=("no-such-gate",),
        agents={"agents.command": ("no-such-agent",)},
        disk_floor_gb=1e9,
        worktree_base=shop / ".git/t",
    )
    assert len((await look(shop, wanted)).problems) == 6


async def test_without_a_repository_the_machine_is_looked_at(place: Path) -> None:
    found = await preflight(None, needs(place, gate=("no-such-gate",), disk_floor_gb=1e9))
    assert len(found.problems) == 2
