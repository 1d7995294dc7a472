"""What an attempt made becomes a candidate only after these checks; a candidate is a commit, never a branch."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_durable import make_durable
from mawep.adapters.git_history import Commit, commits_between
from mawep.adapters.git_markers import marked
from mawep.adapters.git_objects import (
    ABSENT,
    SUBMODULE,
    SYMLINK,
    Change,
    UnsoundObjectsError,
    changed_paths_raw,
    check_new_objects,
    is_ancestor,
    read_blob,
)
from mawep.adapters.git_refs import hold
from mawep.core.claims import covers, is_protected
from mawep.core.events import CandidateImported, ImportIntended, ImportRefused
from mawep.core.model import FailureReason, Number, Scope
from mawep.core.scopes import affected, labelled, outside
from mawep.errors import GitError

ALWAYS_PROTECTED = (
    ".gitattributes",
    "**/.gitattributes",
    ".gitmodules",
    ".lfsconfig",
    ".github/**",
    "mawep.yaml",
    ".mawep/**",
    ".claude/**",
    "**/.claude/**",
    ".mcp.json",
    "CLAUDE.md",
    "**/CLAUDE.md",
    "AGENTS.md",
    "**/AGENTS.md",
    "GEMINI.md",
    "**/GEMINI.md",
    ".codex/**",
    ".gemini/**",
    ".vscode/**",
    ".husky/**",
    ".envrc",
    "**/.envrc",
    ".devcontainer/**",
)
"""Paths whose content runs in the next agent's or the user's tools; only the configuration can allow them."""

SHOWN = 10

_REPAIRABLE = frozenset({FailureReason.CLAIM_CONFLICT, FailureReason.OUT_OF_SCOPE})
"""What an agent may be asked to undo."""

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_UP_FROM_A_NAME = re.compile(r"(^|/)(?!\.\.?(/|$))[^/]+/(\.?/)*\.\.(/|$)")


@dataclass(frozen=True)
class Guard:
    """What an attempt may not write. `protected` are patterns; `claimed` maps patterns to who holds them.

    `scopes` are those of the repository, `labels` those of the issue, which may confine it to some of them.
    """

    protected: Sequence[str]
    claimed: Mapping[str, Number]
    scopes: Sequence[Scope] = ()
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Given:
    """What MAWEP gave an attempt: the only `Mawep-*` trailers that its commits may carry."""

    run: str
    issue: Number
    attempt: int

    def trailers(self) -> tuple[tuple[str, str], ...]:
        """The trailers of a commit made on the agent's behalf."""
        return (
            ("Mawep-Run", self.run),
            ("Mawep-Issue", str(self.issue)),
            ("Mawep-Attempt", str(self.attempt)),
        )


def candidate_ref(run: str, issue: Number, attempt: int) -> str:
    """The ref that holds an imported candidate."""
    return f"refs/mawep/{run}/candidate/{issue}-a{attempt}"


def protected_patterns(configured: Iterable[str]) -> tuple[str, ...]:
    """The patterns in force: the built-in ones and the configured.

    `!pattern` allows a built-in one, at the root and wherever else it is protected.
    """
    wanted = tuple(configured)
    allowed = {pattern[1:] for pattern in wanted if pattern.startswith("!")}
    built_in = (
        pattern for pattern in ALWAYS_PROTECTED if allowed.isdisjoint({pattern, pattern.removeprefix("**/")})
    )
    ours = (pattern for pattern in wanted if not pattern.startswith("!"))
    return tuple(dict.fromkeys((*built_in, *ours)))


async def accept(
    repository: Repository,
    intent: ImportIntended,
    *,
    run: str,
    target: Sha,
    others: Sequence[Sha],
    guard: Guard,
) -> CandidateImported | ImportRefused:
    """Check the commits of an attempt and hold them by a ref.

    `target` is what the target branch points at; `others` are the heads of other unlanded attempts. Commits that
    are not whole are refused: an agent, or somebody's `git gc --prune=now`, can leave a branch on such.
    """
    try:
        return await _accept(repository, intent, run=run, target=target, others=others, guard=guard)
    except GitError:
        missing = await _missing(repository, intent.head, target)
        if not missing:
            raise
        detail = f"the repository lacks objects of its commits: {missing}; its worktree is kept"
        return _refuse(intent, FailureReason.WORKSPACE_ERROR, detail)


