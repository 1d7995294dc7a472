"""What the tests of real agents share: each agent in its turn, and the model that it asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clis.fleet import FLEET, Member
from tests.clis.install import CLIS
from tests.models.server import ModelServer
from tests.support.installation import NotInstalled


@pytest.fixture(scope="session")
def agents_are_installed() -> None:
    """Fail at once, and say what to do, where they are not."""
    try:
        CLIS.installed()
    except NotInstalled as error:
        pytest.fail(f"the agents of the end-to-end tests are {error}", pytrace=False)


@pytest.fixture(params=FLEET, ids=lambda member: member.runtime)
def member(request: pytest.FixtureRequest, agents_are_installed: None) -> Member:
    """Each agent of the fleet in its turn."""
    chosen: Member = request.param
    return chosen


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ModelServer]:
    """The model that the agents of a test ask."""
    with ModelServer(tmp_path / "signs", log=tmp_path / "requests.jsonl") as server:
        yield server
