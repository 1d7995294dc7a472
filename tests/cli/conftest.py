"""Sites for tests of the command line; the one that has landed is shared, as nobody changes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.site import Said, Site, make_site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A repository with three issues, 102 and 103 behind 101, and an agent that succeeds."""
    return make_site(tmp_path)


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Said]:
    """A site on which all three issues have landed, and what `start --json` said."""
    site = make_site(
        tmp_path_factory.mktemp("landed"),
        front_matter={101: "estimate_hours: 2\nfiles: [a.txt]\n", 102: "estimate_hours: 1\nfiles: [a.txt]\n"},
    )
    return site, site.mawep("start", "--issues", "all", "--json", code=0)
