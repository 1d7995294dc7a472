"""Every fact that preflight asks for is told, and a plain repository has none of the odd ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository, git_version
from mawep.adapters.git_inspect import Facts, inspect
from tests.support.repos import branch, commit, git, head, make_repository, write

MAIN = "refs/heads/main"


async def facts(path: Path) -> Facts:
    return await inspect(await find_repository(path), MAIN)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "r", {"a": "1\n"})


async def test_a_plain_repository_has_nothing_odd(path: Path) -> None:
    found = await facts(path)
    (checkout,) = found.checkouts
    assert (checkout.path, checkout.name, checkout.under_way) == (path, None, None)
    assert replace(found, checkouts=()) == Facts(
        git_version=await git_version(),
        object_format="sha1",
        ref_format="files",
        bare=False,
        unborn=False,
        shallow=False,
        partial_clone=False,
        commit=head(path),
        submodules=(),
        filters=(),
        merge_drivers=(),
        configured_drivers=(),
        signing_required=False,
        ignores_case=False,
        case_collisions=(),
        replaced_objects=False,
        checkouts=(),
        hidden=(),
    )
    assert not found.lfs


async def test_a_shallow_clone_is_told(path: Path, tmp_path: Path) -> None:
    commit(path, {"a": "2\n"})
    git(path, "clone", "--quiet", "--depth=1", f"file://{path}", str(tmp_path / "clone"))
    assert (await facts(tmp_path / "clone")).shallow


async def test_a_partial_clone_is_told(path: Path, tmp_path: Path) -> None:
    git(path, "config", "uploadpack.allowFilter", "true")
    git(path, "clone", "--quiet", "--filter=blob:none", f"file://{path}", str(tmp_path / "clone"))
    assert (await facts(tmp_path / "clone")).partial_clone


async def test_submodules_are_told(path: Path) -> None:
    make_repository(path / "sub")
    git(path, "add", "sub")
    git(path, "commit", "--quiet", "-m", "link")
    assert (await facts(path)).submodules == ("sub",)


@pytest.mark.parametrize("where", [".gitattributes", "deep/.gitattributes", ".git/info/attributes"])
async def test_filters_and_merge_drivers_in_use_are_told(path: Path, where: str) -> None:
    text = "# *.no filter=none\n*.bin filter=lfs diff=lfs merge=lfs -text\n*.c merge=union\n*.k filter=git-crypt\n"
    write(path / where, text)
    if not where.startswith(".git/"):
        commit(path, {where: text})
    found = await facts(path)
    assert found.lfs
    assert (found.filters, found.merge_drivers) == (("git-crypt", "lfs"), ("lfs",))


async def test_configured_drivers_are_told_wherever_they_are(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "home" / ".gitconfig", '[filter "lfs"]\n\tprocess = git-lfs\n\trequired = true\n')
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    git(path, "config", "merge.x.driver", "true")
    assert (await facts(path)).configured_drivers == ("filter.lfs.process", "merge.x.driver")


@pytest.mark.parametrize("value", ["true", "yes", "on", "1", ""])
async def test_required_signing_is_told(path: Path, value: str) -> None:
    setting = f"\tgpgSign = {value}" if value else "\tgpgSign"
    with (path / ".git" / "config").open("a") as file:
        file.write(f"[commit]\n{setting}\n")
    assert (await facts(path)).signing_required


async def test_colliding_names_are_told(path: Path) -> None:
    commit(
        path, {"Read.md": "1\n", "read.md": "2\n", "Dir/x": "x\n", "dir/y": "y\n", "ßx": "1\n", "SSx": "2\n"}
    )
    git(path, "config", "core.ignoreCase", "true")
    found = await facts(path)
    assert found.ignores_case
    assert set(found.case_collisions) == {("Read.md", "read.md"), ("Dir", "dir"), ("SSx", "ßx")}


async def test_a_reference_format_that_is_not_files_is_told(path: Path) -> None:
    repository = await find_repository(path)
    with (path / ".git" / "config").open("a") as file:
        file.write("[extensions]\n\trefStorage = reftable\n")
    assert (await inspect(repository, MAIN)).ref_format == "reftable"


async def test_bare_and_unborn_are_told(path: Path, tmp_path: Path) -> None:
    git(path, "clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    git(path, "symbolic-ref", "HEAD", "refs/heads/unborn")
    assert ((await facts(tmp_path / "bare.git")).bare, (await facts(path)).unborn) == (True, True)
    missing = await inspect(await find_repository(path), "refs/heads/missing")
    assert (missing.commit, missing.checkouts) == (None, ())


async def test_a_merge_or_rebase_under_way_in_the_targets_checkout_is_told(path: Path) -> None:
    branch(path, "side", {"a": "side\n"})
    commit(path, {"a": "main\n"})
    git(path, "merge", "side", check=False)
    assert [tree.under_way for tree in (await facts(path)).checkouts] == ["merge"]
    git(path, "merge", "--abort")
    git(path, "rebase", "side", check=False)
    assert [tree.under_way for tree in (await facts(path)).checkouts] == ["rebase"]


async def test_files_hidden_from_git_are_told(path: Path) -> None:
    commit(path, {"d/x": "x\n", "b": "b\n"})
    git(path, "sparse-checkout", "set", "--no-cone", "/a", "/b")
    git(path, "update-index", "--assume-unchanged", "a")
    assert (await facts(path)).hidden == ("a", "d/x")


async def test_replaced_objects_are_told(path: Path) -> None:
    first = head(path)
    git(path, "replace", first, commit(path, {"a": "2\n"}))
    assert (await facts(path)).replaced_objects


async def test_sha256_is_told(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "--object-format=sha256", "r")
    commit(tmp_path / "r", {"a": "1\n"})
    repository: Repository = await find_repository(tmp_path / "r")
    assert (await inspect(repository, MAIN)).object_format == "sha256"
