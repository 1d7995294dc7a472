"""The user's own checkout goes along with the target, or is left exactly as it is."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mawep.adapters.git import LockHeldError, Repository, Sha, WorkTree, find_repository
from mawep.adapters.git_checkout import CheckoutDirtyError, checkouts_of, dirty_paths, move_checkout
from mawep.adapters.git_refs import update_refs
from mawep.errors import GitError
from tests.support.repos import branch, git, head, make_repository, write
from tests.support.waiting import eventually

BEFORE = {
    "edited": "1\n" * 50,
    "removed": "r\n",
    "kept": "k\n",
    "d/x": "x\n",
    "swap": "file\n",
    ".gitignore": "*.o\n",
}
AFTER = {
    "edited": "2\n" * 50,
    "removed": None,
    "added": "a\n",
    "deep/er/added": "a\n",
    "made.o": "ignored\n",
    "link": "",
}


class Checkout:
    """A user's checkout on main at `old`, and the landing `new`."""

    def __init__(self, repository: Repository, old: Sha, new: Sha) -> None:
        self.repository, self.old, self.new = repository, old, new
        self.path = repository.common_dir.parent
        self.tree = repository.worktree(self.path, None)

    async def dirty(self) -> tuple[str, ...]:
        return await dirty_paths(self.tree, self.old, self.new)

    async def move(self) -> None:
        await move_checkout(self.tree, self.old, self.new)

    async def land(self) -> None:
        await self.move()
        await update_refs(self.repository, [("refs/heads/main", self.new, self.old)])

    def status(self) -> str:
        return git(self.path, "status", "--porcelain", "--ignored")

    def snapshot(self) -> dict[str, bytes]:
        files = (path for path in self.path.rglob("*") if ".git" not in path.parts and path.is_file())
        return {str(path.relative_to(self.path)): path.read_bytes() for path in files}

    @property
    def note(self) -> Path:
        return self.path / ".git" / "mawep" / "moving-main work tree"


@pytest.fixture
async def checkout(tmp_path: Path) -> Checkout:
    path = make_repository(tmp_path / "r", BEFORE)
    git(path, "switch", "--quiet", "-c", "landing")
    (path / "swap").unlink()
    write(path / "swap" / "inner", "i\n")
    (path / "d" / "x").unlink()
    (path / "d").rmdir()
    write(path / "d", "now a file\n")
    for name, content in AFTER.items():
        if content is None:
            (path / name).unlink()
        elif name == "link":
            (path / name).symlink_to("kept")
        else:
            write(path / name, content)
    git(path, "add", "--all", "--force")
    git(path, "commit", "--quiet", "-m", "land")
    new = head(path)
    git(path, "switch", "--quiet", "main")
    return Checkout(await find_repository(path), head(path), new)


async def test_a_clean_one_is_brought_along(checkout: Checkout) -> None:
    git(checkout.path, "update-ref", "refs/heads/elsewhere", checkout.new)
    assert await checkout.dirty() == ()
    await checkout.land()
    assert checkout.status() == ""
    assert (checkout.path / "swap" / "inner").read_text() == "i\n"
    assert (checkout.path / "d").read_text() == "now a file\n"
    assert (checkout.path / "link").readlink() == Path("kept")
    assert not checkout.note.exists()


async def test_moving_the_ref_alone_would_leave_a_staged_reversal(checkout: Checkout) -> None:
    git(checkout.path, "update-ref", "refs/heads/main", checkout.new)
    assert "M  edited" in git(checkout.path, "status", "--porcelain"), "what the move of files is for"


async def test_files_that_were_only_touched_do_not_hold_it_up(checkout: Checkout) -> None:
    os.utime(checkout.path / "edited", (1, 1))
    await checkout.land()
    assert checkout.status() == ""


def edit(path: Path) -> None:
    write(path / "kept", "of the user\n")


def edit_and_stage(path: Path) -> None:
    edit(path)
    git(path, "add", "kept")


def stage_and_revert(path: Path) -> None:
    edit_and_stage(path)
    write(path / "kept", "k\n")


def delete(path: Path) -> None:
    (path / "kept").unlink()


def delete_what_changes(path: Path) -> None:
    (path / "edited").unlink()


def begin_what_changes(path: Path) -> None:
    write(path / "edited", "2\n" * 20)


def stage_new(path: Path) -> None:
    write(path / "mine", "m\n")
    git(path, "add", "mine")


def untracked_in_the_way(path: Path) -> None:
    write(path / "added", "of the user\n")


def ignored_in_the_way(path: Path) -> None:
    write(path / "made.o", "of the user\n")


def file_where_a_directory_goes(path: Path) -> None:
    write(path / "deep", "of the user\n")


def directory_where_a_file_goes(path: Path) -> None:
    write(path / "added" / "x", "of the user\n")


