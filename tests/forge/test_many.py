"""A large repository is planned with few requests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.forge.sprint import configure
from tests.forge.world import ForgeWorld
from tests.support.repos import make_repository
from tests.support.world import World

pytestmark = pytest.mark.forge

ISSUES = 2000
MOST_REQUESTS = 30


class Large(World):
    """A person's clone of a repository with many issues."""

    def __init__(self, root: Path, forge: ForgeWorld) -> None:
        self.root, self.repo, self._processes = root, root / "repo", 0
        make_repository(
            self.repo, {"mawep.yaml": json.dumps({"mawep": configure(forge)}), "README.md": "hello\n"}
        )


def test_two_thousand_issues_are_planned_with_thirty_requests(
    forge_world: ForgeWorld, tmp_path: Path
) -> None:
    world = forge_world
    world.many_issues([[max(1, n // 2)] if n > 1 else [] for n in range(1, ISSUES + 1)], labels=["sprint"])
    world.ledger.forget()
    large = Large(tmp_path / "large", world)
    ended = large.begin("plan", "--label", "sprint", "--json", GITHUB_TOKEN=world.token).wait()
    assert ended.code == 0, ended.said
    assert len(world.requests()) <= MOST_REQUESTS
    assert sorted(ended.document["order"]) == list(range(1, ISSUES + 1))
    assert {edge["source"] for edge in ended.document["edges"]} == {"native"}
    assert len(ended.document["edges"]) == ISSUES - 1
