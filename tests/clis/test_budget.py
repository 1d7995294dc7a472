"""A budget kept by the gateway holds to within one call of the model, and what the agent did is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clis.crew import PATIENCE, Crew, work
from tests.clis.fleet import Member
from tests.clis.results import found
from tests.models.server import ModelServer
from tests.support import promises

pytestmark = [pytest.mark.clis, pytest.mark.timeout(300)]

BUDGET = 400_000
CALL = 60_000
"""Tokens: what an issue may take, and what one call of the model takes."""


def test_a_budget_holds_to_within_one_call(member: Member, model: ModelServer, tmp_path: Path) -> None:
    agents = {"sandbox": "off", "gateway": "on", "budget": {"issue_tokens": BUDGET}}
    crew = Crew(tmp_path, member, model, agents=agents)
    half = {"do": [{"write": {"path": "half.txt", "text": "precious\n"}}], "usage": [CALL - 50, 50]}
    again = {"do": [{"run": "true"}], "usage": [CALL - 50, 50]}
    crew.piece(101, [half, *[again] * 20])
    crew.piece(102, work(102))
    live = crew.begin_start()
    ended = live.wait(PATIENCE)
    assert ended.code == 1, ended.said
    assert ended.states == {101: "failed: budget_exceeded", 102: "landed"}
    promises.kept(crew, [102])
    assert crew.git("show", f"{crew.state().issues[101].salvage}:half.txt") == "precious"
    spent = sum(sum(request.usage) for request in model.ledger.requests if request.scenario == "101")
    assert BUDGET - CALL < spent < BUDGET + CALL
    found(member.runtime, "budget", budget_kept=True, budget_spent=spent / BUDGET)