async def _missing(repository: Repository, head: Sha, target: Sha) -> str:
    """What git says when it goes through all that the head adds to the target; '' when that is whole."""
    done = await repository.call("rev-list", "--objects", "--quiet", head, f"^{target}")
    return done.stderr.decode(errors="replace").strip() if done.code != 0 else ""


async def _accept(
    repository: Repository,
    intent: ImportIntended,
    *,
    run: str,
    target: Sha,
    others: Sequence[Sha],
    guard: Guard,
) -> CandidateImported | ImportRefused:
    try:
        line = await _line_of_work(repository, intent, run=run, target=target, others=others)
    except _Refused as refused:
        return _refuse(intent, FailureReason.IMPORT_REFUSED, str(refused))
    changes = await changed_paths_raw(repository, line.start, intent.head)
    if not changes:
        return _refuse(intent, FailureReason.NO_CHANGES, "its commits leave every file as it was")
    refusal = await _forbidden(repository, changes, guard)
    if refusal is not None:
        reason, detail = refusal
        return _refuse(intent, reason, detail, repairable=reason in _REPAIRABLE)
    if line.merges and (left := await marked(repository, changes)):
        detail = f"conflict markers are left in {_listed(left)}"
        return _refuse(intent, FailureReason.IMPORT_REFUSED, detail, repairable=True)
    try:
        objects = await check_new_objects(repository, line.start, intent.head)
    except UnsoundObjectsError as error:
        return _refuse(intent, FailureReason.IMPORT_REFUSED, str(error))
    await make_durable(repository, objects)
    await hold(repository, candidate_ref(run, intent.issue, intent.attempt), intent.head)
    files = tuple(sorted({change.path for change in changes}))
    scopes = affected(guard.scopes, files, guard.labels) if guard.scopes else None
    return CandidateImported(intent.issue, intent.attempt, intent.head, line.tree, files, scopes)


def _refuse(
    intent: ImportIntended, reason: FailureReason, detail: str, *, repairable: bool = False
) -> ImportRefused:
    return ImportRefused(intent.issue, intent.attempt, reason, detail, repairable)


class _Refused(Exception):  # noqa: N818 (an answer, not a fault)
    """This head cannot be a candidate at all, whatever it changes."""


@dataclass(frozen=True)
class _Work:
    """What an attempt added to the target: from `start`, where it left it, to a head with this `tree`.

    `merges`: it is no straight line from its base.
    """

    start: Sha
    tree: Sha
    merges: bool


async def _line_of_work(
    repository: Repository, intent: ImportIntended, *, run: str, target: Sha, others: Sequence[Sha]
) -> _Work:
    if not _SHA.fullmatch(intent.head):
        raise _Refused(f"its head {intent.head!r} is not a commit's name")
    try:
        commits = await commits_between(repository, target, intent.head)
    except GitError as error:
        raise _Refused(f"its head {intent.head} is not in the repository: {error.cause}") from error
    if not commits:
        raise _Refused(f"its head {intent.head[:12]} is on the target already")
    given = set(Given(run, intent.issue, intent.attempt).trailers())
    for commit in commits:
        forged = [key for key, value in _ours(commit) if (key, value) not in given]
        if forged:
            raise _Refused(
                f"its commit {commit.sha[:12]} carries what only MAWEP writes: {', '.join(forged)}"
            )
    straight = _straight(commits, intent.base)
    if not straight and not await is_ancestor(repository, intent.base, intent.head):
        raise _Refused(f"its head {intent.head[:12]} does not descend from its base {intent.base[:12]}")
    if not all(given.issubset(commit.trailers) for commit in commits):  # else MAWEP made them all
        foreign = await _foreign(repository, target, intent.head, commits, others)
        if foreign:
            raise _Refused(f"it holds commits of another attempt that has not landed: {foreign}")
    start = intent.base if straight else await _fork_point(repository, target, intent.head)
    return _Work(start, commits[-1].tree, not straight)


