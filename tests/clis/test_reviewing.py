"""Real agents as reviewers: behind walls, with the gateway, they read a candidate, change nothing, and answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.clis.crew import PATIENCE, WALLED, Crew, work
from tests.clis.fleet import Member
from tests.models.scenario import Scenario
from tests.models.server import ModelServer
from tests.support import promises

pytestmark = [pytest.mark.clis, pytest.mark.timeout(300)]

ANSWER = {
    "verdict": "approve",
    "summary": "It is what the issue asks for.",
    "comments": [{"path": "piece-101.txt", "line": 1, "text": "one line"}],
}


def test_an_agent_reviews_what_another_has_made(member: Member, model: ModelServer, tmp_path: Path) -> None:
    crew = Crew(
        tmp_path, member, model, agents=WALLED, review={"runtime": member.runtime, "model": member.model}
    )
    said = f"I have looked at it.\n\n```json\n{json.dumps(ANSWER, indent=1)}\n```"
    spoil = "cat piece-101.txt; echo by a reviewer > piece-101.txt; git commit -qam spoilt"
    steps = [
        {"say": "Looking.", "do": [{"run": spoil}], "usage": [900, 30]},
        {"say": said, "usage": [950, 80]},
    ]
    model.plays(Scenario.of("review", "You are a reviewer, a software engineer.", steps))
    crew.piece(101, work(101))
    ended = crew.start(timeout=PATIENCE)
    assert ended.code == 0, ended.said
    (event,) = crew.events(ev.ReviewFinished)
    record = event.record
    assert record.verdict.value == "approve", record
    assert record.summary == ANSWER["summary"]
    assert record.usage.tokens is not None
    assert record.usage.tokens >= 900 + 30 + 950 + 80
    (issue,) = ended.document["issues"]
    assert issue["tokens"] > record.usage.tokens
    assert (crew.repo / "piece-101.txt").read_text() == "piece 101\n"
    promises.kept(crew)