def untracked_beside_what_leaves(path: Path) -> None:
    write(path / "d" / "mine", "of the user\n")


def link_in_the_way(path: Path) -> None:
    (path / "link").symlink_to("elsewhere")


DIRT = {
    edit: "kept",
    edit_and_stage: "kept",
    stage_and_revert: "kept",
    delete: "kept",
    delete_what_changes: "edited",
    begin_what_changes: "edited",
    stage_new: "mine",
    untracked_in_the_way: "added",
    ignored_in_the_way: "made.o",
    file_where_a_directory_goes: "deep",
    directory_where_a_file_goes: "added",
    untracked_beside_what_leaves: "d",
    link_in_the_way: "link",
}


@pytest.mark.parametrize("dirty", DIRT, ids=lambda dirty: dirty.__name__)
async def test_a_dirty_one_is_named_and_left_exactly_as_it_is(checkout: Checkout, dirty: object) -> None:
    assert callable(dirty)
    dirty(checkout.path)
    before = checkout.snapshot(), checkout.status()
    assert await checkout.dirty() == (DIRT[dirty],)
    with pytest.raises(CheckoutDirtyError, match="is not clean") as caught:
        await checkout.move()
    assert caught.value.paths == (DIRT[dirty],)
    assert (checkout.snapshot(), checkout.status()) == before


async def test_untracked_files_elsewhere_do_not_hold_it_up(checkout: Checkout) -> None:
    write(checkout.path / "mine", "m\n")
    write(checkout.path / "deep" / "mine.o", "m\n")
    await checkout.land()
    assert checkout.status() == "?? mine\n!! deep/mine.o"


async def test_what_the_user_made_the_same_is_no_change(checkout: Checkout) -> None:
    write(checkout.path / "edited", "2\n" * 50)
    write(checkout.path / "added", "a\n")
    assert await checkout.dirty() == ()
    await checkout.land()
    assert checkout.status() == ""


async def test_edits_hidden_from_git_are_not_lost(checkout: Checkout) -> None:
    git(checkout.path, "update-index", "--assume-unchanged", "edited")
    write(checkout.path / "edited", "of the user\n")
    with pytest.raises(Exception, match="edited"):
        await checkout.move()
    assert (checkout.path / "edited").read_text() == "of the user\n"


async def test_a_locked_index_changes_nothing(checkout: Checkout) -> None:
    lock = write(checkout.path / ".git" / "index.lock", "")
    before = checkout.snapshot()
    with pytest.raises(LockHeldError):
        await checkout.move()
    assert checkout.snapshot() == before
    assert not checkout.note.exists(), "nothing was begun"
    lock.unlink()
    await checkout.land()
    assert checkout.status() == ""


async def test_moving_again_after_the_files_moved_is_nothing(checkout: Checkout) -> None:
    await checkout.move()
    assert await checkout.dirty() == ()
    write(checkout.path / "kept", "edited since\n")
    assert await checkout.dirty() == ()
    await checkout.land()
    assert checkout.status() == " M kept"


async def test_it_can_be_brought_back(checkout: Checkout) -> None:
    before = checkout.snapshot()
    await checkout.move()
    await move_checkout(checkout.tree, checkout.new, checkout.old)
    assert (checkout.snapshot(), checkout.status()) == (before, "")


def tear(checkout: Checkout, *, upto: int, stump: bool) -> None:
    """Leave the files as a `read-tree` that died does: the first `upto` steps done, one file a stump."""
    path = checkout.path

    def swap() -> None:
        (path / "swap").unlink()
        write(path / "swap" / "inner", "i\n")

    def directory() -> None:
        (path / "d" / "x").unlink()
        (path / "d").rmdir()
        write(path / "d", "now a file\n")

    steps: list[Callable[[], object]] = [
        (path / "removed").unlink,
        swap,
        directory,
        lambda: write(path / "added", "a\n"),
        lambda: write(path / "made.o", "ignored\n"),
        (path / "edited").unlink,
        lambda: write(path / "edited", "2\n" * (20 if stump else 50)),
        lambda: (path / "link").symlink_to("kept"),
    ]
    for step in steps[:upto]:
        step()
    write(path / ".git" / "index.lock", "half an index")
    checkout.note.write_text(f"{checkout.old} {checkout.new}\n")


@pytest.mark.parametrize("stump", [False, True])
@pytest.mark.parametrize("upto", range(9))
async def test_one_that_died_half_way_is_completed(checkout: Checkout, upto: int, stump: bool) -> None:
    tear(checkout, upto=upto, stump=stump)
    assert await checkout.dirty() == ()
    await checkout.land()
    assert checkout.status() == ""
    assert not checkout.note.exists()


