"""The vocabulary: frozen values that every other room speaks in."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum

import msgspec

Number = int
"""An issue's number, as the tracker gives it."""

Sha = str
"""A git object name, 40 hexadecimal digits."""


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=False, omit_defaults=True):
    """A frozen value with a JSON form."""


class IssueState(StrEnum):
    """Where an issue is in its life."""

    WAITING = "waiting"
    READY = "ready"
    ASSIGNED = "assigned"
    WORKING = "working"
    NEEDS_INPUT = "needs_input"
    VERIFYING = "verifying"
    QUEUED = "queued"
    LANDING = "landing"
    LANDED = "landed"
    FAILED = "failed"
    BLOCKED = "blocked"
    PARKED = "parked"
    CANCELLED = "cancelled"
    REVERTED = "reverted"

    @property
    def terminal(self) -> bool:
        """True when nothing more happens until a person acts."""
        return self in TERMINAL

    @property
    def holds_slot(self) -> bool:
        """True while an agent slot is taken."""
        return self in HOLDS_SLOT


TERMINAL = frozenset(
    {
        IssueState.LANDED,
        IssueState.FAILED,
        IssueState.BLOCKED,
        IssueState.PARKED,
        IssueState.CANCELLED,
        IssueState.REVERTED,
    }
)
HOLDS_SLOT = frozenset(
    {IssueState.ASSIGNED, IssueState.WORKING, IssueState.NEEDS_INPUT, IssueState.VERIFYING}
)


class FailureReason(StrEnum):
    """Why an attempt, and with it its issue, failed."""

    AGENT_ERROR = "agent_error"
    AGENT_REFUSED = "agent_refused"
    NO_CHANGES = "no_changes"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    INPUT_TIMEOUT = "input_timeout"
    BUDGET_EXCEEDED = "budget_exceeded"
    GATE_FAILED = "gate_failed"
    WORKSPACE_ERROR = "workspace_error"
    IMPORT_REFUSED = "import_refused"
    LOST = "lost"
    PROTECTED_PATH = "protected_path"
    CLAIM_CONFLICT = "claim_conflict"
    OUT_OF_SCOPE = "out_of_scope"
    REVIEW = "review"


class Priority(IntEnum):
    """Declared priority class; a smaller number goes first."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3


class Dependency(Value, frozen=True):
    """One edge: this issue waits for `on`.

    `source` says who said so: `front_matter`, `body`, `native` (the forge's own) or `sub_issue` (a part of this
    issue), with `+` between several.
    """

    on: Number
    source: str = "front_matter"


class Far(Value, frozen=True):
    """An issue of another repository, which is `owner/name` in lower case."""

    repository: str
    number: Number

    def __str__(self) -> str:
        return f"{self.repository}#{self.number}"


class FarDependency(Value, frozen=True):
    """One edge out of the repository: this issue waits for `on`. `source` says who said so, as in `Dependency`."""

    on: Far
    source: str = "front_matter"


class Remark(Value, frozen=True):
    """What somebody wrote below an issue; `association` is what the forge says of them."""

    author: str | None
    text: str
    association: str | None = None
    at: str | None = None


class Risk(StrEnum):
    """How likely an issue is to go otherwise than its estimate says."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Span(Value, frozen=True):
    """A number of hours, known no better than from `low` to `high`; `middle` is as likely too much as too little."""

    low: float
    middle: float
    high: float


class Estimate(Value, frozen=True):
    """What an issue is likely to take, made before it starts (see `mawep.core.estimate`).

    `hours` are those that a person would write into `estimate_hours`, `takes` is how long the issue works on its way
    from its agent to the target, by the pace of past runs; None: there were too few. `source` is `said`, `label` or
    `text`; `reasons` are sentences. `files` are those that it is likely to change.
    """

    hours: Span
    risk: Risk
    source: str
    reasons: tuple[str, ...] = ()
    takes: Span | None = None
    files: tuple[str, ...] = ()


