"""What the parts of a state have to say of one another, after any event whatsoever."""

from __future__ import annotations

from mawep.core import graph, news
from mawep.core.claims import overlap
from mawep.core.model import HOLDS_SLOT, IssueState
from mawep.core.state import State

ACTIVE = HOLDS_SLOT | {IssueState.QUEUED, IssueState.LANDING}
WAITS = frozenset({IssueState.WAITING, IssueState.READY})


def assert_sound(state: State) -> None:
    """Fail unless every index of the state agrees with the issues themselves."""
    records = state.issues
    by_state = {wanted: {n for n, r in records.items() if r.state is wanted} for wanted in IssueState}

    assert [state.graph.by_rank[rank] for rank in state.ready] == sorted(
        by_state[IssueState.READY], key=lambda n: state.graph.rank[n]
    )
    assert len(state.active) == len(set(state.active))
    assert set(state.active) == {n for n, r in records.items() if r.state in ACTIVE}
    proposed = {n for n in state.active if records[n].pull is not None}
    waiting = by_state[IssueState.QUEUED] | by_state[IssueState.LANDING]
    assert set(state.queue) == (set() if state.rules.mode == "pull_request" else waiting)
    assert state.rules.mode != "pull_request" or waiting <= proposed
    merging = {n for n in proposed if f"merge:{n}" in state.effects}
    assert merging == by_state[IssueState.LANDING] & proposed
    assert len(merging) <= 1
    assert set(state.suspects) <= set(state.queue)
    assert bool(by_state[IssueState.LANDING] - proposed) <= (state.landing is not None)

    holders = {n for n, r in records.items() if r.state in HOLDS_SLOT and not r.offered}
    assert sorted(state.slots.values()) == sorted(holders)
    assert all(0 <= slot < state.rules.max_agents for slot in state.slots)
    assert set(state.claims.holders) <= set(state.active)
    assert {change.issue for change in state.changes} <= set(state.active)
    assert {seq for seq, _ in state.to_tell} <= {change.seq for change in state.changes}
    assert {number for _, number in state.to_tell} <= set(state.active)
    for number in state.active:
        held, attempt = state.claims.held_by(number), records[number].attempt
        assert attempt is None or set(attempt.asked) <= set(held)
        others = [other for other in state.active if other != number]
        for path in attempt.asked if attempt else ():
            assert not any(
                overlap(path, theirs) for other in others for theirs in state.claims.held_by(other)
            )

    assert state.terminal == sum(r.state.terminal for r in records.values())
    assert state.landed == len(by_state[IssueState.LANDED])
    assert state.reverted == len(by_state[IssueState.REVERTED])
    for number, needed in state.graph.dependencies.items():
        unmet = [on for on in needed if records[on].state is not IssueState.LANDED]
        outside = [edge.on for edge in state.outside.blockers.get(number, ())]
        assert state.unmet[number] == len(unmet) + len(outside)
        unmet += outside
        taken_back = any(r.attempt is not None and r.attempt.reverts for r in (records[on] for on in needed))
        if not taken_back and records[number].state not in WAITS | {IssueState.BLOCKED, IssueState.CANCELLED}:
            assert not unmet
        if records[number].state is IssueState.WAITING:
            assert unmet
            assert not outside
            assert not any(records[on].state.terminal for on in unmet)

    assert state.graph == graph.build(state.graph.issues.values())
    assert {number for _, number in state.outside.untold} <= set(state.outside.edited)
    for conflict in state.outside.refused:
        assert not news.known_edge(state, conflict.issue, conflict.on)

    for key in state.effects:
        kind, _, about = key.partition(":")
        if kind in {"turn", "stop", "import", "message", "review", "pull", "update", "merge"}:
            assert int(about.partition(":")[0]) in state.active
        if kind == "review":
            assert state.in_review(int(about))
        if kind in {"compose", "probe", "seal", "move"}:
            assert state.landing is not None
    assert set(state.gating) == {key[5:] for key in state.effects if key.startswith("gate:")}
