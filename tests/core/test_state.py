"""The state says of itself whether it runs, dispatches and is quiet."""

from __future__ import annotations

import pytest

from mawep.core import events as ev
from mawep.core.state import State
from tests.core.driver import Driver, issue


def test_nothing_runs_before_the_start() -> None:
    assert not State().running
    assert not State().dispatching
    assert State().quiet


@pytest.mark.parametrize(
    ("event", "running", "dispatching"),
    [
        (ev.DispatchPaused("ada"), True, False),
        (ev.Interrupted(1), True, False),
        (ev.RunStopped("gone"), False, False),
        (ev.RunEnded("failed"), False, False),
        (ev.DispatchUnpaused("ada"), True, True),
    ],
)
def test_running_and_dispatching(event: ev.AnyEvent, running: bool, dispatching: bool) -> None:
    run = Driver(issue(1))
    run.tell(event)
    assert (run.state.running, run.state.dispatching) == (running, dispatching)


def test_a_run_with_an_attempt_is_not_quiet() -> None:
    assert Driver(issue(1), settle=False).state.quiet
    assert not Driver(issue(1)).state.quiet
