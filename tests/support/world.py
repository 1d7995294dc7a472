"""A person's repository with issues, agents and a configuration, and `mawep` run on it as that person would.

Agents are shell scripts. Each begins by taking a lock that dies with it and its children, so that two agents
that ever work on one issue at a time are written down in `overlaps`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mawep.core import events as ev
from mawep.core.engine import replay
from mawep.core.state import State
from mawep.state import journal as journals
from mawep.state.runs import RunDirectory, list_runs
from tests.support.repos import commit, git, make_repository
from tests.support.waiting import eventually

T = TypeVar("T")
E = TypeVar("E", bound=ev.AnyEvent)

PATIENCE = 90.0
"""Seconds that a whole small run may take on a machine that is busy with other things."""

MAWEP = (sys.executable, "-m", "mawep")

AGENT = """\
exec 9>>"{root}/agents/$MAWEP_ISSUE.lock"
flock -n 9 || echo "$MAWEP_ISSUE a$MAWEP_ATTEMPT" >> "{root}/overlaps"
echo "$MAWEP_ISSUE a$MAWEP_ATTEMPT" >> "{root}/began"
root="{root}"
script="{root}/agents/$MAWEP_ISSUE.sh"
if [ -f "$script" ]; then . "$script"; else echo "work on $MAWEP_ISSUE" > "issue-$MAWEP_ISSUE.txt"; fi
"""


def wait_until(what: str, probe: Callable[[], T], timeout: float = PATIENCE) -> T:
    """`eventually` for tests that are not asynchronous."""
    return asyncio.run(eventually(what, probe, timeout))


@dataclass(frozen=True)
class Ended:
    """What a `mawep` process said: exit code, the text on stdout, its log and messages on stderr."""

    code: int
    out: str
    said: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        return dict(json.loads(self.out))

    @property
    def states(self) -> dict[int, str]:
        """What became of each issue: its state, with the reason if it failed."""
        return {
            issue["number"]: f"failed: {issue['reason']}" if issue["state"] == "failed" else issue["state"]
            for issue in self.document["issues"]
        }


class Live:
    """A `mawep` process that runs now."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def said(self) -> str:
        """What it has said on stderr so far."""
        return self._output.with_suffix(".err").read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing if it has ended."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def wait(self, timeout: float = PATIENCE) -> Ended:
        """How it ended; it is killed, and the test fails, when it takes longer than `timeout` seconds."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"mawep did not end within {timeout} s; it said:\n{self.said}") from None
        return Ended(code, self._output.with_suffix(".out").read_text(), self.said)

    def until(self, what: str, probe: Callable[[], T], timeout: float = PATIENCE) -> T:
        """Wait for a condition that this process is to bring about; fails at once when it ends instead."""

        def reached() -> T:
            ended = self.process.poll() is not None
            value = probe()
            if ended and not value:
                raise AssertionError(f"mawep ended before {what}; it said:\n{self.said}")
            return value

        try:
            return wait_until(what, reached, timeout)
        except BaseException:
            self.kill()
            raise


class World:
    """A repository at `repo` with everything about it below `root`."""

    def __init__(
        self, root: Path, files: Mapping[str, str] | None = None, **config: Mapping[str, Any]
    ) -> None:
        self.root = root
        self.repo = root / "repo"
        self._processes = 0
        self._written: dict[int, tuple[int, ...]] = {}
        (root / "agents").mkdir(parents=True)
        (root / "agent.sh").write_text(AGENT.format(root=root))
        make_repository(self.repo, {"README.md": "hello\n", **(files or {})})
        self.configure(**config)

    # --- what the person writes

    def configure(self, **sections: Mapping[str, Any]) -> None:
        """Write and commit `mawep.yaml`; each section is added to what every test needs."""
        config: dict[str, dict[str, Any]] = {
            "orchestrator": {"max_agents": 4, "worktree_base": "../worktrees"},
            "workspace": {"disk_floor_gb": 0.01},
            "agents": {
                "runtime": "command",
                "command": ["sh", str(self.root / "agent.sh")],
                "sandbox": "off",
            },
            "verify": {"commands": ["true"]},
        }
        for name, values in sections.items():
            config[name] = {**config.get(name, {}), **values}
        commit(self.repo, {"mawep.yaml": json.dumps({"mawep": config}, indent=1)}, "configure")

    def issue(
        self,
        number: int,
        *,
        after: Iterable[int] = (),
        files: Iterable[str] = (),
        text: str = "",
        **more: Any,
    ) -> None:
        """Write and commit an issue; `text` is added to what it says, `more` goes into its front matter."""
        self._commit({number: (tuple(after), tuple(files))}, more, text)

    def issues(self, edges: Mapping[int, Iterable[int]]) -> None:
        """Write and commit issues by number with what each depends on."""
        self._commit({number: (tuple(after), ()) for number, after in edges.items()})

    def _commit(
        self,
        issues: Mapping[int, tuple[tuple[int, ...], tuple[str, ...]]],
        more: Mapping[str, Any] | None = None,
        text: str = "",
    ) -> None:
        pages = {}
        for number, (after, files) in issues.items():
            self._written[number] = after
            header = f"number: {number}\ntitle: Piece {number}\n"
            header += f"depends_on: {json.dumps(after)}\nfiles: {json.dumps(files)}\n"
            header += "".join(f"{key}: {json.dumps(value)}\n" for key, value in (more or {}).items())
            pages[f"issues/{number}.md"] = f"---\n{header}---\nDo piece {number}.\n{text}"
        commit(self.repo, pages, "write issues")

    @property
    def edges(self) -> dict[int, tuple[int, ...]]:
        """What every issue depends on."""
        return self._written

    def agent(self, number: int, script: str) -> None:
        """What the agent on an issue does, in `sh`; `$root` is our root. Others write one file of their own."""
        (self.root / "agents" / f"{number}.sh").write_text(script)

    def let(self, name: str) -> None:
        """Give a sign that an agent waits for with `until_let NAME`."""
        (self.root / name).touch()

    @staticmethod
    def until_let(name: str) -> str:
        """A piece of an agent's script: it waits for `let(name)`."""
        return f'while [ ! -e "$root/{name}" ]; do sleep 0.02; done\n'

    # --- what the person runs

    def begin(self, *arguments: str, program: Iterable[str] = MAWEP, **environ: str) -> Live:
        """Start `mawep` with these arguments and leave it running."""
        self._processes += 1
        output = self.root / f"mawep-{self._processes}"
        with output.with_suffix(".out").open("wb") as out, output.with_suffix(".err").open("wb") as err:
            process = subprocess.Popen(
                [*program, *arguments],
                cwd=self.repo,
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        return Live(process, output)

    def run(self, *arguments: str, timeout: float = PATIENCE) -> Ended:
        """Run `mawep` with these arguments to its end."""
        return self.begin(*arguments).wait(timeout)

    def begin_start(self, *arguments: str) -> Live:
        """`mawep start --issues all --json`, left running."""
        return self.begin("start", "--issues", "all", "--json", *arguments)

    def start(self, *arguments: str, timeout: float = PATIENCE) -> Ended:
        """`mawep start --issues all --json` to its end."""
        return self.begin_start(*arguments).wait(timeout)

    def resume(self, *arguments: str, timeout: float = PATIENCE) -> Ended:
        """`mawep resume --json` to its end."""
        return self.run("resume", "--json", *arguments, timeout=timeout)

    def explain(self, number: int) -> str:
        """Everything that `mawep explain NUMBER` says, for people and for machines."""
        return self.run("explain", str(number)).out + self.run("explain", str(number), "--json").out

    # --- what there is to see

    def git(self, *arguments: str) -> str:
        """Plain git in the person's checkout."""
        return git(self.repo, *arguments)

    @property
    def directory(self) -> RunDirectory:
        """The directory of the newest run."""
        return list_runs(self.repo / ".git")[0].directory

    @property
    def has_run(self) -> bool:
        """True when a run has begun."""
        return bool(list_runs(self.repo / ".git"))

    def journal(self) -> list[ev.Recorded]:
        """What the newest run has written down so far."""
        return journals.read(self.directory.journal) if self.has_run else []

    def state(self) -> State:
        """The state of the newest run, from its journal."""
        return replay(self.journal())

    def stands(self, number: int) -> str:
        """The state of an issue in the newest run; empty before it has begun."""
        issues = self.state().issues
        return str(issues[number].state) if number in issues else ""

    def events(self, kind: type[E]) -> list[E]:
        """The events of a kind in the newest run's journal."""
        return [recorded.event for recorded in self.journal() if isinstance(recorded.event, kind)]

    def lines(self, name: str) -> list[str]:
        """The lines of a file that agents write to below our root."""
        path = self.root / name
        return path.read_text().splitlines() if path.exists() else []

    def processes(self) -> dict[int, str]:
        """Live processes that work below our root or name it, by pid with their command line."""
        return {pid: command for pid, command in _commands() if self._concerns(pid, command)}

    def _concerns(self, pid: int, command: str) -> bool:
        if str(self.root) in command:
            return True
        try:
            return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(self.root)
        except OSError:
            return False


def _commands() -> Iterable[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                yield int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, UnicodeDecodeError):
                continue


def diamond(width: int, first: int = 101) -> dict[int, list[int]]:
    """Issues of which one comes before all, one after all, and `width` between them."""
    middle = list(range(first + 1, first + 1 + width))
    return {first: [], **{number: [first] for number in middle}, first + 1 + width: middle}
