"""Set-up: commands, links and copies make a tree usable before anybody waits for it, and never dirty."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mawep.adapters.git import find_repository
from mawep.errors import ProblemsError
from mawep.stages.workspace import SetupError
from tests.stages.workspace_site import Site, site
from tests.support.repos import commit, git, head, make_repository, write

__all__ = ["site"]


async def test_setup_runs_in_the_spare_with_a_clean_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPM_TOKEN", "passed")
    monkeypatch.setenv("SECRET", "kept")
    workspaces = await site.open(
        spares=1, setup=("env > env.log", "git describe --always > git.log"), env=("NPM_TOKEN",)
    )
    await workspaces.refill(site.target())
    lent = await site.lend(workspaces)
    assert lent.reused_spare
    environment = dict(line.split("=", 1) for line in (lent.path / "env.log").read_text().splitlines())
    assert environment["NPM_TOKEN"] == "passed" and "SECRET" not in environment
    assert Path(environment["TMPDIR"]).is_relative_to(site.base) and not Path(environment["TMPDIR"]).exists()
    assert site.target().startswith((lent.path / "git.log").read_text().strip())
    assert git(lent.path, "status", "--porcelain") == ""


async def test_setup_runs_again_only_when_its_inputs_differ(site: Site) -> None:
    runs = site.base.parent / "runs"
    command = f"cat src/a.py >> {runs}; cp src/a.py build.log"
    workspaces = await site.open(spares=1, setup=(command,), setup_inputs=("src/a.py", "not-there"))
    await workspaces.refill(site.target())
    commit(site.checkout, {"src/b.py": "b = 2\n"})
    first = await site.lend(workspaces, 1)
    assert first.reused_spare and runs.read_text() == "a = 1\n"
    await workspaces.refill(site.target())
    new = commit(site.checkout, {"src/a.py": "a = 2\n"})
    second = await site.lend(workspaces, 2)
    assert second.reused_spare and (second.path / "build.log").read_text() == "a = 2\n"
    assert runs.read_text() == "a = 1\na = 1\na = 2\n"
    assert git(second.path, "rev-parse", "HEAD") == new


async def test_refill_sets_a_waiting_spare_up_for_new_inputs(site: Site) -> None:
    workspaces = await site.open(spares=2, setup=("cp src/a.py build.log",), setup_inputs=("src",))
    await workspaces.refill(site.target())
    new = commit(site.checkout, {"src/a.py": "a = 2\n"})
    await workspaces.refill(new)
    spares = list((site.base / ".spares").iterdir())
    assert [(spare / "build.log").read_text() for spare in spares] == ["a = 2\n"] * 2
    assert [head(spare) for spare in spares] == [new] * 2


async def test_a_spare_that_loses_a_tracked_file_to_the_setup_is_set_up_again(site: Site) -> None:
    commit(site.checkout, {"local.txt": "tracked\n"})
    workspaces = await site.open(spares=1, setup=("test -e local.txt || echo made > local.txt",))
    await workspaces.refill(site.target())
    git(site.checkout, "rm", "--quiet", "local.txt")
    git(site.checkout, "commit", "--quiet", "-m", "made by the set-up from now on")
    lent = await site.lend(workspaces)
    assert lent.reused_spare and (lent.path / "local.txt").read_text() == "made\n"


async def test_a_setup_that_leaves_files_is_an_error_that_names_them(site: Site) -> None:
    workspaces = await site.open(spares=1, setup=("echo hello; echo x > left.txt; echo y > src/a.py",))
    with pytest.raises(SetupError, match="leaves files that git sees") as caught:
        await workspaces.refill(site.target())
    assert caught.value.files == ("left.txt", "src/a.py")
    assert caught.value.log is not None and caught.value.log.read_text() == "hello\n"
    assert site.worktrees() == {}
    with pytest.raises(SetupError):
        await site.lend(workspaces)
    assert site.worktrees() == {} and git(site.checkout, "branch", "--list", "feature/*") == ""


async def test_a_setup_that_fails_is_an_error_with_its_log(site: Site) -> None:
    workspaces = await site.open(setup=("echo before", "echo the reason >&2; exit 7", "echo never"))
    with pytest.raises(SetupError, match="failed") as caught:
        await site.lend(workspaces)
    assert caught.value.cause == "it exited 7"
    assert caught.value.log is not None and caught.value.log.read_text().endswith("the reason\n")


async def test_a_spare_that_cannot_be_set_up_for_a_new_base_is_gone(site: Site) -> None:
    workspaces = await site.open(spares=1, setup=("test -e src/a.py",), setup_inputs=("src/a.py",))
    await workspaces.refill(site.target())
    commit(site.checkout, {"src/a.py": None})
    with pytest.raises(SetupError):
        await site.lend(workspaces)
    assert site.worktrees() == {} and git(site.checkout, "branch", "--list", "feature/*") == ""


async def test_old_logs_of_failed_setups_go(site: Site) -> None:
    workspaces = await site.open(setup=("false",))
    with pytest.raises(SetupError) as caught:
        await site.lend(workspaces)
    log = caught.value.log
    assert log is not None
    await site.open()
    assert log.exists()
    os.utime(log, (0, 0))
    await site.open()
    assert not log.exists()


async def test_a_setup_that_hangs_or_is_killed_says_so(site: Site) -> None:
    hanging = await site.open(setup=("sleep 100",), setup_timeout=0.2)
    with pytest.raises(SetupError) as caught:
        await site.lend(hanging)
    assert caught.value.cause == "it took longer than 0.2 s"
    killed = await site.open(setup=("kill -9 $$",))
    with pytest.raises(SetupError) as caught:
        await site.lend(killed)
    assert caught.value.cause == "it was ended by signal 9"


async def test_ignored_files_are_linked_and_copied_by_rule(site: Site) -> None:
    write(site.checkout / "local.txt", "secret\n")
    write(site.checkout / "build/deps/lib", "x\n")
    write(site.checkout / "src/dev.log", "y\n")
    commit(site.checkout, {".gitignore": "build\n*.log\nlocal.txt\n"})
    workspaces = await site.open(spares=1, link=("build",), copy=("local.txt", "src/dev.log"))
    await workspaces.refill(site.target())
    lent = await site.lend(workspaces)
    assert (lent.path / "build").readlink() == site.checkout / "build"
    assert (lent.path / "local.txt").read_text() == "secret\n" and not (lent.path / "local.txt").is_symlink()
    assert (lent.path / "src/dev.log").read_text() == "y\n"
    assert git(lent.path, "status", "--porcelain") == ""
    await workspaces.discard(lent)
    await site.close(workspaces)
    assert (site.checkout / "build/deps/lib").exists()


async def test_a_copy_that_changed_since_is_copied_again(site: Site) -> None:
    write(site.checkout / "local.txt", "old\n")
    write(site.checkout / "build/deps/lib", "old\n")
    workspaces = await site.open(spares=1, copy=("local.txt", "build"))
    await workspaces.refill(site.target())
    write(site.checkout / "local.txt", "newer\n")
    lent = await site.lend(workspaces)
    assert lent.reused_spare
    assert (lent.path / "local.txt").read_text() == "newer\n"
    assert (lent.path / "build/deps/lib").read_text() == "old\n"


async def test_a_linked_path_that_git_would_see_is_an_error(site: Site) -> None:
    write(site.checkout / "build/lib", "x\n")
    workspaces = await site.open(link=("build",))  # .gitignore says `build/`, which a link is not
    with pytest.raises(SetupError, match="git sees") as caught:
        await site.lend(workspaces)
    assert caught.value.files == ("build",) and "trailing slash" in caught.value.next_step


async def test_rules_that_leave_the_checkout_are_refused_all_at_once(site: Site) -> None:
    (site.checkout / "local.txt").symlink_to("/etc/passwd")
    rules = ("../other", "/etc/passwd", ".git/config", "missing", "local.txt", "")
    workspaces = site.unopened(copy=rules, link=("src/../../x",))
    with pytest.raises(ProblemsError) as caught:
        await workspaces.open()
    assert len(caught.value.problems) == 7
    assert not site.base.exists()


async def test_rules_need_a_checkout(site: Site, tmp_path: Path) -> None:
    bare = make_repository(tmp_path / "bare.git", bare=True)
    git(site.checkout, "push", "--quiet", str(bare), "main")
    site.repository = await find_repository(bare)
    with pytest.raises(ProblemsError, match="paths that worktrees"):
        await site.unopened(copy=("local.txt",)).open()
    workspaces = await site.open()
    lent = await site.lend(workspaces)
    assert (lent.path / "src/a.py").exists()
    await workspaces.discard(lent)


async def test_nothing_is_written_through_a_link_of_the_commit(site: Site) -> None:
    outside = site.base.parent / "outside"
    outside.mkdir()
    write(site.checkout / "conf/local.txt", "secret\n")
    git(site.checkout, "switch", "--quiet", "-c", "hostile")
    (site.checkout / "conf").rename(site.base.parent / "conf")
    (site.checkout / "conf").symlink_to(outside)
    git(site.checkout, "add", "conf")
    git(site.checkout, "commit", "--quiet", "-m", "conf leads out")
    hostile = head(site.checkout)
    git(site.checkout, "switch", "--quiet", "main")
    (site.base.parent / "conf").rename(site.checkout / "conf")
    for rule in ("copy", "link"):
        workspaces = await site.open(**{rule: ("conf/local.txt",)})
        with pytest.raises(SetupError, match="cannot be put"):
            async with workspaces.gate_tree(hostile):
                pass
    assert list(outside.iterdir()) == []


async def test_a_path_that_the_commit_has_is_not_linked_over(site: Site) -> None:
    workspaces = await site.open(link=("README.md",))
    with pytest.raises(SetupError, match="cannot be linked"):
        await site.lend(workspaces)
