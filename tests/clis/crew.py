"""A person's repository with real agents at work in it, and the scripted model that all of them ask."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.clis.fleet import Member
from tests.clis.install import CLIS
from tests.models.scenario import Scenario
from tests.models.server import ModelServer
from tests.support.repos import commit
from tests.support.world import MAWEP, Live, World

KEY = "sk-scripted-0123456789abcdef"
"""The key that a person would hold: no agent behind the gateway may ever see it."""

PATIENCE = 120.0
"""Seconds that one run of a real agent may take on a machine that is busy with other things."""

OPEN: Mapping[str, Any] = {"sandbox": "off"}
WALLED: Mapping[str, Any] = {"sandbox": "required", "network": "model-only", "gateway": "on"}
"""The two ways in which agents are kept here."""


class Crew(World):
    """A world whose agents are real ones of one kind."""

    def __init__(
        self,
        root: Path,
        member: Member,
        model: ModelServer,
        *,
        agents: Mapping[str, Any] = OPEN,
        **config: Any,
    ) -> None:
        self.member = member
        self.model = model
        self._environment = {
            "PATH": f"{CLIS.installed() / 'bin'}:{os.environ['PATH']}",
            **member.environment(model.url, KEY),
        }
        passed_on = [] if agents.get("gateway") == "on" else [member.key, member.address]
        super().__init__(
            root,
            agents={
                "runtime": member.runtime,
                "command": None,
                "model": member.model,
                "env": passed_on,
                **agents,
            },
            **{"orchestrator": {"max_agents": 2, "worktree_base": "../worktrees"}, **config},
        )

    def piece(
        self,
        number: int,
        steps: Iterable[Mapping[str, Any]],
        *,
        after: Iterable[int] = (),
        files: Iterable[str] = (),
    ) -> None:
        """Write and commit an issue, and tell the model what to do about it."""
        self.issue(number, after=after, files=files)
        self.model.plays(Scenario.of(str(number), f"Do piece {number}.", steps))

    def begin(self, *arguments: str, program: Iterable[str] = MAWEP, **environ: str) -> Live:
        """See World.begin; the agents are on PATH and the model's address and key are exported."""
        return super().begin(*arguments, program=program, **{**self._environment, **environ})

    def seen(self, number: int) -> dict[str, Any]:
        """What `mawep status --json` says of an issue now."""
        status = self.run("status", "--json")
        if status.code:
            return {}
        return next((dict(one) for one in status.document["issues"] if one["number"] == number), {})

    def write(self, files: Mapping[str, str]) -> None:
        """Commit files of the repository."""
        commit(self.repo, files, "write files")


def work(number: int, *, pause: str | None = None) -> list[dict[str, Any]]:
    """The steps of a piece of work: a plan, a file, a look at it, a commit, the plan closed.

    With `pause` the model takes its time, before the plan is closed, until that sign is given.
    """
    path, todo = f"piece-{number}.txt", ("Write it", "Look at it", "Commit it")
    last: dict[str, Any] = {"do": [{"plan": dict.fromkeys(todo, "completed")}], "usage": [1400, 20]}
    return [
        {"say": "A plan.", "do": [{"plan": dict.fromkeys(todo, "pending")}], "usage": [1000, 60]},
        {
            "say": "Writing.",
            "do": [
                {"plan": {todo[0]: "in_progress", todo[1]: "pending", todo[2]: "pending"}},
                {"write": {"path": path, "text": f"piece {number}\n"}},
            ],
            "usage": [1100, 80],
        },
        {"say": "Looking.", "do": [{"run": f"cat {path}"}], "usage": [1200, 30]},
        {
            "say": "Committing.",
            "do": [
                {"commit": f"Add piece {number}"},
                {"plan": {todo[0]: "completed", todo[1]: "completed", todo[2]: "in_progress"}},
            ],
            "usage": [1300, 40],
        },
        {**last, **({"hold": pause} if pause else {})},
        {"say": f"Piece {number} is done.", "usage": [1500, 10], **({"hold": pause} if pause else {})},
    ]


def describe(value: object) -> str:
    """A value in a message of a failed test."""
    return json.dumps(value, indent=1, default=str)
