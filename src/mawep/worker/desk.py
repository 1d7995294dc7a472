"""One attempt at work: what is known of it here, and what starting its agent needs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from mawep.adapters.git_objects import Identity as Author
from mawep.adapters.process import clean_environment
from mawep.agents.base import AgentEvent, AgentFailed, Launch, Opening, Runtime
from mawep.agents.logins import Logins
from mawep.agents.recorded import RecordedSession
from mawep.agents.tool_server import PROGRAMS, ToolServer
from mawep.agents.tools import Allowance
from mawep.coordination import payloads as wire
from mawep.coordination.leases import Lease
from mawep.core.model import FailureReason, Issue, Question, Sha, Usage
from mawep.gateway.gateway import Gateway, Visitor
from mawep.stages.attempt import Changed, Limits, Turn
from mawep.stages.workspace import Workspace
from mawep.worker.spending import Price, Spending

CONTINUE = (
    "Your session was interrupted and has been restored. Look at the state of your working tree, "
    "go on from there and finish the task."
)
"""What an agent is told whose session is continued by a new process."""


@dataclass(frozen=True)
class Driving:
    """One way of driving agents: `command` starts one, `env` names the variables that it is given.

    `model` is the model that it is told to use, None for what it uses by itself. `sandbox` is the kind of walls around
    it (`required`, `landlock`, `off`), `network` what it reaches from within (`full`, `model-only`, `none`). `price`
    says what its tokens cost, for an agent that does not say itself.
    """

    runtime: Runtime
    command: tuple[str, ...]
    env: tuple[str, ...]
    model: str | None = None
    sandbox: str = "off"
    network: str = "full"
    price: Price | None = None


@dataclass(frozen=True)
class WorkerSettings:
    """How this worker drives agents, by the names that the run has for its ways; `directory` is the run's.

    `shown` are paths of this machine that agents behind walls may read, `logins` what they sign in with.
    `gateway` stands between agents and their models. `forge`: their issues are on one.
    """

    name: str
    run: str
    directory: Path
    runtimes: Mapping[str, Driving]
    limits: Limits
    shown: tuple[Path, ...] = ()
    logins: Logins = field(default_factory=lambda: Logins(Path(), ()))
    gateway: Gateway | None = None
    forge: bool = False

    def driving(self, name: str) -> Driving:
        """The way of that name. Raises AgentFailed when this worker has none."""
        if name not in self.runtimes:
            raise AgentFailed(f"this worker cannot drive agents as `{name}`", cause="it was not told how")
        return self.runtimes[name]

    def runtime_of(self, desk: Desk) -> Runtime:
        """What drives a desk's agent. Raises AgentFailed like `driving`."""
        return self.driving(desk.work.runtime).runtime


@dataclass
class Desk:
    """One attempt at work here.

    `turn` is None between turns; `fence` is that of the last one, `newest` that of one that is to follow.
    `questions` are open, the first is the one that a person sees; `asking` are those that a call of a tool waits for.
    `changed` sees what it changes in its worktree. `visitor` is who it is to the gateway, `metered` what that has
    counted of it.
    """

    work: wire.Assignment
    issue: Issue
    fence: int
    workspace: Workspace | None = None
    session: RecordedSession | None = None
    session_told: str | None = None
    opening: Opening = field(default_factory=Opening)
    turn: Turn | None = None
    task: asyncio.Task[None] | None = None
    leaving: asyncio.Task[None] | None = None
    lease: Lease | None = None
    newest: int = 0
    reported: float = 0.0
    undelivered: list[wire.Deliver] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    asking: dict[str, asyncio.Future[str | None]] = field(default_factory=dict)
    tools: ToolServer | None = None
    allowance: Allowance = field(default_factory=Allowance)
    announced: Allowance = field(default_factory=Allowance)
    changed: Changed | None = None
    visitor: Visitor | None = None
    metered: Usage | None = None
    spending: Spending = field(default_factory=Spending)

    async def hear(self, event: AgentEvent) -> None:
        """Take in what the agent says by a tool of ours in the middle of its turn."""
        if self.turn is not None:
            await self.turn.hear(self.session.heard(event) if self.session else event)

    @property
    def at(self) -> Workspace:
        """Its workspace, which it has from the beginning of its first turn."""
        if self.workspace is None:
            raise AgentFailed("the attempt's worktree is gone", reason=FailureReason.WORKSPACE_ERROR)
        return self.workspace

    def calls(self) -> int:
        """How many calls of models are under way, as far as the gateway sees them."""
        return len(self.visitor.calls) if self.visitor else 0

    def counted(self, said: Usage) -> Usage:
        """What the attempt consumed: as the gateway counted it, else as the agent says."""
        if self.metered is None:
            return said
        cost = said.cost_usd if self.metered.cost_usd is None else self.metered.cost_usd
        return Usage(
            self.metered.input_tokens, self.metered.output_tokens, cost, said.context_used, said.context_size
        )

    @property
    def key(self) -> tuple[int, int]:
        """(issue, attempt)."""
        return self.issue.number, self.work.attempt


