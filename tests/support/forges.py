"""The forges of the contract suite: each test runs against all of them, on the `world` that its file provides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mawep.clock import VirtualClock
from mawep.trackers.base import Forge, ForgeSettings
from mawep.trackers.registry import FORGES
from tests.support.forge import FakeForge
from tests.support.forge_world import World
from tests.support.forgejo_stub import ForgejoStub
from tests.support.github_stub import GitHubStub
from tests.support.gitlab_stub import GitLabStub

LACKS = {
    "gitlab": {
        "test_it_says_who_we_are_and_what_we_may": "its tokens do not tell what they may",
        "test_an_issue_is_read_whole": "no sub-issues, no counts, other associations",
        "test_a_pull_request_is_no_issue": "merge requests are numbered apart",
        "test_issues_are_chosen_by_everything_that_is_asked": "boards are lists of labels",
        "test_many_issues_are_asked_for_by_number": "merge requests are numbered apart",
        "test_edges_are_the_forges_own": "no sub-issues in this API",
        "test_comments_are_written_edited_and_read": "a note has no number without its issue's",
        "test_a_long_conversation_comes_whole": "a note has no number without its issue's",
        "test_an_issue_is_closed_once": "it does not say why",
        "test_what_a_branch_demands_is_read_and_holds": "it demands a pipeline, not checks by name",
        "test_reviews_and_remarks_are_read_and_answered": "reviews are states of reviewers",
        "test_the_queue_merges_when_it_likes": "merge trains are not used",
        "test_a_queue_that_does_not_take_it_says_why": "merge trains are not used",
    },
    "forgejo": {
        "test_it_says_who_we_are_and_what_we_may": "its tokens do not tell what they may",
        "test_an_issue_is_read_whole": "no sub-issues, no counts, no association",
        "test_issues_are_chosen_by_everything_that_is_asked": "boards are not in its API",
        "test_many_issues_are_asked_for_by_number": "no association but by permission",
        "test_edges_are_the_forges_own": "no sub-issues",
        "test_an_issue_is_closed_once": "it says neither why nor by whom",
        "test_what_a_branch_demands_is_read_and_holds": "it does not say what keeps a merge",
        "test_reviews_and_remarks_are_read_and_answered": "no association, no answers",
        "test_the_queue_merges_when_it_likes": "no merge queue",
        "test_a_queue_that_does_not_take_it_says_why": "no merge queue",
    },
}
"""What a forge cannot promise, by test; its own tests say what it does instead."""


@pytest.fixture(params=["fake", "github", "github one by one", "github enterprise", "gitlab", "forgejo"])
async def forge(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Forge]:
    """One forge over the world; its clock moves when it waits."""
    test = request.node.originalname
    if test in LACKS.get(request.param, {}):
        pytest.skip(LACKS[request.param][test])
    if request.param == "gitlab":
        async with experimental(request.param, GitLabStub(world, prefix="/api/v4")) as forge:
            yield forge
        return
    if request.param == "forgejo":
        async with experimental(request.param, ForgejoStub(world, prefix="/api/v1")) as forge:
            yield forge
        return
    if request.param == "fake":
        yield FakeForge(world)
        return
    world.graphql = request.param != "github one by one"
    stub = GitHubStub(world, prefix="/api/v3" if request.param == "github enterprise" else "")
    async with stub.running():
        settings = ForgeSettings(world.repository, stub.url, token=stub.token)
        forge = FORGES["github"](settings, VirtualClock(), None)
        try:
            yield forge
        finally:
            await forge.close()


@asynccontextmanager
async def experimental(kind: str, stub: GitHubStub) -> AsyncIterator[Forge]:
    """One of the thin adapters, in front of its stub."""
    async with stub.running():
        settings = ForgeSettings(stub.world.repository, stub.url, token=stub.token)
        forge = FORGES[kind](settings, VirtualClock(), None)
        try:
            yield forge
        finally:
            await forge.close()
