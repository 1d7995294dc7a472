"""The observer's own book of a run: who is live, in which slot, under which fence, and what is being landed."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta

from mawep.core import events as ev
from mawep.core.breaks import message_id
from mawep.core.model import Number, Sha, Usage

SHORTEST_PAUSE = timedelta(minutes=5)
"""A runtime whose provider does not say until when is paused at least so long."""
NEAREST_MOMENT = timedelta(seconds=1)
"""A provider that names a moment which is nearer, or over, has not said until when."""


class Book:
    """Notes what the journal says has happened, as simply as can be."""

    def __init__(self) -> None:
        self.live: set[Number] = set()
        self.queued: set[Number] = set()
        self.landed: set[Number] = set()
        self.cancelled: set[Number] = set()
        self.fences: dict[Number, int] = {}
        self.slots: dict[int, Number] = {}
        self.rounds: Counter[Number] = Counter()
        self.most_rounds = 0
        self.trees: dict[Number, Sha] = {}
        self.batch: tuple[Number, ...] | None = None
        self.moving = False
        self.target: Sha = ""
        self.claimed: dict[Number, set[str]] = defaultdict(set)
        self.broken: dict[Number, dict[str, tuple[int, set[str], set[Number]]]] = defaultdict(dict)
        self.told: set[tuple[str, Number]] = set()
        self.due: set[tuple[str, Number]] = set()
        self.runtimes: dict[Number, str] = {}
        self.limited: dict[str, datetime] = {}
        self.pausing: set[str] = set()
        self.tokens: dict[tuple[Number, int], int] = {}
        self.attempts: dict[Number, int] = {}
        self.over: set[int] = set()
        self.reviewing: set[Number] = set()
        self.merging: set[Number] = set()
        self.enqueued: set[Number] = set()

    def is_current(self, issue: Number, fence: int) -> bool:
        """True when the issue is live and this is the fence of its current turn."""
        return issue in self.live and self.fences[issue] == fence

    @property
    def spent(self) -> int:
        """Tokens of all attempts, as far as the journal knows."""
        return sum(self.tokens.values())

    def _note_usage(self, event: ev.AnyEvent) -> None:
        match event:
            case ev.AttemptAssigned(issue=issue, attempt=attempt):
                self.attempts[issue] = attempt
            case ev.UsageSeen(consumed=consumed):
                for one in consumed:
                    self._consumed(one.issue, one.fence, one.usage)
            case ev.ReviewFinished(issue=issue, record=record) if issue in self.reviewing:
                self.tokens[issue, -record.number] = record.usage.tokens or 0
            case ev.TurnEnded() | ev.ProviderLimitHit():
                self._consumed(event.issue, event.fence, event.usage)
            case _:
                pass

    def _consumed(self, issue: Number, fence: int, usage: Usage) -> None:
        if self.is_current(issue, fence) and fence not in self.over:
            key = issue, self.attempts[issue]
            self.tokens[key] = max(self.tokens.get(key, 0), usage.tokens or 0)

    def _note_review(self, rec: ev.Recorded) -> None:
        event = rec.event
        if isinstance(event, ev.ReviewFinished) and event.limited and event.issue in self.reviewing:
            self._limit(event.record.runtime, event.until, rec.at)
        match event:
            case ev.ReviewIntended(issue=issue):
                self.reviewing.add(issue)
            case ev.ReviewFinished(issue=issue) | ev.StopIntended(issue=issue):
                self.reviewing.discard(issue)
            case _:
                pass

    def note(self, rec: ev.Recorded) -> None:
        """Take one event down."""
        self._note_usage(rec.event)
        self._note_review(rec)
        match rec.event:
            case ev.RunStarted(target=target, routed=routed, rules=rules):
                self.target = target
                self.most_rounds = rules.merge_rounds
                self.runtimes = {int(issue): one.runtime for issue, one in routed.items()}
            case ev.AttemptAssigned(issue=issue, slot=slot):
                self.live.add(issue)
                self.slots[slot] = issue
                self.fences[issue] = rec.seq
                self.rounds[issue] = 0
            case ev.RepairIntended(issue=issue, slot=int(slot), merge=merge):
                self.fences[issue] = rec.seq
                self.rounds[issue] += merge
                self.queued.discard(issue)
                self.slots[slot] = issue
            case (
                ev.AttemptReclaimed(issue=issue)
                | ev.RepairIntended(issue=issue)
                | ev.AttemptContinued(issue=issue)
            ):
                self.fences[issue] = rec.seq
            case ev.CandidateImported(issue=issue, tree=tree):
                self.trees[issue] = tree
            case ev.MessageSent(issue=issue, message=message):
                self.told.add((message, issue))
                self.due.discard((message, issue))
            case ev.CandidateQueued(issue=issue):
                self.queued.add(issue)
                self._free_slot(issue)
            case ev.AttemptFailed(issue=issue, fence=fence) | ev.AttemptInterrupted(issue=issue, fence=fence):
                if self.is_current(issue, fence) and issue not in self.queued:
                    self._leave(issue)
            case ev.ProviderLimitHit():
                self._note_limit(rec.event, rec.at)
            case ev.StopIntended(fence=fence) | ev.TurnEnded(fence=fence):
                self.over.add(fence)
            case _:
                self._note_people(rec.event)

    def _note_people(self, event: ev.AnyEvent) -> None:
        match event:
            case ev.IssueCancelled(issue=issue):
                self._cancel(issue)
            case ev.IssueReopened(issue=issue) if issue not in self.live:
                self.cancelled.discard(issue)
            case ev.BreaksFound(new=new, found=found):
                own = {one.issue for one in found if self.attempts.get(one.issue) == one.attempt}
                self.due.update((message_id(new), issue) for issue in own & self.live)
            case ev.LimitLifted(runtime=runtime, by=by):
                self.pausing.discard(runtime)
                if by:
                    self.limited.pop(runtime, None)
            case _:
                self._note_landing(event)

    def _note_limit(self, event: ev.ProviderLimitHit, at: datetime) -> None:
        """Under one fence a limit is hit once; who is stopped already has nothing to say any more."""
        if self.is_current(event.issue, event.fence) and event.fence not in self.over:
            self.over.add(event.fence)
            self._limit(self.runtimes[event.issue], event.until, at)

    def _limit(self, runtime: str, until: datetime | None, at: datetime) -> None:
        held = self.limited.get(runtime, at)
        stated = until if until and until >= at + NEAREST_MOMENT else None
        if stated is not None or runtime not in self.pausing:
            self.limited[runtime] = max(held, stated or at + SHORTEST_PAUSE)
        self.pausing.add(runtime)

    def _note_landing(self, event: ev.AnyEvent) -> None:
        match event:
            case ev.LandingOpened(members=members):
                self.batch = members
            case ev.LandingComposed(steps=(), conflicts=conflicts) if len(conflicts) > 1:
                self._close_batch()
            case ev.CandidateSetApart() | ev.LandingSetAside():
                self._close_batch()
            case ev.IssueParked(issue=issue) | ev.CandidateReturned(issue=issue):
                composed = issue in (self.batch or ())
                if isinstance(event, ev.IssueParked):
                    self._leave(issue)
                else:
                    self._take_out(issue)
                if composed:
                    self._close_batch()
            case _:
                self._note_target(event)

    def _note_target(self, event: ev.AnyEvent) -> None:
        match event:
            case ev.MoveIntended():
                self.moving = True
            case ev.MoveBlocked():
                self.moving = False
            case ev.MoveLost(actual=sha):
                self._retarget(sha)
            case ev.TargetAdvanced(sha=sha) if not self.moving and not self.merging:
                self._retarget(sha)
            case ev.TargetMoved(new=sha, steps=steps):
                for step in steps:
                    self.landed.add(step.issue)
                    self._leave(step.issue)
                self._retarget(sha)
            case _:
                self._note_pull(event)

    def _note_pull(self, event: ev.AnyEvent) -> None:
        match event:
            case ev.MergeIntended(issue=issue):
                self.merging.add(issue)
                self.enqueued.discard(issue)
            case ev.PullRequestQueued(issue=issue) if issue in self.merging:
                self.merging.discard(issue)
                self.enqueued.add(issue)
            case ev.MergeDeferred(issue=issue) if issue in self.merging:
                self.merging.discard(issue)
                if issue in self.cancelled:
                    self._leave(issue)
            case ev.PullRequestSeen(issue=issue, queued=queued) if issue in self.queued - self.merging:
                if queued:
                    self.enqueued.add(issue)
                else:
                    self.enqueued.discard(issue)
            case ev.PullRequestMerged(issue=issue, target=target) if issue in self.merging:
                self.landed.add(issue)
                self._leave(issue)
                self._retarget(target)
            case _:
                pass

    def _retarget(self, sha: Sha) -> None:
        self.target, self.moving = sha, False
        self._close_batch()

    def _close_batch(self) -> None:
        members, self.batch = self.batch or (), None
        for issue in self.cancelled.intersection(members, self.queued):
            self._leave(issue)

    def _take_out(self, issue: Number) -> None:
        """It is in no batch any more; unless its agent may still be asked to merge, that was it."""
        if self.batch is not None:
            self.batch = tuple(number for number in self.batch if number != issue)
        if issue in self.cancelled or self.rounds[issue] >= self.most_rounds:
            self._leave(issue)

    def _cancel(self, issue: Number) -> None:
        if issue in self.landed:
            return
        self.cancelled.add(issue)
        if issue in self.queued - self.merging - self.enqueued and issue not in (self.batch or ()):
            self._leave(issue)

    def _leave(self, issue: Number) -> None:
        self._free_slot(issue)
        self.live.discard(issue)
        self.queued.discard(issue)
        self.merging.discard(issue)
        self.enqueued.discard(issue)
        self.claimed.pop(issue, None)
        self.broken.pop(issue, None)
        self.due = {told for told in self.due if told[1] != issue}

    def _free_slot(self, issue: Number) -> None:
        self.slots = {slot: number for slot, number in self.slots.items() if number != issue}
