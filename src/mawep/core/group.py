"""Several runs that belong together: what each has to be told of the others, given how all of them stand.

Everything here answers the same for the same standing, however often it is asked and whatever got lost before: what is
told follows from how things are, not from what has just changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import msgspec

from mawep.core.allotment import Demand, allot
from mawep.core.events import AgentsAllowed, FarSeen
from mawep.core.far import awaited, circle
from mawep.core.model import Far, IssueState
from mawep.core.news import WAITS
from mawep.core.outside import DONE
from mawep.core.schedule import agents_wanted
from mawep.core.state import IssueRecord, State, replace

News = tuple[str, FarSeen | AgentsAllowed]
"""Which repository's run is to be told, and what."""


class Member(msgspec.Struct, frozen=True):
    """The run of one repository. `state` is how it was last seen; None: not yet.

    `admitted`: it may have agents at work. `left`: nobody conducts it any more. It could use `wants` agents, and was
    last told that it is `allowed` so many; the last that it put to work was the `turn`th of all. `awaits` is what its
    issues wait for elsewhere, `told` what it was last told of each.
    """

    state: State | None = None
    admitted: bool = False
    left: bool = False
    wants: int = 0
    allowed: int = 0
    turn: int = 0
    awaits: tuple[Far, ...] = ()
    told: Mapping[Far, FarSeen] = msgspec.field(default_factory=dict)

    @property
    def held(self) -> int:
        """How many agents it has at work."""
        return len(self.state.slots) if self.state else 0

    @property
    def has_heard(self) -> bool:
        """True when it has taken in how many agents it is allowed: one word on that is on its way at a time."""
        return self.state is not None and self.state.allowed == self.allowed

    @property
    def demand(self) -> Demand:
        """What it has and wants; until it has taken in that it is allowed less, it may act on what it knew."""
        believes = self.state.allowed if self.state else 0
        return Demand(self.allowed, max(self.held, believes), self.wants, self.turn)


class Group(msgspec.Struct, frozen=True):
    """All of them, by repository in the order in which they are named, and the `agents` that they have together.

    `stuck` are issues that wait for each other across repositories, and in which circle. `interrupted`: by Ctrl-C, so
    that who leaves now comes back.
    """

    agents: int
    members: Mapping[str, Member]
    turns: int = 0
    stuck: Mapping[Far, str] = msgspec.field(default_factory=dict)
    interrupted: bool = False


def group_of(agents: int, repositories: Iterable[str]) -> Group:
    """A group of which nobody has been seen."""
    return Group(agents, {repository: Member() for repository in repositories})


def seen(group: Group, repository: str, state: State, now: datetime) -> Group:
    """The group when one of its runs stands so."""
    member = group.members[repository]
    before = member.state
    told = member.told if before else {on: FarSeen(on, r.state, r.why, r.over) for on, r in state.far.items()}
    wants = agents_wanted(state, now) if state.running else 0
    if len(state.slots) > member.held:
        group = replace(group, turns=group.turns + 1)
        member = replace(member, turn=group.turns)
    member = replace(member, state=state, wants=wants, told=told)
    if before is None or before.graph is not state.graph:
        found = dict.fromkeys(on for issue in state.graph.issues.values() for on in awaited(issue))
        group = _with(group, repository, replace(member, awaits=tuple(found)))
        return replace(group, stuck=_stuck(group))
    return _with(group, repository, member)


def left(group: Group, repository: str) -> Group:
    """The group when nobody conducts one of its runs any more: its agents are gone."""
    return _with(group, repository, replace(group.members[repository], left=True))


def interrupted(group: Group) -> Group:
    """The group after Ctrl-C."""
    return replace(group, interrupted=True)


def admissible(group: Group) -> str | None:
    """The run that may begin to have agents at work: those it had when its last process died are not too many."""
    repository = _at_the_door(group)
    if repository is None:
        return None
    taken = sum(member.demand.taken for member in _inside(group).values())
    return repository if taken + group.members[repository].held <= group.agents else None


def admit(group: Group, repository: str) -> Group:
    """The group when this run has been let in."""
    return _with(group, repository, replace(group.members[repository], admitted=True))


