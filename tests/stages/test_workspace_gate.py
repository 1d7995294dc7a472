"""Gate trees: exactly the commit, clean and set up, whatever the gate before left, and never shared."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from mawep.adapters.git import find_repository
from mawep.stages.workspace import SetupError, Workspaces
from mawep.stages.workspace import gates as gates_module
from tests.stages.test_workspace_lend import count_git
from tests.stages.workspace_site import FILES, Site, next_second, site
from tests.support.repos import commit, git, head, write
from tests.support.waiting import eventually

__all__ = ["site"]


def files(tree: Path) -> set[str]:
    """Everything in the tree, but its `.git` file, with empty directories."""
    return {
        str(path.relative_to(tree)) for path in tree.rglob("*") if path.name != ".git" or path.parent != tree
    }


def of_commit(site: Site, commit: str) -> set[str]:
    paths = git(site.checkout, "-c", "core.quotePath=false", "ls-tree", "-r", "-t", "--name-only", commit)
    return set(paths.splitlines())


async def settled(workspaces: Workspaces) -> None:
    """Until the cleaning behind the last use is over."""
    await eventually(
        "the tree is cleaned", lambda: all(gates_module._is_idle(t) for t in workspaces._gates._kept)
    )


async def test_a_gate_tree_is_exactly_the_commit(site: Site) -> None:
    workspaces = await site.open()
    old = site.target()
    new = commit(site.checkout, {"src/a.py": "a = 2\n", "README.md": None, "added/file": "x\n"})
    for at in (old, new, old):
        async with workspaces.gate_tree(at) as tree:
            assert files(tree) == of_commit(site, at)
            assert head(tree) == at
            assert git(tree, "status", "--porcelain") == ""
            assert (tree / "src/a.py").read_text() == ("a = 1\n" if at == old else "a = 2\n")
    site.assert_sound()


async def test_a_kept_tree_is_switched_in_one_process_and_cleaned_in_one_at_most(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspaces = await site.open()
    async with workspaces.gate_tree(site.target()) as first:
        pass
    await settled(workspaces)
    new = commit(site.checkout, {"src/a.py": "a = 2\n"})
    ran = count_git(monkeypatch)
    entry = site.checkout / ".git" / "worktrees" / first.name
    before = entry.stat().st_ino
    async with workspaces.gate_tree(new) as second:
        assert ran == ["read-tree"]
    await settled(workspaces)
    assert ran == ["read-tree"]
    async with workspaces.gate_tree(site.target()):
        write(first / "left", "behind\n")
    await settled(workspaces)
    assert ran == ["read-tree", "read-tree", "clean"]
    assert first == second
    assert entry.stat().st_ino == before
    assert len(site.worktrees()) == 1


@pytest.mark.parametrize("tamper", ["config", "index", "shared", "commondir", "pointer"])
async def test_a_worktree_entry_that_a_gate_tampered_with_is_made_afresh(site: Site, tamper: str) -> None:
    workspaces = await site.open()
    precious = write(site.base.parent / "precious", "x\n")
    async with workspaces.gate_tree(site.target()) as tree:
        entry = site.checkout / ".git" / "worktrees" / tree.name
        index = entry / "index"
        # Held open, so that the file system cannot give its number to the one made afresh.
        held = os.open(entry, os.O_RDONLY)
        match tamper:
            case "config":
                write(entry / "config.worktree", "[core]\n\tfsmonitor = touch pwned\n")
            case "index":
                index.unlink()
                index.symlink_to(precious)
            case "shared":
                index.unlink()
                index.hardlink_to(precious)
            case "commondir":
                write(entry / "commondir", f"{site.base}\n")
            case "pointer":
                write(tree / ".git", f"gitdir: {site.checkout}/.git\n")
    async with workspaces.gate_tree(site.target()) as again:
        assert again == tree
        assert not os.path.samestat(entry.stat(), os.fstat(held))
        assert git(again, "status", "--porcelain") == ""
        assert git(again, "rev-parse", "--git-dir") == str(entry)
    os.close(held)
    assert precious.read_text() == "x\n"


async def test_nothing_that_a_gate_leaves_is_there_for_the_next(site: Site) -> None:
    workspaces = await site.open()
    outside = write(site.base.parent / "outside" / "file", "precious\n")
    async with workspaces.gate_tree(site.target()) as tree:
        times = (tree / "src/b.py").stat()
        (tree / "src/b.py").write_text("b = 7\n")
        os.utime(tree / "src/b.py", ns=(times.st_atime_ns, times.st_mtime_ns))
        (tree / "src/a.py").unlink()
        (tree / "README.md").unlink()
        write(tree / "README.md/now/a/directory", "x\n")
        write(tree / "conftest.py", "raise SystemExit(0)\n")
        write(tree / "build/ignored.o", "x\n")
        write(tree / "src/.git/hidden", "git looks at nothing called .git\n")
        write(tree / "src/sub/.git", "gitdir: /nowhere\n")
        git(tree, "init", "--quiet", "nested")
        write(tree / "nested/file", "x\n")
        (tree / "empty").mkdir()
        os.mkfifo(tree / "pipe")
        (tree / "docs").rename(tree / "moved")
        (tree / "docs").symlink_to(outside.parent)
        git(tree, "update-index", "--skip-worktree", "src/a.py")
        git(tree, "checkout", "--quiet", "--orphan", "own")
        (tree / ".git").unlink()
        git(tree, "init", "--quiet")
    async with workspaces.gate_tree(site.target()) as again:
        assert again == tree
        assert files(again) == of_commit(site, site.target())
        assert (again / "src/b.py").read_text() == FILES["src/b.py"]
        assert git(again, "status", "--porcelain") == ""
        assert head(again) == site.target()
    assert outside.read_text() == "precious\n"


async def test_a_file_with_its_time_set_back_is_restored_whatever_the_user_lets_git_trust(site: Site) -> None:
    git(site.checkout, "config", "core.trustctime", "false")
    git(site.checkout, "config", "core.checkstat", "minimal")
    site.repository = await find_repository(site.checkout)
    workspaces = await site.open()
    async with workspaces.gate_tree(site.target()) as tree:
        await next_second(tree / "src/b.py")
    async with workspaces.gate_tree(site.target()) as tree:  # the index is younger than the files now
        times = (tree / "src/b.py").stat()
        with (tree / "src/b.py").open("r+") as file:
            file.write("b = 7\n")
        os.utime(tree / "src/b.py", ns=(times.st_atime_ns, times.st_mtime_ns))
    async with workspaces.gate_tree(site.target()) as tree:
        assert (tree / "src/b.py").read_text() == FILES["src/b.py"]


@pytest.mark.parametrize("kind", ["link", "gone", "other"])
async def test_cleaning_does_not_follow_a_tree_that_was_replaced(site: Site, kind: str) -> None:
    workspaces = await site.open()
    home = site.base.parent / "home"
    write(home / "precious", "x\n")
    async with workspaces.gate_tree(site.target()) as tree:
        tree.rename(site.base.parent / "moved")
        if kind == "link":
            tree.symlink_to(home)
        elif kind == "other":
            home.rename(tree)
            home = tree
    async with workspaces.gate_tree(site.target()) as another:
        assert another != tree
        assert files(another) == of_commit(site, site.target())
    if kind == "link":
        assert (home / "precious").exists()
    assert len(site.worktrees()) == 1


async def test_there_are_as_many_gate_trees_as_slots(site: Site) -> None:
    workspaces = await site.open(gate_slots=2)
    inside = most = 0
    trees = set()

    async def gate() -> None:
        nonlocal inside, most
        async with workspaces.gate_tree(site.target()) as tree:
            inside += 1
            most = max(most, inside)
            assert not (tree / "mine").exists()
            write(tree / "mine", "x\n")
            trees.add(tree)
            inside -= 1

    await asyncio.gather(*(gate() for _ in range(6)))
    assert most <= 2 and len(trees) <= 2


async def test_two_runs_never_share_a_gate_tree(site: Site) -> None:
    one, two = await site.open(), await site.open()
    async with one.gate_tree(site.target()) as first:
        async with two.gate_tree(site.target()) as second:
            assert first != second
        three = await site.open()
        async with three.gate_tree(site.target()) as third:
            assert third not in {first, second}


async def test_a_gate_that_fails_or_is_cancelled_gives_its_tree_back(site: Site) -> None:
    workspaces = await site.open()
    with pytest.raises(RuntimeError, match="red"):
        async with workspaces.gate_tree(site.target()) as tree:
            write(tree / "left", "x\n")
            raise RuntimeError("red")
    entered = asyncio.Event()

    async def gate() -> None:
        async with workspaces.gate_tree(site.target()):
            entered.set()
            await asyncio.Event().wait()

    running = asyncio.create_task(gate())
    await entered.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with workspaces.gate_tree(site.target()) as again:
        assert again == tree and not (tree / "left").exists()


async def test_a_finished_gate_tree_of_a_dead_process_is_cleaned_and_used(site: Site) -> None:
    dead = await site.open()
    async with dead.gate_tree(site.target()) as tree:
        write(tree / "left", "x\n")
        write(tree / "src/a.py", "a = 9\n")
        dead._registry.close()
        workspaces = await site.open()
        dead._gates = workspaces._gates  # the dead one does nothing any more
        async with workspaces.gate_tree(site.target()) as again:
            assert again == tree and files(again) == of_commit(site, site.target())


async def test_what_the_setup_made_is_kept_while_nobody_touches_it(site: Site) -> None:
    runs = site.base.parent / "runs"
    setup = f"echo run >> {runs}; mkdir -p build/deps; echo ok > build/deps/lib; echo ok > local.txt"
    workspaces = await site.open(setup=(setup,))
    async with workspaces.gate_tree(site.target()) as tree:
        assert (tree / "build/deps/lib").exists()
        write(tree / "build/deps/cache.pyc", "x\n")
        write(tree / "build/out/new", "x\n")
        write(tree / "more.log", "x\n")
    new = commit(site.checkout, {"src/a.py": "a = 2\n"})
    async with workspaces.gate_tree(new) as tree:
        assert files(tree) - of_commit(site, new) == {"build", "build/deps", "build/deps/lib", "local.txt"}
        assert runs.read_text() == "run\n"


@pytest.mark.parametrize("tamper", ["edit", "remove", "rename", "directory", "hide"])
async def test_a_gate_that_tampers_with_the_setup_makes_it_run_again(site: Site, tamper: str) -> None:
    runs = site.base.parent / "runs"
    workspaces = await site.open(
        setup=(f"echo run >> {runs}; mkdir -p build/deps; echo ok > build/deps/lib",)
    )
    async with workspaces.gate_tree(site.target()) as tree:
        library = tree / "build/deps/lib"
        times = library.stat()
        if tamper == "edit":
            library.write_text("no\n")
            os.utime(library, ns=(times.st_atime_ns, times.st_mtime_ns))
        elif tamper == "remove":
            library.unlink()
        elif tamper == "rename":
            library.rename(library.with_name("other"))
        elif tamper == "directory":
            (tree / "build/deps").rename(tree / "build/other")
        else:
            git(tree, "init", "--quiet", "build")
            library.write_text("no\n")
    async with workspaces.gate_tree(site.target()) as tree:
        assert (tree / "build/deps/lib").read_text() == "ok\n"
        assert files(tree) - of_commit(site, site.target()) == {"build", "build/deps", "build/deps/lib"}
        assert runs.read_text() == "run\nrun\n"


async def test_a_commit_that_tracks_what_the_setup_makes_wins(site: Site) -> None:
    workspaces = await site.open(setup=("test -e local.txt || echo made > local.txt",))
    new = commit(site.checkout, {"local.txt": "tracked\n"})
    old = head(site.checkout, f"{new}^")
    for at, content in ((old, "made\n"), (new, "tracked\n"), (new, "tracked\n"), (old, "made\n")):
        async with workspaces.gate_tree(at) as tree:
            assert (tree / "local.txt").read_text() == content


async def test_other_inputs_set_a_gate_tree_up_again(site: Site) -> None:
    runs = site.base.parent / "runs"
    workspaces = await site.open(
        setup=(f"cat src/a.py >> {runs}; cp src/a.py build.log",), setup_inputs=("src/a.py",)
    )
    old = site.target()
    other = commit(site.checkout, {"src/b.py": "b = 2\n"})
    new = commit(site.checkout, {"src/a.py": "a = 2\n"})
    for at in (old, other, new):
        async with workspaces.gate_tree(at) as tree:
            assert (tree / "build.log").read_text() == (tree / "src/a.py").read_text()
    assert runs.read_text() == "a = 1\na = 2\n"


async def test_a_gate_tree_that_cannot_be_set_up_is_an_error_and_gone(site: Site) -> None:
    workspaces = await site.open(setup=("test -e src/a.py",), setup_inputs=("src/a.py",))
    async with workspaces.gate_tree(site.target()):
        pass
    broken = commit(site.checkout, {"src/a.py": None})
    with pytest.raises(SetupError, match="failed"):
        async with workspaces.gate_tree(broken):
            pass
    assert site.worktrees() == {}


async def test_too_many_products_are_made_again_each_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates_module, "MOST_PRODUCTS", 0)
    runs = site.base.parent / "runs"
    workspaces = await site.open(setup=(f"echo run >> {runs}; touch a.log",))
    for _ in range(2):
        async with workspaces.gate_tree(site.target()) as tree:
            assert (tree / "a.log").exists()
    assert runs.read_text() == "run\nrun\n"
