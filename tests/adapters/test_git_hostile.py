"""Hostile repositories: each first shows that plain git is affected, then that nothing behind the door is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mawep.adapters.git import Door, Repository, WorkTree, find_repository
from mawep.adapters.git_checkout import dirty_paths, move_checkout
from mawep.adapters.git_history import commits_between
from mawep.adapters.git_inspect import inspect
from mawep.adapters.git_merge import Conflicted, Merged, conflict_hunks, merge_trees
from mawep.adapters.git_objects import (
    Identity,
    changed_paths_raw,
    check_new_objects,
    commit_tree,
    is_ancestor,
    list_tree,
    read_blob,
    rev_parse,
)
from mawep.adapters.git_refs import list_refs, read_ref, update_refs
from tests.support.repos import branch, commit, git, head, make_repository, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOMEBODY = Identity("Somebody", "somebody@example.org")


@dataclass(frozen=True)
class Scene:
    """A repository with a user's checkout, an agent's worktree, two sides that conflict, and a tripwire."""

    main: Path
    agent: Path
    tripwire: Path

    @property
    def trap(self) -> str:
        """A shell command that springs the tripwire and passes its input on."""
        return f"touch {self.tripwire}; cat"

    def sprung(self) -> bool:
        was = self.tripwire.exists()
        self.tripwire.unlink(missing_ok=True)
        return was


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    main = make_repository(tmp_path / "main", {"shared": "1\n", "kept": "k\n"})
    branch(main, "ours", {"shared": "ours\n", "new": "n\n"})
    branch(main, "theirs", {"shared": "theirs\n"})
    git(main, "worktree", "add", "--quiet", "-b", "feature", str(tmp_path / "agent"))
    return Scene(main, tmp_path / "agent", tmp_path / "sprung")


def script(path: Path, command: str) -> Path:
    write(path, f"#!/bin/sh\n{command}\n").chmod(0o755)
    return path


def age(path: Path) -> None:
    """Make git look at the content again."""
    path.write_bytes(path.read_bytes())


async def spare(repository: Repository, path: Path, commit: str) -> WorkTree:
    """A worktree whose files were written through the door."""
    door = Door(repository.common_dir, repository.view, repository.view)
    await door.run("worktree", "add", "--quiet", "--no-checkout", "--detach", "--", str(path), commit)
    tree = repository.worktree(path, path.name)
    await tree.run("read-tree", "--reset", "-u", commit)
    return tree


def hooks(scene: Scene) -> None:
    """Hooks fire on ref updates, checkouts and index writes."""
    for name in ("reference-transaction", "post-checkout", "post-index-change"):
        script(scene.main / ".git" / "hooks" / name, f"touch {scene.tripwire}")
    git(scene.main, "update-ref", "refs/heads/x", "HEAD")


def hooks_elsewhere(scene: Scene) -> None:
    script(scene.main / "my-hooks" / "reference-transaction", f"touch {scene.tripwire}")
    git(scene.main, "config", "core.hooksPath", str(scene.main / "my-hooks"))
    git(scene.main, "update-ref", "refs/heads/x", "HEAD")


def fsmonitor(scene: Scene) -> None:
    git(scene.main, "config", "core.fsmonitor", scene.trap)
    git(scene.main, "status")


def worktree_configuration(scene: Scene) -> None:
    git(scene.main, "config", "extensions.worktreeConfig", "true")
    git(scene.agent, "config", "--worktree", "core.fsmonitor", scene.trap)
    git(scene.agent, "status")


def included_configuration(scene: Scene) -> None:
    write(scene.main / ".git" / "more", f'[core]\n\tfsmonitor = "{scene.trap}"\n')
    git(scene.main, "config", "include.path", "more")
    git(scene.main, "status")


def clean_filter(scene: Scene) -> None:
    git(scene.main, "config", "filter.evil.clean", scene.trap)
    write(scene.agent / ".gitattributes", "* filter=evil\n")
    write(scene.main / ".git" / "info" / "attributes", "* filter=evil\n")
    age(scene.agent / "kept")
    git(scene.agent, "add", "kept")


def smudge_filter(scene: Scene) -> None:
    git(scene.main, "config", "filter.evil.smudge", scene.trap)
    write(scene.main / ".git" / "info" / "attributes", "* filter=evil\n")
    (scene.agent / "kept").unlink()
    git(scene.agent, "checkout", "kept")


def process_filter(scene: Scene) -> None:
    git(scene.main, "config", "filter.evil.process", scene.trap)
    write(scene.main / ".git" / "info" / "attributes", "* filter=evil\n")
    git(scene.agent, "add", "--renormalize", ".", check=False)


def merge_driver(scene: Scene) -> None:
    git(scene.main, "config", "merge.evil.driver", f"touch {scene.tripwire}")
    write(scene.main / ".gitattributes", "* merge=evil\n")
    git(scene.main, "merge-tree", "--write-tree", "ours", "theirs", check=False)


def external_diff(scene: Scene) -> None:
    git(scene.main, "config", "diff.external", f"touch {scene.tripwire}; true")
    write(scene.agent / "kept", "other\n")
    git(scene.agent, "diff")


def diff_driver(scene: Scene) -> None:
    git(scene.main, "config", "diff.evil.textconv", f"touch {scene.tripwire}; cat")
    write(scene.main / ".git" / "info" / "attributes", "* diff=evil\n")
    write(scene.agent / "kept", "other\n")
    git(scene.agent, "diff")


def nested_repository(scene: Scene) -> None:
    """A repository inside the agent's tree, linked from the agent's index, with settings of its own."""
    nested = make_repository(scene.agent / "nested", {"f": "f\n", ".gitattributes": "* filter=evil\n"})
    git(nested, "config", "filter.evil.clean", scene.trap)
    git(nested, "config", "core.fsmonitor", f"touch {scene.tripwire}; true")
    git(scene.agent, "add", "-A")
    git(scene.agent, "commit", "--quiet", "-m", "a link")
    write(scene.agent / ".gitmodules", '[submodule "n"]\n\tpath = nested\n\turl = u\n\tignore = none\n')
    age(nested / "f")
    git(scene.agent, "status")
    age(nested / "f")


TRAPS = [
    hooks,
    hooks_elsewhere,
    fsmonitor,
    worktree_configuration,
    included_configuration,
    clean_filter,
    smudge_filter,
    process_filter,
    merge_driver,
    external_diff,
    diff_driver,
    nested_repository,
]


@pytest.mark.parametrize("plant", TRAPS, ids=lambda plant: plant.__name__)
async def test_nothing_planted_in_a_repository_runs(
    scene: Scene, tmp_path: Path, plant: Callable[[Scene], None]
) -> None:
    plant(scene)
    assert scene.sprung(), "plain git falls for it"
    repository = await find_repository(scene.main)
    await walk_through(repository, repository.worktree(scene.agent, "agent"), tmp_path)
    assert not scene.sprung()


async def staged(agent: WorkTree, index: Path) -> str:
    """The tree of what lies in the agent's tree and was tracked, through a private index."""
    await agent.run("read-tree", "main", index=index)
    await agent.run("update-index", "--refresh", check=False, index=index)
    await agent.run("ls-files", "--modified", "--others", "--exclude-standard", index=index)
    await agent.run("update-index", "--add", "--remove", "shared", "kept", index=index)
    return (await agent.run("write-tree", index=index)).decode().strip()


