"""Who is asked to move when two live branches do not merge, and how that is told."""

from __future__ import annotations

import msgspec
import pytest

from mawep.core.clashes import Clash, clash_of, told
from mawep.core.events import MergeConflict
from mawep.core.model import IssueState, Priority, Rules
from tests.core.driver import Driver, issue

FILES = ("a.py", "b.py")
ALIKE = {1: 10, 2: 19}


def test_who_began_later_is_asked() -> None:
    run = Driver(issue(1), issue(2)).start(1, 2)
    assert clash_of(run.state, (1, 2), FILES, ALIKE) == Clash((1, 2), FILES, 2)


@pytest.mark.parametrize(
    ("lines", "asked"), [({1: 10, 2: 20}, 1), ({1: 20, 2: 10}, 2), ({1: 0, 2: 0}, 2), ({1: 0, 2: 1}, 2)]
)
def test_whose_change_is_markedly_smaller_is_asked(lines: dict[int, int], asked: int) -> None:
    run = Driver(issue(1), issue(2)).start(1, 2)
    assert clash_of(run.state, (1, 2), FILES, lines).asked == asked


def test_the_lower_priority_is_asked_whoever_began_later_and_has_changed_more() -> None:
    low = msgspec.structs.replace(issue(1), priority=Priority.LOW)
    run = Driver(low, issue(2)).start(1, 2)
    assert clash_of(run.state, (1, 2), FILES, {1: 100, 2: 1}).asked == 1


def test_only_who_is_at_work_is_asked() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(gate_slots=2)).start(1).queue(2)
    assert clash_of(run.state, (1, 2), FILES, ALIKE).asked == 1
    assert clash_of(run.state, (2,), FILES, ALIKE).asked is None


def test_whose_agent_merges_the_target_is_not_asked_to_move_for_it() -> None:
    run = Driver(issue(1), issue(2), rules=Rules(merge_rounds=1)).queue(1).start(2)
    run.compose(MergeConflict(1, FILES, ""))
    assert run.at(1) is IssueState.ASSIGNED
    assert clash_of(run.state, (1,), FILES, ALIKE).asked is None
    assert clash_of(run.state, (1, 2), FILES, ALIKE).asked == 2


def test_it_is_told_of_each_side_and_of_the_target() -> None:
    state = Driver(issue(1), issue(2)).state
    clash = Clash((1, 2), FILES, 2)
    assert clash.key == "conflict-1-2"
    assert told(state, clash, 1) == "the branch of #1 conflicts with #2 in a.py, b.py; #2 is asked to move"
    assert told(state, clash, 2) == "the branch of #2 conflicts with #1 in a.py, b.py; #2 is asked to move"
    assert told(state, Clash((1,), FILES), 1) == "the branch of #1 conflicts with main in a.py, b.py"
