"""The fixtures of a forge; a `conftest.py` that imports them offers them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forge.emulate import Emulate
from tests.forge.install import FORGE
from tests.forge.prism import Prism
from tests.forge.world import ForgeWorld
from tests.support.installation import NotInstalled


@pytest.fixture(scope="session")
def forge_servers() -> Path:
    """Where the pinned servers are; fails at once, and says what to do, where they are not."""
    try:
        return FORGE.installed()
    except NotInstalled as error:
        pytest.fail(f"the servers that stand for GitHub are {error}", pytrace=False)


@pytest.fixture
def emulate(forge_servers: Path) -> Iterator[Emulate]:
    """The stateful server, one for each test: it has limits of its own, which several tests would use up."""
    directory = Path(tempfile.mkdtemp(dir="/tmp", prefix="mw-"))
    try:
        with Emulate(forge_servers, directory) as server:
            yield server
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def forge_world(emulate: Emulate, tmp_path: Path) -> Iterator[ForgeWorld]:
    """A forge with one empty repository, for one test."""
    with ForgeWorld(emulate.url, tmp_path / "forge") as world:
        yield world
        problems = list(world.problems)
    assert problems == [], "the forge of the test itself failed"


@pytest.fixture
def checked_world(forge_world: ForgeWorld, forge_servers: Path, tmp_path: Path) -> Iterator[ForgeWorld]:
    """The same, and every request of MAWEP's has to be one that GitHub describes."""
    with Prism(forge_servers, forge_world, tmp_path / "prism"):
        yield forge_world
    assert forge_world.ledger.violations == [], forge_world.ledger.violations
