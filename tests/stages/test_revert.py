"""A landing taken back: what it brought goes, later work stays, and git alone says that it has not landed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mawep.adapters.git import Repository, Sha, find_repository
from mawep.adapters.git_refs import hold, read_ref
from mawep.core import events as ev
from mawep.core.model import Scope
from mawep.stages.land.landed import LANDED, landed_issues
from mawep.stages.land.revert import make_revert
from tests.support.repos import git, make_repository, write

REF = "refs/mawep/r1/candidate/7-a2"
WHEN = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", {"a.txt": "1\n2\n3\n4\n5\n6\n7\n8\n9\n"})


@pytest.fixture
async def repository(checkout: Path) -> AsyncIterator[Repository]:
    yield await find_repository(checkout)


def head(checkout: Path) -> Sha:
    return git(checkout, "rev-parse", "HEAD").strip()


def land(checkout: Path, files: dict[str, str], trailers: str) -> Sha:
    """A landing commit on main with these trailers."""
    git(checkout, "checkout", "--quiet", "-b", "work")
    for path, text in files.items():
        write(checkout / path, text)
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "-m", "work")
    git(checkout, "checkout", "--quiet", "main")
    git(checkout, "merge", "--quiet", "--no-ff", "-m", f"Merge it\n\n{trailers}\nMawep-Gate: g", "work")
    git(checkout, "branch", "--quiet", "-D", "work")
    return head(checkout)


async def revert(repository: Repository, base: Sha, *landings: Sha, **more: object) -> ev.AnyEvent:
    intent = ev.RevertIntended(7, 2, base, tuple(ev.Landed(7 + i, sha) for i, sha in enumerate(landings)))
    given = (("Mawep-Issue", "7"),)
    scopes = more.get("scopes", ())
    assert isinstance(scopes, tuple)
    return await make_revert(repository, intent, WHEN, held_by=REF, trailers=given, scopes=scopes, labels=())


async def test_what_it_brought_goes_and_later_work_stays(repository: Repository, checkout: Path) -> None:
    landing = land(checkout, {"a.txt": "ONE\n2\n3\n4\n5\n6\n7\n8\n9\n", "new.txt": "n\n"}, "Mawep-Issue: 7")
    write(checkout / "a.txt", "ONE\n2\n3\n4\n5\n6\n7\n8\nNINE\n")
    git(checkout, "commit", "--quiet", "-am", "later")
    made = await revert(repository, head(checkout), landing)
    assert isinstance(made, ev.CandidateImported)
    assert (made.issue, made.attempt, made.files, made.scopes) == (7, 2, ("a.txt", "new.txt"), None)
    assert git(checkout, "show", f"{made.commit}:a.txt") == "1\n2\n3\n4\n5\n6\n7\n8\nNINE"
    assert git(checkout, "rev-parse", f"{made.commit}^").strip() == head(checkout)
    assert landing in git(checkout, "log", "-1", "--format=%B", made.commit)
    assert await read_ref(repository, REF) == made.commit
    assert await revert(repository, head(checkout), landing) == made, "made again it is the same"
    parts = (Scope("a", ("a.txt",)), Scope("b", ("b/**",)), Scope("new", ("new.txt",)))
    scoped = await revert(repository, head(checkout), landing, scopes=parts)
    assert isinstance(scoped, ev.CandidateImported)
    assert scoped.scopes == ("a", "new")


async def test_several_go_one_after_another(repository: Repository, checkout: Path) -> None:
    first = land(checkout, {"a.txt": "one\n"}, "Mawep-Issue: 8")
    second = land(checkout, {"a.txt": "one\ntwo\n"}, "Mawep-Issue: 7")
    made = await revert(repository, head(checkout), second, first)
    assert isinstance(made, ev.CandidateImported)
    assert git(checkout, "show", f"{made.commit}:a.txt") == git(checkout, "show", f"{first}^:a.txt")


async def test_what_later_work_builds_on_is_a_conflict(repository: Repository, checkout: Path) -> None:
    landing = land(checkout, {"a.txt": "one\n"}, "Mawep-Issue: 7")
    write(checkout / "a.txt", "one and a half\n")
    git(checkout, "commit", "--quiet", "-am", "later")
    made = await revert(repository, head(checkout), landing)
    assert isinstance(made, ev.IssueParked)
    assert made.files == ("a.txt",)
    assert "<<<<<<< the target" in made.hunks and ">>>>>>> before #7" in made.hunks
    assert await read_ref(repository, REF) is None


async def test_what_is_gone_already_is_nothing_to_take_back(repository: Repository, checkout: Path) -> None:
    landing = land(checkout, {"new.txt": "n\n"}, "Mawep-Issue: 7")
    git(checkout, "revert", "--no-edit", "-m", "1", landing)
    made = await revert(repository, head(checkout), landing)
    assert isinstance(made, ev.IssueParked)
    assert "nothing left to take back" in made.why


async def test_what_was_reverted_has_not_landed(repository: Repository, checkout: Path) -> None:
    main = "refs/heads/main"
    land(checkout, {"7.txt": "7\n"}, "Mawep-Issue: 7")
    eight = land(checkout, {"8.txt": "8\n"}, "Mawep-Issue: 8")
    land(checkout, {"9.txt": "9\n"}, "Mawep-Issue: 9")
    land(checkout, {"x.txt": "1\n"}, "Mawep-Issue: 7\nMawep-Reverts: 9\nMawep-Reverts: 7")
    assert await landed_issues(repository, main) == {8: eight}
    seven = land(checkout, {"7.txt": "7 again\n"}, "Mawep-Issue: 7")
    assert await landed_issues(repository, main) == {8: eight, 7: seven}
    await hold(repository, f"{LANDED}9", eight)
    assert 9 not in await landed_issues(repository, main), "it landed before it was reverted"
    await hold(repository, f"{LANDED}9", seven)
    assert (await landed_issues(repository, main))[9] == seven, "and once more since"
