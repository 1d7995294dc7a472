"""What is said on the bus: one model per payload type.

Unknown fields are kept, so that an older MAWEP passes on what a newer one wrote. `docs/bus.md` is checked against this.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field

Severity = Literal["high", "medium", "low"]


class Wire(BaseModel):
    """A frozen value with a JSON form that keeps fields it does not know."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False, defer_build=True)


class Payload(Wire):
    """The content of an envelope. The type name on the wire is the class name in snake case."""

    type_name: ClassVar[str]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        cls.type_name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


class PlanLine(Wire):
    """One line of an agent's own plan. `status` is pending, in_progress or completed."""

    content: str
    status: str


class Consumption(Wire):
    """What an attempt consumed, in all its turns and sessions; null means that the agent did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    context_used: int | None = None
    context_size: int | None = None
    cached_tokens: int | None = None
    thinking_tokens: int | None = None


class AttemptHealth(Wire):
    """One live attempt as its worker sees it. CPU in seconds, memory in MiB, idle time in seconds."""

    issue: int
    attempt: int
    pid: int
    cpu_seconds: float
    rss_mb: float
    idle_seconds: float
    fence: int = 0
    usage: Consumption = Consumption()


class Assignment(Payload):
    """Work this issue. `issue` is the JSON form of the issue.

    `resume` says that its turn died with an earlier process: it may have ended under `ended_fence`, or
    `session_id` can be continued. `trailers` go onto commits made on the agent's behalf. `runtime` names the way of
    driving the agent among those that the worker knows. `spent` is what the attempt has consumed before.
    """

    issue: dict[str, Any]
    attempt: int
    agent: str
    branch: str
    base: str
    worktree: str
    runtime: str
    prompt: str
    title: str
    claims_of_others: list[str]
    own_claims: list[str]
    protected: list[str] = Field(default_factory=list)
    trailers: dict[str, str] = Field(default_factory=dict)
    session_id: str | None = None
    resume: bool = False
    ended_fence: int | None = None
    spent: Consumption = Consumption()
    port_slot: int


class Repair(Payload):
    """What the attempt made is not good yet; `feedback` says why. `target` is merged first, if that goes by itself.

    `work` is the assignment it is about: its session may live no more, and a new one has to be opened.
    """

    issue: int
    attempt: int
    feedback: str
    round: int
    work: Assignment
    target: str | None = None


class Deliver(Payload):
    """Give the agent this text from `sender`.

    `foreign` means that it is no person's word to this agent; `lead` then says in our words what it is.
    """

    issue: int
    attempt: int
    message_id: str
    text: str
    sender: str
    foreign: bool = False
    lead: str = ""


class Answer(Payload):
    """A person's answer to the agent's question."""

    issue: int
    attempt: int
    question_id: str
    text: str


class Stop(Payload):
    """End the attempt and salvage its uncommitted work.

    `reason` is what it failed for, null when it did not fail but was cancelled or interrupted.
    """

    issue: int
    attempt: int
    reason: str | None
    detail: str
    work: Assignment


class ClaimAnswer(Payload):
    """The attempt's agent has all the paths that it asked for, or none: `held` says which issue holds what."""

    issue: int
    attempt: int
    request_id: str
    granted: bool
    why: str
    held: dict[str, int] = Field(default_factory=dict)


class ForgeAnswer(Payload):
    """What became of a `forge_request`: a text for the attempt's agent, some of it others' words, fenced."""

    issue: int
    attempt: int
    request_id: str
    ok: bool
    text: str


class ClaimsChanged(Payload):
    """An issue claims paths that others may not write, or has given them back."""

    issue: int
    taken: list[str]
    released: list[str]


class Release(Payload):
    """The attempt's result is recorded; its session and slot can go."""

    issue: int
    attempt: int


class AttemptStarted(Payload):
    """The agent's process runs."""

    issue: int
    attempt: int
    agent: str
    pid: int
    resumed: bool
    worktree: str = ""


class SessionOpened(Payload):
    """The agent has a conversation; `loadable` means that a new process can continue it."""

    issue: int
    attempt: int
    session_id: str
    loadable: bool


class Question(Payload):
    """The agent waits for a person. Empty `options` means free text."""

    issue: int
    attempt: int
    question_id: str
    text: str
    options: list[str]


class Delivered(Payload):
    """The agent was given the message."""

    issue: int
    attempt: int
    message_id: str


class ClaimRequest(Payload):
    """The agent asks for paths, to be answered with `claim_answer`."""

    issue: int
    attempt: int
    request_id: str
    paths: list[str]


