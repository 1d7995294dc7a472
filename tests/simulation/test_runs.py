"""Runs under simulation: no seed breaks a promise, every kind of trouble really happens, a seed replays."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from mawep.core import budget
from mawep.core import events as ev
from mawep.core.engine import replay
from mawep.core.model import FailureReason, IssueState
from mawep.core.state import Spent
from mawep.simulate import Invariant, Run, simulate
from mawep.simulate.scenario import scenario

CHUNK = 50
CHUNKS = 8


@cache
def runs(chunk: int) -> tuple[Run, ...]:
    return tuple(map(simulate, range(chunk * CHUNK, (chunk + 1) * CHUNK)))


def events(some: Iterable[Run]) -> Iterable[ev.AnyEvent]:
    return (rec.event for run in some for rec in run.journal)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_promise_is_broken(chunk: int) -> None:
    for run in runs(chunk):
        assert run.state.ended
        assert replay(run.journal) == run.state


def test_a_moment_that_is_over_pauses_as_long_as_none() -> None:
    """Two agents of one runtime run into a limit; the first is told a moment that has passed."""
    assert simulate(20534).state.ended


def test_what_a_change_is_said_to_affect_can_be_taken_back() -> None:
    """An agent announces the same file again, with other paths: what only the first named may start."""
    assert simulate(20793).state.ended


def test_who_is_cancelled_in_a_merge_queue_lands_if_it_was_merged_first() -> None:
    """Another issue is parked after that was seen and before the merge is taken in."""
    assert simulate(7224).state.ended


def test_what_somebody_has_merged_already_needs_no_gate_to_be_proposed_again() -> None:
    """A pull request was merged by a person while its agent was lost; the next attempt brings nothing new."""
    assert simulate(1043).state.ended


def test_every_event_of_a_run_happens() -> None:
    seen = Counter(type(event) for event in events(runs(0) + runs(1)))
    of_several_runs = {ev.FarSeen, ev.AgentsAllowed}
    by_people_alone = {ev.CandidateOffered, ev.RevertAsked, ev.RevertIntended}
    assert (
        set(seen) | {ev.CandidateSetApart} == set(get_args(ev.AnyEvent)) - of_several_runs - by_people_alone
    )


def test_who_is_red_in_company_as_it_was_merged_is_tried_alone() -> None:
    assert any(isinstance(event, ev.CandidateSetApart) for event in events([simulate(240)]))


def test_every_end_of_an_issue_and_most_reasons_happen() -> None:
    some = runs(0) + runs(1)
    states = Counter(record.state for run in some for record in run.state.issues.values())
    assert {state for state in IssueState if state.terminal} - {IssueState.REVERTED} <= set(states)
    assert states[IssueState.LANDED] > states.total() / 4
    reasons = {event.reason for event in events(some) if isinstance(event, ev.AttemptFailed)}
    assert reasons >= {
        FailureReason.AGENT_ERROR,
        FailureReason.GATE_FAILED,
        FailureReason.IMPORT_REFUSED,
        FailureReason.INPUT_TIMEOUT,
        FailureReason.LOST,
        FailureReason.NO_CHANGES,
        FailureReason.STALLED,
    }


def test_faults_strike() -> None:
    some = [run for part in range(4) for run in runs(part)]
    assert sum(run.crashes > 0 for run in some) > len(some) / 4
    assert sum(run.state.late for run in some) > len(some)
    conflicts = [event.conflicts for event in events(some) if isinstance(event, ev.LandingComposed)]
    assert any(conflict.with_ for found in conflicts for conflict in found)
    assert any(not conflict.with_ for found in conflicts for conflict in found)
    assert any(event.suspect for event in events(some) if isinstance(event, ev.SealIntended))


def test_a_run_has_spent_what_its_issues_have_spent() -> None:
    for run in runs(0) + runs(1):
        spent = sum(map(budget.of_issue, run.state.issues.values()), Spent())
        assert budget.of_run(run.state) == spent
    assert any(run.state.spent.tokens for run in runs(0))


def test_the_gate_chooses_among_ways_to_merge() -> None:
    some = [run for part in range(CHUNKS) for run in runs(part)]
    composed = [event for event in events(some) if isinstance(event, ev.LandingComposed)]
    tried = {way.tree: (place, len(event.ways)) for event in composed for place, way in enumerate(event.ways)}
    landed = [event.steps[0].tree for event in events(some) if isinstance(event, ev.SealIntended)]
    places = Counter(tried[tree][0] for tree in landed if tree in tried)
    assert places[0] and sum(places.values()) > places[0]


def test_a_seed_replays_the_same() -> None:
    assert [simulate(seed).journal for seed in range(10)] == [run.journal for run in runs(0)[:10]]
    assert simulate(3).journal != simulate(4).journal


JOURNALS = """
import hashlib
from mawep.core import events as ev
from mawep.simulate import simulate
written = b"".join(ev.encode(rec.event) for seed in range(10) for rec in simulate(seed).journal)
print(hashlib.sha256(written).hexdigest())
"""


def test_a_seed_replays_the_same_in_any_process() -> None:
    written = {
        subprocess.run(
            [sys.executable, "-c", JOURNALS],
            env=os.environ | {"PYTHONHASHSEED": hashseed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hashseed in ("1", "2")
    }
    assert len(written) == 1


def test_where_all_are_willing_everything_lands_through_every_crash() -> None:
    willing = [run for run in runs(0) + runs(1) if scenario(run.seed).willing]
    assert sum(run.crashes for run in willing) > len(willing) / 2
    assert {run.state.ended for run in willing} == {"landed"}


def test_every_promise_that_is_checked_is_documented() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "simulation.md").read_text()
    documented = re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", page, re.MULTILINE)
    assert [(name, text.replace("`", "")) for name, text in documented] == [
        (invariant.name, str(invariant)) for invariant in Invariant
    ]


def test_gates_run_for_some_scopes_for_all_and_again_for_others() -> None:
    """The same tree is gated again where more of it can be affected, or less."""
    some = tuple(run for chunk in range(CHUNKS) for run in runs(chunk))
    gated = [[event for event in events([run]) if isinstance(event, ev.GateIntended)] for run in some]
    kinds = Counter(intent.scopes is None for intents in gated for intent in intents)
    assert kinds[True] > 200 and kinds[False] > 200
    again = [len({one.gate for one in intents}) > len({one.tree for one in intents}) for intents in gated]
    assert any(again)