async def walk_through(repository: Repository, agent: WorkTree, scratch: Path) -> None:
    """Do everything that MAWEP does with git, once."""
    ours, theirs, base = [await rev_parse(repository, name) for name in ("ours", "theirs", "main")]
    write(agent.path / "kept", "edited\n")
    await agent.run("status")
    await agent.run("diff", "HEAD")
    await agent.run("diff-files", "--name-only")
    made = await commit_tree(
        repository, await staged(agent, scratch / "index"), [base], "m", author=SOMEBODY, date=NOW
    )
    await check_new_objects(repository, base, made)
    await commits_between(repository, base, made)
    await changed_paths_raw(repository, base, made)
    conflicted = await merge_trees(repository, ours, theirs)
    assert isinstance(conflicted, Conflicted)
    await conflict_hunks(repository, conflicted)
    await inspect(repository, "refs/heads/main")
    tree = await spare(repository, scratch / "spare", made)
    assert (tree.path / "kept").read_text() == "edited\n"
    await tree.run("switch", "--quiet", "-c", "other", ours)
    await tree.run("reset", "--quiet", "--hard", theirs)
    await tree.run("clean", "-ffdxq")
    main = repository.worktree(scratch / "main", None)
    await dirty_paths(main, base, ours)
    await main.run("checkout-index", "--all", "--force")
    await move_checkout(main, base, ours)
    await update_refs(repository, [("refs/heads/main", ours, base), ("refs/mawep/x", made, None)])


