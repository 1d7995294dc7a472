"""Landing: composed without a checkout, sealed reproducibly, moved by compare-and-swap with the checkout in step."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mawep.adapters.git import LockHeldError, Repository, WorkTree, find_repository
from mawep.adapters.git_checkout import move_checkout
from mawep.adapters.git_refs import hold, read_ref, update_refs
from mawep.core import events as ev
from mawep.core.model import Rules, Scope, Sha
from mawep.errors import GitError, InfrastructureError
from mawep.stages import land
from mawep.stages.land import Candidate
from mawep.stages.land.landed import landed_issues
from mawep.stages.land.resolve import Resolver
from tests.support.repos import branch, commit, git, head, make_repository, write

WHEN = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
RUN = "r1"
KEPT = ("refs/mawep/",)


@pytest.fixture
def checkout(tmp_path: Path, clean_repository: Callable[..., None]) -> Path:
    path = make_repository(tmp_path / "repo", {"a.txt": "a\n", "b.txt": "b\n", "dir/c.txt": "c\n"})
    clean_repository(path, keep=KEPT)
    return path


@pytest.fixture
async def repository(checkout: Path) -> Repository:
    return await find_repository(checkout)


def candidate(
    checkout: Path, number: int, files: dict[str, str | bytes | None], title: str = "A thing"
) -> Candidate:
    return Candidate(number, 1, title, branch(checkout, f"feature/{number}", files))


async def sealed(repository: Repository, base: Sha, *candidates: Candidate) -> tuple[ev.Step, ...]:
    steps, conflicts = await land.compose(repository, RUN, base, candidates, WHEN)
    assert not conflicts
    intent = ev.SealIntended(base, steps, "gate-digest", WHEN)
    by_issue = {each.issue: each for each in candidates}
    done = await land.seal(repository, RUN, intent, by_issue, target="main", journal_head="journal-head")
    return done.steps


async def intended(repository: Repository, checkout: Path, *candidates: Candidate) -> ev.MoveIntended:
    base = head(checkout, "main")
    steps = await sealed(repository, base, *candidates)
    return ev.MoveIntended(base, steps[-1].commit, steps)


async def move(repository: Repository, intent: ev.MoveIntended) -> ev.AnyEvent:
    began = datetime.now(UTC) - timedelta(seconds=1)
    return await land.move_target(repository, "main", intent, intended_at=began)


def status(checkout: Path) -> str:
    return git(checkout, "status", "--porcelain")


# --- scopes


async def test_a_composition_affects_what_differs_from_the_target_whoever_brought_it(
    repository: Repository, checkout: Path
) -> None:
    scopes = (Scope("dir", ("dir",)), Scope("a", ("a.txt",), labels=("a",)), Scope("b", ("b.txt",)))
    one, two = candidate(checkout, 1, {"dir/c.txt": "1\n"}), candidate(checkout, 2, {"b.txt": "2\n"})
    base = commit(checkout, {"a.txt": "somebody else's\n"})
    steps, _ = await land.compose(repository, RUN, base, [one, two], WHEN)
    found = await land.scoped(repository, base, steps, Rules(scopes=scopes), ())
    assert [step.scopes for step in found] == [None, ("dir", "b")]
    assert [step.tree for step in found] == [step.tree for step in steps]
    assert (await land.scoped(repository, base, steps[:1], Rules(scopes=scopes), ["A"]))[-1].scopes == (
        "dir",
        "a",
    )
    assert await land.scoped(repository, base, steps, Rules(), ()) == steps


# --- composition


async def test_who_conflicts_with_many_is_left_out_for_their_sake(
    repository: Repository, checkout: Path
) -> None:
    one = candidate(checkout, 1, {"a.txt": "1\n", "b.txt": "1\n"})
    two, three = candidate(checkout, 2, {"a.txt": "2\n"}), candidate(checkout, 3, {"b.txt": "3\n"})
    steps, conflicts = await land.compose(repository, RUN, head(checkout), [one, two, three], WHEN)
    assert [step.issue for step in steps] == [2, 3]
    assert [(conflict.issue, conflict.with_) for conflict in conflicts] == [(1, (2, 3))]
    held = (land.landing_ref(RUN, f"composed-{steps[-1].commit[:16]}"),)
    assert await land.landing_refs(repository, RUN) == held


async def test_where_as_many_fit_otherwise_who_came_first_stays_first(
    repository: Repository, checkout: Path
) -> None:
    one, two = candidate(checkout, 1, {"a.txt": "1\n"}), candidate(checkout, 2, {"a.txt": "2\n"})
    three = candidate(checkout, 3, {"b.txt": "3\n"})
    steps, _ = await land.compose(repository, RUN, head(checkout), [one, two, three], WHEN)
    assert [step.issue for step in steps] == [1, 3]


async def test_candidates_are_composed_in_order_as_merges_and_held_by_a_ref(
    repository: Repository, checkout: Path
) -> None:
    base = head(checkout)
    one, two = candidate(checkout, 1, {"one.txt": "1\n"}), candidate(checkout, 2, {"two.txt": "2\n"})
    steps, conflicts = await land.compose(repository, RUN, base, [one, two], WHEN)
    assert conflicts == ()
    assert [step.issue for step in steps] == [1, 2]
    assert git(checkout, "log", "-1", "--format=%P", steps[0].commit) == f"{base} {one.commit}"
    assert git(checkout, "log", "-1", "--format=%P", steps[1].commit) == f"{steps[0].commit} {two.commit}"
    assert [git(checkout, "rev-parse", f"{step.commit}^{{tree}}") for step in steps] == [
        step.tree for step in steps
    ]
    assert await land.landing_refs(repository, RUN) == (
        land.landing_ref(RUN, f"composed-{steps[-1].commit[:16]}"),
    )
    assert (head(checkout), status(checkout)) == (base, ""), "nothing of the user's was touched"


async def test_composing_again_gives_the_same_commits(repository: Repository, checkout: Path) -> None:
    one = candidate(checkout, 1, {"one.txt": "1\n"})
    first = await land.compose(repository, RUN, head(checkout), [one], WHEN)
    assert await land.compose(repository, RUN, head(checkout), [one], WHEN) == first


async def test_gc_by_the_user_takes_neither_composition_nor_sealed_landing(
    repository: Repository, checkout: Path
) -> None:
    one = candidate(checkout, 1, {"one.txt": "1\n"})
    intent = await intended(repository, checkout, one)
    git(checkout, "branch", "-D", "feature/1")
    git(checkout, "reflog", "expire", "--expire=now", "--all")
    git(checkout, "gc", "--quiet", "--prune=now")
    assert isinstance(await move(repository, intent), ev.TargetMoved)
    assert git(checkout, "fsck", "--strict", "--no-dangling") == ""


async def test_gc_by_the_user_between_commits_and_ref_leaves_no_ref_to_nothing(
    repository: Repository, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hold_late(*arguments: Any) -> None:
        git(checkout, "gc", "--quiet", "--prune=now")
        await hold(*arguments)

    monkeypatch.setattr(land, "hold", hold_late)
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    git(checkout, "gc", "--quiet", "--prune=now")
    assert isinstance(await move(repository, intent), ev.TargetMoved)
    assert git(checkout, "fsck", "--strict", "--no-dangling") == ""


async def test_who_conflicts_with_the_target_is_left_out_with_its_hunks(
    repository: Repository, checkout: Path
) -> None:
    one = candidate(checkout, 1, {"a.txt": "one\n"})
    two = candidate(checkout, 2, {"two.txt": "2\n"})
    base = commit(checkout, {"a.txt": "the target's\n"})
    steps, (conflict,) = await land.compose(repository, RUN, base, [one, two], WHEN)
    assert [step.issue for step in steps] == [2]
    assert (conflict.issue, conflict.files, conflict.with_) == (1, ("a.txt",), ())
    assert "--- a.txt" in conflict.hunks
    assert "+one" in conflict.hunks.replace("one\n", "+one\n") and "the target's" in conflict.hunks


async def test_what_rules_can_resolve_lands_and_the_landing_commit_says_how(
    repository: Repository, checkout: Path
) -> None:
    commit(checkout, {"m.py": "import ast\nimport os\n", "dir/v.txt": "v 1.0.0\n"})
    one = candidate(checkout, 1, {"m.py": "import ast\nimport os\nimport re\n", "dir/v.txt": "v 1.1.0\n"})
    two = candidate(checkout, 2, {"m.py": "import ast\nimport os\nimport sys\n", "dir/v.txt": "v 1.2.0\n"})
    base = head(checkout, "main")
    steps, conflicts = await land.compose(repository, RUN, base, [one, two], WHEN, resolver=Resolver())
    again, _ = await land.compose(repository, RUN, base, [one, two], WHEN, resolver=Resolver())
    assert (conflicts, again) == ((), steps)
    assert git(checkout, "show", f"{steps[1].tree}:m.py") == "import ast\nimport os\nimport re\nimport sys"
    assert git(checkout, "show", f"{steps[1].tree}:dir/v.txt") == "v 1.2.0"
    assert steps[0].resolved == ()
    assert steps[1].resolved[0].startswith("dir/v.txt: versions (")
    intent = ev.SealIntended(base, steps, "gate-digest", WHEN)
    named = {1: one, 2: two}
    done = await land.seal(repository, RUN, intent, named, target="main", journal_head="journal-head")
    message = git(checkout, "show", "-s", "--format=%B", done.steps[1].commit)
    assert (
        "\nConflicts resolved by rule:\n\n- dir/v.txt: versions (the later version stands)\n- m.py: imports ("
        in message
    )
    assert (
        git(
            checkout, "show", "-s", "--format=%(trailers:key=Mawep-Issue,valueonly)", done.steps[1].commit
        ).strip()
        == "2"
    )


async def test_every_way_to_merge_a_candidate_by_rule_is_a_commit_that_a_ref_holds(
    repository: Repository, checkout: Path
) -> None:
    commit(checkout, {"m.py": "a = 1\n", "n.py": "n = 1\n"})
    mine = {"m.py": "a = 1\nb = f()\n", "n.py": "n = 1\nk = f()\n"}
    one = candidate(checkout, 1, {"m.py": "a = 1\nc = g(2)\n", "n.py": "n = 1\nm = g(2)\n"})
    base = commit(checkout, mine)
    found, conflict = await land.ways(repository, RUN, base, one, WHEN, resolver=Resolver(most=3))
    assert conflict is not None
    assert (conflict.issue, conflict.files, conflict.with_) == (1, ("m.py", "n.py"), ())
    texts = [[git(checkout, "show", f"{way.tree}:{path}") for path in mine] for way in found]
    assert texts == [
        ["a = 1\nb = f()\nc = g(2)", "n = 1\nk = f()\nm = g(2)"],
        ["a = 1\nc = g(2)\nb = f()", "n = 1\nk = f()\nm = g(2)"],
        ["a = 1\nb = f()\nc = g(2)", "n = 1\nm = g(2)\nk = f()"],
    ]
    assert all(way.resolved[0].startswith("m.py: ") for way in found)
    assert {git(checkout, "rev-parse", ref) for ref in await land.landing_refs(repository, RUN)} == {
        way.commit for way in found
    }
    assert await land.ways(repository, RUN, base, one, WHEN, resolver=Resolver(most=3)) == (found, conflict)
    (best,), _ = await land.compose(repository, RUN, base, [one], WHEN, resolver=Resolver())
    assert best == found[0]
    assert (await land.ways(repository, RUN, base, one, WHEN))[0] == ()


async def test_what_merges_cleanly_has_no_ways(repository: Repository, checkout: Path) -> None:
    one = candidate(checkout, 1, {"a.txt": "one\n"})
    assert await land.ways(repository, RUN, head(checkout), one, WHEN, resolver=Resolver()) == ((), None)


async def test_only_guesses_are_ways_but_go_into_no_batch(repository: Repository, checkout: Path) -> None:
    one = candidate(checkout, 1, {"a.txt": "a\nsome words here\n"})
    base = commit(checkout, {"a.txt": "a\nsome words there\n"})
    found, conflict = await land.ways(repository, RUN, base, one, WHEN, resolver=Resolver())
    assert [way.resolved[0].partition(" (")[0] for way in found] == ["a.txt: union"] * 2
    assert await land.compose(repository, RUN, base, [one], WHEN, resolver=Resolver()) == ((), (conflict,))


@pytest.mark.parametrize(
    ("before", "one", "two"),
    [
        ("x = 1\n", "x = f(2)\n", "x = g(3)\n"),
        ("v 1.0.0\n", None, "v 1.2.0\n"),
        (None, "v 1.1.0\n", "v 1.2.0\n"),
        (b"v 1.0.0\0", b"v 1.1.0\0", b"v 1.2.0\0"),
        ("v 1.0.0\n" + "x\n" * 2**17, "v 1.1.0\n" + "x\n" * 2**17, "v 1.2.0\n" + "x\n" * 2**17),
    ],
    ids=["a choice", "taken out", "added twice", "binary", "huge"],
)
async def test_what_rules_cannot_resolve_is_left_out_whole(
    before: str | bytes | None,
    one: str | bytes | None,
    two: str | bytes,
    repository: Repository,
    checkout: Path,
) -> None:
    commit(checkout, {"m.py": "import ast\n", **({"odd": before} if before else {})})
    first = candidate(checkout, 1, {"m.py": "import ast\nimport re\n", "odd": one})
    second = candidate(checkout, 2, {"m.py": "import ast\nimport sys\n", "odd": two})
    base = head(checkout, "main")
    steps, (conflict,) = await land.compose(repository, RUN, base, [first, second], WHEN, resolver=Resolver())
    assert ([step.issue for step in steps], conflict.issue) == ([1], 2)
    assert conflict.files == ("m.py", "odd")


async def test_who_conflicts_only_with_those_ahead_is_said_to(repository: Repository, checkout: Path) -> None:
    one, two = candidate(checkout, 1, {"a.txt": "one\n"}), candidate(checkout, 2, {"a.txt": "two\n"})
    steps, (conflict,) = await land.compose(repository, RUN, head(checkout), [one, two], WHEN)
    assert [step.issue for step in steps] == [1]
    assert (conflict.issue, conflict.with_) == (2, (1,))


async def test_who_conflicts_with_both_is_said_to_conflict_with_the_target(
    repository: Repository, checkout: Path
) -> None:
    one = candidate(checkout, 1, {"b.txt": "one\n"})
    two = candidate(checkout, 2, {"a.txt": "two\n", "b.txt": "two\n"})
    base = commit(checkout, {"a.txt": "the target's\n"})
    _, (conflict,) = await land.compose(repository, RUN, base, [one, two], WHEN)
    assert (conflict.issue, conflict.files, conflict.with_) == (2, ("a.txt",), ())


async def test_nothing_that_merges_is_no_composition(repository: Repository, checkout: Path) -> None:
    one = candidate(checkout, 1, {"a.txt": "one\n"})
    base = commit(checkout, {"a.txt": "the target's\n"})
    steps, conflicts = await land.compose(repository, RUN, base, [one], WHEN)
    assert (steps, len(conflicts)) == ((), 1)
    assert await land.landing_refs(repository, RUN) == ()


async def test_composition_ignores_gitattributes_and_drivers(repository: Repository, checkout: Path) -> None:
    """An untracked `.gitattributes` in the cwd turned a conflict clean; a configured driver was executed."""
    witness = checkout.parent / "executed"
    git(checkout, "config", "merge.ours.driver", f"touch {witness}; true")
    commit(checkout, {".gitattributes": "*.txt merge=union\nb.txt merge=ours\n"})
    write(checkout / ".git" / "info" / "attributes", "*.txt merge=ours\n")
    one = candidate(checkout, 1, {"a.txt": "one\n"})
    two = candidate(checkout, 2, {"a.txt": "two\n"})
    write(checkout / ".git" / "mawep" / "view" / "empty.txt", "")
    _, conflicts = await land.compose(repository, RUN, head(checkout), [one, two], WHEN)
    assert [conflict.issue for conflict in conflicts] == [2]
    assert not witness.exists()


# --- sealing


async def test_the_same_seal_gives_the_same_commits_whoever_makes_it(
    repository: Repository, checkout: Path
) -> None:
    one = candidate(checkout, 1, {"one.txt": "1\n"})
    first = await sealed(repository, head(checkout), one)
    git(checkout, "config", "user.name", "Somebody Else")
    assert await sealed(await find_repository(checkout), head(checkout), one) == first


async def test_landing_commits_carry_their_trailers_and_the_gated_trees(
    repository: Repository, checkout: Path
) -> None:
    base = head(checkout)
    one = candidate(checkout, 1, {"one.txt": "1\n"}, title="Odd\n  title\twith  spaces")
    composed, _ = await land.compose(repository, RUN, base, [one], WHEN)
    (step,) = await sealed(repository, base, one)
    assert step.tree == composed[0].tree
    message = git(checkout, "log", "-1", "--format=%B", step.commit)
    assert message.startswith("Merge #1 into main: Odd title with spaces\n\n")
    trailers = git(checkout, "log", "-1", "--format=%(trailers:only,unfold)", step.commit).splitlines()
    assert trailers == [
        "Mawep-Run: r1",
        "Mawep-Issue: 1",
        "Mawep-Attempt: 1",
        "Mawep-Gate: gate-digest",
        "Mawep-Journal: journal-head",
    ]
    assert git(checkout, "log", "-1", "--format=%an <%ae> %cI", step.commit) == (
        "MAWEP <mawep@localhost> 2026-05-04T12:00:00+00:00"
    )


# --- what the target is


async def test_a_target_that_is_gone_stops_the_run(repository: Repository) -> None:
    with pytest.raises(InfrastructureError, match="does not exist any more"):
        await land.target_now(repository, "release")


async def test_a_target_moved_forward_by_somebody_is_taken_as_it_is(
    repository: Repository, checkout: Path
) -> None:
    known = head(checkout)
    now = commit(checkout, {"d.txt": "d\n"})
    assert await land.check_target(repository, "main", known) == now


async def test_a_rewritten_target_stops_the_run_and_says_what_is_missing(
    repository: Repository, checkout: Path
) -> None:
    known = commit(checkout, {"d.txt": "d\n"})
    git(checkout, "reset", "--quiet", "--hard", "HEAD~1")
    with pytest.raises(InfrastructureError, match="does not contain") as caught:
        await land.check_target(repository, "main", known)
    assert known[:12] in caught.value.next_step


# --- moving the target


async def test_the_checkout_goes_along_and_is_clean(repository: Repository, checkout: Path) -> None:
    one = candidate(checkout, 1, {"a.txt": "new\n", "deep/er/one.txt": "1\n", "b.txt": None})
    intent = await intended(repository, checkout, one)
    done = await move(repository, intent)
    assert done == ev.TargetMoved(intent.old, intent.new, intent.steps)
    assert head(checkout) == intent.new
    assert status(checkout) == ""
    assert (checkout / "deep" / "er" / "one.txt").read_text() == "1\n"
    assert not (checkout / "b.txt").exists()
    assert git(checkout, "reflog", "-1", "--format=%gs", "main") == "mawep: land"


async def test_a_target_that_is_checked_out_nowhere_moves_too(repository: Repository, checkout: Path) -> None:
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    git(checkout, "switch", "--quiet", "-c", "elsewhere")
    assert isinstance(await move(repository, intent), ev.TargetMoved)
    assert head(checkout, "main") == intent.new
    assert (head(checkout), status(checkout)) == (intent.old, "")


async def test_what_was_pruned_before_it_landed_is_composed_again(
    repository: Repository, checkout: Path
) -> None:
    """Somebody lets go of the refs that hold it, and collects garbage."""
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    for ref in await land.landing_refs(repository, RUN):
        git(checkout, "update-ref", "-d", ref)
    git(checkout, "gc", "--quiet", "--prune=now")
    assert await move(repository, intent) == ev.MoveLost(intent.old)
    assert (head(checkout, "main"), status(checkout)) == (intent.old, "")


async def test_every_checkout_of_the_target_goes_along(
    repository: Repository, checkout: Path, tmp_path: Path
) -> None:
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    git(checkout, "worktree", "add", "--quiet", "--force", str(tmp_path / "second"), "main")
    try:
        assert isinstance(await move(repository, intent), ev.TargetMoved)
        assert status(checkout) == status(tmp_path / "second") == ""
    finally:
        git(checkout, "worktree", "remove", "--force", str(tmp_path / "second"))


async def test_our_own_move_is_not_read_as_somebody_elses(repository: Repository, checkout: Path) -> None:
    """The event was not journalled: on resume the target is at new already."""
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    first = await move(repository, intent)
    assert await move(repository, intent) == first


async def test_our_own_move_with_somebody_elses_commit_on_top_has_landed(
    repository: Repository, checkout: Path
) -> None:
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    await move(repository, intent)
    top = commit(checkout, {"d.txt": "d\n"})
    assert await move(repository, intent) == ev.TargetMoved(intent.old, top, intent.steps)


async def test_a_checkout_half_moved_is_completed(repository: Repository, checkout: Path) -> None:
    """Files first, then the ref: dying between the two leaves a staged difference that is ours."""
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n", "a.txt": "n\n"}))
    git(checkout, "read-tree", "-m", "-u", intent.old, intent.new)
    assert status(checkout) != ""
    assert isinstance(await move(repository, intent), ev.TargetMoved)
    assert (head(checkout), status(checkout)) == (intent.new, "")


async def test_a_ref_that_moved_without_its_checkout_is_completed(
    repository: Repository, checkout: Path
) -> None:
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n", "a.txt": "n\n"}))
    await update_refs(repository, [("refs/heads/main", intent.new, intent.old)])
    assert isinstance(await move(repository, intent), ev.TargetMoved)
    assert status(checkout) == ""


@pytest.mark.parametrize("kind", ["tracked", "staged", "untracked", "ignored"])
async def test_a_file_in_the_way_blocks_the_move_and_is_named(
    repository: Repository, checkout: Path, kind: str
) -> None:
    intent = await intended(
        repository, checkout, candidate(checkout, 1, {"a.txt": "new\n", "one.txt": "1\n"})
    )
    path = "a.txt" if kind in {"tracked", "staged"} else "one.txt"
    write(checkout / path, "the user's own\n")
    if kind == "staged":
        git(checkout, "add", path)
    if kind == "ignored":
        write(checkout / ".git" / "info" / "exclude", "one.txt\n")
    blocked = await move(repository, intent)
    assert blocked == ev.MoveBlocked((path,), str(checkout))
    assert await land.blocked_by(repository, "main", intent.old, intent.new) == (path,)
    assert head(checkout, "main") == intent.old
    assert (checkout / path).read_text() == "the user's own\n"
    git(checkout, "reset", "--quiet")
    shutil.move(checkout / path, checkout.parent / "kept")
    git(checkout, "checkout", "--quiet", "--", ".")
    assert await land.blocked_by(repository, "main", intent.old, intent.new) == ()
    assert isinstance(await move(repository, intent), ev.TargetMoved)
    assert status(checkout) == ""


async def test_an_untracked_file_elsewhere_is_in_nobodys_way(repository: Repository, checkout: Path) -> None:
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    write(checkout / "notes.txt", "mine\n")
    assert isinstance(await move(repository, intent), ev.TargetMoved)
    assert status(checkout) == "?? notes.txt"


async def test_a_target_moved_elsewhere_is_lost_and_its_checkout_untouched(
    repository: Repository, checkout: Path
) -> None:
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    actual = commit(checkout, {"d.txt": "d\n"})
    assert await move(repository, intent) == ev.MoveLost(actual)
    assert (head(checkout), status(checkout)) == (actual, "")


async def test_a_target_rewritten_during_the_move_stops_the_run(
    repository: Repository, checkout: Path
) -> None:
    commit(checkout, {"d.txt": "d\n"})
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    git(checkout, "reset", "--quiet", "--hard", "HEAD~1")
    with pytest.raises(InfrastructureError, match="does not contain"):
        await move(repository, intent)


async def test_a_target_moved_between_checkout_and_ref_gives_the_checkout_back(
    repository: Repository, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody's `git update-ref` slips in after our look at the target and before our compare-and-swap."""
    intent = await intended(repository, checkout, candidate(checkout, 1, {"a.txt": "n\n", "one.txt": "1\n"}))
    git(checkout, "switch", "--quiet", "--detach")
    actual = commit(checkout, {"b.txt": "theirs\n"})
    git(checkout, "switch", "--quiet", "main")

    async def meddled(tree: WorkTree, old: Sha, new: Sha) -> None:
        await move_checkout(tree, old, new)
        if new == intent.new:
            git(checkout, "update-ref", "refs/heads/main", actual)

    monkeypatch.setattr(land, "move_checkout", meddled)
    assert await move(repository, intent) == ev.MoveLost(actual)
    assert head(checkout, "main") == actual
    assert not (checkout / "one.txt").exists(), "the files are where they were before us"


