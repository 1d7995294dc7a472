"""What a forge shows of a run: the sprint of the demonstration, as people read it on its issues."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mawep.cli.reading import OWES
from tests.forge.accounts import HUNG, LOST, REFUSED
from tests.forge.sprint import NUMBERS, Sprint
from tests.forge.world import BOT, ForgeWorld

pytestmark = [pytest.mark.forge, pytest.mark.timeout(300)]

LABELS = {"working": "mawep: working", "landed": "mawep: landed"}
PLAN = 6
"""The issue on which the end of the run is told."""


def sprint_on(world: ForgeWorld, place: Path) -> Sprint:
    sprint = Sprint(
        place / "sprint",
        world,
        landing={"push": True},
        more={"github": {"labels": LABELS, "summary_issue": PLAN}},
    )
    assert world.issue("The sprint", "What comes of it.") == PLAN
    return sprint


def told(world: ForgeWorld) -> None:
    """Fail unless everything stands there, once."""
    for number in NUMBERS:
        [comment] = world.comments(number, by=BOT)
        assert comment["body"].startswith("<!-- mawep:status:")
        assert "### Landed on main" in comment["body"] and "which the remote has" in comment["body"]
        assert world.show(number)["state"] == "closed"
        assert [label for label in world.labels(number) if label.startswith("mawep:")] == ["mawep: landed"]
    [summary] = world.comments(PLAN, by=BOT)
    assert "### Run landed: 5 of 5 issues landed on main" in summary["body"]


def test_every_issue_has_one_comment_and_is_closed(checked_world: ForgeWorld, tmp_path: Path) -> None:
    ended = sprint_on(checked_world, tmp_path).start("--issues", "1,2,3,4,5")
    assert ended.code == 0, ended.said
    told(checked_world)
    assert [entry.path for entry in checked_world.requests() if entry.status >= 400] == []


def test_answers_that_are_lost_post_nothing_twice(checked_world: ForgeWorld, tmp_path: Path) -> None:
    sprint = sprint_on(checked_world, tmp_path)
    lost = [
        checked_world.fault(LOST, "POST", r"/issues/\d+/comments$"),
        checked_world.fault(LOST, "POST", r"/issues/\d+/labels$"),
        checked_world.fault(LOST, "PATCH", r"/issues/\d+$"),
    ]
    ended = sprint.start("--issues", "1,2,3,4,5")
    assert ended.code == 0, ended.said
    assert [fault.happened for fault in lost] == [1, 1, 1]
    told(checked_world)


def test_killed_between_a_request_and_its_answer_it_posts_nothing_twice(
    checked_world: ForgeWorld, tmp_path: Path
) -> None:
    sprint = sprint_on(checked_world, tmp_path)
    checked_world.fault(HUNG, "POST", r"/issues/\d+/comments$")
    live = sprint.begin_start("--issues", "1,2,3,4,5")
    live.until("the comment was made and nobody was told", checked_world.hung)
    live.kill()
    ended = sprint.resume()
    assert ended.code == 0, ended.said
    told(checked_world)


def test_killed_when_the_run_has_ended_the_rest_is_told_on_resume(
    forge_world: ForgeWorld, tmp_path: Path
) -> None:
    sprint = sprint_on(forge_world, tmp_path)
    forge_world.fault(HUNG, "POST", rf"/issues/{PLAN}/comments$")
    live = sprint.begin_start("--issues", "1")
    live.until("the end was told and nobody heard that it was", forge_world.hung)
    live.kill()
    assert OWES in sprint.run("status").out
    ended = sprint.resume()
    assert ended.code == 0, ended.said
    assert ended.states == {1: "landed"}
    assert OWES not in sprint.run("status").out
    [summary] = forge_world.comments(PLAN, by=BOT)
    assert "1 of 1 issues landed" in summary["body"]
    assert "There is nothing to resume" in sprint.resume().said
    assert sprint.run("cleanup").code == 0  # it ends the server that the killed run has left


def test_what_the_forge_does_not_take_at_the_end_is_said_shown_and_told_later(
    forge_world: ForgeWorld, tmp_path: Path
) -> None:
    sprint = sprint_on(forge_world, tmp_path)
    down = forge_world.fault(REFUSED, "POST", rf"/issues/{PLAN}/comments$", times=1000)
    ended = sprint.start("--issues", "1")
    assert ended.code == 0, ended.said
    assert "the forge does not know everything yet" in ended.said
    assert OWES in sprint.run("status").out
    down.times = 0
    assert sprint.resume().code == 0
    assert OWES not in sprint.run("status").out
    [summary] = forge_world.comments(PLAN, by=BOT)
    assert "1 of 1 issues landed" in summary["body"]


def test_an_agent_comments_on_its_issue_and_reads_another(checked_world: ForgeWorld, tmp_path: Path) -> None:
    sprint = sprint_on(checked_world, tmp_path)
    checked_world.comment(2, "Mind the refunds, @ann.")
    script = sprint.repo / "scripts" / "1.yaml"
    document = YAML().load(script)
    document["steps"][:0] = [
        {"tool": {"name": "read_issue", "arguments": {"number": 2}}},
        {"tool": {"name": "comment_on_issue", "arguments": {"text": "I begin, @ann. Closes #3"}}},
    ]
    YAML().dump(document, script)
    sprint.git("commit", "--quiet", "--all", "--message", "talk on the forge")
    checked_world.push(sprint.repo, "main:refs/heads/main")
    ended = sprint.start("--issues", "1")
    assert ended.code == 0, ended.said
    status, remark = sorted(
        checked_world.comments(1, by=BOT), key=lambda one: "agent-0, the agent" in one["body"]
    )
    assert "### Landed on main" in status["body"]
    assert "I begin, @\u200bann. Closes \\#\u200b3" in remark["body"]
    [transcript] = sprint.directory.path.glob("attempts/1-a1/transcript.jsonl")
    assert "Mind the refunds" in transcript.read_text()
    assert checked_world.show(3)["state"] == "open"
