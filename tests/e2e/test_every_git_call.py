"""Every git process that whole runs start: where it runs, what it cannot read or execute, what it is never asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mawep.adapters.git import DURABLE, HARDENED
from tests.support.world import World

RECORDER = """\
#!/bin/sh
{{ printf '%s\\0' "$@"; printf '\\1'; pwd; printf '\\1'; env -0; }} > "{place}.$$" && mv "{place}.$$" "{place}/$$"
exec {git} "$@"
"""
ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}
PLACES = {"GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_LITERAL_PATHSPECS", "GIT_EDITOR", "GIT_PAGER"}
STRICTER = {f"GIT_CONFIG_{name}" for name in ("COUNT", "KEY_0", "VALUE_0", "KEY_1", "VALUE_1")}


@dataclass(frozen=True)
class Call:
    """One git process of ours."""

    args: tuple[str, ...]
    cwd: Path
    env: dict[str, str]

    @property
    def looks_for_a_repository(self) -> bool:
        """True before it is known where the repository is, and what the person's own settings are."""
        return self.args in {("--version",)} or "--list" in self.args or "rev-parse" in self.args[-6:]

    @property
    def command(self) -> str:
        rest = list(self.args)
        while rest and rest[0].startswith("-"):
            del rest[: 2 if rest[0] == "-c" else 1]
        return rest[0] if rest else ""

    def says(self, settings: tuple[str, ...]) -> bool:
        return "\0".join(settings) in "\0".join(self.args)


def read(place: Path) -> Iterator[Call]:
    for file in place.iterdir():
        args, cwd, env = file.read_bytes().decode().split("\1")
        variables = dict(entry.split("=", 1) for entry in env.split("\0") if "=" in entry)
        if "MAWEP_ATTEMPT" not in variables:  # else it is the agent's own
            yield Call(tuple(args.split("\0")[:-1]), Path(cwd.strip()), variables)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """What a run with a landing, a failure and a conflict, and the verbs after it, asked git for."""
    root = tmp_path_factory.mktemp("calls")
    world = World(root / "world", {"a.txt": "a\n"})
    world.issues({101: [], 102: [], 103: [], 104: [101]})
    world.agent(102, "echo precious > half.txt; mkdir nested; git init -q nested; touch nested/x; exit 3\n")
    world.agent(101, "echo one > a.txt\n")
    world.agent(103, "git status > /dev/null; echo three > a.txt; git add -A; git commit -q -m mine\n")
    place = root / "said"
    place.mkdir()
    recorder = root / "bin" / "git"
    recorder.parent.mkdir()
    recorder.write_text(RECORDER.format(place=place, git=shutil.which("git")))
    recorder.chmod(0o700)
    path = f"{recorder.parent}{os.pathsep}{os.environ['PATH']}"
    for verb in ("doctor", "plan", "start --issues all --json", "audit", "report", "cleanup --all"):
        ended = world.begin(*verb.split(), PATH=path).wait()
        assert ended.code in {0, 1}, ended.said
    return list(read(place))


def test_git_every_call_of_ours_names_its_place_and_reads_nobodys_settings(calls: list[Call]) -> None:
    assert len(calls) > 50
    for call in calls:
        if call.looks_for_a_repository:
            assert call.env["GIT_TERMINAL_PROMPT"] == "0"
            continue
        assert call.args[0].startswith("--git-dir=/"), call.args
        assert call.args[1].startswith("--work-tree=/") or call.cwd.name == "empty", call.args
        assert call.says(HARDENED), call.args
        found = {name: value for name, value in call.env.items() if name.startswith("GIT_")}
        assert ENVIRONMENT.items() <= found.items()
        assert found.keys() <= ENVIRONMENT.keys() | PLACES | STRICTER
        assert found["GIT_COMMON_DIR"].endswith("/mawep/view")
        assert call.env["HOME"] == f"{found['GIT_COMMON_DIR']}/empty"


def test_git_what_no_file_may_decide_is_said_on_every_command_line() -> None:
    for setting in ("core.hooksPath=/dev/null", "core.fsmonitor=false", "credential.helper=", "gc.auto=0"):
        assert setting in HARDENED


def test_cleanup_never_prunes_collects_or_commits_in_a_tree(calls: list[Call]) -> None:
    asked = {call.command for call in calls}
    assert asked.isdisjoint({"worktree", "gc", "prune", "repack", "reflog", "maintenance", "commit", "stash"})
    assert {"merge-tree", "update-ref", "read-tree"} <= asked


def test_composition_is_made_in_an_empty_directory(calls: list[Call]) -> None:
    merges = [call for call in calls if call.command == "merge-tree"]
    assert merges
    for call in merges:
        assert call.cwd.parts[-3:] == ("mawep", "view", "empty")
        assert list(call.cwd.iterdir()) == []


def test_git_what_lands_is_written_with_fsync(calls: list[Call]) -> None:
    packs = [call for call in calls if call.command == "pack-objects" and "--non-empty" in call.args]
    refs = [call for call in calls if {"mawep: land", "mawep: hold"}.intersection(call.args)]
    assert len(packs) >= 2 and len(refs) >= 2  # what lands, together or not, is composed and sealed
    assert [call.args for call in (*packs, *refs) if not call.says(DURABLE)] == []
