"""A run as the real engine tells it: every intent is answered by a small scripted world on a virtual clock."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mawep.clock import VirtualClock
from mawep.core import events as ev
from mawep.core.engine import decide, evolve
from mawep.core.model import (
    CommandResult,
    Dependency,
    FailureReason,
    GateRecord,
    GateResult,
    Issue,
    Number,
    PlanEntry,
    Question,
    Rules,
    Session,
    Usage,
)
from mawep.core.state import State
from mawep.observe.live import Live

RUN = "0197a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"
START = datetime.fromisoformat("2026-03-02T09:00:00+00:00")
HOUR = 3600.0
PATIENT = Rules(lease_seconds=10 * HOUR)
NOTHING = Usage()


def sha(name: str) -> str:
    """A git object name that is always the same for the same words."""
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Part:
    """What the agent on one issue does. `red`: gate runs that fail before one passes."""

    seconds: float = 10.0
    red: int = 0
    fails: FailureReason | None = None
    detail: str = ""
    asks: str | None = None
    refused: FailureReason | None = None
    conflict: tuple[Number, ...] | None = None
    usage: Usage = NOTHING
    files: tuple[str, ...] = ("src/app.py",)


Action = Callable[[], ev.AnyEvent | None]


@dataclass
class Play:
    """The play. `records` is its journal, `live` what its workers tell."""

    issues: tuple[Issue, ...]
    parts: Mapping[Number, Part] = field(default_factory=dict)
    rules: Rules = PATIENT
    gate_seconds: float = 2.0
    red_together: frozenset[Number] = frozenset()
    dirty: bool = False

    def __post_init__(self) -> None:
        self.clock = VirtualClock(START)
        self.records: list[ev.Recorded] = []
        self.state = State()
        self.live = Live()
        self._agenda: list[tuple[datetime, int, Action]] = []
        self._reds = {number: part.red for number, part in self.parts.items()}
        self._owners: dict[str, Number] = {}
        self._members: dict[str, frozenset[Number]] = {}
        self._count = 0
        self._turns: dict[Number, int] = {}
        branches = {
            str(issue.number): f"feature/{issue.number}-{issue.title.split()[0].lower()}"
            for issue in self.issues
        }
        self.tell(
            ev.RunStarted(
                RUN,
                "0af7651916cd43dd8448eb211c80319c",
                "main",
                sha("base"),
                self.issues,
                self.rules,
                branches=branches,
            )
        )

    def tell(self, event: ev.AnyEvent) -> None:
        """Something happens now; the engine decides until it has nothing more to say."""
        self._record(event)
        while commands := decide(self.state, self.clock.now()):
            for command in commands:
                self._record(command)

    def until(self, seconds: float) -> None:
        """Play on until that many seconds after the start."""
        limit = START + timedelta(seconds=seconds)
        while self._agenda and self._agenda[0][0] <= limit and self.state.ended is None:
            self._step()
        self.clock.advance_to(limit)

    def finish(self) -> State:
        """Play to the end."""
        while self._agenda and self.state.ended is None:
            self._step()
        return self.state

    def revert(self, *numbers: Number) -> State:
        """Ann has the landings of these taken back, that of the last one with the others; play to the end."""
        landings = tuple(ev.Landed(number, self.state.issues[number].landed_as or "") for number in numbers)
        self.tell(ev.RevertAsked(self.state.graph.issues[numbers[-1]], landings, "ann"))
        return self.finish()

    def again(self, number: Number) -> State:
        """Ann has an issue done anew; play to the end."""
        self.tell(ev.IssueReopened(number, "ann"))
        return self.finish()

    def die(self, away: float) -> None:
        """The process is killed and another one takes over after `away` seconds."""
        self._agenda.clear()
        self.clock.advance(away)
        open_ = list(self.state.effects.values())
        for recorded in open_:
            if not isinstance(recorded.event, ev.AttemptAssigned | ev.RepairIntended | ev.AttemptReclaimed):
                self._answer(recorded)
        self.tell(ev.RunResumed("host:2"))

    # --- the world

    def _step(self) -> None:
        moment, _, action = heapq.heappop(self._agenda)
        self.clock.advance_to(moment)
        event = action()
        if event is not None:
            self.tell(event)

    def _record(self, event: ev.AnyEvent) -> None:
        recorded = ev.Recorded(len(self.records) + 1, self.clock.now(), event)
        self.records.append(recorded)
        self.state = evolve(self.state, recorded)
        self.live.witness(recorded, self.state)
        self._answer(recorded)

    def _after(self, seconds: float, action: Action) -> None:
        self._count += 1
        heapq.heappush(self._agenda, (self.clock.now() + timedelta(seconds=seconds), self._count, action))

    def _then(self, seconds: float, event: ev.AnyEvent) -> None:
        self._after(seconds, lambda: event)

    def _answer(self, recorded: ev.Recorded) -> None:
        match recorded.event:
            case (
                ev.AttemptAssigned(issue=issue, attempt=attempt)
                | ev.AttemptReclaimed(issue=issue, attempt=attempt)
            ):
                self._turn(issue, attempt, recorded.seq)
            case ev.RepairIntended(issue=issue, attempt=attempt):
                self._turn(issue, attempt, recorded.seq)
            case ev.QuestionAnswered(issue=issue):
                live = self.state.issues[issue].attempt
                assert live is not None
                self._then(1.0, self._ended(issue, live.number, live.fence))
            case ev.MessageSent() as said:
                self._then(0.1, ev.MessageDelivered(said.issue, said.message))
            case ev.StopIntended() as stop:
                ref = f"refs/mawep/{RUN}/salvage/{stop.issue}-a1"
                if stop.reason is None:
                    self._then(0.5, ev.AttemptInterrupted(stop.issue, stop.fence, ref))
                else:
                    self._then(0.5, ev.AttemptFailed(stop.issue, stop.fence, stop.reason, stop.detail, ref))
            case ev.ImportIntended() as intent:
                self._then(0.1, self._imported(intent))
            case ev.RevertIntended() as revert:
                made = sha(f"revert {revert.issue} {revert.attempt}")
                files = self.parts.get(revert.issue, Part()).files
                candidate = (revert.issue, revert.attempt, made, sha(f"tree {made}"), files)
                self._then(0.1, ev.CandidateImported(*candidate))
            case ev.GateIntended() as intent:
                self._after(self.gate_seconds, lambda: self._gated(intent))
            case ev.LandingOpened(base=base, members=members):
                self._after(0.1, lambda: self._composed(base, members))
            case ev.ProbeIntended(base=base, members=members):
                steps, _ = self._steps(base, members)
                self._then(0.1, ev.ProbeComposed(base, members, steps))
            case ev.SealIntended(base=base, steps=steps):
                self._then(0.1, ev.LandingSealed(base, steps))
            case ev.MoveIntended(old=old, new=new, steps=steps):
                self._after(
                    0.1,
                    lambda: (
                        ev.MoveBlocked(("README.md",), "/home/ada/shop")
                        if self.dirty
                        else ev.TargetMoved(old, new, steps)
                    ),
                )
            case ev.RetireIntended(issues=issues):
                self._then(0.1, ev.WorkspacesRetired(issues))
            case _:
                pass

    def _turn(self, issue: Number, attempt: int, fence: int) -> None:
        part = self.parts.get(issue, Part())
        self._turns[issue] = self._turns.get(issue, 0) + 1
        self._then(
            0.5,
            ev.AttemptStarted(issue, fence, 10 * issue + self._turns[issue], f"/trees/agent-issue-{issue}"),
        )
        self._then(0.6, ev.SessionOpened(issue, fence, Session(f"s-{issue}", loadable=True)))
        if part.asks:
            question = Question(f"q-{issue}", part.asks, ("yes", "no"))
            self._then(part.seconds, ev.QuestionAsked(issue, fence, question))
        elif part.fails:
            ref = f"refs/mawep/{RUN}/salvage/{issue}-a{attempt}"
            self._then(
                part.seconds, ev.AttemptFailed(issue, fence, part.fails, part.detail, ref, usage=part.usage)
            )
        else:
            self._then(part.seconds, self._ended(issue, attempt, fence))

    def _ended(self, issue: Number, attempt: int, fence: int) -> ev.TurnEnded:
        part = self.parts.get(issue, Part())
        head = sha(f"head {issue} {self._turns[issue]}")
        transcript = f"attempts/{issue}-a{attempt}/transcript.jsonl"
        return ev.TurnEnded(issue, fence, head, "end_turn", part.usage, transcript=transcript)

    def _imported(self, intent: ev.ImportIntended) -> ev.AnyEvent:
        part = self.parts.get(intent.issue, Part())
        if part.refused:
            return ev.ImportRefused(intent.issue, intent.attempt, part.refused, part.detail)
        tree = sha(f"tree {intent.head}")
        self._owners[tree] = intent.issue
        return ev.CandidateImported(intent.issue, intent.attempt, intent.head, tree, part.files)

    def _gated(self, intent: ev.GateIntended) -> ev.GateFinished:
        owner, members = self._owners.get(intent.tree), self._members.get(intent.tree, frozenset())
        red = bool(self.red_together) and self.red_together <= members
        if owner is not None and self._reds.get(owner, 0):
            self._reds[owner] -= 1
            red = True
        result = GateResult.RED if red else GateResult.GREEN
        command = CommandResult(
            "python -m pytest -q", int(red), None, self.gate_seconds, sha("log") + sha("log")[:24]
        )
        excerpt = "FAILED tests/test_pay.py::test_refund - assert 3 == 4" if red else ""
        log = f"{intent.tree[:12]}.log"
        return ev.GateFinished(
            GateRecord(
                sha("key") + "0" * 24, intent.tree, result, (command,), self.gate_seconds, log, excerpt
            )
        )

    def _composed(self, base: str, members: tuple[Number, ...]) -> ev.LandingComposed:
        return ev.LandingComposed(base, *self._steps(base, members))

    def _steps(
        self, base: str, members: tuple[Number, ...]
    ) -> tuple[tuple[ev.Step, ...], tuple[ev.MergeConflict, ...]]:
        steps: list[ev.Step] = []
        conflicts: list[ev.MergeConflict] = []
        together: frozenset[Number] = frozenset()
        for number in members:
            with_ = self.parts.get(number, Part()).conflict
            if with_ is not None:
                conflicts.append(
                    ev.MergeConflict(number, ("src/app.py",), "<<<<<<< ours\na\n=======\nb\n>>>>>>>", with_)
                )
                continue
            together |= {number}
            name = f"{base} {sorted(together)}"
            steps.append(ev.Step(number, sha(f"merge {name}"), sha(f"tree {name}")))
            self._members[steps[-1].tree] = together
        return tuple(steps), tuple(conflicts)


def sprint() -> tuple[Issue, ...]:
    """The payment sprint: 101; 102, 103 and 104 after it; 105 after 104."""

    def after(*numbers: int) -> tuple[Dependency, ...]:
        return tuple(Dependency(number) for number in numbers)

    return (
        Issue(101, "Payment gateway abstraction", estimate_hours=2.0, files=("payments/gateway.py",)),
        Issue(
            102,
            "Stripe-style card provider",
            estimate_hours=3.0,
            depends_on=after(101),
            files=("payments/card.py",),
        ),
        Issue(
            103,
            "PayPal-style wallet provider",
            estimate_hours=3.0,
            depends_on=after(101),
            files=("payments/wallet.py",),
        ),
        Issue(
            104,
            "Checkout API",
            estimate_hours=4.0,
            depends_on=after(101),
            files=("payments/checkout.py", "payments/ledger.py"),
        ),
        Issue(105, "Checkout page", estimate_hours=2.0, depends_on=after(104), files=("payments/page.py",)),
    )


USAGE = Usage(input_tokens=12_000, output_tokens=3_000, cost_usd=0.12)


def payment_sprint(**changes: Part) -> Play:
    """The sprint with agents that report what they consume; `i104=Part(…)` changes one."""
    parts = {
        101: Part(8.0, usage=USAGE, files=("payments/gateway.py", "README.md")),
        102: Part(20.0, usage=USAGE, files=("payments/card.py", "README.md")),
        103: Part(14.0, red=1, usage=USAGE, files=("payments/wallet.py", "README.md")),
        104: Part(24.0, usage=USAGE, files=("payments/checkout.py", "payments/ledger.py")),
        105: Part(12.0, files=("payments/page.py",)),
    }
    parts |= {int(name.removeprefix("i")): part for name, part in changes.items()}
    return Play(sprint(), parts)


def say_progress(play: Play, issue: Number, percent: float | None = 40.0, activity: str = "editing") -> None:
    """The agent on an issue says how far it is, and its worker how it does."""
    attempt = play.state.issues[issue].attempt
    assert attempt is not None
    play.live.progress(
        play.clock.now(),
        issue,
        attempt.number,
        agent=f"agent-{attempt.slot}",
        stage="working",
        percent=percent,
        plan=(PlanEntry("read the code", "completed"), PlanEntry("write the provider", "in_progress")),
        activity=activity,
        files=("payments/card.py",),
        usage=USAGE,
        eta_seconds=30.0,
    )
    play.live.health(
        play.clock.now(),
        issue,
        attempt.number,
        pid=attempt.pid or 0,
        cpu_seconds=3.5,
        rss_mb=212.5,
        idle_seconds=1.5,
    )