def news(group: Group) -> list[News]:
    """What has to be told now, and to whom."""
    return [*_sightings(group), *_allowances(group)]


def told(group: Group, told: Iterable[News]) -> Group:
    """The group when that has been told."""
    for repository, event in told:
        member = group.members[repository]
        if isinstance(event, FarSeen):
            member = replace(member, told={**member.told, event.on: event})
        else:
            member = replace(member, allowed=event.agents)
        group = _with(group, repository, member)
    return group


def standing(group: Group, on: Far) -> FarSeen | None:
    """How an issue of a member stands; None: its run has not been seen yet."""
    member = group.members.get(on.repository, Member(left=True))
    if member.state is None:
        return FarSeen(on, IssueState.WAITING, "its run did not begin", over=True) if member.left else None
    record = member.state.issues.get(on.number)
    if record is None:
        return FarSeen(on, IssueState.WAITING, f"it is not in the run of {on.repository}", over=True)
    if record.state is IssueState.CANCELLED and (record.cancelled_by or "").startswith(DONE):
        return FarSeen(on, IssueState.LANDED, record.cancelled_by or "")
    stays = member.left and not group.interrupted
    stuck = group.stuck.get(on, "") if record.state in WAITS else ""
    over = stuck or ("" if record.state.terminal else _over(member.state, stays))
    return FarSeen(on, record.state, over or _why(record, on.repository), over=bool(over))


# --- what is told


def _sightings(group: Group) -> Iterator[tuple[str, FarSeen]]:
    for repository, member in group.members.items():
        if member.state is None or member.left:
            continue
        for on in member.awaits:
            before, now = member.told.get(on), standing(group, on)
            landed = before is not None and before.state is IssueState.LANDED
            if now is not None and now != before and not (landed and not _is_taken_back(group, on)):
                yield repository, now


def _is_taken_back(group: Group, on: Far) -> bool:
    """True of what had landed and does not count as that any more; anything else has landed for good."""
    member = group.members.get(on.repository, Member(left=True))
    record = member.state.issues.get(on.number) if member.state else None
    return record is not None and (record.state is IssueState.REVERTED or record.reverts)


def _allowances(group: Group) -> Iterator[tuple[str, AgentsAllowed]]:
    inside, door = _inside(group), _at_the_door(group)
    kept = group.members[door].held if door else 0  # a run that comes back needs what it had, all at once
    demands = {repository: member.demand for repository, member in inside.items()}
    for repository, agents in allot(group.agents - kept, demands).items():
        if agents != inside[repository].allowed and inside[repository].has_heard:
            yield repository, AgentsAllowed(agents)


def _stuck(group: Group) -> dict[Far, str]:
    plans = {n: tuple(m.state.graph.issues.values()) for n, m in group.members.items() if m.state}
    found: dict[Far, str] = {}
    while way := circle(plans, but=found):
        told = f"these issues wait for each other: {' → '.join(map(str, way))}"
        found |= dict.fromkeys(way, told)
    return found


def _over(state: State, left: bool) -> str:
    """Why a run brings nothing to its end any more; empty while it may."""
    if state.ended is not None:
        return "its run has ended"
    return "its run stopped" if left else ""


def _why(record: IssueRecord, repository: str) -> str:
    match record.state:
        case IssueState.FAILED if record.reason:
            return record.reason.value
        case IssueState.BLOCKED if record.blocked_by is not None:
            culprit = record.blocked_by
            return f"by {culprit if isinstance(culprit, Far) else Far(repository, culprit)}"
        case IssueState.CANCELLED:
            return f"by {record.cancelled_by}"
        case _:
            return ""


def _inside(group: Group) -> dict[str, Member]:
    return {name: member for name, member in group.members.items() if member.admitted and not member.left}


def _at_the_door(group: Group) -> str | None:
    waiting = (n for n, m in group.members.items() if m.state is not None and not (m.admitted or m.left))
    return next(waiting, None)


def _with(group: Group, repository: str, member: Member) -> Group:
    return replace(group, members={**group.members, repository: member})