# --- locks


async def test_a_lock_left_by_a_dead_child_of_ours_does_not_stop_the_move(
    repository: Repository, checkout: Path
) -> None:
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    began = datetime.now(UTC)
    write(checkout / ".git" / "refs" / "heads" / "main.lock", f"{intent.new}\n")
    write(checkout / ".git" / "HEAD.lock", "")
    done = await land.move_target(repository, "main", intent, intended_at=began)
    assert isinstance(done, ev.TargetMoved)
    assert (head(checkout), status(checkout)) == (intent.new, "")


@pytest.mark.parametrize("whose", ["older than our intent", "with another commit"])
async def test_a_lock_that_is_not_ours_stays_and_stops_the_run(
    repository: Repository, checkout: Path, whose: str
) -> None:
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    written = intent.new if whose.startswith("older") else intent.old
    lock = write(checkout / ".git" / "refs" / "heads" / "main.lock", f"{written}\n")
    began = datetime.now(UTC)
    if whose.startswith("older"):
        os.utime(lock, (time.time() - 60,) * 2)
    try:
        with pytest.raises(LockHeldError) as caught:
            await land.move_target(repository, "main", intent, intended_at=began)
        assert "rm" not in caught.value.next_step.split()
        assert lock.exists()
    finally:
        lock.unlink()
    assert isinstance(await move(repository, intent), ev.TargetMoved), "and can be completed after"


