"""`kill -9` around everything that is done to pull requests: resume goes on, and nothing is there twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos.test_boundaries import START, die_at
from tests.support.forge_world import World as Hosted
from tests.support.github_stub import TOKEN, GitHubStub
from tests.support.remotes import make_remote
from tests.support.repos import git
from tests.support.world import World

pytestmark = pytest.mark.chaos

POINTS = (
    "effect PullRequestIntended before 1",
    "effect PullRequestIntended after 1",
    "journal PullRequestOpened after 1",
    "call mawep.adapters.git_remote:Remote.push after 2",
    "call mawep.trackers.github.client:GitHubForge.open_pull before 1",
    "call mawep.trackers.github.client:GitHubForge.open_pull after 1",
    "effect MergeIntended before 1",
    "effect MergeIntended after 1",
    "call mawep.trackers.github.client:GitHubForge.merge after 1",
    "journal PullRequestMerged after 1",
)


@pytest.mark.parametrize("point", POINTS)
async def test_a_pull_request_that_dies_anywhere_is_gone_on_with(point: str, tmp_path: Path) -> None:
    hosted = Hosted()
    async with GitHubStub(hosted).running() as stub:
        world = World(
            tmp_path,
            landing={"mode": "pull_request"},
            github={"repository": hosted.repository, "token": TOKEN, "api_url": stub.url, "poll_seconds": 10},
        )
        world.issues({101: [], 102: [101]})
        hosted.git = make_remote(world.repo, tmp_path / "srv" / "shop.git")
        await asyncio.to_thread(die_at, world, point, *START)
        resumed = await asyncio.to_thread(world.resume)
        assert resumed.code == 0, resumed.said
    assert len(hosted.pulls) == 2
    assert all(pull.shown.merged for pull in hosted.pulls.values())
    assert world.lines("overlaps") == []
    log = git(hosted.git, "log", "--first-parent", "--format=%(trailers:key=Mawep-Issue,valueonly)", "main")
    assert log.split() == ["102", "101"]