def _straight(commits: Sequence[Commit], base: Sha) -> bool:
    """True when the commits are one line from `base`, which the target contains, with nothing merged in."""
    parents = (base, *(commit.sha for commit in commits[:-1]))
    return all(commit.parents == (parent,) for commit, parent in zip(commits, parents, strict=True))


def _ours(commit: Commit) -> Iterable[tuple[str, str]]:
    if not commit.claims_to_be_ours:
        return ()
    found = [(key, value) for key, value in commit.trailers if key.lower().startswith("mawep-")]
    return found or [("Mawep-", "")]


async def _foreign(
    repository: Repository, target: Sha, head: Sha, commits: Sequence[Commit], others: Sequence[Sha]
) -> str:
    """Which of the commits another attempt made; '' when none."""
    excluded = "".join(f"^{sha}\n" for sha in others if sha != target)
    if not excluded:
        return ""
    listing = ("rev-list", "--ignore-missing", "--stdin", head, f"^{target}")
    output = await repository.run(*listing, input=excluded.encode())
    own = set(output.decode().split())
    return ", ".join(commit.sha[:12] for commit in commits if commit.sha not in own)


async def _fork_point(repository: Repository, target: Sha, head: Sha) -> Sha:
    """Where the attempt's work leaves the target: its base, or what it merged from the target since."""
    return (await repository.run("merge-base", target, head)).decode().strip()


async def _forbidden(
    repository: Repository, changes: Sequence[Change], guard: Guard
) -> tuple[FailureReason, str] | None:
    strange = await _forbidden_entries(repository, changes)
    if strange:
        return FailureReason.IMPORT_REFUSED, "; ".join(strange[:SHOWN])
    touched = sorted({change.path for change in changes if is_protected(change.path, guard.protected)})
    if touched:
        return FailureReason.PROTECTED_PATH, f"changes protected paths: {_listed(touched)}"
    claimed = [
        f"{change.path} (claimed by #{holder})"
        for change in changes
        for pattern, holder in guard.claimed.items()
        if covers(pattern, change.path)
    ]
    if claimed:
        return (
            FailureReason.CLAIM_CONFLICT,
            f"changes files that another issue has claimed: {_listed(claimed)}",
        )
    beyond = outside(guard.scopes, sorted({change.path for change in changes}), guard.labels)
    if beyond:
        own = ", ".join(sorted(labelled(guard.scopes, guard.labels)))
        return (
            FailureReason.OUT_OF_SCOPE,
            f"changes files outside of what its labels confine it to ({own}): {_listed(beyond)}",
        )
    return None


async def unfit(repository: Repository, old: Sha, new: Sha, protected: Sequence[str]) -> list[str]:
    """What nobody may bring to the target, in the difference of two commits.

    Clean candidates can make it together: one moves a link that another points elsewhere.
    """
    changes = await changed_paths_raw(repository, old, new)
    touched = sorted({change.path for change in changes if is_protected(change.path, protected)})
    strange = await _forbidden_entries(repository, changes)
    return [*(f"{path} is protected" for path in touched), *strange]


async def _forbidden_entries(repository: Repository, changes: Sequence[Change]) -> list[str]:
    """What no candidate may bring: links to other repositories, and links that leave the tree."""
    found = []
    for change in changes:
        if change.new_mode == SUBMODULE:
            found.append(f"{change.path} is a link to another repository")
        elif change.new_mode == SYMLINK:
            target = (await read_blob(repository, change.new_sha)).decode("utf-8", "replace")
            if _leaves(change.path, target):
                found.append(f"{change.path} is a link that leaves the tree: {target}")
        elif change.new_mode != ABSENT and _is_git(change.path):
            found.append(f"{change.path} is a git directory")
    return found


def _leaves(path: str, target: str) -> bool:
    """True when a link may lead out of the tree, or into what git keeps there.

    The way up from a name is refused: where that is a link itself, it goes up from somewhere else.
    """
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    outside = target.startswith("/") or joined == ".." or joined.startswith("../")
    return outside or _UP_FROM_A_NAME.search(target) is not None or _is_git(joined)


def _is_git(path: str) -> bool:
    return any(part.lower() == ".git" for part in path.split("/"))


def _listed(items: Sequence[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")
