"""What happens to an agent in the middle of a turn: cancelled by a person, or left alone by a MAWEP that was killed."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.clis.crew import PATIENCE, Crew, work
from tests.clis.fleet import Member
from tests.clis.results import found
from tests.models.server import ModelServer
from tests.support import promises
from tests.support.world import wait_until

pytestmark = [pytest.mark.clis, pytest.mark.timeout(300)]

GONE_SECONDS = 5.0
"""Within this time of a cancel no process of the agent may live."""

HALF = {"say": "Half of it.", "do": [{"write": {"path": "half.txt", "text": "precious\n"}}]}


def test_a_person_cancels_in_the_middle_of_a_turn(member: Member, model: ModelServer, tmp_path: Path) -> None:
    crew = Crew(tmp_path, member, model)
    crew.piece(101, [HALF, {"do": [{"run": "true"}], "hold": "never"}])
    crew.piece(102, work(102))
    live = crew.begin_start()
    live.until("the model thinks about #101", lambda: model.waits("101"), PATIENCE)
    cancelled = crew.run("cancel", "101")
    assert cancelled.code == 0, cancelled.said
    ended = live.wait(PATIENCE)
    assert ended.code == 1, ended.said
    assert ended.states == {101: "cancelled", 102: "landed"}
    promises.kept(crew, [102])
    assert crew.git("show", f"{crew.state().issues[101].salvage}:half.txt") == "precious"
    seconds = (ended_at(crew, 101) - asked_to_stop_at(crew, 101)).total_seconds()
    assert seconds < GONE_SECONDS
    found(member.runtime, "cancel", cancel_seconds=seconds)


def asked_to_stop_at(crew: Crew, number: int) -> datetime:
    """When the journal has that an agent is to stop."""
    return next(
        recorded.at
        for recorded in crew.journal()
        if isinstance(recorded.event, ev.StopIntended) and recorded.event.issue == number
    )


def ended_at(crew: Crew, number: int) -> datetime:
    """When the journal has that it stopped, its processes gone and its work kept."""
    return next(
        recorded.at
        for recorded in crew.journal()
        if isinstance(recorded.event, ev.AttemptInterrupted) and recorded.event.issue == number
    )


def test_a_killed_mawep_is_resumed_and_the_agent_goes_on_where_it_was(
    member: Member, model: ModelServer, tmp_path: Path
) -> None:
    crew = Crew(tmp_path, member, model)
    rest = {"say": "The rest.", "do": [{"write": {"path": "rest.txt", "text": "rest\n"}}], "hold": "on"}
    crew.piece(101, [HALF, rest, {"do": [{"commit": "Add both"}]}, {"say": "Both are there."}])
    live = crew.begin_start()
    live.until("the model thinks about the rest", lambda: model.waits("101"), PATIENCE)
    if member.runtime.startswith("claude-code"):  # it asks first and writes a moment later
        wait_until("it has written down what it did", lambda: written_down(tmp_path), PATIENCE)
    live.kill()
    wait_until("the agent has died with MAWEP", lambda: not agents(crew), PATIENCE)
    asked = len(model.ledger.requests)
    resumed = crew.begin("resume", "--json")
    resumed.until("the model thinks about #101 again", lambda: model.waits("101"), PATIENCE)
    model.release("on")
    ended = resumed.wait(PATIENCE)
    assert ended.code == 0, ended.said
    promises.kept(crew)
    assert (crew.repo / "half.txt").read_text() == "precious\n"
    assert (crew.repo / "rest.txt").read_text() == "rest\n"
    steps = [r.step for r in model.ledger.requests[asked:] if r.scenario == "101"]
    attempts = [event.attempt for event in crew.events(ev.AttemptAssigned)]
    if member.loads:  # the conversation still holds what was done before, so the model goes on with the rest
        assert steps[0] == 1
        assert attempts == [1]
    found(member.runtime, "kill", resumed=steps[0] == 1, attempts=len(attempts))


def written_down(root: Path) -> bool:
    """True when Claude Code's own record of a conversation holds what a tool answered."""
    return any(b'"tool_result"' in record.read_bytes() for record in root.rglob("projects/*/*.jsonl"))


def agents(crew: Crew) -> list[int]:
    """The live processes that work in a worktree of the run."""
    return [pid for pid in crew.processes() if in_a_worktree(crew, pid)]


def in_a_worktree(crew: Crew, pid: int) -> bool:
    """True for a process whose working directory is a worktree of the run."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(crew.root / "worktrees")
    except OSError:
        return False
