"""Acceptance: what an attempt made becomes a candidate only if it is its own work and touches nothing it may not."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository
from mawep.adapters.git_refs import read_ref
from mawep.core.events import CandidateImported, ImportIntended, ImportRefused
from mawep.core.model import FailureReason, Scope, Sha
from mawep.errors import GitError
from mawep.stages import land
from mawep.stages.acceptance import (
    ALWAYS_PROTECTED,
    Given,
    Guard,
    accept,
    candidate_ref,
    protected_patterns,
    unfit,
)
from tests.support.repos import branch, commit, git, head, make_repository

RUN = "r1"
WHEN = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def checkout(tmp_path: Path, clean_repository: Callable[..., None]) -> Path:
    path = make_repository(tmp_path / "repo", {"a.txt": "a\n", "deep/down/b.txt": "b\n"})
    clean_repository(path, keep=("refs/mawep/",))
    return path


@pytest.fixture
async def repository(checkout: Path) -> Repository:
    return await find_repository(checkout)


async def taken_in(
    repository: Repository,
    made: Sha,
    base: Sha,
    *,
    others: Sequence[Sha] = (),
    protected: Sequence[str] = ALWAYS_PROTECTED,
    target: Sha | None = None,
) -> CandidateImported | ImportRefused:
    """What becomes of the head of attempt 1 of #5."""
    intent = ImportIntended(5, 1, made, base)
    guard = Guard(protected, {"reserved": 7})
    return await accept(repository, intent, run=RUN, target=target or base, others=others, guard=guard)


def refused(outcome: CandidateImported | ImportRefused, reason: FailureReason, word: str) -> None:
    assert isinstance(outcome, ImportRefused)
    assert outcome.reason is reason
    assert word in outcome.detail


async def test_a_candidate_is_a_commit_and_whatever_its_branch_does_later_is_of_no_account(
    repository: Repository, checkout: Path
) -> None:
    base, made = head(checkout), branch(checkout, "feature/5", {"a.txt": "new\n"})
    outcome = await taken_in(repository, made, base)
    assert isinstance(outcome, CandidateImported)
    assert (outcome.commit, outcome.files) == (made, ("a.txt",))
    git(checkout, "branch", "-f", "feature/5", "main")
    assert await read_ref(repository, candidate_ref(RUN, 5, 1)) == made


