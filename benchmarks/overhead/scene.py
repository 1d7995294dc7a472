"""A repository with issues for it, and the two ways of having them done.

Issues rewrite the files in turn, so that the repository does not grow with them; by the time that a file comes
round again, its last issue has landed.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.overhead.meter import Spent, measure

HERE = Path(__file__).parent
FILES = 100
"""Of the repository, unless something else is said; the configuration is one of them."""
AGENTS = 8
GIVEN = ("BENCH_BEGAN", "BENCH_FILES")

_CONFIG = f"""\
mawep:
  orchestrator: {{max_agents: {AGENTS}}}
  issues: {{path: ../issues}}
  workspace: {{disk_floor_gb: 0.5}}
  agents: {{runtime: command, command: ["{HERE / "agent.sh"}"], env: [{", ".join(GIVEN)}], sandbox: off}}
  verify: {{commands: ["true"]}}
"""


@dataclass(frozen=True)
class Scene:
    """One fresh repository with `issues` issues under `root`; a chain if each depends on the one before."""

    root: Path
    issues: int
    chain: bool = False
    files: int = FILES

    @property
    def repository(self) -> Path:
        """The checkout, on `main`."""
        return self.root / "repository"

    def build(self) -> Scene:
        """Make it."""
        (self.root / "trees").mkdir(parents=True)
        for number in range(self.files - 1):
            file = self.repository / f"part{number // 10}" / f"module{number % 10}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join(f"value_{line} = {number * line}\n" for line in range(40)))
        (self.repository / "mawep.yaml").write_text(_CONFIG)
        folder = self.root / "issues"
        folder.mkdir()
        for number in range(1, self.issues + 1):
            depends = f"depends_on: [{number - 1}]\n" if self.chain and number > 1 else ""
            text = f"---\nnumber: {number}\ntitle: Write file {number}\n{depends}---\nWrite the file.\n"
            (folder / f"{number}.md").write_text(text)
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", "a project")
        return self

    def conduct(self) -> Spent:
        """Have MAWEP do all issues."""
        command = (sys.executable, "-m", "mawep", "start", "--issues", "all")
        return self._measured(*command)

    def loop(self) -> Spent:
        """Have the shell loop do all issues."""
        return self._measured(
            HERE / "loop.sh", self.repository, self.root / "trees", HERE / "agent.sh", str(self.issues)
        )

    def landed(self) -> int:
        """How many issues are on `main` now."""
        merges = ("git", "rev-list", "--count", "--merges", "main")
        environment = self._environment()
        done = subprocess.run(
            merges, cwd=self.repository, env=environment, check=True, capture_output=True, text=True
        )
        return int(done.stdout)

    def reactions(self) -> list[float]:
        """For each link of the chain: seconds from "landed" in the journal to the first line of the next agent."""
        began = {}
        for line in (self.root / "began").read_text().splitlines():
            number, _, moment = line.partition(" ")
            began[int(number)] = float(moment)
        return [began[number + 1] - at for number, at in self._landings() if number < self.issues]

    def _landings(self) -> list[tuple[int, float]]:
        journal = next((self.repository / ".git" / "mawep" / "runs").glob("*/journal.db"))
        wanted = (
            "SELECT json_extract(step.value, '$.issue'), events.at"
            " FROM events, json_each(events.json, '$.steps') AS step"
            " WHERE events.type = 'TargetMoved'"
        )
        with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as database:
            return [
                (number, datetime.fromisoformat(at).timestamp()) for number, at in database.execute(wanted)
            ]

    def _measured(self, *command: str | Path) -> Spent:
        spent = measure(
            command, cwd=self.repository, env=self._environment(), output=self.root / "output.txt"
        )
        if self.landed() != self.issues:
            raise RuntimeError(f"{command[0]} landed {self.landed()} of {self.issues} issues")
        return spent

    def _git(self, *arguments: str) -> None:
        subprocess.run(("git", *arguments), cwd=self.repository, env=self._environment(), check=True)

    def _environment(self) -> dict[str, str]:
        """A home of its own, so that nobody's settings or left-over worktrees take part."""
        runtime = self.root / "run"
        runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        person = {"NAME": "A Person", "EMAIL": "person@example.org"}
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.root),
            "XDG_RUNTIME_DIR": str(runtime),
            "GIT_CONFIG_NOSYSTEM": "1",
            **dict(zip(GIVEN, (str(self.root / "began"), str(self.files - 1)), strict=True)),
            **{
                f"GIT_{who}_{what}": value
                for who in ("AUTHOR", "COMMITTER")
                for what, value in person.items()
            },
        }
