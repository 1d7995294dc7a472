"""Events: one stable JSON form each, read back as they were."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from mawep.core import events as ev
from mawep.core.lifecycle import HANDLERS
from mawep.core.model import GateRecord, GateResult, Rules
from tests.core.driver import START, issue


def test_every_event_has_a_handler_and_a_name_of_its_own() -> None:
    kinds = set(get_args(ev.AnyEvent))
    assert set(HANDLERS) == kinds
    assert len({kind.__name__ for kind in kinds}) == len(kinds)
    assert set(get_args(ev.Intent)) < kinds
    assert set(get_args(ev.Command)) < kinds


def test_an_event_is_written_with_its_name_and_read_back() -> None:
    started = ev.RunStarted("run", "trace", "main", "sha", (issue(101), issue(102, 101)), Rules(max_agents=2))
    data = ev.encode(started)
    assert json.loads(data)["type"] == "RunStarted"
    assert ev.decode(data) == started
    assert ev.encode(ev.decode(data)) == data


def test_what_a_candidate_conflicts_with_is_called_with() -> None:
    composed = ev.LandingComposed("sha", (), (ev.MergeConflict(2, ("a.py",), "<<<<", (1,)),))
    assert json.loads(ev.encode(composed))["conflicts"][0]["with"] == [1]
    assert ev.decode(ev.encode(composed)) == composed


def test_a_conflict_with_the_target_is_told_once() -> None:
    target, other = ev.MergeConflict(2, ("a.py",), ""), ev.MergeConflict(3, ("a.py",), "", (1,))
    steps = (ev.Step(1, "c", "t"),)
    in_company = ev.LandingComposed("sha", steps, (target, other))
    assert (in_company.alone, in_company.told) == (None, (other,))
    alone = ev.LandingComposed("sha", (), (target,))
    assert (alone.alone, alone.told) == (target, (target,))


def test_an_older_journals_conflicts_park() -> None:
    written = b'{"type": "LandingComposed", "base": "sha", "steps": []}'
    assert ev.decode(written) == ev.LandingComposed("sha", (), parks=True)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"type": "Unknown"}', b'{"type": "RunEnded"}', b"[1]"])
def test_what_is_no_event_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        ev.decode(data)


def test_a_gate_digest_names_one_record_exactly() -> None:
    record = GateRecord("key", "tree", GateResult.GREEN, (), 1.5, "log")
    assert ev.gate_digest(record) == ev.gate_digest(
        GateRecord("key", "tree", GateResult.GREEN, (), 1.5, "log")
    )
    assert ev.gate_digest(record) != ev.gate_digest(GateRecord("key", "tree", GateResult.RED, (), 1.5, "log"))
    assert len(ev.gate_digest(record)) == 64


ODD, SHOWN = "caf\udce9.py", "caf?.py"


@pytest.mark.parametrize(
    ("event", "written"),
    [
        (ev.RunEnded("landed"), ev.RunEnded("landed")),
        (ev.MoveBlocked((ODD, "b.py"), "here"), ev.MoveBlocked((SHOWN, "b.py"), "here")),
        (
            ev.RunStarted(
                "r", "", "main", "sha", (issue(1, files=(ODD,)),), Rules(), digests={"prompt": ODD}
            ),
            ev.RunStarted(
                "r", "", "main", "sha", (issue(1, files=(SHOWN,)),), Rules(), digests={"prompt": SHOWN}
            ),
        ),
        (
            ev.SealIntended("sha", (ev.Step(1, ODD, "tree"),), "gate", START),
            ev.SealIntended("sha", (ev.Step(1, SHOWN, "tree"),), "gate", START),
        ),
    ],
)
def test_a_name_that_is_not_unicode_is_written_with_replacements(
    event: ev.AnyEvent, written: ev.AnyEvent
) -> None:
    assert ev.writable(event) == written
    assert ev.decode(ev.encode(ev.writable(event))) == written
