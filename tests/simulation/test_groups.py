"""Several repositories in one run, under simulation: no seed breaks a promise, and each promise can be broken."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import chain

import pytest

from mawep.core import events as ev
from mawep.core import rules
from mawep.core.engine import replay
from mawep.core.model import Far, IssueState
from mawep.simulate import Invariant, Together, Violation, simulate_group

CHUNK = 10
CHUNKS = 4


@cache
def groups(chunk: int) -> tuple[Together, ...]:
    return tuple(map(simulate_group, range(chunk * CHUNK, (chunk + 1) * CHUNK)))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_promise_is_broken(chunk: int) -> None:
    for run in chain.from_iterable(group.runs.values() for group in groups(chunk)):
        assert run.state.ended
        assert replay(run.journal) == run.state


def test_what_makes_it_hard_really_happens() -> None:
    some = groups(0) + groups(1)
    runs = [run for group in some for run in group.runs.values()]
    events = Counter(type(rec.event) for run in runs for rec in run.journal)
    assert events[ev.FarSeen] > 100 and events[ev.AgentsAllowed] > 100
    assert sum(group.processes for group in some) > 2 * len(some)
    records = [record for run in runs for record in run.state.issues.values()]
    assert any(isinstance(record.blocked_by, Far) for record in records)
    far = [number for run in runs for number, issue in run.state.graph.issues.items() if issue.far]
    landed = [r.number for r in records if r.state is IssueState.LANDED]
    assert set(far) & set(landed)
    told = (rec.event for run in runs for rec in run.journal if isinstance(rec.event, ev.AgentsAllowed))
    assert 0 in {event.agents for event in told}, "somebody had to give back what it had"


def test_a_seed_replays_the_same() -> None:
    again, before = simulate_group(3), groups(0)[3]
    assert {n: run.journal for n, run in again.runs.items()} == {
        n: run.journal for n, run in before.runs.items()
    }


@pytest.mark.parametrize(
    ("name", "answer", "invariants"),
    [
        ("agent_is_left", True, {Invariant.AGENTS_SHARED, Invariant.ONE_ISSUE_A_SLOT}),
        ("dependencies_landed", True, {Invariant.FAR_FIRST}),
        ("far_is_lost", False, {Invariant.ENDS}),
    ],
)
def test_without_it_a_promise_is_broken(
    name: str, answer: bool, invariants: set[Invariant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, name, lambda *_: answer)

    def broken(seed: int) -> Invariant | None:
        try:
            simulate_group(seed)
        except Violation as violation:
            assert violation.seed == seed
            return violation.invariant
        return None

    assert any(broken(seed) in invariants for seed in range(40))
