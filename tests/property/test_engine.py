"""Whatever workers, people and git report, in whatever order: the state stays sound and the engine decides."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mawep.core import changes, news
from mawep.core import events as ev
from mawep.core.engine import decide, next_wakeup
from mawep.core.model import FailureReason, GateRecord, GateResult, Number, Question, Rules, Session
from mawep.core.schedule import refusals
from mawep.core.state import Progress
from mawep.core.verdict import ReviewRecord, Verdict
from tests.core.driver import Driver, issue
from tests.property.sound import assert_sound

NUMBERS = st.integers(1, 5)
EDGES = st.sets(st.tuples(NUMBERS, NUMBERS).filter(lambda edge: edge[0] > edge[1]), max_size=5)
RULES = st.builds(
    Rules,
    max_agents=st.integers(1, 3),
    halt_on_failure=st.booleans(),
    max_retries=st.integers(0, 1),
    repair_rounds=st.integers(0, 1),
    gate_slots=st.integers(1, 3),
    batch=st.integers(1, 3),
    reassign_lost=st.booleans(),
    reviewers=st.sampled_from(({}, {"": "other"})),
    review_rounds=st.integers(0, 1),
    review_slots=st.integers(1, 2),
    mode=st.sampled_from(("local", "pull_request")),
    max_review_rounds=st.integers(0, 2),
)
REASONS = st.sampled_from(FailureReason)
RESULTS = st.sampled_from(GateResult)
ANSWERABLE = (
    "compose",
    "probe",
    "seal",
    "move",
    "import",
    "gate",
    "retire",
    "review",
    "pull",
    "update",
    "merge",
)


class Hostile(RuleBasedStateMachine):
    """Everything outside of the core, with no will to be consistent."""

    @initialize(edges=EDGES, rules=RULES, shared=st.booleans())
    def begin(self, edges: set[tuple[int, int]], rules: Rules, shared: bool) -> None:
        self.run = Driver(
            *(
                issue(
                    n,
                    *(on for at, on in sorted(edges) if at == n),
                    files=("src/a.py",) if shared else ("docs",) if n == 3 else (),
                )
                for n in range(1, 6)
            ),
            rules=rules,
        )
        self.made = 0

    def name(self, what: str) -> str:
        self.made += 1
        return f"{what}-{self.made}"

    def fence(self, number: Number, off: int) -> int:
        attempt = self.run.state.issues[number].attempt
        return (attempt.fence if attempt else 0) - off

    # --- workers

    @rule(number=NUMBERS, off=st.sampled_from((0, 0, 0, 1)), kind=st.integers(0, 10), reason=REASONS)
    def report(self, number: Number, off: int, kind: int, reason: FailureReason) -> None:
        fence = self.fence(number, off)
        reports: tuple[ev.AnyEvent, ...] = (
            ev.AttemptStarted(number, fence, 1),
            ev.SessionOpened(number, fence, Session("s")),
            ev.QuestionAsked(number, fence, Question("q", "which?")),
            ev.TurnEnded(number, fence, self.name("head"), "end_turn"),
            ev.AttemptFailed(number, fence, reason),
            ev.AttemptInterrupted(number, fence),
            ev.LeasesExtended((fence,), self.run.now),
            ev.ClaimsTaken(number, fence, (f"src/{chr(97 + number % 3)}.py",)),
            ev.FilesTouched(number, fence, ("src/a.py", "docs/a.md")),
            ev.BreakingChangeAnnounced(number, fence, "src/a.py", "it is other now", ("docs",)),
            ev.BreakingChangeAnnounced(number, fence, f"lib/{number}.py", "it is other now"),
        )
        self.run.go(reports[kind])

    @rule(number=NUMBERS)
    def finish(self, number: Number) -> None:
        self.run.go(ev.TurnEnded(number, self.fence(number, 0), self.name("head"), "end_turn"))

    @rule(seconds=st.sampled_from((1, 60, 90, 15_000)))
    def time_passes(self, seconds: float) -> None:
        self.run.wait(seconds).settle()

    # --- effects

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        pending = [rec.event for key, rec in self.run.state.effects.items() if key.startswith(ANSWERABLE)]
        if pending:
            self.run.go(self.answer_to(data.draw(st.sampled_from(pending)), data))

    def answer_to(self, intent: Any, data: st.DataObject) -> ev.AnyEvent:
        chance = data.draw(st.integers(0, 3))
        match intent:
            case ev.ImportIntended(issue=number, attempt=attempt):
                if chance == 0:
                    return ev.ImportRefused(
                        number, attempt, data.draw(REASONS), "no", data.draw(st.booleans())
                    )
                return ev.CandidateImported(number, attempt, self.name("c"), self.name("t"), ())
            case ev.GateIntended(tree=tree):
                result = data.draw(RESULTS) if chance == 0 else GateResult.GREEN
                return ev.GateFinished(GateRecord(tree, tree, result, (), 1.0, ""))
            case ev.ReviewIntended():
                said = data.draw(st.sampled_from(Verdict)) if chance == 0 else Verdict.APPROVE
                about = intent.number, intent.attempt, intent.commit, intent.tree
                return ev.ReviewFinished(intent.issue, ReviewRecord(*about, said, "because"))
            case ev.LandingOpened(base=base, members=members):
                merging = tuple(n for n in members if chance or data.draw(st.booleans()))
                conflicts = tuple(
                    ev.MergeConflict(n, ("a",), "", merging if data.draw(st.booleans()) else ())
                    for n in members
                    if n not in merging
                )
                ways = tuple(self.steps(members)[0] for _ in range(data.draw(st.integers(0, 3))))
                alone = len(members) == len(conflicts) == 1
                parks = data.draw(st.booleans())
                return ev.LandingComposed(
                    base, self.steps(merging), conflicts, ways if alone else (), parks=parks
                )
            case ev.ProbeIntended(base=base, members=members):
                return ev.ProbeComposed(base, members, self.steps(members) if chance else ())
            case ev.SealIntended(base=base, steps=steps):
                return ev.LandingSealed(base, steps)
            case ev.MoveIntended(old=old, new=new, steps=steps):
                answers: tuple[ev.AnyEvent, ...] = (
                    ev.MoveLost(self.name("target")),
                    ev.MoveBlocked(("a",), "here"),
                    ev.TargetMoved(old, new, steps),
                    ev.TargetMoved(old, new, steps),
                )
                return answers[chance]
            case ev.PullRequestIntended(issue=number, head=head):
                parked = ev.IssueParked(number, "its branch is somebody else's")
                return ev.PullRequestOpened(number, number, f"pull/{number}", head) if chance else parked
            case ev.UpdateIntended(issue=number, head=head):
                commit = head if chance == 0 else self.name("c")
                return ev.BranchUpdated(number, head, commit, self.name("t"), data.draw(st.booleans()))
            case ev.MergeIntended(issue=number):
                merges: tuple[ev.AnyEvent, ...] = (
                    ev.MergeDeferred(number, "not now"),
                    ev.PullRequestQueued(number),
                    ev.PullRequestMerged(number, self.name("m"), self.name("target")),
                    ev.PullRequestMerged(number, self.name("m"), self.name("target"), exact=False),
                )
                return merges[chance]
            case _:
                return ev.WorkspacesRetired(intent.issues)

    def steps(self, members: tuple[Number, ...]) -> tuple[ev.Step, ...]:
        return tuple(ev.Step(n, self.name("m"), self.name("t")) for n in members)

    @rule(number=NUMBERS, data=st.data())
    def the_forge_is_looked_at(self, number: Number, data: st.DataObject) -> None:
        pull = self.run.state.issues[number].pull
        head = pull.head if pull and data.draw(st.integers(0, 3)) else self.name("head")
        self.run.go(
            ev.PullRequestSeen(
                issue=number,
                number=number,
                head=head,
                target=self.run.state.target,
                state=data.draw(st.sampled_from((ev.PullState.OPEN, *ev.PullState))),
                verdict=data.draw(st.sampled_from(ev.PullVerdict)),
                behind=data.draw(st.booleans()),
                conflicting=data.draw(st.integers(0, 3)) == 0,
                queue=data.draw(st.booleans()),
                queued=data.draw(st.booleans()),
                feedback="no",
                items=data.draw(st.sampled_from((("1",), ("1", "2")))),
            )
        )

    @rule()
    def somebody_else_moves_the_target(self) -> None:
        self.run.go(ev.TargetAdvanced(self.name("target")))

    @rule()
    def the_checkout_is_clean(self) -> None:
        self.run.go(ev.MoveUnblocked())

    # --- people and processes

    @rule(number=st.integers(1, 6), kind=st.integers(0, 4))
    def person(self, number: Number, kind: int) -> None:
        deeds: tuple[ev.AnyEvent, ...] = (
            ev.IssueCancelled(number, "ada"),
            ev.IssueReopened(number, "ada"),
            ev.QuestionAnswered(number, "q", "yes", "ada"),
            ev.MessageSent(number, self.name("m"), "hello", "ada"),
            ev.DispatchUnpaused("ada"),
        )
        self.run.go(deeds[kind])

    @rule(number=NUMBERS, on=st.integers(1, 7), kind=st.integers(0, 5))
    def tracker(self, number: Number, on: Number, kind: int) -> None:
        state = self.run.state
        edit = issue(number, hours=float(on), files=("docs",) if on % 2 else ())
        said: tuple[list[ev.AnyEvent], ...] = (
            [ev.IssueEdited(number, edit)],
            [ev.DependencyAdded(number, on, "native")],
            [ev.DependencyRemoved(number, on)],
            [ev.DependencyRefused(number, on, "native", "")],
            news.dependency(state, number, on, "body"),
            [ev.CommandTaken(number, on, "ada", "stop", True, "")],
        )
        self.run.go(*said[kind])

    @rule(kind=st.integers(0, 3))
    def trouble(self, kind: int) -> None:
        troubles: tuple[ev.AnyEvent, ...] = (
            ev.DispatchPaused("ada"),
            ev.Interrupted(1),
            ev.Interrupted(2),
            ev.RunStopped("the bus is gone"),
        )
        self.run.go(troubles[kind])

    @rule(rerun=st.booleans())
    def resume(self, rerun: bool) -> None:
        self.run.go(ev.RunResumed("another", rerun))

    # --- what holds

    @invariant()
    def the_state_is_sound(self) -> None:
        if hasattr(self, "run"):
            assert_sound(self.run.state)

    @invariant()
    def what_an_open_change_affects_was_told_of_it_or_waits(self) -> None:
        state = self.run.state if hasattr(self, "run") else None
        if state is None or not state.running:
            return
        told = {
            (rec.event.issue, rec.event.message)
            for rec in self.run.journal
            if isinstance(rec.event, ev.MessageSent)
        }
        for change in state.changes:
            for number in set(state.active) - set(state.queue) - {change.issue}:
                affected = changes.affects(change, changes.touches(state, number))
                assert not affected or (number, changes.message_id(change.seq)) in told

    @invariant()
    def nothing_is_left_to_decide_and_every_wait_has_a_reason(self) -> None:
        if not hasattr(self, "run"):
            return
        state, now = self.run.state, self.run.now
        assert decide(state, now) == []
        wakeup = next_wakeup(state)
        assert wakeup is None or wakeup > now or not state.running
        orphans = [n for n in state.active if self.run.attempt(n).progress is Progress.ORPHANED]
        assert not orphans or not state.running
        for number, record in state.issues.items():
            if record.state in ("waiting", "ready"):
                assert refusals(state, number, now) or state.ended


TestHostile = Hostile.TestCase
TestHostile.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
