"""A forge in memory: pull requests with checks and reviews, and people who merge, close and push there as they like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mawep.core import events as ev
from mawep.core.events import PullState, PullVerdict
from mawep.core.model import Number, Sha
from mawep.core.returning import instead
from mawep.simulate.effects import carry_out
from mawep.simulate.repository import Commit
from mawep.simulate.scenario import Turn
from mawep.simulate.world import World

POLL = 30.0
"""Seconds between two looks at the forge."""
MOST_ASKED = 4
"""So often at most does anybody ask for changes of one pull request."""


@dataclass(slots=True)
class Proposal:
    """A pull request. `verdicts` says of each head what checks and reviews will say, `items` what was said."""

    number: int
    issue: Number
    head: Sha
    state: PullState = PullState.OPEN
    merged_as: Sha = ""
    queued: bool = False
    verdicts: dict[Sha, PullVerdict] = field(default_factory=dict)
    items: list[str] = field(default_factory=list)


class Forge:
    """Carries out what is asked of the forge, and lets the hall look at it. `merged` is told of every merge by us."""

    def __init__(self, world: World, merged: Callable[[Number, Sha], None]) -> None:
        self._world, self._rng, self._luck = world, world.rng, world.scenario.forge
        self._repository, self._truth, self._merged = world.repository, world.truth, merged
        self._pulls: dict[tuple[Number, int], Proposal] = {}
        self._people = -1000
        self._looking = False

    def begin(self, intent: ev.Recorded) -> None:
        """Start the effect of an intent that the journal has, for the first time or once more."""
        match intent.event:
            case ev.PullRequestIntended() as event:
                carry_out(self._world, intent, (1, 8), partial(self._open, event))
            case ev.UpdateIntended() as event:
                carry_out(self._world, intent, (1, 8), partial(self._update, event))
            case ev.MergeIntended() as event:
                carry_out(self._world, intent, (1, 8), partial(self._merge, event))
            case _:
                pass

    def crash(self) -> None:
        """Nobody looks any more."""
        self._looking = False

    def watch(self) -> None:
        """Look from time to time, while there is anything to look at."""
        if not self._looking and self._open_ones():
            self._looking = True
            self._world.agenda.after(self._rng.uniform(1, POLL), self._look, mortal=True)

    # --- what the hall asks for

    def _open(self, event: ev.PullRequestIntended) -> ev.AnyEvent:
        key = (event.issue, event.attempt)
        known = self._pulls.get(key)
        if known is None:
            known = Proposal(len(self._pulls) + 1, event.issue, event.head)
            self._pulls[key] = known
        elif known.state is PullState.OPEN and known.head in self._repository.ancestry(event.head):
            known.head = event.head
        self._world.agenda.after(0, self.watch, mortal=True)
        return ev.PullRequestOpened(event.issue, known.number, f"pull/{known.number}", event.head)

    def _update(self, event: ev.UpdateIntended) -> ev.AnyEvent:
        pull, repository = self._pulls[event.issue, event.attempt], self._repository
        record = self._world.hall.state.issues[event.issue]
        ours = record.pull.head if record.pull else pull.head
        top: Commit = repository[pull.head]
        for other in (ours, event.target):
            if other in repository.ancestry(top.sha):
                continue
            onto, candidate = (repository[other], top) if other == event.target else (top, repository[other])
            merged = repository.merge(onto, candidate)
            if not isinstance(merged, Commit):
                self._truth.unfit.add(event.issue)
                parked = ev.IssueParked(event.issue, "does not merge cleanly", files=("src/a.py",))
                return instead(self._world.hall.state, parked)
            top = merged
        theirs = any(patch.who <= -1000 for patch in top.patches - repository[event.target].patches)
        scopes = repository.affected(repository.differing(event.target, top.sha))
        return ev.BranchUpdated(event.issue, event.head, top.sha, top.tree, theirs, scopes)

    def _merge(self, event: ev.MergeIntended) -> ev.AnyEvent:
        pull = self._pulls[event.issue, event.attempt]
        if pull.state is PullState.MERGED:
            return self._done(pull)
        if pull.state is PullState.CLOSED or pull.head != event.head:
            return ev.MergeDeferred(event.issue, "it is another one now", refused=False)
        if self._rng.random() < self._luck.refuse:
            self._truth.unfit.add(event.issue)
            return ev.MergeDeferred(event.issue, "not now")
        if self._luck.queue:
            pull.queued = True
            self._world.agenda.after(self._rng.uniform(5, 200), lambda: self._from_queue(pull))
            return ev.PullRequestQueued(event.issue)
        if not self._into_target(pull):
            return ev.MergeDeferred(event.issue, "it does not merge")
        self._merged(event.issue, pull.head)
        return self._done(pull)

    def _done(self, pull: Proposal) -> ev.PullRequestMerged:
        exact = self._repository[pull.merged_as].tree == self._repository[pull.head].tree
        return ev.PullRequestMerged(pull.issue, pull.merged_as, self._repository.target, exact)

    def _into_target(self, pull: Proposal) -> bool:
        target, head = self._repository[self._repository.target], self._repository[pull.head]
        merged = self._repository.merge(target, head)
        if isinstance(merged, Commit):
            pull.state, pull.merged_as, pull.queued = PullState.MERGED, merged.sha, False
            self._repository.target = merged.sha
        return isinstance(merged, Commit)

    def _from_queue(self, pull: Proposal) -> None:
        """The forge merges it in its turn, or throws it out."""
        pull.queued = False
        if pull.state is not PullState.OPEN:
            return
        if self._rng.random() < self._luck.refuse:
            self._truth.unfit.add(pull.issue)
            return
        if self._into_target(pull):
            self._merged(pull.issue, pull.head)

    # --- what happens there, and what is seen of it

    def _open_ones(self) -> list[tuple[Number, Proposal]]:
        found = []
        for number, record in self._world.hall.state.issues.items():
            if record.pull is not None and record.active and record.attempt is not None:
                pull = self._pulls.get((number, record.attempt.number))
                if pull is not None:
                    found.append((number, pull))
        return found

    def _look(self) -> None:
        self._looking = False
        hall = self._world.hall
        if not hall.state.running:
            return
        if hall.state.target != self._repository.target:
            hall.receive(ev.TargetAdvanced(self._repository.target))
        for number, pull in self._open_ones():
            self._somebody_acts(pull)
            seen = self._seen(pull)
            known = hall.state.issues[number].pull
            if hall.state.running and (known is None or known.seen != seen):
                hall.receive(seen)
        self.watch()

    def _seen(self, pull: Proposal) -> ev.PullRequestSeen:
        repository = self._repository
        target, head = repository.target, repository[pull.head]
        behind = pull.state is PullState.OPEN and target not in repository.ancestry(pull.head)
        conflicting = behind and not isinstance(repository.merge(repository[target], head), Commit)
        verdict = self._verdict(pull)
        return ev.PullRequestSeen(
            issue=pull.issue,
            number=pull.number,
            head=pull.head,
            target=target,
            state=pull.state,
            verdict=verdict,
            behind=behind,
            conflicting=conflicting,
            queue=self._luck.queue,
            queued=pull.queued,
            feedback="not like this" if verdict is PullVerdict.CHANGES else "",
            items=tuple(pull.items),
            by="ada",
        )

    def _verdict(self, pull: Proposal) -> PullVerdict:
        """A check takes a look or two; its word on a head is its last one."""
        if pull.head not in pull.verdicts:
            if self._rng.random() < 0.4:
                return PullVerdict.WAITING
            asks = len(pull.items) < MOST_ASKED and self._rng.random() < self._luck.ask
            pull.verdicts[pull.head] = PullVerdict.CHANGES if asks else PullVerdict.READY
            if asks:
                pull.items.append(f"{pull.number}.{len(pull.items)}")
                self._truth.unfit.add(pull.issue)
        return pull.verdicts[pull.head]

    def _somebody_acts(self, pull: Proposal) -> None:
        luck = self._rng.random()
        if pull.state is not PullState.OPEN or pull.queued:
            return
        if luck < self._luck.merged:
            if self._into_target(pull):
                self._truth.by_others.add(pull.issue)
        elif luck < self._luck.merged + self._luck.closed:
            pull.state = PullState.CLOSED
            self._truth.unfit.add(pull.issue)
        elif luck < self._luck.merged + self._luck.closed + self._luck.pushed:
            self._people -= 1
            pull.head = self._repository.work(pull.head, self._people, Turn()).sha
