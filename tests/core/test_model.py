"""The vocabulary: states and their groups, usage that is never guessed."""

from __future__ import annotations

import pytest

from mawep.core.model import CommandResult, GateRecord, GateResult, IssueState, Usage


def test_states_fall_into_terminal_and_slot_holding() -> None:
    terminal = {state.value for state in IssueState if state.terminal}
    holding = {state.value for state in IssueState if state.holds_slot}
    assert terminal == {"landed", "failed", "blocked", "parked", "cancelled", "reverted"}
    assert holding == {"assigned", "working", "needs_input", "verifying"}


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (Usage(), None),
        (Usage(input_tokens=3), 3),
        (Usage(output_tokens=4), 4),
        (Usage(input_tokens=3, output_tokens=4, cost_usd=1.0), 7),
    ],
)
def test_tokens_are_known_or_unknown(usage: Usage, tokens: int | None) -> None:
    assert usage.tokens == tokens


@pytest.mark.parametrize("late", [True, False])
def test_a_gate_ran_out_of_time_when_a_command_of_it_did(late: bool) -> None:
    commands = tuple(CommandResult("make", 0, None, 1.0, "", timed_out=out) for out in (False, late))
    assert GateRecord("", "tree", GateResult.RED, commands, 2.0, "").timed_out is late