class Likely(Value, frozen=True):
    """A file that an issue is likely to change: how likely, from 0 to 1, and by which kind of evidence."""

    path: str
    share: float
    why: str


class Routed(Value, frozen=True):
    """Which way of driving an agent an issue gets instead of the run's default, and why."""

    runtime: str
    why: str


class Issue(Value, frozen=True):
    """A unit of work, as its tracker gave it; `estimate`, `predicted` and `suited` are what MAWEP made of it.

    `far` is what it waits for in other repositories that take part in the run. `origin` is a path or URL for people;
    `files` are the paths it declares it will write; `runtime` is the way of driving an agent that it asks for.
    `association` is the author's, in the forge's words; `remarks` are what agents are shown of the conversation, oldest
    first. `part_of` are the issues without work of their own that are done when their parts have landed. `suited` is
    the runtime that does better on its kind than the default, where that is learnt.
    """

    number: Number
    title: str
    body: str = ""
    labels: tuple[str, ...] = ()
    priority: Priority = Priority.NORMAL
    estimate_hours: float | None = None
    depends_on: tuple[Dependency, ...] = ()
    files: tuple[str, ...] = ()
    author: str | None = None
    created_at: str | None = None
    origin: str | None = None
    runtime: str | None = None
    association: str | None = None
    remarks: tuple[Remark, ...] = ()
    estimate: Estimate | None = None
    far: tuple[FarDependency, ...] = ()
    milestone: str | None = None
    assignees: tuple[str, ...] = ()
    part_of: tuple[Number, ...] = ()
    predicted: tuple[Likely, ...] = ()
    suited: Routed | None = None


class Usage(Value, frozen=True):
    """What an attempt consumed. `None` means the agent did not say; it is never guessed.

    `cached_tokens` are a part of the input, `thinking_tokens` a part of the output.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    context_used: int | None = None
    context_size: int | None = None
    cached_tokens: int | None = None
    thinking_tokens: int | None = None

    @property
    def tokens(self) -> int | None:
        """Input plus output tokens, or None when the agent reported neither."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)


class PlanEntry(Value, frozen=True):
    """One line of an agent's own plan. `status` is pending, in_progress or completed."""

    content: str
    status: str = "pending"


class Question(Value, frozen=True):
    """Something an agent waits for a person to answer. `options` empty means free text."""

    id: str
    text: str
    options: tuple[str, ...] = ()
    asked_at: datetime | None = None


class Change(Value, frozen=True):
    """A breaking change that the agent on an issue announced, in its own words; `seq` is that of the announcement.

    `affects` are paths and patterns beside `file` itself.
    """

    seq: int
    issue: Number
    agent: str
    file: str
    change: str
    affects: tuple[str, ...] = ()
    migration: str = ""


class GateResult(StrEnum):
    """What a gate run said about a tree. NONE: it was ended before it could say anything (never cached)."""

    GREEN = "green"
    RED = "red"
    NONE = "none"


class CommandResult(Value, frozen=True):
    """One gate command: its text, exit code or signal, seconds, and the sha256 of its full output."""

    command: str
    exit_code: int | None
    signal: int | None
    seconds: float
    log_sha256: str
    timed_out: bool = False


class Scope(Value, frozen=True):
    """A part of a mono-repo that is gated by commands of its own; those are in the configuration.

    `paths` are paths and patterns. A change of what it `needs` affects it too. An issue with one of its `labels` is
    about it; with `confine` such an issue changes nothing elsewhere.
    """

    name: str
    paths: tuple[str, ...]
    labels: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    confine: bool = False


def gate_name(tree: Sha, scopes: tuple[str, ...] | None, reads: str | None = None) -> str:
    """What a verdict is known by: the tree and the scopes that were gated; None: all there are, the whole gate.

    A verdict for some scopes is never taken for another's, nor for the whole. `reads`, where lanes are allowed, is the
    digest of all that those scopes read, and stands for the tree: what they do not read may differ.
    """
    return tree if scopes is None else f"{reads or tree}:{','.join(scopes)}"


