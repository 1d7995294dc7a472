"""A repository with issues and a configuration, and the `mawep` command in it, as a user has them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mawep.cli.reading import read_run
from mawep.core.state import State
from mawep.state.runs import list_runs
from tests.support.repos import git, make_repository

WORK = "echo $MAWEP_ISSUE >> issue-$MAWEP_ISSUE.txt"
"""An agent that always succeeds."""

CONFIGURATION = """\
mawep:
  orchestrator: {{max_agents: 2, worktree_base: ../worktrees}}
  workspace: {{disk_floor_gb: 0.01, spares: 1}}
  agents:
    runtime: command
    command: {agent}
    sandbox: off
    env: [SITE]
  verify: {{commands: {gate}}}
"""


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Site:
    """A repository and what stands around it."""

    repository: Path

    @property
    def worktrees(self) -> Path:
        """Where attempts work."""
        return self.repository.parent / "worktrees"

    @property
    def runs(self) -> Path:
        """Where runs keep their things."""
        return self.repository / ".git" / "mawep" / "runs"

    def environment(self) -> dict[str, str]:
        """What commands are given: this process's, and where the site is."""
        return {**os.environ, "SITE": str(self.repository.parent), "COLUMNS": "120"}

    def mawep(self, *arguments: str | int, code: int | None = None, cwd: Path | None = None) -> Said:
        """Run a verb to its end; `code` is the exit code that it must have."""
        done = subprocess.run(
            [sys.executable, "-m", "mawep", *map(str, arguments)],
            cwd=cwd or self.repository,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = Said(done.returncode, done.stdout, done.stderr)
        assert code is None or said.code == code, f"exit code {said.code}\n{said.out}\n{said.err}"
        assert "Traceback" not in said.err, said.err
        return said

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A verb that goes on meanwhile; it is killed at the end if it still runs."""
        process = subprocess.Popen(
            [sys.executable, "-m", "mawep", *arguments],
            cwd=self.repository,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()

    def go(self) -> None:
        """Let agents that wait go on."""
        (self.repository.parent / "go").touch()

    def status(self) -> dict[str, Any]:
        """The status of the newest run."""
        found: dict[str, Any] = self.mawep("status", "--json", code=0).document
        return found

    def states(self) -> dict[int, str]:
        """The state of each issue of the newest run, without a process; empty while there is no run."""
        runs = list_runs(self.repository / ".git")
        state, _ = read_run(runs[0]) if runs else (State(), [])
        return {number: record.state.value for number, record in sorted(state.issues.items())}


WAIT = f"while [ ! -e $SITE/go ]; do sleep 0.02; done; {WORK}"
"""An agent that waits for `Site.go`."""


def make_site(
    place: Path,
    edges: dict[int, Sequence[int]] | None = None,
    *,
    agent: str = WORK,
    gate: Sequence[str] = ("true",),
    front_matter: dict[int, str] | None = None,
) -> Site:
    """A site whose issues wait for one another as `edges` says (default: 101, and 102 and 103 behind it)."""
    edges = {101: [], 102: [101], 103: [101]} if edges is None else edges
    files = {
        "mawep.yaml": CONFIGURATION.format(
            agent=json.dumps(["sh", "-c", agent]), gate=json.dumps(list(gate))
        ),
        "README.md": "hello\n",
    }
    for number, needed in edges.items():
        more = (front_matter or {}).get(number, "")
        head = f"number: {number}\ntitle: Issue {number}\ndepends_on: {list(needed)}\n{more}"
        files[f"issues/{number}.md"] = f"---\n{head}---\nDo {number}.\n"
    repository = make_repository(place / "shop", files)
    return Site(repository)


def untouched(site: Site) -> tuple[str, str, list[str]]:
    """What must be the same before and after a refusal."""
    refs = git(site.repository, "for-each-ref")
    status = git(site.repository, "status", "--porcelain=v2", "--branch")
    runs = sorted(entry.name for entry in site.runs.iterdir()) if site.runs.is_dir() else []
    base = [str(site.worktrees)] if site.worktrees.exists() else []
    return refs, status, runs + base


def cleaned(text: str, site: Site) -> str:
    """Text without the places of this test."""
    return text.replace(str(site.repository.parent), "<site>")