async def test_a_candidate_has_a_ref_and_is_on_the_disk_before_anybody_is_told(
    repository: Repository, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, made = head(checkout), branch(checkout, "feature/5", {"new/file": "new\n"})
    synced: list[str] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    assert isinstance(await taken_in(repository, made, base), CandidateImported)
    objects = git(checkout, "rev-list", "--objects", "--no-object-names", made, f"^{base}").split()
    assert {str(checkout / ".git/objects" / name[:2] / name[2:]) for name in objects} <= set(synced)
    assert await read_ref(repository, candidate_ref(RUN, 5, 1)) == made


async def test_a_candidate_descends_from_its_base(repository: Repository, checkout: Path) -> None:
    made = branch(checkout, "feature/5", {"a.txt": "new\n"})
    base = commit(checkout, {"c.txt": "c\n"})
    refused(await taken_in(repository, made, base), FailureReason.IMPORT_REFUSED, "does not descend")


async def test_a_candidate_that_is_not_there_or_on_the_target_already_is_refused(
    repository: Repository, checkout: Path
) -> None:
    base = head(checkout)
    refused(await taken_in(repository, "1" * 40, base), FailureReason.IMPORT_REFUSED, "not in the repository")
    refused(await taken_in(repository, base, base), FailureReason.IMPORT_REFUSED, "on the target already")
    branch(checkout, "feature/5", {"a.txt": "new\n"})
    for name in ("feature/5", "--all", ""):
        refused(await taken_in(repository, name, base), FailureReason.IMPORT_REFUSED, "not a commit's name")


@pytest.mark.parametrize("how", ["merges it", "goes on from it", "is it"])
async def test_a_candidate_holds_no_commit_of_an_attempt_that_has_not_landed(
    repository: Repository, checkout: Path, how: str
) -> None:
    base, other = head(checkout), branch(checkout, "feature/6", {"other.txt": "6\n"})
    made = other
    git(checkout, "switch", "--quiet", "-c", "feature/5", "main" if how == "merges it" else "feature/6")
    if how == "merges it":
        commit(checkout, {"mine.txt": "5\n"})
        git(checkout, "merge", "--quiet", "--no-edit", "feature/6")
        made = head(checkout)
    if how == "goes on from it":
        made = commit(checkout, {"mine.txt": "5\n"})
    git(checkout, "switch", "--quiet", "main")
    outcome = await taken_in(repository, made, base, others=[other])
    refused(outcome, FailureReason.IMPORT_REFUSED, other[:12])


async def test_a_candidate_may_have_merged_what_has_landed(repository: Repository, checkout: Path) -> None:
    base = head(checkout)
    git(checkout, "switch", "--quiet", "-c", "feature/5")
    commit(checkout, {"mine.txt": "5\n"})
    git(checkout, "switch", "--quiet", "main")
    target = commit(checkout, {"landed.txt": "landed\n"})
    git(checkout, "switch", "--quiet", "feature/5")
    git(checkout, "merge", "--quiet", "--no-edit", "main")
    made = head(checkout)
    git(checkout, "switch", "--quiet", "main")
    gone = "2" * 40
    outcome = await taken_in(repository, made, base, target=target, others=[target, gone, base])
    assert isinstance(outcome, CandidateImported)
    assert outcome.files == ("mine.txt",)


@pytest.mark.parametrize(
    "line", ["Mawep-Issue: 6", "mawep-gate: 0000", "Mawep-Run: r2", "Mawep-Journal = 1", "  Mawep-Attempt: 9"]
)
async def test_a_candidate_carries_no_trailer_that_it_was_not_given(
    repository: Repository, checkout: Path, line: str
) -> None:
    base = head(checkout)
    git(checkout, "switch", "--quiet", "-c", "feature/5")
    commit(checkout, {"a.txt": "new\n"}, f"Work\n\n{line}\n\nand more text")
    made = commit(checkout, {"c.txt": "c\n"}, "on top")
    git(checkout, "switch", "--quiet", "main")
    refused(await taken_in(repository, made, base), FailureReason.IMPORT_REFUSED, "only MAWEP writes")


async def test_a_candidate_may_carry_the_trailers_that_it_was_given(
    repository: Repository, checkout: Path
) -> None:
    given = "\n".join(f"{key}: {value}" for key, value in Given(RUN, 5, 1).trailers())
    base, made = head(checkout), branch(checkout, "feature/5", {"a.txt": "new\n"}, f"Work\n\n{given}")
    assert isinstance(await taken_in(repository, made, base), CandidateImported)


async def test_a_candidate_without_a_change_is_none(repository: Repository, checkout: Path) -> None:
    base, made = head(checkout), branch(checkout, "feature/5", {})
    refused(await taken_in(repository, made, base), FailureReason.NO_CHANGES, "as it was")


async def test_a_candidate_that_writes_what_another_has_claimed_can_be_mended(
    repository: Repository, checkout: Path
) -> None:
    base, made = head(checkout), branch(checkout, "feature/5", {"reserved/x": "x\n"})
    outcome = await taken_in(repository, made, base)
    refused(outcome, FailureReason.CLAIM_CONFLICT, "reserved/x (claimed by #7)")
    assert isinstance(outcome, ImportRefused) and outcome.repairable


async def test_a_candidate_whose_objects_are_not_sound_is_refused(
    repository: Repository, checkout: Path
) -> None:
    base, made = head(checkout), branch(checkout, "feature/5", {"a.txt": "new\n"})
    blob = git(checkout, "rev-parse", f"{made}:a.txt")
    loose = checkout / ".git/objects" / blob[:2] / blob[2:]
    other = git(checkout, "hash-object", "-w", "--stdin", input=b"something else\n")
    loose.chmod(0o600)
    loose.write_bytes((checkout / ".git/objects" / other[:2] / other[2:]).read_bytes())
    refused(await taken_in(repository, made, base), FailureReason.IMPORT_REFUSED, "not sound")


# --- what is always protected

EVERYWHERE = (
    *(".gitattributes", "src/.gitattributes", ".gitmodules", ".lfsconfig", ".github/workflows/x.yml"),
    *("mawep.yaml", ".mawep/prompt.md.j2", ".claude/settings.json", "src/.claude/settings.json", ".mcp.json"),
    *("CLAUDE.md", "src/CLAUDE.md", "AGENTS.md", "src/AGENTS.md", "GEMINI.md", "src/GEMINI.md"),
    *(".codex/config.toml", ".gemini/settings.json", ".vscode/tasks.json", ".husky/pre-commit"),
    *(".envrc", "src/.envrc", ".devcontainer/devcontainer.json", ".GitHub/x.yml", "claude.MD"),
)


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_always_protected_is_refused_at_import_whatever_is_configured(
    repository: Repository, checkout: Path, path: str
) -> None:
    base, made = head(checkout), branch(checkout, "feature/5", {path: "x\n"})
    outcome = await taken_in(repository, made, base, protected=protected_patterns(["mine"]))
    refused(outcome, FailureReason.PROTECTED_PATH, path)


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_always_protected_is_looked_for_in_what_the_target_would_get(
    repository: Repository, checkout: Path, path: str
) -> None:
    base, made = head(checkout), branch(checkout, "feature/5", {path: "x\n", "fine": "x\n"})
    assert await unfit(repository, base, made, protected_patterns([])) == [f"{path} is protected"]


async def test_always_protected_is_seen_through_a_rename(repository: Repository, checkout: Path) -> None:
    text = "".join(f"rule {number}\n" for number in range(40))
    base = commit(checkout, {"AGENTS.md": text})
    git(checkout, "switch", "--quiet", "-c", "feature/5")
    git(checkout, "mv", "AGENTS.md", "notes.md")
    made = commit(checkout, {})
    git(checkout, "switch", "--quiet", "main")
    refused(await taken_in(repository, made, base), FailureReason.PROTECTED_PATH, "AGENTS.md")
    assert await unfit(repository, base, made, ALWAYS_PROTECTED) == ["AGENTS.md is protected"]


def test_always_protected_is_allowed_only_by_name() -> None:
    assert set(ALWAYS_PROTECTED) <= set(protected_patterns(["migrations/**"]))
    allowed = protected_patterns(["!CLAUDE.md"])
    assert set(ALWAYS_PROTECTED) - set(allowed) == {"CLAUDE.md", "**/CLAUDE.md"}


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../outside", "deep/../../outside", "deep/.//../a.txt", ".git/config", ".."]
)
async def test_a_link_that_leaves_the_tree_is_refused(
    repository: Repository, checkout: Path, target: str
) -> None:
    base = head(checkout)
    git(checkout, "switch", "--quiet", "-c", "feature/5")
    (checkout / "link").symlink_to(target)
    made = commit_all(checkout)
    refused(await taken_in(repository, made, base), FailureReason.IMPORT_REFUSED, "leaves the tree")
    assert "leaves the tree" in "".join(await unfit(repository, base, made, ()))