@pytest.mark.parametrize("upto", [0, 4, 7, 8])
async def test_one_that_died_half_way_is_undone_when_the_target_went_elsewhere(
    checkout: Checkout, upto: int
) -> None:
    before = checkout.snapshot()
    other = branch(checkout.path, "other", {"kept": "other\n"})
    tear(checkout, upto=upto, stump=True)
    assert await dirty_paths(checkout.tree, checkout.old, other) == ()
    await move_checkout(checkout.tree, checkout.old, other)
    assert checkout.snapshot() == {**before, "kept": b"other\n"}


async def test_a_change_of_the_user_in_a_torn_one_is_kept(checkout: Checkout) -> None:
    tear(checkout, upto=4, stump=False)
    write(checkout.path / "edited", "of the user\n")
    assert await checkout.dirty() == ("edited",)
    with pytest.raises(CheckoutDirtyError):
        await checkout.move()
    assert (checkout.path / "edited").read_text() == "of the user\n"


async def test_a_torn_one_that_the_user_put_right_is_moved_plainly(checkout: Checkout) -> None:
    tear(checkout, upto=7, stump=True)
    (checkout.path / ".git" / "index.lock").unlink()
    git(checkout.path, "reset", "--quiet", "--hard")
    git(checkout.path, "clean", "-qfdx")
    other = branch(checkout.path, "other", {"kept": "other\n"})
    await move_checkout(checkout.tree, checkout.old, other)
    assert git(checkout.path, "diff", "--name-only", other) == ""


@pytest.mark.parametrize("how", ["killed", "cancelled"])
@pytest.mark.parametrize("written", [1, 100, 250])
async def test_one_ended_in_the_middle_is_completed(tmp_path: Path, how: str, written: int) -> None:
    path = make_repository(tmp_path / "r", {f"d/{number}": "old\n" for number in range(300)})
    old = head(path)
    new = branch(path, "new", {f"d/{number}": "new\n" * 2000 for number in range(300)})
    checkout = Checkout(await find_repository(path), old, new)
    moving = asyncio.create_task(checkout.move())

    def is_old(file: Path) -> bool:
        try:
            return file.stat().st_size == 4
        except FileNotFoundError:
            return False

    def far_enough() -> bool:
        files = (path / "d" / str(number) for number in range(written))
        return moving.done() or all(not is_old(file) for file in files)

    await eventually(f"{written} files are written", far_enough, timeout=60)
    if how == "cancelled":
        moving.cancel()
    else:
        for child in _children():
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
    await asyncio.wait([moving])
    assert moving.cancelled() or moving.exception() is None or isinstance(moving.exception(), GitError)
    await checkout.land()
    assert checkout.status() == ""
    assert git(path, "diff", "--name-only", new) == ""


def _children() -> list[int]:
    """The git processes that this one has started."""
    found: list[int] = []
    for thread in Path(f"/proc/{os.getpid()}/task").iterdir():
        with suppress(OSError):  # it has ended meanwhile
            found += map(int, (thread / "children").read_text().split())
    return found


async def test_linked_checkouts_are_found_and_moved_like_the_main_one(
    checkout: Checkout, tmp_path: Path
) -> None:
    git(checkout.path, "switch", "--quiet", "--detach")
    git(checkout.path, "worktree", "add", "--quiet", str(tmp_path / "linked"), "main")
    (listed,) = checkouts_of(checkout.repository, "refs/heads/main")
    assert (listed.path, listed.name) == (tmp_path / "linked", "linked")
    tree: WorkTree = checkout.repository.worktree(listed.path, listed.name)
    await move_checkout(tree, checkout.old, checkout.new)
    await update_refs(checkout.repository, [("refs/heads/main", checkout.new, checkout.old)])
    assert git(tmp_path / "linked", "status", "--porcelain", "--ignored") == ""
    assert checkouts_of(checkout.repository, "refs/heads/none") == ()


async def test_a_tree_of_ours_is_nobodys_checkout_whatever_branch_it_is_on(
    checkout: Checkout, tmp_path: Path
) -> None:
    git(checkout.path, "worktree", "add", "--quiet", "--force", str(tmp_path / "agent-0-issue-1"), "main")
    (checkout.repository.common_dir / "mawep" / "workspaces" / "agent-0-issue-1").mkdir(parents=True)
    (listed,) = checkouts_of(checkout.repository, "refs/heads/main")
    assert listed.name is None


async def test_line_endings_of_the_user_are_respected(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r", {"f": "1\n2\n", "g": "1\n"})
    git(path, "config", "core.autocrlf", "true")
    git(path, "rm", "--cached", "-rq", ".")
    git(path, "reset", "--quiet", "--hard")
    assert (path / "f").read_bytes() == b"1\r\n2\r\n"
    old, new = head(path), branch(path, "new", {"f": "1\n3\n"})
    checkout = Checkout(await find_repository(path), old, new)
    assert await checkout.dirty() == ()
    await checkout.land()
    assert (path / "f").read_bytes() == b"1\r\n3\r\n"
    assert checkout.status() == ""