async def test_replace_refs_do_not_alter_what_is_read_or_checked_out(scene: Scene, tmp_path: Path) -> None:
    real, fake = head(scene.main, "ours"), head(scene.main, "theirs")
    git(scene.main, "replace", real, fake)
    assert git(scene.main, "show", f"{real}:shared") == "theirs", "plain git falls for it"
    repository = await find_repository(scene.main)
    assert await read_blob(repository, f"{real}:shared") == b"ours\n"
    tree = await spare(repository, tmp_path / "spare", real)
    assert (tree.path / "shared").read_text() == "ours\n"
    assert (await inspect(repository, "refs/heads/main")).replaced_objects


async def test_grafts_do_not_alter_history(scene: Scene) -> None:
    base, ours = head(scene.main), head(scene.main, "ours")
    write(scene.main / ".git" / "info" / "grafts", f"{ours}\n")
    assert git(scene.main, "rev-list", "--count", "ours") == "1", "plain git falls for it"
    repository = await find_repository(scene.main)
    assert await is_ancestor(repository, base, ours)


@pytest.mark.parametrize("where", [".gitattributes", ".git/info/attributes", "configured"])
async def test_attributes_outside_the_commits_do_not_turn_a_conflict_clean(scene: Scene, where: str) -> None:
    if where == "configured":
        git(scene.main, "config", "core.attributesFile", str(write(scene.main / "attrs", "* merge=union\n")))
    else:
        write(scene.main / where, "* merge=union\n")
    sides = (head(scene.main, "ours"), head(scene.main, "theirs"))
    plain = git(scene.main, "merge-tree", "--write-tree", *sides)
    assert "CONFLICT" not in plain, "plain git falls for it"
    repository = await find_repository(scene.main)
    assert isinstance(await merge_trees(repository, *sides), Conflicted)
    write(repository.view / "empty" / ".gitattributes", "* merge=union\n")
    assert isinstance(await merge_trees(repository, *sides), Conflicted)


async def test_git_variables_of_our_own_environment_do_not_leak(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_repository(tmp_path / "other", {"other": "o\n"})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git" / "objects"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", scene.trap)
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("GIT_EDITOR", scene.trap)
    monkeypatch.setenv("GIT_PAGER", scene.trap)
    before = git(other, "status", "--porcelain"), git(other, "for-each-ref")
    repository = await find_repository(scene.main)
    assert repository.common_dir == scene.main / ".git"
    assert await repository.run("var", "GIT_EDITOR") == b":\n"
    assert await repository.run("var", "GIT_PAGER") == b"cat\n"
    await walk_through(repository, repository.worktree(scene.agent, "agent"), tmp_path)
    assert not scene.sprung()
    assert not (tmp_path / "trace").exists()
    assert (git(other, "status", "--porcelain"), git(other, "for-each-ref")) == before


async def test_pager_editor_and_alias_settings_are_not_seen(scene: Scene) -> None:
    for key in ("core.pager", "core.editor", "sequence.editor", "alias.boom", "core.askPass"):
        git(scene.main, "config", key, f"!{scene.trap}")
    assert git(scene.main, "var", "GIT_EDITOR") == f"!{scene.trap}", "plain git falls for it"
    repository = await find_repository(scene.main)
    assert await repository.run("var", "GIT_EDITOR") == b":\n"
    assert (await repository.call("boom")).code == 1
    assert not scene.sprung()


@pytest.mark.parametrize("command", ["add", "commit", "stash", "submodule"])
async def test_commands_that_enter_nested_repositories_are_refused(scene: Scene, command: str) -> None:
    repository = await find_repository(scene.main)
    with pytest.raises(ValueError, match="nested"):
        await repository.worktree(scene.agent, "agent").run(command, "--help")


async def test_a_pointer_to_another_repository_in_the_tree_is_not_followed(
    scene: Scene, tmp_path: Path
) -> None:
    other = make_repository(tmp_path / "other", {"other": "o\n"})
    (scene.agent / ".git").unlink()
    write(scene.agent / ".git", f"gitdir: {other / '.git'}\n")
    assert git(scene.agent, "log", "--format=%s", "-1", "--", "other"), "plain git falls for it"
    repository = await find_repository(scene.main)
    agent = repository.worktree(scene.agent, "agent")
    assert await rev_parse(agent, "HEAD") == head(scene.main)
    tree = await staged(agent, tmp_path / "index")
    assert [entry.path for entry in await list_tree(repository, tree)] == ["kept", "shared"]


async def test_a_branch_that_points_to_main_does_not_move_main(scene: Scene) -> None:
    base, ours = head(scene.main), head(scene.main, "ours")
    for name in ("feature", "plain"):
        git(scene.main, "symbolic-ref", f"refs/heads/{name}", "refs/heads/main")
    git(scene.main, "update-ref", "refs/heads/plain", ours, base)
    assert head(scene.main, "refs/heads/main") == ours, "plain git falls for it"
    git(scene.main, "update-ref", "refs/heads/main", base)
    repository = await find_repository(scene.main)
    await update_refs(repository, [("refs/heads/feature", ours, base)])
    assert await read_ref(repository, "refs/heads/main") == base
    assert await read_ref(repository, "refs/heads/feature") == ours


