"""Hazards that only a whole run can show: templates, gates that are rewritten, orphans, copies of the journal."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mawep.adapters.git_process import MARK, repository_mark
from mawep.core import events as ev
from tests.chaos.test_boundaries import CRASHING, HOUSE, START, die_at
from tests.support import promises
from tests.support.repos import commit
from tests.support.world import World

pytestmark = pytest.mark.e2e

TEMPLATE = ".mawep/prompt.md.j2"


def test_templates_are_read_once_from_the_base_commit_and_hashed(tmp_path: Path) -> None:
    """Whoever lands a template while agents work changes what the next run says, not this one."""
    world = World(tmp_path, {TEMPLATE: "the first words for #{{ number }}\n"})
    world.issues({101: [], 102: [101]})
    world.agent(101, World.until_let("go") + 'cp "$MAWEP_PROMPT_FILE" prompt-101.txt\n')
    world.agent(102, 'cp "$MAWEP_PROMPT_FILE" prompt-102.txt\n')
    live = world.begin_start()
    live.until("101 is at work", lambda: world.lines("began"))
    commit(world.repo, {TEMPLATE: "other words\n"})
    world.let("go")
    assert live.wait().code == 0
    (started,) = world.events(ev.RunStarted)
    assert started.digests["prompt"] == hashlib.sha256(b"the first words for #{{ number }}\n").hexdigest()
    said = [(world.repo / f"prompt-{number}.txt").read_text() for number in (101, 102)]
    assert said == ["the first words for #101", "the first words for #102"]


@pytest.mark.parametrize("guarded", [True, False])
def test_gate_defining_files_are_changed_only_with_leave(tmp_path: Path, guarded: bool) -> None:
    """A `conftest.py` that ends pytest with 0 makes any test pass: that is what `protected_paths` is for."""
    gate = {"commands": [f"{sys.executable} -m pytest -q -p no:cacheprovider"]}
    protected = {"protected_paths": ["conftest.py", "**/conftest.py", "pyproject.toml"]} if guarded else {}
    world = World(tmp_path, {"test_it.py": "def test_it():\n    assert True\n"}, verify={**gate, **protected})
    world.issue(101)
    world.agent(
        101,
        "printf 'import os\\nos._exit(0)\\n' > conftest.py\n"
        "printf 'def test_it():\\n    assert False\\n' > test_it.py\n",
    )
    ended = world.start()
    assert ended.states == {101: "failed: protected_path" if guarded else "landed"}


def test_move_of_the_target_waits_on_resume_for_git_children_of_the_dead_process(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.issue(101)
    die_at(world, "effect MoveIntended before 1", *START)
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    mark = f"{repository_mark(world.repo / '.git')}:{dead.pid}:1"
    ended = tmp_path / "ended"
    child = subprocess.Popen(
        ["sh", "-c", f"sleep 1; touch {ended}"], env={**os.environ, MARK: mark}, cwd=world.repo
    )
    resumed = world.resume()
    child.wait()
    assert resumed.code == 0, resumed.said
    (at,) = [recorded.at for recorded in world.journal() if isinstance(recorded.event, ev.RunResumed)]
    assert ended.stat().st_mtime < at.timestamp(), "it went on before the child had ended"
    promises.kept(world)


def test_audit_notices_a_copy_of_the_journal_without_its_wal(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.issues({101: [], 102: [101]})
    world.agent(102, World.until_let("go") + "echo 102 > two.txt\n")
    path = os.pathsep.join([str(HOUSE), os.environ.get("PYTHONPATH", "")])
    crash = {"MAWEP_CRASH": "journal RunEnded after 1", "PYTHONPATH": path}
    live = world.begin(*START, program=CRASHING, **crash)
    live.until("101 has landed", lambda: world.stands(101) == "landed")
    journal = world.directory.journal
    with closing(sqlite3.connect(journal)) as db:
        empty = "PRAGMA wal_checkpoint(TRUNCATE)"
        live.until("nobody reads or writes", lambda: db.execute(empty).fetchone()[0] == 0)
    world.let("go")
    assert live.wait().code == -9
    whole = tmp_path / "whole"
    shutil.copytree(journal.parent, whole)
    for ending in ("-wal", "-shm"):
        journal.with_name(f"{journal.name}{ending}").unlink()
    audited = world.run("audit", "--json")
    shutil.copytree(whole, journal.parent, dirs_exist_ok=True)
    assert world.run("cleanup").code == 0, "which also ends the server that the dead process left"
    assert audited.code == 1
    kinds = {problem["kind"] for problem in audited.document["problems"]}
    assert {"unknown_landing", "journal"} <= kinds
    assert "chain" not in kinds, "by itself the copy verifies"
