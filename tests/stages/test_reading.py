"""What scopes read of a commit, by real git: the same as long as nothing changes that they can see."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository
from mawep.core.model import Rules, Scope
from mawep.stages.land.reading import read_digest, what_is_read
from tests.support.repos import commit, git, head, make_repository

LIB, WEB, DOCS = (
    Scope("lib", ("lib",)),
    Scope("web", ("web",), needs=("lib",)),
    Scope("docs", ("docs", "*.md")),
)
SCOPES = (LIB, WEB, DOCS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    files = {"lib/a": "1\n", "web/ä b": "1\n", "docs/c": "1\n", "web/d.md": "1\n", "Makefile": "1\n"}
    return make_repository(tmp_path / "r", files)


@pytest.fixture
async def repository(path: Path) -> Repository:
    return await find_repository(path)


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ("docs/c", False),
        ("docs/new", False),
        ("lib/a", True),
        ("web/ä b", True),
        ("web/d.md", True),
        ("Makefile", True),
    ],
)
async def test_it_changes_with_what_they_see_and_with_nothing_else(
    repository: Repository, path: Path, changed: str, differs: bool
) -> None:
    before = await read_digest(repository, head(path), SCOPES, ["web"])
    after = await read_digest(repository, commit(path, {changed: "2\n"}), SCOPES, ["web"])
    assert (before != after) is differs


async def test_a_file_that_becomes_a_program_or_is_moved_is_another_one(
    repository: Repository, path: Path
) -> None:
    seen = {await read_digest(repository, head(path), SCOPES, ["web"])}
    git(path, "update-index", "--chmod=+x", "lib/a")
    git(path, "commit", "--quiet", "-m", "a program")
    seen.add(await read_digest(repository, head(path), SCOPES, ["web"]))
    git(path, "mv", "lib/a", "lib/b")
    git(path, "commit", "--quiet", "-m", "moved")
    seen.add(await read_digest(repository, head(path), SCOPES, ["web"]))
    assert len(seen) == 3


async def test_a_tree_reads_like_its_commit(repository: Repository, path: Path) -> None:
    tree = git(path, "rev-parse", "HEAD^{tree}")
    assert await read_digest(repository, head(path), SCOPES, ["docs"]) == await read_digest(
        repository, tree, SCOPES, ["docs"]
    )


async def test_it_is_asked_for_only_where_a_verdict_holds_for_it(repository: Repository, path: Path) -> None:
    commit_ = head(path)
    assert await what_is_read(repository, commit_, Rules(scopes=SCOPES), ("docs",)) is None
    assert await what_is_read(repository, commit_, Rules(scopes=SCOPES, lanes=True), None) is None
    assert await what_is_read(repository, commit_, Rules(scopes=SCOPES, lanes=True), ("docs",))
