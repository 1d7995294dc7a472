"""What must be true of every run, judged from what really happened and without the rules of the core."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from mawep.core import events as ev
from mawep.core.engine import next_wakeup, replay
from mawep.core.model import Budget, FailureReason, IssueState, Number, Sha
from mawep.core.schedule import refusals
from mawep.core.state import State
from mawep.simulate.book import Book
from mawep.simulate.scenario import PATHS
from mawep.simulate.world import World

TERMINAL = frozenset({"landed", "failed", "blocked", "parked", "cancelled", "reverted"})
REPORTS = (
    ev.AttemptStarted
    | ev.SessionOpened
    | ev.QuestionAsked
    | ev.ClaimsTaken
    | ev.BreakingChangeAnnounced
    | ev.TurnEnded
    | ev.AttemptFailed
    | ev.AttemptInterrupted
    | ev.ProviderLimitHit
)
BEGINNINGS = ev.AttemptAssigned | ev.AttemptContinued | ev.RepairIntended


class Invariant(StrEnum):
    """What is checked after every event, at every rest, at every crash and at the end."""

    LANDED_ONCE = "no issue lands twice"
    NOTHING_LOST = "every issue ends in a terminal state, and what landed is in the target"
    ENDS = "every run ends"
    DEPENDENCIES_FIRST = "nothing starts or lands before what it depends on has landed"
    CLAIMS_EXCLUSIVE = "no two live holders of overlapping claims"
    CHANGES_FIRST = "what a breaking change affects starts when that has landed or its issue has ended"
    CHANGES_TOLD = "whoever works on what a breaking change affects is told of it"
    BREAKS_TOLD = "what a landing breaks of live work is told to its agent, once"
    EDGES_KEPT = (
        "a new dependency is waited for, or refused because its issue has begun or it closes a circle"
    )
    GATED_EXACTLY = "every tree that the target points at passed all of the gate that its change can affect"
    PROPOSED_GREEN = "a forge is given, and merges for us, only heads whose tree passed the gate"
    PROPOSED_WITHOUT_SLOT = "what waits for a forge holds no slot"
    ONE_MERGE = "one pull request is merged at a time"
    QUEUED_GREEN = "a candidate waits to land only with its own tree green"
    QUEUED_APPROVED = "where work is reviewed, a candidate waits to land only with its own tree approved"
    REVIEWED_IN_ORDER = (
        "what is reviewed has passed the gate, is not approved yet, and no more reviews run than may"
    )
    ONE_ISSUE_A_SLOT = "a slot has one issue at a time, and there are never more than max_agents"
    ONE_BATCH = "one batch at a time"
    COMPOSED_ON_TARGET = "a landing is composed on the target that it moves"
    LATE_CHANGES_NOTHING = "a result under an old fence changes nothing but the count of late ones"
    BLOCKED_BELOW = "what depends on an issue that will not land is blocked"
    NOT_PAST_BUDGET = "no turn begins when the budget of the run is spent"
    NOT_WHILE_LIMITED = "no turn begins while the provider of its model takes nothing more"
    CANCELLED_STAYS = "a cancelled issue is not started again"
    DESERVED = "no issue fails, parks or blocks without a cause"
    PURE = "asked twice, decide answers the same"
    FAR_FIRST = "nothing starts before what it depends on in another repository has landed there"
    FAR_SETTLED = "nothing stays blocked by an issue of another repository that has landed, or can land"
    AGENTS_SHARED = "several repositories have no more agents at work than may be, all together"
    WAKES_LATER = "the next wakeup is in the future"
    REPLAYS = "replaying the journal gives the state, at every crash and at the end"
    ROUND_TRIPS = "an event read back from its JSON form is the same"
    TOTAL = "the core takes every event and always decides"
    SAYS_WHY = "every issue not started has a refusal"


class Violation(Exception):  # noqa: N818 - it is a finding
    """A run broke an invariant; its seed breaks it again."""

    def __init__(self, seed: int, invariant: Invariant, detail: str) -> None:
        self.seed, self.invariant, self.detail = seed, invariant, detail
        super().__init__(f"seed {seed}: {invariant.name}: {invariant}: {detail}")


class Observer:
    """Looks on. It asks git and the workers what is true, and keeps a book of its own."""

    def __init__(self, world: World) -> None:
        self._repository, self._truth = world.repository, world.truth
        scenario = world.scenario
        self._willing = scenario.willing
        self._seed, self._max_agents = scenario.seed, scenario.rules.max_agents
        self._rules = scenario.rules
        self._budget = scenario.rules.budget
        self._exclusive = scenario.rules.on_claim_conflict == "refuse"
        self._limited_by_budget = self._budget != Budget(soft_percent=self._budget.soft_percent)
        self._issues = scenario.issues
        self._learn()
        self._landed: set[Number] = set()
        self.book = Book()

    # --- after every event

    def see(self, before: State, rec: ev.Recorded, after: State) -> None:
        """Judge one event by what was known before it, then note it."""
        event = rec.event
        self._require(ev.decode(ev.encode(event)) == event, Invariant.ROUND_TRIPS, event)
        if isinstance(event, ev.AttemptAssigned):
            self._see_assigned(event)
        elif isinstance(event, ev.CandidateQueued):
            gated = self._passed(self.book.trees[event.issue], {event.issue})
            self._require(gated, Invariant.QUEUED_GREEN, event)
            approved = (event.issue, self.book.trees[event.issue]) in self._truth.approved
            self._require(approved or not self._rules.reviewers, Invariant.QUEUED_APPROVED, event)
        elif isinstance(event, ev.ReviewIntended):
            self._see_reviewed(event, before)
            self._see_limit(event.runtime, rec)
        elif isinstance(event, ev.LandingOpened):
            self._require(self.book.batch is None, Invariant.ONE_BATCH, event)
            self._require(event.base == self.book.target, Invariant.COMPOSED_ON_TARGET, event)
        elif isinstance(event, ev.PullRequestIntended | ev.MergeIntended):
            self._see_proposed(event, before)
        elif isinstance(event, ev.MoveIntended):
            self._require(event.old == self.book.target, Invariant.COMPOSED_ON_TARGET, event)
        elif isinstance(event, REPORTS) and not self.book.is_current(event.issue, event.fence):
            expected = msgspec.structs.replace(before, seq=after.seq, late=before.late + 1)
            self._require(after == expected, Invariant.LATE_CHANGES_NOTHING, event)
        if isinstance(event, BEGINNINGS):
            self._see_slot(event)
            self._see_limit(self.book.runtimes[event.issue], rec)
            most = self._budget.run_tokens
            self._require(most is None or self.book.spent < most, Invariant.NOT_PAST_BUDGET, event)
        self._see_news(before, event, after)
        self.book.note(rec)
        self._note_outside(event)
        if isinstance(event, ev.ClaimsTaken):
            self._see_claimed(event, after)
        elif isinstance(event, ev.BreakingChangeAnnounced):
            self._see_announced(rec, event, after)
        if after.terminal != before.terminal:
            self._see_blocked(before, after)

    def _see_news(self, before: State, event: ev.AnyEvent, after: State) -> None:
        if isinstance(event, ev.DependencyAdded | ev.DependencyRefused):
            self._see_edge(before, event, after)
        elif isinstance(event, ev.MessageSent) and event.message.startswith("broken-by-"):
            due = (event.message, event.issue) in self.book.due
            self._require(due, Invariant.BREAKS_TOLD, event)

    def _see_assigned(self, event: ev.AttemptAssigned) -> None:
        issue, book = event.issue, self.book
        self._require(issue not in self._landed, Invariant.LANDED_ONCE, event)
        self._require(issue not in book.cancelled, Invariant.CANCELLED_STAYS, event)
        there = self._repository.contained(event.base)
        self._require(self._needed[issue] <= there, Invariant.DEPENDENCIES_FIRST, event)
        for other in book.live if self._exclusive else ():
            apart = self._touches[issue].isdisjoint(self._touches[other] | book.claimed[other])
            self._require(apart, Invariant.CLAIMS_EXCLUSIVE, f"#{other} is live: {event}")
            for _, paths, _ in book.broken[other].values():
                settled = self._touches[issue].isdisjoint(paths)
                self._require(settled, Invariant.CHANGES_FIRST, f"#{other} breaks {paths}: {event}")

    def _see_limit(self, runtime: str, rec: ev.Recorded) -> None:
        until = self.book.limited.get(runtime)
        self._require(until is None or until <= rec.at, Invariant.NOT_WHILE_LIMITED, rec.event)

    def _see_reviewed(self, event: ev.ReviewIntended, before: State) -> None:
        room = len(self.book.reviewing) < self._rules.review_slots and event.issue not in self.book.reviewing
        known = any(one.approves(event.tree) for one in before.issues[event.issue].reviews)
        fit = event.tree == self.book.trees[event.issue] and self._passed(event.tree, {event.issue})
        self._require(room and fit and not known, Invariant.REVIEWED_IN_ORDER, event)

    def _learn(self) -> None:
        """What the tracker said when the run began."""
        self._needed = {i.number: {d.on for d in i.depends_on} for i in self._issues}
        self._below = {number: _below(number, self._needed) for number in self._needed}
        self._touches = {i.number: _touched(i.files) for i in self._issues}

    def _note_outside(self, event: ev.AnyEvent) -> None:
        """Take down what has changed on the tracker since."""
        match event:
            case ev.IssueEdited(issue=issue, now=now) if issue not in self.book.live | self.book.landed:
                self._touches[issue] = _touched(now.files)
            case ev.DependencyAdded(issue=issue, on=on):
                self._needed[issue].add(on)
            case ev.DependencyRemoved(issue=issue, on=on):
                self._needed[issue].discard(on)
            case _:
                return
        self._below = {number: _below(number, self._needed) for number in self._needed}

    def _see_edge(
        self, before: State, event: ev.DependencyAdded | ev.DependencyRefused, after: State
    ) -> None:
        issue, on = event.issue, event.on
        begun = issue in self.book.live | self.book.landed
        over = before.issues[issue].state in TERMINAL - {IssueState.BLOCKED}
        circular = on in self._below[issue]
        if isinstance(event, ev.DependencyRefused):
            self._require(begun or over or circular, Invariant.EDGES_KEPT, event)
            return
        self._require(not (begun or over or circular), Invariant.EDGES_KEPT, event)
        state = after.issues[issue].state
        lost = on not in self._needed or after.issues[on].state in TERMINAL - {IssueState.LANDED}
        kept = state is IssueState.BLOCKED if lost else state is not IssueState.READY
        self._require(kept or on in self.book.landed, Invariant.EDGES_KEPT, f"#{issue} is {state}: {event}")

    def _see_slot(self, event: ev.AttemptAssigned | ev.AttemptContinued | ev.RepairIntended) -> None:
        slot = None if isinstance(event, ev.AttemptContinued) else event.slot
        if slot is not None:
            free = slot not in self.book.slots and 0 <= slot < self._max_agents
            self._require(free, Invariant.ONE_ISSUE_A_SLOT, event)

    def _see_proposed(self, event: ev.PullRequestIntended | ev.MergeIntended, before: State) -> None:
        pull = before.issues[event.issue].pull
        by_others = pull is not None and pull.seen is not None and pull.seen.state is not ev.PullState.OPEN
        green = self._fit(event.issue, event.head)
        self._require(green or by_others, Invariant.PROPOSED_GREEN, event)
        waits = event.issue in self.book.queued and event.issue not in self.book.slots.values()
        self._require(waits, Invariant.PROPOSED_WITHOUT_SLOT, event)
        if isinstance(event, ev.MergeIntended):
            self._require(not self.book.merging, Invariant.ONE_MERGE, event)

    def _fit(self, issue: Number, head: Sha) -> bool:
        """True when what this head would bring of the issue passed the gate; others may have brought it already."""
        brings = {issue} - self._repository.contained(self._repository.target)
        return self._passed(self._repository[head].tree, brings)

    def merged(self, issue: Number, head: Sha) -> None:
        """The forge has merged for us."""
        self._require(self._fit(issue, head), Invariant.PROPOSED_GREEN, issue)
        self._require(issue not in self._landed, Invariant.LANDED_ONCE, issue)
        landed = self._landed | self._truth.by_others
        self._require(self._needed[issue] <= landed, Invariant.DEPENDENCIES_FIRST, issue)
        self._landed.add(issue)

    def _see_claimed(self, event: ev.ClaimsTaken, after: State) -> None:
        issue, book = event.issue, self.book
        if not set(event.paths) <= set(after.claims.held_by(issue)):
            return  # it was not given them
        for other in book.live - {issue} if self._exclusive else ():
            apart = (self._touches[other] | book.claimed[other]).isdisjoint(event.paths)
            self._require(apart, Invariant.CLAIMS_EXCLUSIVE, f"#{other} is live: {event}")
        book.claimed[issue].update(event.paths)

    def _see_announced(self, rec: ev.Recorded, event: ev.BreakingChangeAnnounced, after: State) -> None:
        if any(change.seq == rec.seq for change in after.changes):
            paths, book = _touched((event.file, *event.affects)), self.book
            due = {
                other
                for other in book.live - book.queued - {event.issue}
                if not paths.isdisjoint(self._touches[other] | book.claimed[other])
            }
            book.broken[event.issue][event.file] = (
                rec.seq,
                paths,
                due,
            )  # in the place of what was said of it before

    def _see_blocked(self, before: State, after: State) -> None:
        for number, record in after.issues.items():
            if record.state in TERMINAL and record.state is not before.issues[number].state:
                for dependent in self._below[number] if record.state is not IssueState.LANDED else ():
                    state = after.issues[dependent].state
                    detail = f"#{number} is {record.state}, #{dependent} is {state}"
                    self._require(state in TERMINAL, Invariant.BLOCKED_BELOW, detail)

    def moved(self, event: ev.MoveIntended) -> None:
        """The target has just been moved by us."""
        changed = self._repository.differing(event.old, event.new)
        gated = self._passed(self._repository[event.new].tree, changed)
        self._require(gated, Invariant.GATED_EXACTLY, event)
        for step in event.steps:
            self._require(step.issue not in self._landed, Invariant.LANDED_ONCE, event)
            self._require(self._needed[step.issue] <= self._landed, Invariant.DEPENDENCIES_FIRST, event)
            self._landed.add(step.issue)

    def _passed(self, tree: Sha, changed: set[int]) -> bool:
        """True when the tree passed what of the gate these changes can make a difference to.

        With lanes, each part may have seen all that concerns it in another tree.
        """
        parts, repository = self._repository.concerned(changed), self._repository
        if self._rules.lanes:
            return {(part, repository.seen_by(part, tree)) for part in parts} <= self._truth.seen
        return parts <= self._truth.green[tree]

    # --- when the hall rests, dies and stops

    def rest(self, state: State, now: datetime) -> None:
        """There is nothing more to decide at this moment."""
        wakeup = next_wakeup(state)
        if state.running:
            self._require(wakeup is None or wakeup > now, Invariant.WAKES_LATER, wakeup)
            self._see_told()
        self._require(set(state.active) == set(self.book.live), Invariant.NOTHING_LOST, state.active)
        for number, record in state.issues.items():
            if record.state in (IssueState.WAITING, IssueState.READY):
                self._require(bool(refusals(state, number, now)), Invariant.SAYS_WHY, f"#{number}")

    def _see_told(self) -> None:
        book = self.book
        late = [number for _, number in book.due if book.fences[number] not in book.over]
        self._require(not late, Invariant.BREAKS_TOLD, late)
        for announced in book.broken.values():
            for seq, _, due in announced.values():
                for number in due & (book.live - book.queued):
                    told = (f"breaking-change-{seq}", number) in book.told
                    self._require(told, Invariant.CHANGES_TOLD, f"#{number} of the change {seq}")

    def decided(self, first: object, second: object) -> None:
        """`decide` was asked twice."""
        self._require(first == second, Invariant.PURE, f"{first} and {second}")

    def crashed(self, journal: Sequence[ev.Recorded], state: State) -> None:
        """The hall's memory is gone; what it held can be had again from the journal."""
        self._require(replay(journal) == state, Invariant.REPLAYS, f"after {len(journal)} events")

    def rewind(self, journal: Iterable[ev.Recorded]) -> None:
        """The journal ends earlier than what was seen."""
        self.book = Book()
        self._learn()
        for rec in journal:
            self.book.note(rec)
            self._note_outside(rec.event)

    def failed(self, error: Exception) -> Violation:
        """The core raised."""
        return Violation(self._seed, Invariant.TOTAL, repr(error))

    def overrun(self, detail: str) -> None:
        """The run does not come to its end."""
        self._require(False, Invariant.ENDS, detail)

    def ended(self, state: State) -> None:
        """The run is over, and nobody will do anything to it any more."""
        landed = {n for n, record in state.issues.items() if record.state is IssueState.LANDED}
        others = self._truth.by_others
        self._landed |= landed & others
        self._require(landed == self._landed, Invariant.NOTHING_LOST, f"{landed} and {self._landed}")
        there = self._repository.contained(self._repository.target)
        self._require(
            landed == there - (others - landed), Invariant.NOTHING_LOST, f"{landed} and {there} in the target"
        )
        self._require(state.quiet and not state.slots, Invariant.NOTHING_LOST, "something is still held")
        outcome = "landed" if len(landed) == len(state.issues) else "partial" if landed else "failed"
        self._require(outcome == "landed" or not self._willing, Invariant.NOTHING_LOST, "not all has landed")
        self._require(state.ended == outcome, Invariant.NOTHING_LOST, f"{state.ended}, not {outcome}")
        for number, record in state.issues.items():
            over = record.state in TERMINAL or state.halted or self._limited_by_budget
            self._require(over, Invariant.NOTHING_LOST, f"#{number} is {record.state}")
            self._require(self._deserved(state, number), Invariant.DESERVED, record)

    def _deserved(self, state: State, number: Number) -> bool:
        record = state.issues[number]
        match record.state:
            case IssueState.FAILED if record.reason is FailureReason.BUDGET_EXCEEDED:
                return self._limited_by_budget
            case IssueState.FAILED:
                return record.reason in self._truth.causes[number]
            case IssueState.PARKED:
                return number in self._truth.unfit
            case IssueState.CANCELLED:
                return number in self.book.cancelled
            case IssueState.BLOCKED:
                return not self._needed[number] <= self._landed or bool(state.graph.issues[number].far)
            case _:
                return True

    def _require(self, holds: bool, invariant: Invariant, detail: object) -> None:
        if not holds:
            raise Violation(self._seed, invariant, str(detail))


def _below(number: Number, needed: dict[Number, set[Number]]) -> set[Number]:
    found: set[Number] = set()
    ahead = {number}
    while ahead:
        ahead = {n for n, on in needed.items() if on & ahead} - found
        found |= ahead
    return found


def _touched(patterns: Iterable[str]) -> set[str]:
    """The paths of the little world that these patterns cover, found by trying them all."""
    return {path for path in PATHS for pattern in patterns if _covers(pattern.removeprefix("./"), path)}


def _covers(pattern: str, path: str) -> bool:
    return fnmatchcase(path, pattern) or f"{path}/".startswith(pattern.rstrip("/") + "/")