def launch_of(settings: WorkerSettings, desk: Desk, *, token: str | None = None) -> Launch:
    """Everything that starting the agent of a desk needs; `token` is that of another turn than the current.

    Raises:
        AgentFailed: the worker does not know how to drive it.
    """
    driving = settings.driving(desk.work.runtime)
    work, directory = desk.work, directory_of(settings, desk)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    extra = {
        "MAWEP_RUN": settings.run,
        "MAWEP_ISSUE": str(desk.issue.number),
        "MAWEP_ISSUE_FILE": str(directory / "issue.md"),
        "MAWEP_ATTEMPT": str(work.attempt),
        "MAWEP_AGENT": work.agent,
        "MAWEP_PORT": str(desk.at.ports.start),
        "TMPDIR": str(desk.at.tmp),
        **({"MAWEP_MODEL": driving.model} if driving.model else {}),
    }
    env = clean_environment(passed=driving.env, extra=extra)
    endpoint = desk.tools.endpoint() if desk.tools else None
    if endpoint is not None:  # `mawep agent`, after whatever else is called mawep on the PATH
        env = {**env, **endpoint.env, "PATH": f"{env['PATH']}{os.pathsep}{PROGRAMS}"}
    return Launch(
        command=driving.command,
        cwd=desk.at.path,
        env=env,
        tools=endpoint,
        secrets=tuple(env[name] for name in driving.env if name in env),
        lock=lock_of(settings, desk),
        status_file=directory / "status.json",
        token=token or str(desk.fence),
        transcript=directory / "transcript.jsonl",
        stderr_log=directory / "stderr.log",
        prompt_file=directory / "prompt.md",
        feedback_file=directory / "feedback.md",
        deadline=desk.lease.expires_boottime if desk.lease else None,
        model_name=driving.model,
        opening=desk.opening,
    )


def directory_of(settings: WorkerSettings, desk: Desk) -> Path:
    """Where the attempt's prompt, transcript and output are kept."""
    return settings.directory / "attempts" / f"{desk.issue.number}-a{desk.work.attempt}"


def lock_of(settings: WorkerSettings, desk: Desk) -> Path:
    """The file that is locked while any process of the attempt's agent lives."""
    return directory_of(settings, desk) / "lock"


def write_issue(settings: WorkerSettings, desk: Desk) -> None:
    """Write the issue's text for programs that read it from a file."""
    path = directory_of(settings, desk) / "issue.md"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(f"# {desk.issue.title}\n\n{desk.issue.body}\n", encoding="utf-8")


def usage_of(desk: Desk) -> wire.Consumption:
    """What the attempt has consumed so far, as it travels."""
    if desk.turn:
        desk.spending.see(desk.turn.progress.usage)
    total = desk.counted(desk.spending.total)
    return wire.Consumption(**{name: getattr(total, name) for name in total.__struct_fields__})


def new_session(settings: WorkerSettings, desk: Desk, *, loaded: bool) -> None:
    """A session begins at the desk, or is `loaded`: what it reports is added to what is known of the attempt."""
    known = Usage(**desk.work.spent.model_dump(include=set(Usage.__struct_fields__)))
    desk.turn = None
    desk.spending.opened(known, loaded=loaded, price=settings.driving(desk.work.runtime).price)


def result_of(
    settings: WorkerSettings,
    desk: Desk,
    outcome: Literal["finished", "failed", "stopped", "limited"],
    *,
    usage: wire.Consumption,
    reason: str | None = None,
    detail: str = "",
    head: Sha | None = None,
    salvage: str | None = None,
    stop_reason: str = "",
    until: datetime | None = None,
) -> wire.TurnResult:
    """What is reported of a turn that is over."""
    session = desk.session
    return wire.TurnResult(
        issue=desk.issue.number,
        attempt=desk.work.attempt,
        outcome=outcome,
        reason=reason,
        detail=detail,
        head=head,
        salvage=salvage,
        usage=usage,
        stop_reason=stop_reason,
        transcript=str(directory_of(settings, desk) / "transcript.jsonl"),
        session_id=session.session_id if session and session.loadable else None,
        until=until,
    )


def commit_message(issue: Issue) -> str:
    """The message of a commit made on an agent's behalf."""
    kind = "fix" if {"bug", "defect", "hotfix"} & {label.lower() for label in issue.labels} else "feat"
    title = " ".join(issue.title.split())
    return f"{kind}: {title}\n\nCommitted by MAWEP for the agent on #{issue.number}."


def salvage_message(desk: Desk) -> str:
    """The message of a commit that keeps what an attempt left."""
    trailers = "\n".join(f"{key}: {value}" for key, value in desk.work.trailers.items())
    return f"chore: salvage what #{desk.issue.number} left uncommitted\n\n{trailers}"


def author_of(desk: Desk) -> Author:
    """Under whose name commits are made for the desk's agent."""
    return Author(desk.work.agent, f"{desk.work.agent}@mawep.localhost")
