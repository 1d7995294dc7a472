"""The forges of the contract suite: each test runs against all of them, on the `world` that its file provides."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mawep.trackers.base import Forge
from tests.support.forge import FakeForge
from tests.support.forge_world import World


@pytest.fixture(params=["fake"])
async def forge(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Forge]:
    """One forge over the world."""
    yield FakeForge(world)