async def test_a_link_that_leaves_the_tree_by_way_of_another_is_refused(
    repository: Repository, checkout: Path
) -> None:
    """Each stays inside as it is written; together they lead to what lies beside the tree."""
    base = head(checkout)
    git(checkout, "switch", "--quiet", "-c", "feature/5")
    (checkout / "here").symlink_to(".")
    (checkout / "deep" / "link").symlink_to("../here/../beside.txt")
    (checkout.parent / "beside.txt").write_text("not of this tree\n")
    assert (checkout / "deep" / "link").read_text() == "not of this tree\n"
    refused(
        await taken_in(repository, commit_all(checkout), base),
        FailureReason.IMPORT_REFUSED,
        "leaves the tree",
    )


async def test_a_link_within_the_tree_is_fine(repository: Repository, checkout: Path) -> None:
    base = head(checkout)
    git(checkout, "switch", "--quiet", "-c", "feature/5")
    (checkout / "deep" / "link").symlink_to("../a.txt")
    assert isinstance(await taken_in(repository, commit_all(checkout), base), CandidateImported)


async def test_a_link_to_another_repository_is_refused(repository: Repository, checkout: Path) -> None:
    base = head(checkout)
    git(checkout, "switch", "--quiet", "-c", "feature/5")
    git(checkout, "update-index", "--add", "--cacheinfo", f"160000,{base},nested")
    git(checkout, "commit", "--quiet", "-m", "nested")
    made = head(checkout)
    git(checkout, "switch", "--quiet", "main")
    refused(await taken_in(repository, made, base), FailureReason.IMPORT_REFUSED, "another repository")
    assert await unfit(repository, base, made, ()) == ["nested is a link to another repository"]


@pytest.mark.parametrize("name", [".git", ".Git"])
async def test_a_git_directory_is_refused(repository: Repository, checkout: Path, name: str) -> None:
    base, tree = head(checkout), git(checkout, "rev-parse", "HEAD:deep")
    listed = git(checkout, "ls-tree", "HEAD")
    made_tree = git(checkout, "mktree", input=f"{listed}\n040000 tree {tree}\t{name}\n".encode())
    made = git(checkout, "commit-tree", made_tree, "-p", base, "-m", "hm")
    refused(await taken_in(repository, made, base), FailureReason.IMPORT_REFUSED, "is a git directory")