async def test_a_lock_on_a_ref_of_ours_is_taken_away_however_old(
    repository: Repository, checkout: Path
) -> None:
    ref = land.landing_ref(RUN, "composed-x")
    lock = write(checkout / ".git" / f"{ref}.lock", f"{head(checkout)}\n")
    os.utime(lock, (time.time() - 3600,) * 2)
    await hold(repository, ref, head(checkout))
    assert await read_ref(repository, ref) == head(checkout)
    assert not lock.exists()


async def test_a_git_that_holds_the_index_for_a_moment_is_waited_for(
    repository: Repository, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(land, "INDEX_PATIENCE", 60.0)
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    lock = write(checkout / ".git" / "index.lock", "")
    program = "import os, sys, time; time.sleep(0.3); os.unlink(sys.argv[1])"
    holder = subprocess.Popen([sys.executable, "-c", program, str(lock)])
    try:
        assert isinstance(await move(repository, intent), ev.TargetMoved)
    finally:
        holder.wait()
    assert status(checkout) == ""


async def test_a_git_that_holds_the_index_for_long_blocks_the_move(
    repository: Repository, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(land, "INDEX_PATIENCE", 0.1)
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    lock = write(checkout / ".git" / "index.lock", "")
    assert await move(repository, intent) == ev.MoveBlocked((str(lock),), str(checkout))
    assert await land.blocked_by(repository, "main", intent.old, intent.new) == (str(lock),)
    lock.unlink()
    assert await land.blocked_by(repository, "main", intent.old, intent.new) == ()
    assert isinstance(await move(repository, intent), ev.TargetMoved)


async def test_a_checkout_whose_directory_is_gone_is_an_error_of_git(
    repository: Repository, checkout: Path, tmp_path: Path
) -> None:
    intent = await intended(repository, checkout, candidate(checkout, 1, {"one.txt": "1\n"}))
    git(checkout, "switch", "--quiet", "-c", "elsewhere")
    git(checkout, "worktree", "add", "--quiet", str(tmp_path / "second"), "main")
    shutil.move(tmp_path / "second", tmp_path / "unplugged")
    try:
        with pytest.raises(GitError):
            await move(repository, intent)
        assert head(checkout, "main") == intent.old
    finally:
        shutil.move(tmp_path / "unplugged", tmp_path / "second")
        git(checkout, "worktree", "remove", "--force", str(tmp_path / "second"))


# --- letting go


async def test_refs_that_somebody_moved_are_kept(repository: Repository, checkout: Path) -> None:
    one = candidate(checkout, 1, {"one.txt": "1\n"}).commit
    two = candidate(checkout, 2, {"two.txt": "2\n"}).commit
    await hold(repository, "refs/mawep/r1/candidate/1-a1", one)
    wanted = {
        "refs/heads/feature/1": one,
        "refs/heads/feature/2": one,
        "refs/mawep/r1/candidate/1-a1": None,
        "refs/heads/never": one,
    }
    now = datetime.now(UTC)
    await land.forget_refs(repository, wanted, intended_at=now)
    await land.forget_refs(repository, wanted, intended_at=now)
    await land.forget_refs(repository, {}, intended_at=now)
    refs = git(checkout, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    assert refs == [f"refs/heads/feature/2 {two}", f"refs/heads/main {head(checkout)}"]


async def test_what_landed_is_read_from_git_alone(repository: Repository, checkout: Path) -> None:
    intent = await intended(
        repository,
        checkout,
        candidate(checkout, 7, {"one.txt": "1\n"}),
        candidate(checkout, 8, {"two.txt": "2\n"}),
    )
    await move(repository, intent)
    git(checkout, "commit", "--quiet", "--allow-empty", "-m", "talk\n\nMawep-Issue: 9")
    seven, eight = (step.commit for step in intent.steps)
    assert await landed_issues(repository, "refs/heads/main") == {7: seven, 8: eight}
