"""Everything that keeps a run from starting: one clear error, exit code 2, all at once, nothing touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.site import Said, Site, make_site, untouched
from tests.support.repos import commit, git, make_repository, write


def edit(site: Site, old: str, new: str) -> None:
    path = site.repository / "mawep.yaml"
    text = path.read_text()
    assert old in text
    commit(site.repository, {"mawep.yaml": text.replace(old, new)})


def issue(site: Site, name: str, text: str) -> None:
    commit(site.repository, {f"issues/{name}.md": text})


def duplicate(site: Site) -> None:
    issue(site, "again", "---\nnumber: 102\ntitle: Again\n---\nDo it.\n")


def unknown_dependency(site: Site) -> None:
    issue(site, "104", "---\nnumber: 104\ntitle: Last\ndepends_on: [999]\n---\nDo it.\n")


def cycle(site: Site) -> None:
    issue(site, "101", "---\nnumber: 101\ntitle: First\ndepends_on: [104]\n---\nDo it.\n")
    issue(site, "104", "---\nnumber: 104\ntitle: Last\ndepends_on: [101]\n---\nDo it.\n")


def unreadable_front_matter(site: Site) -> None:
    issue(site, "104", "---\nnumber: [\n---\nDo it.\n")


def no_gate(site: Site) -> None:
    edit(site, 'verify: {commands: ["true"]}', "verify: {timeout_minutes: 1}")


def unset_variable(site: Site) -> None:
    edit(site, "worktree_base: ../worktrees", 'worktree_base: "${NOT_SET_ANYWHERE}/w"')


def dirty(site: Site) -> None:
    write(site.repository / "README.md", "changed\n")


def nested_base(site: Site) -> None:
    make_repository(site.repository.parent / "other")
    edit(site, "worktree_base: ../worktrees", "worktree_base: ../other/worktrees")


def submodule(site: Site) -> None:
    other = make_repository(site.repository.parent / "other")
    add = ("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(other), "sub")
    git(site.repository, *add)
    git(site.repository, "commit", "--quiet", "-m", "a submodule")


def lfs(site: Site) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 1\n"
    commit(
        site.repository, {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "a.bin": pointer}
    )


def no_disk(site: Site) -> None:
    edit(site, "disk_floor_gb: 0.01", "disk_floor_gb: 1000000")


def no_walls(site: Site) -> None:
    edit(site, "sandbox: off", "sandbox: off\n    network: none")


def exposing(site: Site) -> None:
    edit(site, "workspace: {", "workspace: {visible: [.], ")


def misspelt(site: Site) -> None:
    edit(site, "max_agents", "max_agent")


def no_program(site: Site) -> None:
    edit(
        site,
        'command: ["sh", "-c", "echo $MAWEP_ISSUE >> issue-$MAWEP_ISSUE.txt"]',
        "command: [no-such-agent]",
    )


COMMAND = 'command: ["sh", "-c", "echo $MAWEP_ISSUE >> issue-$MAWEP_ISSUE.txt"]'


def no_named_program(site: Site) -> None:
    edit(site, f"runtime: command\n    {COMMAND}", "runtime: codex-headless")


def command_of_a_named_agent(site: Site) -> None:
    edit(site, "runtime: command", "runtime: claude-code-headless")


def leave_that_nobody_asks_for(site: Site) -> None:
    edit(site, COMMAND, f"{COMMAND}\n    permissions: {{default: ask}}")


def nothing_to_copy(site: Site) -> None:
    edit(site, "spares: 1}", "spares: 1, copy: [.env.test], link: [node_modules]}")


CASES: dict[str, tuple[Callable[[Site], None], tuple[str, ...]]] = {
    "nothing to copy": (nothing_to_copy, ("'.env.test' does not exist", "'node_modules' does not exist")),
    "duplicate numbers": (duplicate, ("102", "also the number of")),
    "an unknown dependency": (unknown_dependency, ("#999", "does not know")),
    "a cycle": (cycle, ("101 → 104 → 101",)),
    "unreadable front matter": (unreadable_front_matter, ("104.md",)),
    "a missing gate command": (no_gate, ("verify.commands", "no gate command")),
    "an unset variable": (unset_variable, ("NOT_SET_ANYWHERE",)),
    "a dirty checkout of the target": (dirty, ("not clean", "README.md")),
    "a base inside another repository": (nested_base, ("inside another repository",)),
    "submodules": (submodule, ("submodules", "sub")),
    "LFS": (lfs, ("LFS",)),
    "not enough disk": (no_disk, ("not enough disk",)),
    "a limited network without walls": (no_walls, ("agents.network", "sandbox: required")),
    "a visible path that holds the repository": (exposing, ("workspace.visible", "git directory")),
    "a misspelt key": (misspelt, ("did you mean `max_agents`",)),
    "no such agent": (no_program, ("no-such-agent",)),
    "no program of a named agent": (no_named_program, ("`codex`", "npm install -g @openai/codex@")),
    "a command for a named agent": (command_of_a_named_agent, ("knows its program", "`claude`")),
    "answers to nobody's questions": (
        leave_that_nobody_asks_for,
        ("agents.permissions", "never ask for leave"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_is_one_clear_error_and_nothing_is_touched(name: str, site: Site) -> None:
    spoil, words = CASES[name]
    spoil(site)
    before = untouched(site)
    refused(site.mawep("start", "--issues", "all"), *words)
    assert untouched(site) == before


def refused(said: Said, *words: str) -> None:
    assert said.code == 2, said.err
    assert said.out == ""
    for word in words:
        assert word in said.err


def test_a_shallow_clone(site: Site) -> None:
    commit(site.repository, {"more.txt": "more\n"})
    clone = site.repository.parent / "clone"
    git(site.repository, "clone", "--quiet", "--depth=1", f"file://{site.repository}", str(clone))
    refused(site.mawep("start", "--issues", "all", cwd=clone), "shallow clone", "git fetch --unshallow")


def test_a_partial_clone(site: Site) -> None:
    clone = site.repository.parent / "clone"
    git(site.repository, "config", "uploadpack.allowFilter", "true")
    git(site.repository, "clone", "--quiet", "--filter=blob:none", f"file://{site.repository}", str(clone))
    refused(site.mawep("start", "--issues", "all", cwd=clone), "partial clone")


def test_a_repository_without_commits(site: Site) -> None:
    empty = site.repository.parent / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet")
    shutil.copy(site.repository / "mawep.yaml", empty)
    shutil.copytree(site.repository / "issues", empty / "issues")
    refused(site.mawep("start", "--issues", "all", cwd=empty), "no commits")


def test_no_repository(site: Site) -> None:
    bare = site.repository.parent / "nothing"
    bare.mkdir()
    shutil.copy(site.repository / "mawep.yaml", bare)
    said = site.mawep("start", "--issues", "all", cwd=bare)
    refused(said, "not in a git repository")
    assert "issues" in said.err, "what is wrong with the issues is told at the same time"


def test_a_git_that_is_too_old(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = site.repository.parent / "tools"
    real = shutil.which("git")
    script = f'#!/bin/sh\n[ "$1" = --version ] && echo "git version 2.30.2" && exit\nexec {real} "$@"\n'
    write(tools / "git", script).chmod(0o755)
    before = untouched(site)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    refused(site.mawep("start", "--issues", "all"), "git 2.30.2 is too old", "2.38")
    monkeypatch.undo()
    assert untouched(site) == before


def test_everything_at_once(site: Site) -> None:
    """A configuration that lacks something does not hide what is wrong with issues and repository."""
    for spoil in (no_gate, unknown_dependency, dirty):
        spoil(site)
    before = untouched(site)
    refused(site.mawep("start", "--issues", "all"), "verify.commands", "#999", "README.md")
    assert untouched(site) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("start",), ("which issues?", "--issues")),
        (("start", "--issues", "101", "--label", "x"), ("which issues?",)),
        (("start", "--issues", "first"), ("`first` is no number",)),
        (("start", "--issues", "999"), ("#999 is not an issue",)),
        (("start", "--issues", "102"), ("#101", "--with-dependencies")),
        (("start", "--issues", "all", "-c", "nowhere.yaml"), ("no configuration nowhere.yaml", "mawep init")),
        (("start", "--nonsense"), ("--nonsense",)),
        (("strat",), ("strat", "start")),
        (("status",), ("no run", "mawep start")),
        (("explain", "x"), ("`x` is no number",)),
        (("report", "--json", "--markdown"), ("two formats",)),
        (("resume",), ("nothing to resume",)),
    ],
    ids=lambda value: " ".join(value) if value and " " not in value[0] else "",
)
def test_wrong_usage(arguments: tuple[str, ...], words: tuple[str, ...], site: Site) -> None:
    before = untouched(site)
    refused(site.mawep(*arguments), *words)
    assert untouched(site) == before


def test_a_taken_port_for_metrics_is_told_before_the_run_begins(site: Site) -> None:
    import socket

    before = untouched(site)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        said = site.mawep("start", "--issues", "all", "--set", f"monitoring.prometheus_port={port}")
    refused(said, f"Port {port}", "taken")
    assert untouched(site) == before


def test_dependencies_are_taken_in_when_asked_for(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    document = site.mawep("start", "--issues", "102", "--with-dependencies", "--json", code=0).document
    assert [issue["number"] for issue in document["issues"]] == [101, 102]
    again = site.mawep("start", "--issues", "all", "--json", code=0)
    assert [issue["number"] for issue in again.document["issues"]] == [103]
    assert "#101 has landed before" in again.err
