"""Files that nobody wrote are made anew where they conflict, from what was merged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository
from mawep.stages import land
from mawep.stages.land import Candidate
from mawep.stages.land.regenerate import Generated, Make, assigned
from mawep.stages.land.resolve import Resolver
from tests.support.repos import branch, commit, git, make_repository

WHEN = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
LOCKS = (Generated(("*.lock", "locks"), "make lock"),)


@pytest.fixture
def checkout(tmp_path: Path, clean_repository: Callable[..., None]) -> Path:
    path = make_repository(tmp_path / "repo", {"needs.txt": "a\nb\nc\nd\n", "all.lock": "a b c d\n"})
    clean_repository(path, keep=("refs/mawep/",))
    return path


@pytest.fixture
async def repository(checkout: Path) -> Repository:
    return await find_repository(checkout)


def lock_of(checkout: Path) -> Make:
    """What the command makes: one line of all needs."""

    async def make(at: str, command: str, files: Sequence[str]) -> Mapping[str, bytes] | None:
        needs = git(checkout, "show", f"{at}:needs.txt").split()
        return {path: f"{command}: {' '.join(needs)}\n".encode() for path in files}

    return make


async def fails(at: str, command: str, files: Sequence[str]) -> Mapping[str, bytes] | None:
    return None


def both(
    checkout: Path, mine: Mapping[str, str | bytes | None], theirs: Mapping[str, str | bytes | None]
) -> tuple[str, Candidate]:
    """A target and a candidate that have changed these files."""
    candidate = Candidate(1, 1, "A thing", branch(checkout, "feature/1", theirs))
    return commit(checkout, mine), candidate


def test_the_first_rule_for_a_path_makes_it() -> None:
    rules = (*LOCKS, Generated(("sub/*.lock", "made/**"), "make sub"), Generated(("made",), "make lock"))
    paths = ["sub/x.lock", "locks/y", "made/z", "other"]
    assert assigned(rules, paths) == {"make lock": ["sub/x.lock", "locks/y"], "make sub": ["made/z"]}


async def test_a_lock_is_made_of_what_was_merged(repository: Repository, checkout: Path) -> None:
    base, candidate = both(
        checkout,
        {"needs.txt": "new\na\nb\nc\nd\n", "all.lock": "new a b c d\n"},
        {"needs.txt": "a\nb\nc\nd\nlast\n", "all.lock": "a b c d last\n"},
    )
    resolver = Resolver(generated=LOCKS, make=lock_of(checkout))
    (step,), conflicts = await land.compose(repository, "r1", base, [candidate], WHEN, resolver=resolver)
    assert conflicts == ()
    assert git(checkout, "show", f"{step.tree}:all.lock") == "make lock: new a b c d last"
    assert step.resolved == ("all.lock: regenerated (make lock)",)


async def test_it_is_made_for_each_way_to_merge_the_rest(repository: Repository, checkout: Path) -> None:
    base, candidate = both(
        checkout,
        {"needs.txt": "a\nb\nc\nd\nmine\n", "all.lock": "a b c d mine\n"},
        {"needs.txt": "a\nb\nc\nd\nother\n", "all.lock": "a b c d other\n"},
    )
    resolver = Resolver(generated=LOCKS, make=lock_of(checkout))
    ways, conflict = await land.ways(repository, "r1", base, candidate, WHEN, resolver=resolver)
    assert conflict is not None and conflict.files == ("all.lock", "needs.txt")
    assert [git(checkout, "show", f"{way.tree}:all.lock") for way in ways] == [
        "make lock: a b c d mine other",
        "make lock: a b c d other mine",
    ]


@pytest.mark.parametrize("kind", ["added by both", "binary"])
async def test_a_whole_file_in_conflict_is_made_anew(
    kind: str, repository: Repository, checkout: Path
) -> None:
    path = "new.lock" if kind == "added by both" else "all.lock"
    end = "\0" if kind == "binary" else ""
    base, candidate = both(checkout, {path: f"mine{end}\n"}, {path: f"other{end}\n"})
    resolver = Resolver(generated=LOCKS, make=lock_of(checkout))
    (step,), _ = await land.compose(repository, "r1", base, [candidate], WHEN, resolver=resolver)
    assert git(checkout, "show", f"{step.tree}:{path}") == "make lock: a b c d"


async def test_what_cannot_be_made_stays_in_conflict(repository: Repository, checkout: Path) -> None:
    base, candidate = both(checkout, {"all.lock": "mine\n"}, {"all.lock": "other\n"})
    resolver = Resolver(generated=LOCKS, make=fails)
    steps, (conflict,) = await land.compose(repository, "r1", base, [candidate], WHEN, resolver=resolver)
    assert (steps, conflict.files) == ((), ("all.lock",))


async def test_a_file_that_one_side_took_away_is_for_a_person(repository: Repository, checkout: Path) -> None:
    candidate = Candidate(1, 1, "A thing", branch(checkout, "feature/1", {"all.lock": "other\n"}))
    base = commit(checkout, {"all.lock": None})
    resolver = Resolver(generated=LOCKS, make=lock_of(checkout))
    assert (await land.ways(repository, "r1", base, candidate, WHEN, resolver=resolver))[0] == ()
