"""When a batch closes, who goes into it, and which gate runs it wants."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core.landing import may_land, opening, wanted_gates
from mawep.core.model import Issue, IssueState, Rules
from tests.core.driver import Driver, green, issue, red


def test_a_part_may_land_only_when_it_merges_and_its_tree_is_green() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(gate_slots=2)).queue(1, 2)
    run.compose()

    def verdicts() -> list[bool | None]:
        landing = run.state.landing
        assert landing
        return [may_land(run.state, landing, part) for part in ((1, 2), (2,), (1,))]

    assert verdicts() == [None, None, None]
    assert run.probe(merges=False).members == (1,)
    assert verdicts() == [None, None, False]
    run.go(red("u-1,2"))
    assert run.probe().members == (2,)
    assert verdicts() == [False, None, False]
    run.go(green("u-2"))
    assert verdicts() == [False, True, False]


# --- when a batch closes


def one_queued_one_verifying(*more: Issue, batch: int = 8) -> Driver:
    run = Driver(issue(1), issue(2), *more, rules=Rules(max_agents=2, gate_slots=2, batch=batch))
    return run.verify(2).queue(1)


def test_an_empty_queue_opens_no_batch() -> None:
    assert not opening(Driver(issue(1)).state)


def test_a_batch_waits_for_what_is_about_to_finish() -> None:
    run = one_queued_one_verifying()
    assert run.at(1) is IssueState.QUEUED
    run.go(green("t-2"))
    assert run.last(ev.LandingOpened).members == (1, 2)


def test_a_batch_does_not_wait_for_what_only_works() -> None:
    run = Driver(issue(1), issue(2)).start(2).queue(1)
    assert run.at(1) is IssueState.LANDING


def test_a_full_queue_closes_the_batch() -> None:
    assert one_queued_one_verifying(batch=1).at(1) is IssueState.LANDING


def test_a_batch_closes_when_waiting_would_idle_a_slot() -> None:
    assert one_queued_one_verifying(issue(3, 1)).at(1) is IssueState.LANDING


def test_no_slot_is_idle_while_nothing_may_start() -> None:
    run = Driver(issue(1), issue(2), issue(3, 1), rules=Rules(max_agents=2, gate_slots=2))
    run.tell(ev.DispatchPaused("ada"))
    assert run.verify(2).queue(1).at(1) is IssueState.QUEUED


def test_a_suspect_goes_alone_and_at_once() -> None:
    run = Driver(issue(1), issue(2), issue(3), rules=Rules(gate_slots=3)).verify(1, 2, 3)
    run.go(green("t-1"), green("t-2"), green("t-3"))
    run.compose()
    run.go(red("u-1,2,3"))
    run.go(*(ev.ProbeComposed("target-0", (n,), run.steps((n,))) for n in (2, 3)))
    run.go(green("u-2"), green("u-3"))
    run.go(ev.ProbeComposed("target-0", (2, 3), run.steps((2, 3))), green("u-2,3"))
    assert run.last(ev.SealIntended).suspect == 1
    run.seal()
    run.move()
    assert [run.at(n) for n in (1, 2, 3)] == [IssueState.LANDING, IssueState.LANDED, IssueState.LANDED]
    assert opening(run.state) == (1,)


def test_the_batch_wants_only_trees_that_no_gate_has_seen() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(gate_slots=2)).verify(1, 2)
    run.go(green("t-1"), green("t-2"))
    assert wanted_gates(run.state) == ([], [])
    opened = run.last(ev.LandingOpened)
    run.tell(ev.LandingComposed(opened.base, run.steps(opened.members)))
    whole = ev.GateIntended("u-1,2", "mu-1,2", "landing #1, #2")
    assert wanted_gates(run.state) == ([whole], [])
    run.settle()
    assert wanted_gates(run.state) == ([], [])
    run.tell(ev.ProbeComposed("target-0", (1,), run.steps((1,))))
    assert wanted_gates(run.state) == ([], [ev.GateIntended("u-1", "mu-1", "landing #1")])
    run.tell(green("u-1,2"))
    assert wanted_gates(run.state) == ([], [])


def test_what_the_batch_may_need_waits_for_what_an_agent_waits_for() -> None:
    run = Driver(*map(issue, (1, 2, 3)), rules=Rules(max_agents=3, gate_slots=3, batch=2)).queue(1, 2)
    run.verify(3)
    run.compose()
    run.probe()
    assert set(run.state.gating) == {"t-3", "u-1,2", "u-1"}
    last = [rec.event.why for rec in run.journal if isinstance(rec.event, ev.GateIntended)]
    assert last[-3:] == ["#3", "landing #1, #2", "landing #1"]
