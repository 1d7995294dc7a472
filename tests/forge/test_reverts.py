"""What a forge shows of a landing that was taken back: an issue that is open again, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.forge.accounts import HUNG
from tests.forge.sprint import Sprint
from tests.forge.world import BOT, ForgeWorld

pytestmark = [pytest.mark.forge, pytest.mark.timeout(300)]


def landed(world: ForgeWorld, place: Path) -> Sprint:
    """#1 has landed on the remote and is closed."""
    sprint = Sprint(place / "sprint", world, landing={"push": True})
    ended = sprint.start("--issues", "1")
    assert ended.code == 0, ended.said
    assert world.show(1)["state"] == "closed"
    return sprint


def told(world: ForgeWorld) -> str:
    """The one comment on #1."""
    [comment] = world.comments(1, by=BOT)
    return str(comment["body"])


def test_it_is_open_again_and_closed_when_it_has_landed_anew(
    checked_world: ForgeWorld, tmp_path: Path
) -> None:
    sprint = landed(checked_world, tmp_path)
    ended = sprint.run("revert", "1", "--json")
    assert (ended.code, ended.states) == (0, {1: "reverted"}), ended.said
    commit = sprint.git("rev-parse", "main").strip()
    assert checked_world.head() == commit
    assert checked_world.show(1)["state"] == "open"
    assert f"taken back by `{commit}`" in told(checked_world)
    assert "So this issue is open again." in told(checked_world)
    ended = sprint.start("--issues", "1")
    assert ended.code == 0, ended.said
    assert checked_world.show(1)["state"] == "closed"
    assert "taken back" not in told(checked_world)
    assert [entry.path for entry in checked_world.requests() if entry.status >= 400] == []


def test_what_a_person_closed_since_stays_closed(forge_world: ForgeWorld, tmp_path: Path) -> None:
    sprint = landed(forge_world, tmp_path)
    forge_world.edit(1, state="open")
    forge_world.edit(1, state="closed", state_reason="not_planned")
    ended = sprint.run("revert", "1", "--json")
    assert (ended.code, ended.states) == (0, {1: "reverted"}), ended.said
    assert forge_world.show(1)["state"] == "closed"
    assert "and stays closed" in told(forge_world)


def test_killed_between_the_request_and_its_answer_it_is_opened_once(
    checked_world: ForgeWorld, tmp_path: Path
) -> None:
    sprint = landed(checked_world, tmp_path)
    checked_world.fault(HUNG, "PATCH", r"/issues/1$")
    live = sprint.begin("revert", "1", "--json")
    live.until("it is open again and nobody was told", checked_world.hung)
    live.kill()
    before = len(checked_world.requests("PATCH", r"/issues/1$"))
    ended = sprint.resume()
    assert ended.code == 0, ended.said
    assert checked_world.show(1)["state"] == "open"
    assert "So this issue is open again." in told(checked_world)
    assert len(checked_world.requests("PATCH", r"/issues/1$")) == before
    assert sprint.run("cleanup").code == 0  # it ends the server that the killed run has left
