"""What it costs to watch GitHub: two requests a look, whatever the number of issues, and nothing of its limit."""

from __future__ import annotations

from mawep.clock import VirtualClock
from mawep.core.model import Rules
from mawep.orchestrator.watcher import Watched, Watcher
from mawep.trackers.base import ForgeSettings
from mawep.trackers.github.client import GitHubForge
from mawep.trackers.issue_text import read
from tests.core.driver import Driver
from tests.orchestrator.test_watcher import Hall
from tests.support.forge_world import World
from tests.support.github_stub import GitHubStub

LOOKS = 60
"""An hour's worth at the default of `github.poll_seconds`."""


async def test_an_hour_of_watching_fifty_idle_issues_is_120_requests_and_none_of_githubs_limit() -> None:
    world = World()
    clock = world.clock
    assert isinstance(clock, VirtualClock)
    numbers = [world.seed(f"issue {n}") for n in range(50)]
    stub = GitHubStub(world)
    clock.advance(3600)
    issues = [read(world.thing(number), world.repository).issue for number in numbers]
    run = Driver(*issues, rules=Rules(max_agents=1, lease_seconds=1e6))
    async with stub.running():
        forge = GitHubForge(ForgeSettings(world.repository, stub.url, token=stub.token), clock)
        try:
            watcher = Watcher(Watched(forge, every=60.0), Hall(run), clock)  # type: ignore[arg-type]
            await watcher.look()
            stub.requests.clear()
            for _ in range(LOOKS):
                clock.advance(60)
                await watcher.look()
        finally:
            await forge.close()
    assert len(stub.requests) == 2 * LOOKS
    assert {seen.status for seen in stub.requests[2:]} == {304}