async def test_a_checkout_poisoned_by_its_configuration_is_read_as_it_is(scene: Scene) -> None:
    git(scene.main, "config", "core.worktree", "/nonexistent")
    git(scene.main, "config", "core.ignoreCase", "not a boolean")
    agent = (await _opened_before(scene)).worktree(scene.agent, "agent")
    assert await agent.run("status", "--porcelain") == b""


async def _opened_before(scene: Scene) -> Repository:
    """The repository as it was opened before the configuration went bad."""
    config = scene.main / ".git" / "config"
    bad = config.read_text()
    config.write_text("[core]\n\trepositoryformatversion = 0\n")
    repository = await find_repository(scene.main)
    config.write_text(bad)
    return repository


async def test_polling_takes_no_locks(scene: Scene, tmp_path: Path) -> None:
    """Every status of a plain git writes the index of the agent, who is refused his own commit meanwhile."""
    index = scene.main / ".git" / "worktrees" / "agent" / "index"
    repository = await find_repository(scene.main)
    agent = repository.worktree(scene.agent, "agent")

    def inode_after(look: Callable[[], object]) -> int:
        age(scene.agent / "kept")
        look()
        return index.stat().st_ino

    first = index.stat().st_ino
    assert inode_after(lambda: git(scene.agent, "status")) != first, "plain git writes it"
    first = index.stat().st_ino
    age(scene.agent / "kept")
    await agent.run("status")
    await agent.run("diff", "HEAD")
    await staged(agent, tmp_path / "index")
    assert index.stat().st_ino == first


NAMES = ["ü/ñ", "with space", 'qu"ote', "new\nline", "tab\there", "-dash", ":(top)magic", "back\\slash", "*"]


async def test_strange_names_survive_every_helper(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r")
    base = head(path)
    repository = await find_repository(path)
    main = repository.worktree(path, None)
    write(path / "latin-\udce9", "raw bytes\n")
    for name in NAMES:
        write(path / name, "1\n")
    index, paths = tmp_path / "index", "".join(f"{name}\0" for name in [*NAMES, "latin-\udce9"])
    await main.run("read-tree", base, index=index)
    await main.run("update-index", "--add", "-z", "--stdin", input=os.fsencode(paths), index=index)
    tree = (await main.run("write-tree", index=index)).decode().strip()
    first = await commit_tree(repository, tree, [base], "m", author=SOMEBODY, date=NOW)
    expected = sorted([*NAMES, "latin-\udce9"])
    assert sorted(change.path for change in await changed_paths_raw(repository, base, first)) == expected
    assert sorted(entry.path for entry in await list_tree(repository, first, *NAMES[1:])) == sorted(NAMES[1:])
    assert await dirty_paths(main, base, first) == ()
    await move_checkout(main, base, first)
    await update_refs(repository, [("refs/heads/main", first, base)])
    assert git(path, "status", "--porcelain") == ""
    ours, theirs = [
        branch(path, f"side-{side}", dict.fromkeys(NAMES, f"{side}\n"), "edit") for side in ("a", "b")
    ]
    conflicted = await merge_trees(repository, ours, theirs)
    assert isinstance(conflicted, Conflicted)
    assert sorted(conflicted.files) == sorted(NAMES)
    hunks = await conflict_hunks(repository, conflicted)
    assert all("<<<<<<<" in hunks[name] and "CONFLICT" in hunks[name] for name in NAMES)


async def test_a_branch_made_by_hand_shows_in_both_views(scene: Scene) -> None:
    """The view is the same repository: what plain git does, the door sees, packed or not, and the reverse."""
    repository = await find_repository(scene.main)
    made = commit(scene.agent, {"more": "m\n"})
    assert await read_ref(repository, "refs/heads/feature") == made
    git(scene.main, "pack-refs", "--all")
    assert (await list_refs(repository, "refs/heads/"))["refs/heads/feature"] == made
    await update_refs(
        repository, [("refs/mawep/a", made, None), ("refs/heads/ours", None, head(scene.main, "ours"))]
    )
    assert git(scene.main, "for-each-ref", "--format=%(refname)").split() == [
        "refs/heads/feature",
        "refs/heads/main",
        "refs/heads/theirs",
        "refs/mawep/a",
    ]
    assert isinstance(await merge_trees(repository, made, head(scene.main, "theirs")), Merged)
