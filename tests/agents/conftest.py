"""A worktree, a supervisor, and launches of agents in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mawep.adapters.process import Supervisor, clean_environment
from mawep.agents.acp import AcpRuntime
from mawep.agents.base import AgentEvent, AgentSession, Launch, ProcessStarted, ToolEndpoint
from mawep.agents.options import Options, Permissions
from mawep.agents.quirks import Manners
from mawep.agents.registry import RUNTIMES
from tests.support.leaks import MARK

PLAIN, ALLOWING = Manners(), Permissions()
ROGUE = Path(__file__).with_name("rogue.py")


@dataclass
class Locked:
    """A policy under which some paths belong to somebody else; remembers what it was asked."""

    paths: frozenset[str] = frozenset({"locked.txt"})
    asked: list[str] = field(default_factory=list)

    def verdict(self, path: str) -> str | None:
        self.asked.append(path)
        return f"{path} is declared by issue 7" if path in self.paths else None


@dataclass
class Stage:
    """Where one agent works."""

    root: Path
    supervisor: Supervisor
    policy: Locked = field(default_factory=Locked)
    launches: int = 0

    @property
    def worktree(self) -> Path:
        return self.root / "worktree"

    @property
    def transcript(self) -> Path:
        """The raw one."""
        return self.root / "run" / "raw.jsonl"

    def launch(
        self, *command: str, env: Mapping[str, str] | None = None, deadline: float | None = None
    ) -> Launch:
        self.launches += 1
        measured = {name: os.environ[name] for name in os.environ if name.startswith("COVERAGE_PROCESS")}
        own = {MARK: os.environ[MARK], "MAWEP_ISSUE": "101", "MAWEP_ATTEMPT": "1", **measured}
        return Launch(
            command=command,
            cwd=self.worktree,
            env=clean_environment(extra={**own, **(env or {})}),
            lock=self.root / "run" / "lock",
            status_file=self.root / "run" / f"status-{self.launches}.json",
            token=f"token-{self.launches}",
            transcript=self.root / "run" / "transcript.jsonl",
            stderr_log=self.root / "run" / "stderr.jsonl",
            prompt_file=self.root / "run" / "prompt.md",
            feedback_file=self.root / "run" / "feedback.md",
            deadline=deadline,
        )

    def script(self, steps: Sequence[Mapping[str, Any]], on_repair: Sequence[Any] = ()) -> Launch:
        """A launch of the scripted agent with these steps."""
        scripts = self.root / "scripts"
        scripts.mkdir(exist_ok=True)
        (scripts / "101.yaml").write_text(json.dumps({"steps": steps, "on_repair": on_repair}))
        return self.launch(str(scripts))

    async def scripted(
        self, *steps: Mapping[str, Any], on_repair: Sequence[Any] = (), resume: str | None = None
    ) -> AgentSession:
        """An open session of the scripted agent with these steps."""
        launch = self.script(steps, on_repair)
        return await RUNTIMES["scripted"]().open(launch, self.supervisor, self.policy, resume=resume)

    async def rogue(
        self,
        *behaviour: str,
        resume: str | None = None,
        manners: Manners = PLAIN,
        permissions: Permissions = ALLOWING,
        auth: str | None = None,
        tools: ToolEndpoint | None = None,
    ) -> AgentSession:
        """An open session of an agent that follows the protocol as far as its arguments say."""
        launch = replace(self.launch(sys.executable, "-I", "-S", str(ROGUE), *behaviour), tools=tools)
        runtime = AcpRuntime(Options(permissions=permissions), manners=manners, auth=auth)
        return await runtime.open(launch, self.supervisor, self.policy, resume=resume)

    async def shell(self, script: str, resume: str | None = None) -> AgentSession:
        """An open session of a command agent."""
        launch = self.launch("sh", "-c", script)
        return await RUNTIMES["command"]().open(launch, self.supervisor, self.policy, resume=resume)

    def frames(self) -> list[dict[str, Any]]:
        """The raw record."""
        return [json.loads(line) for line in self.transcript.read_text().splitlines()]


async def events(session: AgentSession, text: str = "do it") -> list[AgentEvent]:
    """Everything one turn yields."""
    everything = [event async for event in session.prompt(text)]
    return [event for event in everything if not isinstance(event, ProcessStarted)]


@pytest_asyncio.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    supervisor = await Supervisor.start()
    yield supervisor
    await supervisor.close()


@pytest.fixture
def stage(tmp_path: Path, supervisor: Supervisor) -> Stage:
    stage = Stage(tmp_path, supervisor)
    stage.worktree.mkdir()
    (tmp_path / "run").mkdir()
    subprocess.run(["git", "init", "-q", str(stage.worktree)], check=True)
    return stage


def inhabitants(directory: Path) -> list[int]:
    """The processes that work in `directory`."""
    return [int(link.parent.name) for link in Path("/proc").glob("[0-9]*/cwd") if _leads_to(link, directory)]


def _leads_to(link: Path, directory: Path) -> bool:
    try:
        return link.readlink() == directory
    except OSError:
        return False
