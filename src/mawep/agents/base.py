"""What an agent is to the rest of the house: a session that turns a prompt into a stream of events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from mawep.core.model import FailureReason, PlanEntry, Question, Usage
from mawep.errors import MawepError

if TYPE_CHECKING:
    from mawep.adapters.process import Supervisor

StopReason = Literal["end_turn", "max_tokens", "max_turn_requests", "refusal", "cancelled"]

STOP_SECONDS = 5.0
"""The longest that a cancel or a close may take before whatever is left of the agent is killed."""


@dataclass(frozen=True, slots=True)
class ProcessStarted:
    """The first event of a turn: the agent's process runs."""

    pid: int


@dataclass(frozen=True, slots=True)
class PlanChanged:
    """The agent's whole plan, as it stands now."""

    entries: tuple[PlanEntry, ...]


@dataclass(frozen=True, slots=True)
class MessageText:
    """One message of the agent, complete: consecutive chunks are put together, long ones cut."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """One thought of the agent, put together and cut like a message."""

    text: str


@dataclass(frozen=True, slots=True)
class Activity:
    """A sign of life that carries nothing else: the agent is `thinking`, `writing` a message, or `other`."""

    kind: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call as far as it is known. Paths are relative to the worktree, absolute when outside of it.

    `kind` is one of ACP's (read, edit, delete, move, search, execute, think, fetch, switch_mode, other);
    `status` is pending, in_progress, completed or failed. `paths` are all that it names, `diff_paths` those
    that it says it changes, `lines` how many it adds and takes away in each of them. `input` is what the tool is
    given, `output` the end of what it answered, both as text and bounded.
    """

    id: str
    title: str
    kind: str
    status: str
    paths: tuple[str, ...] = ()
    diff_paths: tuple[str, ...] = ()
    lines: tuple[tuple[int, int], ...] = ()
    input: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class UsageReported:
    """What the session consumed so far, in total."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class PermissionDecided:
    """The agent asked whether it may; `why` is empty when it was allowed. `writes` are files it then may write."""

    title: str
    paths: tuple[str, ...]
    allowed: bool
    why: str
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """The agent waits for a person; `AgentSession.answer` lets it go on."""

    question: Question


@dataclass(frozen=True, slots=True)
class BreakingChange:
    """The agent announces that a file it changed will break others."""

    file: str
    change: str
    affects: tuple[str, ...]
    migration: str


@dataclass(frozen=True, slots=True)
class ProgressClaimed:
    """The agent says, by a tool, what it is doing and how many percent of the whole is done; None: it did not say."""

    text: str
    percent: float | None


@dataclass(frozen=True, slots=True)
class Output:
    """One line that a command agent printed, on either stream; long lines are cut."""

    line: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The last event of a turn. `text` is what the agent said in it (command: its last lines), bounded."""

    stop: StopReason
    text: str


AgentEvent = (
    ProcessStarted
    | PlanChanged
    | MessageText
    | Thought
    | Activity
    | ToolCall
    | UsageReported
    | PermissionDecided
    | QuestionAsked
    | BreakingChange
    | ProgressClaimed
    | Output
    | TurnEnded
)


class AgentFailed(MawepError):  # noqa: N818 (an outcome of an attempt, not a fault of ours)
    """The agent cannot go on. `detail` is the last that it printed, for a person to read."""

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        reason: FailureReason = FailureReason.AGENT_ERROR,
        detail: str = "",
        cause: str = "",
        next_step: str = "",
    ) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(what, cause=cause, next_step=next_step)


class ResumeUnsupported(AgentFailed):
    """The conversation cannot be continued: the agent does not offer it, or does not know the session."""

    def __init__(self, what: str, *, cause: str = "", detail: str = "") -> None:
        super().__init__(
            what,
            reason=FailureReason.LOST,
            detail=detail,
            cause=cause,
            next_step="run the issue again as a new attempt",
        )


class ProviderLimited(AgentFailed):
    """The provider of the model lets nothing more be asked before `until`; None when it does not say."""

    def __init__(self, until: datetime | None, why: str) -> None:
        self.until = until
        self.why = why
        when = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
        super().__init__(f"the provider of the model has set a limit{when}", cause=why)


@dataclass(frozen=True)
class ModelEndpoint:
    """Where an agent reaches its model through the gateway: `url` has no path, `token` stands in for the key."""

    url: str
    token: str


@dataclass(frozen=True)
class ToolEndpoint:
    """How an agent reaches the tools that MAWEP gives it: a program that speaks MCP on its stdio, as the agent's child.

    `env` holds what that program has to know, the attempt's token among it; a `command` agent gets it too.
    """

    command: tuple[str, ...]
    env: Mapping[str, str]


