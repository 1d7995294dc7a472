"""Every test here drives a real agent: without the installation it fails, and says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clis.fleet import FLEET, Member
from tests.clis.install import NotInstalled, installed
from tests.models.server import ModelServer


@pytest.fixture(scope="session", autouse=True)
def _agents_are_installed() -> None:
    try:
        installed()
    except NotInstalled as error:
        pytest.fail(f"the agents of the end-to-end tests are {error}", pytrace=False)


@pytest.fixture(params=FLEET, ids=lambda member: member.runtime)
def member(request: pytest.FixtureRequest) -> Member:
    """Each agent of the fleet in its turn."""
    chosen: Member = request.param
    return chosen


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ModelServer]:
    """The model that the agents of a test ask."""
    with ModelServer(tmp_path / "signs", log=tmp_path / "requests.jsonl") as server:
        yield server