class GateRecord(Value, frozen=True):
    """A gate run on one exact tree.

    `key` is the sha256 over (tree, commands, setup digest, environment digest); `log` names the log file;
    `excerpt` is what an agent or a person is shown of it. `scopes` are those that were gated; None: the whole gate.
    What the gate would say of those `taken_over` it has said of the tree that this one was made on: nothing that can
    affect them differs. `reruns`: so often it was run again because it was red. `reads` is what the scopes read of the
    tree, where that is what the verdict holds for.
    """

    key: str
    tree: Sha
    result: GateResult
    commands: tuple[CommandResult, ...]
    seconds: float
    log: str
    excerpt: str = ""
    scopes: tuple[str, ...] | None = None
    taken_over: tuple[str, ...] = ()
    reruns: int = 0
    reads: str | None = None

    @property
    def gate(self) -> str:
        """What the verdict is known by."""
        return gate_name(self.tree, self.scopes, self.reads)

    @property
    def flaky(self) -> bool:
        """True when the same tree was red first and then green."""
        return self.reruns > 0 and self.result is GateResult.GREEN

    @property
    def timed_out(self) -> bool:
        """True when a command was ended because its time was over."""
        return any(result.timed_out for result in self.commands)


class Budget(Value, frozen=True):
    """What may be spent by one attempt, on one issue, in one run; None is no limit.

    People are told once when `soft_percent` of one is spent. What lies beyond a limit is stopped.
    """

    attempt_usd: float | None = None
    attempt_tokens: int | None = None
    attempt_turns: int | None = None
    attempt_minutes: float | None = None
    issue_usd: float | None = None
    issue_tokens: int | None = None
    issue_turns: int | None = None
    issue_minutes: float | None = None
    run_usd: float | None = None
    run_tokens: int | None = None
    run_turns: int | None = None
    run_minutes: float | None = None
    soft_percent: float = 80.0


class Rules(Value, frozen=True):
    """The part of the configuration that decisions depend on; kept in the journal with the run.

    Times are seconds. `lease_seconds` is how long an attempt lives without a sign of its worker. Without `scopes` every
    gate is the whole one. `reviewers` says by the way in which a writer is driven how its reviewer is; empty: nothing
    is reviewed. `mode` is how work lands: local, pull_request or branch_only; `max_review_rounds` how often a pull
    request may be repaired. `merge_rounds`: so often is the agent of a candidate that does not land asked to merge the
    target into its branch. `shared`: the runs of other repositories have `max_agents` together with this one, which
    has those that it is allowed. `lanes`: what the scopes that a change affects read is what its verdict holds for, and
    batches that cannot affect one another do not wait for one another. `on_claim_conflict`: what a claim is against
    others: `refuse`, `warn` or `off`. `tell_breaks`: agents are told what landings break of their work.
    """

    max_agents: int = 5
    halt_on_failure: bool = False
    max_retries: int = 0
    repair_rounds: int = 2
    gate_slots: int = 1
    batch: int = 8
    input_timeout: float = 240 * 60.0
    lease_seconds: float = 90.0
    reassign_lost: bool = False
    budget: Budget = Budget()
    scopes: tuple[Scope, ...] = ()
    lanes: bool = False
    reviewers: dict[str, str] = msgspec.field(default_factory=dict)
    review_rounds: int = 2
    review_slots: int = 1
    mode: str = "local"
    max_review_rounds: int = 3
    merge_rounds: int = 0
    shared: bool = False
    on_claim_conflict: str = "refuse"
    tell_breaks: bool = False


class Session(Value, frozen=True):
    """An agent's conversation. `loadable`: a new process can continue it (ACP `session/load`)."""

    id: str
    loadable: bool = False
