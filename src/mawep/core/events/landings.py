"""Events about candidates on their way to the target: import, gate, composition, landing."""

from __future__ import annotations

from datetime import datetime

import msgspec

from mawep.core.events.base import Event
from mawep.core.model import (
    FailureReason,
    GateRecord,
    Number,
    Sha,
    gate_name,
)


class ImportIntended(Event, frozen=True, tag=True):
    """Intent: check what the attempt made and hold it by a ref of ours."""

    issue: Number
    attempt: int
    head: Sha
    base: Sha


class CandidateImported(Event, frozen=True, tag=True):
    """The attempt's commits passed the import checks. `scopes` is what they affect; None: everything.

    `reads`, where lanes are allowed, is the digest of what those scopes read of the tree. `resolved` says of each file
    what its agent made of a conflict with the target.
    """

    issue: Number
    attempt: int
    commit: Sha
    tree: Sha
    files: tuple[str, ...]
    scopes: tuple[str, ...] | None = None
    resolved: tuple[str, ...] = ()
    reads: str | None = None

    @property
    def gate(self) -> str:
        """What the verdict on it will be known by."""
        return gate_name(self.tree, self.scopes, self.reads)


class ImportRefused(Event, frozen=True, tag=True):
    """The attempt's commits did not pass. `repairable`: its agent may be asked to undo it."""

    issue: Number
    attempt: int
    reason: FailureReason
    detail: str
    repairable: bool = False


class GateIntended(Event, frozen=True, tag=True):
    """Intent: run the gate on `tree`, which is the tree of `commit`. `why` is shown to people.

    `scopes` are those to gate; None: the whole gate. `reads`, where lanes are allowed, is the digest of what they read.
    """

    tree: Sha
    commit: Sha
    why: str
    scopes: tuple[str, ...] | None = None
    reads: str | None = None

    @property
    def gate(self) -> str:
        """What its verdict will be known by."""
        return gate_name(self.tree, self.scopes, self.reads)


class GateFinished(Event, frozen=True, tag=True):
    """A gate run ended."""

    record: GateRecord


class RepairIntended(Event, frozen=True, tag=True):
    """Intent: the same attempt's agent is told what is wrong and goes on. `review`: its reviewer says so.

    `merge`: it does not land as it is, and is to merge the target. `slot`: that is said of it, or of its pull request,
    after it had waited to land, and a slot is taken for it again.
    """

    issue: Number
    attempt: int
    round: int
    feedback: str
    lease_until: datetime
    review: bool = False
    slot: int | None = None
    merge: bool = False


class CandidateQueued(Event, frozen=True, tag=True):
    """Intent: the candidate waits to land; its agent's session is closed and its slot is free."""

    issue: Number


class Step(msgspec.Struct, frozen=True):
    """One merge in a composition: `issue` on top of all before it.

    `scopes`, said of the last one, is what the whole composition affects; None: everything. `reads`, where lanes are
    allowed, is the digest of what those read of its tree. `resolved` says which conflicts were resolved by rule, and
    how, `reverts` whose landings it takes back.
    """

    issue: Number
    commit: Sha
    tree: Sha
    scopes: tuple[str, ...] | None = None
    resolved: tuple[str, ...] = ()
    reverts: tuple[Number, ...] = ()
    reads: str | None = None

    @property
    def gate(self) -> str:
        """What the verdict that it needs is known by."""
        return gate_name(self.tree, self.scopes, self.reads)


class MergeConflict(msgspec.Struct, frozen=True, rename={"with_": "with"}):
    """A candidate that does not merge cleanly. `with_` empty: with the target itself."""

    issue: Number
    files: tuple[str, ...]
    hunks: str
    with_: tuple[Number, ...] = ()


class CandidateReturned(Event, frozen=True, tag=True):
    """The candidate cannot land as it is: its agent is to merge the target into its branch and go on from there.

    Without `files` in conflict, `why` is that the gate is red of it with the rest, and `hunks` is what the gate said.
    """

    issue: Number
    why: str
    hunks: str = ""
    files: tuple[str, ...] = ()


class CandidateSetApart(Event, frozen=True, tag=True):
    """It is red in its batch as it was merged by rule: it goes alone into the next one, where other ways are tried."""

    issue: Number


class LandingOpened(Event, frozen=True, tag=True):
    """Intent: compose these candidates on `base`."""

    base: Sha
    members: tuple[Number, ...]


class LandingComposed(Event, frozen=True, tag=True):
    """The composition stands, held by a ref; conflicting candidates were left out.

    Who conflicts with the target goes alone into the next batch. Of one that is alone `ways` are those to merge it all
    the same, the best first. `parks`: in older journals it was parked by this event.
    """

    base: Sha
    steps: tuple[Step, ...]
    conflicts: tuple[MergeConflict, ...] = ()
    ways: tuple[Step, ...] = ()
    parks: bool = True

    @property
    def alone(self) -> MergeConflict | None:
        """The conflict of a batch that consists of nothing else."""
        return self.conflicts[0] if not self.steps and len(self.conflicts) == 1 else None

    @property
    def told(self) -> tuple[MergeConflict, ...]:
        """The conflicts without those that come again when their candidate is tried alone."""
        return self.conflicts if self.alone else tuple(one for one in self.conflicts if one.with_)


class LandingSetAside(Event, frozen=True, tag=True):
    """The batch waits for these gates, which are under way, and another lane can land: it is composed again later."""

    members: tuple[Number, ...]
    gates: tuple[str, ...]


class ProbeIntended(Event, frozen=True, tag=True):
    """Intent: compose a part of the batch to find who makes it red."""

    base: Sha
    members: tuple[Number, ...]


class ProbeComposed(Event, frozen=True, tag=True):
    """A part of the batch is composed; `steps` is empty when that part does not merge by itself."""

    base: Sha
    members: tuple[Number, ...]
    steps: tuple[Step, ...]


class SealIntended(Event, frozen=True, tag=True):
    """Intent: make the final merge commits, with trailers naming the gate record and the journal's head.

    `suspect` is the candidate that made the rest of the batch red, if that is known; `reviews` are the digests of those
    that approved what lands, by issue.
    """

    base: Sha
    steps: tuple[Step, ...]
    gate: str
    date: datetime
    suspect: Number | None = None
    reviews: tuple[tuple[Number, str], ...] = ()


class LandingSealed(Event, frozen=True, tag=True):
    """The final merge commits exist, held by a ref. Their trees are the gated ones."""

    base: Sha
    steps: tuple[Step, ...]


class MoveIntended(Event, frozen=True, tag=True):
    """Intent: the target goes from `old` to `new` by compare-and-swap."""

    old: Sha
    new: Sha
    steps: tuple[Step, ...]


class TargetMoved(Event, frozen=True, tag=True):
    """The target is at `new`; every candidate in `steps` has landed."""

    old: Sha
    new: Sha
    steps: tuple[Step, ...]


class MoveBlocked(Event, frozen=True, tag=True):
    """The target's checkout is not clean; landing waits. `files` names what is in the way."""

    files: tuple[str, ...]
    where: str


class MoveUnblocked(Event, frozen=True, tag=True):
    """The target's checkout is clean again."""


class MoveLost(Event, frozen=True, tag=True):
    """Somebody else moved the target in the meantime, or pruned what was composed: it is composed again on `actual`."""

    actual: Sha