async def test_a_link_that_only_a_merge_makes_leave_the_tree_does_not_land(
    repository: Repository, checkout: Path
) -> None:
    """One candidate moves a link up, the other points it one directory further out: each stays inside."""
    (checkout / "deep/down/link").symlink_to("../b.txt")
    git(checkout, "add", "deep/down/link")
    base = commit(checkout, {})
    git(checkout, "switch", "--quiet", "-c", "one")
    git(checkout, "mv", "deep/down/link", "deep/link")
    one = commit(checkout, {})
    git(checkout, "switch", "--quiet", "-c", "two", base)
    (checkout / "deep/down/link").unlink()
    (checkout / "deep/down/link").symlink_to("../../b.txt")
    two = commit_all(checkout)
    for number, made in ((5, one), (6, two)):
        outcome = await taken_in(repository, made, base)
        assert isinstance(outcome, CandidateImported), number
    candidates = [land.Candidate(5, 1, "one", one), land.Candidate(6, 1, "two", two)]
    steps, conflicts = await land.compose(repository, RUN, base, candidates, WHEN)
    assert conflicts == ()
    assert await unfit(repository, base, steps[-1].commit, ()) == [
        "deep/link is a link that leaves the tree: ../../b.txt"
    ]


def commit_all(checkout: Path) -> Sha:
    """Commit everything, go back to main, and return the commit."""
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "-m", "all")
    made = head(checkout)
    git(checkout, "switch", "--quiet", "main")
    return made


@pytest.mark.parametrize("stays", [False, True], ids=["one process each", "resident"])
@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ("^{tree}", FailureReason.WORKSPACE_ERROR),
        (":deep", FailureReason.WORKSPACE_ERROR),
        (":deep/link", FailureReason.WORKSPACE_ERROR),
        (":deep/new", FailureReason.IMPORT_REFUSED),
    ],
)
async def test_commits_that_are_not_whole_fail_their_issue_and_never_the_run(
    repository: Repository, checkout: Path, lost: str, reason: FailureReason, stays: bool
) -> None:
    base = head(checkout)
    git(checkout, "switch", "--quiet", "-c", "feature/5")
    (checkout / "deep/link").symlink_to("new")
    git(checkout, "add", "deep/link")
    made = commit(checkout, {"deep/new": "new\n"})
    git(checkout, "switch", "--quiet", "main")
    name = git(checkout, "rev-parse", f"{made}{lost}")
    loose = checkout / ".git/objects" / name[:2] / name[2:]
    loose.rename(checkout / ".git/away")
    try:
        async with repository.resident() if stays else nullcontext():
            refused(
                await taken_in(repository, made, base),
                reason,
                "its commits" if "WORK" in reason.name else name,
            )
    finally:
        (checkout / ".git/away").rename(loose)


async def test_a_git_that_fails_on_commits_that_are_whole_is_no_verdict_on_them(
    repository: Repository, checkout: Path
) -> None:
    base, made = head(checkout), branch(checkout, "feature/5", {"a.txt": "new\n"})
    (checkout / ".git/refs/mawep").write_text("in the way\n")
    try:
        with pytest.raises(GitError):
            await taken_in(repository, made, base)
    finally:
        (checkout / ".git/refs/mawep").unlink()


SCOPES = (
    Scope("deep", ("deep/**",), labels=("Below",), confine=True),
    Scope("new", ("new",), labels=("fresh",), needs=("deep",)),
    Scope("top", ("a.txt",)),
)


async def scoped(
    repository: Repository, made: Sha, base: Sha, *labels: str
) -> CandidateImported | ImportRefused:
    guard = Guard((), {}, SCOPES, labels)
    return await accept(
        repository, ImportIntended(5, 1, made, base), run=RUN, target=base, others=(), guard=guard
    )


async def test_a_candidate_says_which_scopes_it_affects(repository: Repository, checkout: Path) -> None:
    base = head(checkout)
    for name, files, scopes in (
        ("one", {"new/x": "x\n"}, ("new",)),
        ("two", {"deep/down/b.txt": None, "new/b.txt": "b\n"}, ("deep", "new")),
        ("three", {"elsewhere": "x\n"}, None),
    ):
        outcome = await scoped(repository, branch(checkout, name, files), base)
        assert isinstance(outcome, CandidateImported)
        assert outcome.scopes == scopes


async def test_a_candidate_that_leaves_what_its_labels_confine_it_to_can_be_mended(
    repository: Repository, checkout: Path
) -> None:
    base = head(checkout)
    made = branch(checkout, "feature/5", {"deep/x": "x\n", "new/y": "y\n"})
    outcome = await scoped(repository, made, base, "below")
    refused(outcome, FailureReason.OUT_OF_SCOPE, "confine it to (deep): new/y")
    assert isinstance(outcome, ImportRefused) and outcome.repairable
    assert isinstance(await scoped(repository, made, base, "BELOW", "fresh"), CandidateImported)
    assert isinstance(await scoped(repository, made, base, "other"), CandidateImported)
