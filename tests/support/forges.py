"""The forges of the contract suite: each test runs against all of them, on the `world` that its file provides."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mawep.clock import VirtualClock
from mawep.trackers.base import Forge, ForgeSettings
from mawep.trackers.registry import FORGES
from tests.support.forge import FakeForge
from tests.support.forge_world import World
from tests.support.github_stub import GitHubStub


@pytest.fixture(params=["fake", "github", "github one by one", "github enterprise"])
async def forge(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Forge]:
    """One forge over the world; its clock moves when it waits."""
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