class ForgeRequest(Payload):
    """The agent wants `text` said on its own issue, or else the issue `number` read: answered with `forge_answer`."""

    issue: int
    attempt: int
    request_id: str
    text: str | None = None
    number: int | None = None


class Progress(Payload):
    """How far an attempt is; null means unknown. `claimed`: the percentage is the agent's own word."""

    issue: int
    attempt: int
    agent: str
    percent: float | None = None
    stage: str
    plan: list[PlanLine]
    activity: str
    files: list[str]
    usage: Consumption
    eta_seconds: float | None = None
    claimed: bool = False


class Health(Payload):
    """A worker and the attempts that live on it. `at_boottime` is the worker's CLOCK_BOOTTIME in seconds."""

    worker: str
    attempts: list[AttemptHealth]
    at_boottime: float


class Blocker(Payload):
    """Something keeps an attempt from going on."""

    issue: int
    attempt: int
    kind: str
    text: str


class BreakingChange(Payload):
    """An attempt changes what others rely on: its worker says so to the orchestrator, which says so to everybody."""

    issue: int
    attempt: int
    file: str
    change: str
    affects: list[str]
    migration: str
    severity: Severity


class DependencyUpdate(Payload):
    """An issue landed as `commit`; `unblocks` lists the issues that waited for it."""

    issue: int
    commit: str
    unblocks: list[int]


class MergeConflict(Payload):
    """An attempt's branch conflicts with those of the other issues."""

    issue: int
    others: list[int] = Field(validation_alias=AliasChoices("with", "others"), serialization_alias="with")
    files: list[str]
    hunks: str
    severity: Severity


class SharedFiles(Payload):
    """An attempt changes files that the other issues have changed or claimed as well."""

    issue: int
    others: list[int] = Field(validation_alias=AliasChoices("with", "others"), serialization_alias="with")
    files: list[str]
    severity: Severity


class TurnResult(Payload):
    """How a turn ended. Goes to the results stream through a lease's commit, once per fence.

    `stopped` answers a Stop: the attempt neither finished nor failed by itself. `limited`: the provider of its model
    takes nothing more before `until` (null: it does not say when); its work lies in its worktree.
    """

    issue: int
    attempt: int
    outcome: Literal["finished", "failed", "stopped", "limited"]
    reason: str | None = None
    detail: str
    head: str | None = None
    salvage: str | None = None
    usage: Consumption
    stop_reason: str
    transcript: str
    session_id: str | None = None
    until: AwareDatetime | None = None


class Pause(Payload):
    """Start nothing new."""


class Resume(Payload):
    """Go on after a pause."""


class Cancel(Payload):
    """Cancel these issues, or everything when `issues` is null."""

    issues: list[int] | None = None


class Send(Payload):
    """Give this text to an issue's agent or a named agent."""

    target: str
    text: str


class AnswerQuestion(Payload):
    """Answer the issue's question; without `question_id`, the only one open."""

    issue: int
    question_id: str | None = None
    text: str


class Approve(Payload):
    """A person lets the issue go on."""

    issue: int


class Retry(Payload):
    """Reopen the issue with a new attempt."""

    issue: int


class Offer(Payload):
    """A person has made of the parked issue what can land; it ends at `head`."""

    issue: int
    head: str


class Landed(Wire):
    """What an issue landed as."""

    issue: int
    commit: str
    title: str
    labels: list[str] = []


class Revert(Payload):
    """Take these landings back, in this order, as `by` wants; that of the issue itself is the last one."""

    landings: list[Landed] = Field(min_length=1)
    by: str


class Ping(Payload):
    """Answer me."""


class Look(Payload):
    """Something changed on the forge: look. `hooked`: the sender hears of it by webhooks and goes on to tell."""

    hooked: bool = False


class Reply(Payload):
    """The answer to a request; `correlation` of its envelope is the request's id."""

    ok: bool
    text: str
    data: dict[str, Any] = Field(default_factory=dict)


PAYLOADS: dict[str, type[Payload]] = {
    model.type_name: model
    for model in (
        *(Assignment, Repair, Deliver, Answer, ClaimAnswer, ForgeAnswer, ClaimsChanged, Stop, Release),
        *(AttemptStarted, SessionOpened, Question, Delivered, ClaimRequest, ForgeRequest),
        *(Progress, Health, Blocker),
        *(BreakingChange, DependencyUpdate, MergeConflict, SharedFiles, TurnResult),
        *(Pause, Resume, Cancel, Send, AnswerQuestion, Approve, Retry, Offer, Revert, Ping, Look, Reply),
    )
}
"""Every payload type by its name on the wire."""
