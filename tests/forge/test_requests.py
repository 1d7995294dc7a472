"""What MAWEP asks of GitHub is what GitHub describes: Prism stands between them and judges every request."""

from __future__ import annotations

import pytest

from tests.forge.world import BOT, ForgeWorld

pytestmark = pytest.mark.forge


def test_a_request_that_github_does_not_describe_is_found(
    forge_world: ForgeWorld, checked_world: ForgeWorld
) -> None:
    world = checked_world
    number = world.issue("one")
    assert world.api("GET", f"issues/{number}", by=BOT)["number"] == number
    world.api("POST", f"issues/{number}/comments", {"body": "fine"}, by=BOT)
    world.api("POST", "/graphql", {"query": "{ viewer { login } }"}, by=BOT)
    first = world.raw("GET", "issues", by=BOT)
    assert "etag" in first.headers
    assert world.ledger.violations == []
    world.raw("PATCH", f"issues/{number}", {"state": "ajar"}, by=BOT)
    world.raw("POST", f"issues/{number}/comments", {}, by=BOT)
    world.raw("GET", "nowhere/at/all", by=BOT)
    found = world.ledger.violations[:]
    world.ledger.violations.clear()
    assert len(found) >= 3, found