@dataclass(frozen=True)
class Needs:
    """What a runtime has to find on this machine, whatever walls are around it.

    `visible`: paths of its programs, to be shown read-only. `keys`: variables that may hold its API key.
    `logins`: files, relative to a home, that a login leaves. `api`: the shape in which it talks to its model
    (`anthropic`, `openai`, `gemini`), None when the gateway cannot stand between. `own_home`: it keeps settings
    in HOME, so it gets one of its own.
    """

    visible: tuple[Path, ...] = ()
    keys: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    api: str | None = None
    own_home: bool = False


class Opening:
    """Lets a process live that has started and has no session yet: some take half a minute to one."""

    def __init__(self) -> None:
        self._extend: Callable[[float], None] | None = None
        self._deadline = 0.0

    def attach(self, extend: Callable[[float], None]) -> None:
        """The process is there; from now on `extend` moves its deadline."""
        self._extend = extend
        if self._deadline:
            extend(self._deadline)

    def extend(self, deadline: float) -> None:
        """Let it live until `deadline`, in seconds of CLOCK_BOOTTIME, as AgentSession.extend does."""
        self._deadline = deadline
        if self._extend is not None:
            self._extend(deadline)


@dataclass(frozen=True)
class Launch:
    """Everything that starting an agent needs.

    `command` is the program and its arguments (scripted: the directory of scripts), `prefix` what it runs behind:
    the walls around it. `lock` is held while any process of the agent lives; `status_file` gets its exit status with
    `token`. `deadline`, in seconds of CLOCK_BOOTTIME, is when the process is killed unless the session is extended
    first; None is never. `home` is a HOME of the attempt's own, if it has one. `model_name` is the model that the
    agent is told to use, None for what it uses by itself. `secrets` are values in `env` that nobody may keep.
    `opening` is told of a process that has yet to open its session.
    """

    command: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    lock: Path
    status_file: Path
    token: str
    transcript: Path
    stderr_log: Path
    prompt_file: Path
    feedback_file: Path
    deadline: float | None = None
    prefix: tuple[str, ...] = ()
    home: Path | None = None
    model: ModelEndpoint | None = None
    tools: ToolEndpoint | None = None
    model_name: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    opening: Opening | None = None

    @property
    def raw(self) -> Path:
        """Where everything that goes in and out is kept as it is, beside the transcript that people read."""
        return self.transcript.with_name("raw.jsonl")

    @property
    def argv(self) -> tuple[str, ...]:
        """What is really started."""
        return (*self.prefix, *self.command)


class PathPolicy(Protocol):
    """Says which paths an attempt may write."""

    def verdict(self, path: str) -> str | None:
        """None when `path`, relative to the worktree, may be written, else the reason why not."""
        ...


class AgentSession(Protocol):
    """One agent at work in one worktree."""

    @property
    def session_id(self) -> str | None:
        """The agent's own name for the conversation, once it has one."""
        ...

    @property
    def loadable(self) -> bool:
        """True when a new process can continue the conversation."""
        ...

    @property
    def pid(self) -> int:
        """The agent's process; 0 while none runs."""
        ...

    def prompt(self, text: str) -> AsyncIterator[AgentEvent]:
        """Run one turn; its first event is ProcessStarted, its last TurnEnded. Raises AgentFailed.

        A caller that stops reading early leaves the turn running and must cancel or close the session.
        """
        ...

    async def answer(self, question_id: str, text: str) -> None:
        """Hand over a person's answer. Raises UsageError when the agent does not wait for it."""
        ...

    async def say(self, text: str) -> bool:
        """Deliver a message in the middle of a turn; False when it has to wait for the next prompt."""
        ...

    async def cancel(self) -> None:
        """End the turn and return when it has ended; an agent that ignores this for 5 s is killed."""
        ...

    async def close(self) -> None:
        """End the agent: end of input, then SIGTERM, then kill. Within 5 s no descendant lives."""
        ...

    def extend(self, deadline: float) -> None:
        """Let the process live until `deadline`, in seconds of CLOCK_BOOTTIME."""
        ...


class Runtime(Protocol):
    """One way of driving agents."""

    @property
    def name(self) -> str:
        """As the configuration spells it."""
        ...

    def needs(self, command: tuple[str, ...]) -> Needs:
        """What the runtime has to find, if it is to run `command`. Raises AgentFailed when a program is missing."""
        ...

    async def open(
        self, launch: Launch, supervisor: Supervisor, policy: PathPolicy, *, resume: str | None
    ) -> AgentSession:
        """Start a session, or continue the conversation `resume`. Raises AgentFailed, ResumeUnsupported."""
        ...
