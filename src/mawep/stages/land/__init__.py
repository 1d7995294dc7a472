"""Landing: compose candidates without a checkout, seal them as merge commits, move the target, never blindly.

Desired: every tree that the target points at was gated; the user's checkout goes along or is left alone;
whatever half of a move a crash left out is completed. Known race: between our look at a checkout and
`read-tree` a person may save a file; `read-tree` then refuses to write over it and the move is blocked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec

from mawep.adapters.git import LockHeldError, Repository, Sha, WorkTree
from mawep.adapters.git_checkout import CheckoutDirtyError, checkouts_of, dirty_paths, move_checkout
from mawep.adapters.git_merge import Conflicted, Merged, conflict_hunks, merge_trees
from mawep.adapters.git_objects import changed_paths_raw, commit_tree, exists, is_ancestor
from mawep.adapters.git_packs import kept
from mawep.adapters.git_refs import (
    RefMovedError,
    hold,
    list_refs,
    read_ref,
    update_refs_again,
)
from mawep.core import events as ev
from mawep.core.model import Number, Rules, Scope
from mawep.core.scopes import affected
from mawep.errors import GitError, InfrastructureError
from mawep.stages.land.author import MAWEP
from mawep.stages.land.order import ordered
from mawep.stages.land.reading import what_is_read
from mawep.stages.land.resolve import Resolved, Resolver

INDEX_PATIENCE = 5.0
"""How long another git may hold the index of a checkout before that counts as being in the way, in seconds."""
INDEX_POLL = 0.02


@dataclass(frozen=True)
class Candidate:
    """What lands for an issue; `reverts` are those whose landings it takes back.

    `resolved` says what its agent made of conflicts with the target.
    """

    issue: Number
    attempt: int
    title: str
    commit: Sha
    reverts: tuple[Number, ...] = ()
    resolved: tuple[str, ...] = ()


def landing_ref(run: str, name: str) -> str:
    """The ref that holds a composition until its batch is over."""
    return f"refs/mawep/{run}/landing/{name}"


async def compose(
    repository: Repository,
    run: str,
    base: Sha,
    candidates: Sequence[Candidate],
    date: datetime,
    *,
    resolver: Resolver | None = None,
) -> tuple[tuple[ev.Step, ...], tuple[ev.MergeConflict, ...]]:
    """Merge the candidates one after another on `base`; those that conflict are left out and reported.

    If some conflict with others of them, it is in the order in which most fit. `resolver` resolves first what it can.

    The commits made here are provisional: they only carry the trees. The last one is held by a ref, durably.
    """
    steps, conflicts = await _merge_all(repository, run, base, candidates, date, resolver)
    if any(conflict.with_ for conflict in conflicts):
        known = {candidate.issue: candidate for candidate in candidates}
        order = await ordered(repository, {number: known[number].commit for number in known})
        again = [known[number] for number in order]
        others = await _merge_all(repository, run, base, again, date, resolver)
        steps, conflicts = max((steps, conflicts), others, key=lambda made: len(made[0]))
    if steps:
        async with kept(repository, [steps[-1].commit], [base, *(one.commit for one in candidates)]):
            await hold(repository, landing_ref(run, f"composed-{_name(steps)}"), steps[-1].commit)
    return steps, conflicts


async def _merge_all(  # noqa: PLR0917
    repository: Repository,
    run: str,
    base: Sha,
    candidates: Sequence[Candidate],
    date: datetime,
    resolver: Resolver | None,
) -> tuple[tuple[ev.Step, ...], tuple[ev.MergeConflict, ...]]:
    """In just this order; held by nothing."""
    steps: list[ev.Step] = []
    conflicts: list[ev.MergeConflict] = []
    head = base
    for candidate in candidates:
        merged: Merged | Conflicted | Resolved = await merge_trees(repository, head, candidate.commit)
        if resolver and isinstance(merged, Conflicted):
            merged = await resolver.best(repository, merged) or merged
        if isinstance(merged, Conflicted):
            ahead = tuple(step.issue for step in steps)
            conflicts.append(await _conflict(repository, base, candidate, merged, ahead))
            continue
        steps.append(await _step(repository, run, head, candidate, merged, date))
        head = steps[-1].commit
    return tuple(steps), tuple(conflicts)


async def ways(
    repository: Repository,
    run: str,
    base: Sha,
    candidate: Candidate,
    date: datetime,
    *,
    resolver: Resolver | None = None,
) -> tuple[tuple[ev.Step, ...], ev.MergeConflict | None]:
    """How a candidate can be merged by rule that does not merge cleanly, the best first; nothing for one that does.

    Each is a provisional commit, held by a ref.
    """
    merged = await merge_trees(repository, base, candidate.commit)
    if isinstance(merged, Merged):
        return (), None
    found = await resolver.ways(repository, merged) if resolver else []
    steps = [await _step(repository, run, base, candidate, way, date) for way in found]
    if steps:
        async with kept(repository, [step.commit for step in steps], [base, candidate.commit]):
            for step in steps:
                await hold(repository, landing_ref(run, f"composed-{_name([step])}"), step.commit)
    return tuple(steps), await _conflict(repository, base, candidate, merged, ())


async def _step(  # noqa: PLR0917
    repository: Repository,
    run: str,
    head: Sha,
    candidate: Candidate,
    merged: Merged | Resolved,
    date: datetime,
) -> ev.Step:
    message = f"Compose #{candidate.issue}\n\n{_trailers(_named(run, candidate))}\n"
    parents = [head, candidate.commit]
    commit = await commit_tree(repository, merged.tree, parents, message, author=MAWEP, date=date)
    resolved = merged.rungs if isinstance(merged, Resolved) else ()
    return ev.Step(candidate.issue, commit, merged.tree, resolved=resolved, reverts=candidate.reverts)


async def scoped(
    repository: Repository,
    base: Sha,
    steps: tuple[ev.Step, ...],
    rules: Rules,
    labels: Iterable[str],
) -> tuple[ev.Step, ...]:
    """The composition with what it affects, whoever brought it: git says so, as a merge can move a file."""
    if not (steps and rules.scopes):
        return steps
    *front, last = steps
    found = await affects(repository, base, last.commit, rules.scopes, labels)
    reads = await what_is_read(repository, last.commit, rules, found)
    return (*front, msgspec.structs.replace(last, scopes=found, reads=reads))


async def affects(
    repository: Repository, base: Sha, commit: Sha, scopes: Sequence[Scope], labels: Iterable[str]
) -> tuple[str, ...] | None:
    """The scopes that what differs between two commits affects; None: everything."""
    if not scopes:
        return None
    changes = await changed_paths_raw(repository, base, commit)
    return affected(scopes, [change.path for change in changes], labels)


async def _conflict(
    repository: Repository, base: Sha, candidate: Candidate, merged: Conflicted, ahead: tuple[Number, ...]
) -> ev.MergeConflict:
    """Whom it conflicts with: the target itself, or only those that were composed before it."""
    with_: tuple[Number, ...] = ahead
    if ahead:
        alone = await merge_trees(repository, base, candidate.commit)
        if isinstance(alone, Conflicted):
            merged, with_ = alone, ()
    hunks = await conflict_hunks(repository, merged)
    text = "\n\n".join(f"--- {path}\n{hunk}" for path, hunk in hunks.items())
    return ev.MergeConflict(candidate.issue, merged.files, text, with_)


async def seal(
    repository: Repository,
    run: str,
    intent: ev.SealIntended,
    candidates: Mapping[Number, Candidate],
    *,
    target: str,
    journal_head: str,
) -> ev.LandingSealed:
    """Make the final merge commits of a composition: the same trees, with trailers. The same intent, the same shas."""
    head = intent.base
    sealed: list[ev.Step] = []
    for step in intent.steps:
        candidate = candidates[step.issue]
        proof = [("Mawep-Reverts", str(number)) for number in candidate.reverts]
        proof += [("Mawep-Gate", intent.gate), ("Mawep-Journal", journal_head)]
        proof += [("Mawep-Review", digest) for issue, digest in intent.reviews if issue == step.issue]
        message = _landing_message(run, candidate, target, step.resolved, proof)
        parents = [head, candidate.commit]
        head = await commit_tree(repository, step.tree, parents, message, author=MAWEP, date=intent.date)
        sealed.append(msgspec.structs.replace(step, commit=head))
    known = [intent.base, *(candidates[step.issue].commit for step in intent.steps)]
    async with kept(repository, [head], known):
        await hold(repository, landing_ref(run, f"sealed-{_name(sealed)}"), head)
    return ev.LandingSealed(intent.base, tuple(sealed))


def _landing_message(
    run: str, candidate: Candidate, target: str, resolved: Sequence[str], proof: Sequence[tuple[str, str]]
) -> str:
    title = " ".join(candidate.title.split())
    title = f"revert {title}" if candidate.reverts else title
    trailers = _trailers((*_named(run, candidate), *proof))
    told = _listed("Conflicts resolved by rule", resolved)
    told += _listed("Conflicts resolved by its agent", candidate.resolved)
    return f"Merge #{candidate.issue} into {target}: {title}\n\n{told}{trailers}\n"


def _listed(title: str, items: Sequence[str]) -> str:
    lines = "".join(f"- {' '.join(item.split())}\n" for item in items)
    return f"{title}:\n\n{lines}\n" if lines else ""


def _named(run: str, candidate: Candidate) -> tuple[tuple[str, str], ...]:
    """What every commit that MAWEP makes says: whose work it is."""
    return (
        ("Mawep-Run", run),
        ("Mawep-Issue", str(candidate.issue)),
        ("Mawep-Attempt", str(candidate.attempt)),
    )


def _trailers(pairs: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"{key}: {value}" for key, value in pairs)


def _name(steps: Sequence[ev.Step]) -> str:
    return steps[-1].commit[:16]


async def target_now(repository: Repository, branch: str) -> Sha:
    """What the target branch points at; InfrastructureError when it is gone."""
    sha = await read_ref(repository, f"refs/heads/{branch}")
    if sha is None:
        raise InfrastructureError(
            f"The target branch {branch} does not exist any more",
            next_step="create it again at the last landing commit (`mawep report` names it), then `mawep resume`",
        )
    return sha


async def check_target(repository: Repository, branch: str, known: Sha) -> Sha:
    """What the target points at now, which must contain `known`, the last thing we know of it.

    Raises:
        InfrastructureError: somebody moved the target to something without what landed.
    """
    now = await target_now(repository, branch)
    if now != known and not await is_ancestor(repository, known, now):
        raise InfrastructureError(
            f"{branch} was moved to {now[:12]}, which does not contain {known[:12]}",
            cause="somebody reset or rewrote the target branch while the run was on it",
            next_step=f"bring {known[:12]} back into {branch}, then `mawep resume`",
        )
    return now


Moved = ev.TargetMoved | ev.MoveBlocked | ev.MoveLost
"""What can come of a move."""


class Target(Protocol):
    """What work lands on."""

    async def now(self, known: Sha | None) -> Sha:
        """Where it is; it must contain `known`, if anything is known of it.

        Raises:
            InfrastructureError: it does not exist, or was moved to something without what landed.
        """
        ...

    async def move(self, intent: ev.MoveIntended, *, intended_at: datetime) -> Moved:
        """Bring it from old to new; completes what an earlier try left half done."""
        ...

    async def blocked_by(self, old: Sha, new: Sha) -> tuple[str, ...]:
        """What still stands in the way of a blocked move."""
        ...


@dataclass(frozen=True)
class LocalTarget:
    """The target is a branch of this repository, and nothing else knows it."""

    repository: Repository
    branch: str

    async def now(self, known: Sha | None) -> Sha:
        if known is None:
            return await target_now(self.repository, self.branch)
        return await check_target(self.repository, self.branch, known)

    async def move(self, intent: ev.MoveIntended, *, intended_at: datetime) -> Moved:
        return await move_target(self.repository, self.branch, intent, intended_at=intended_at)

    async def blocked_by(self, old: Sha, new: Sha) -> tuple[str, ...]:
        return await blocked_by(self.repository, self.branch, old, new)


async def move_target(
    repository: Repository,
    branch: str,
    intent: ev.MoveIntended,
    *,
    intended_at: datetime,
    message: str = "mawep: land",
) -> Moved:
    """Bring the target from old to new, its checkouts first; completes what an earlier try left half done.

    `intended_at` is when the intent was journalled: a lock on the target that is older is not ours.
    """
    ref = f"refs/heads/{branch}"
    now = await check_target(repository, branch, intent.old)
    if now not in (intent.old, intent.new):
        if await is_ancestor(repository, intent.new, now):
            return ev.TargetMoved(intent.old, now, intent.steps)
        return ev.MoveLost(now)
    if now == intent.old and not await is_there(repository, intent):
        return ev.MoveLost(now)
    for listed in checkouts_of(repository, ref):
        tree = repository.worktree(listed.path, listed.name)
        blocked = await _bring(tree, intent.old, intent.new)
        if blocked:
            return ev.MoveBlocked(blocked, str(listed.path))
    if now == intent.new:
        return ev.TargetMoved(intent.old, intent.new, intent.steps)
    try:
        await update_refs_again(
            repository,
            [(ref, intent.new, intent.old)],
            intended_at=intended_at.timestamp(),
            message=message,
        )
    except RefMovedError as error:
        # The checkout is at the new files already and its branch went elsewhere: bring it back to where it was.
        for listed in checkouts_of(repository, ref):
            await _bring(repository.worktree(listed.path, listed.name), intent.new, intent.old)
        return ev.MoveLost(await check_target(repository, branch, error.actual or intent.old))
    return ev.TargetMoved(intent.old, intent.new, intent.steps)


async def is_there(repository: Repository, intent: ev.MoveIntended) -> bool:
    """False when what was composed is gone: a person has let go of the refs that hold it, and collected garbage."""
    wanted = (intent.new, *(step.tree for step in intent.steps[-1:]))
    return all([await exists(repository, sha) for sha in wanted])


async def _bring(tree: WorkTree, old: Sha, new: Sha) -> tuple[str, ...]:
    """Bring one checkout from old to new; what is in the way if it is not clean. Done already is done.

    A person's `git status` holds the index for a moment, and one who commits for as long as the editor is open.
    """
    deadline = time.monotonic() + INDEX_PATIENCE
    while True:
        try:
            await move_checkout(tree, old, new)
        except CheckoutDirtyError as error:
            return error.paths
        except LockHeldError as error:
            if time.monotonic() > deadline:
                return (str(error.path),)
            await asyncio.sleep(INDEX_POLL)
        except GitError:
            blocked = await dirty_paths(tree, old, new)
            if blocked:
                return blocked
            raise
        else:
            return ()


async def blocked_by(repository: Repository, branch: str, old: Sha, new: Sha) -> tuple[str, ...]:
    """What still stands in the way of a blocked move; empty when it can be tried again."""
    found: list[str] = []
    for listed in checkouts_of(repository, f"refs/heads/{branch}"):
        tree = repository.worktree(listed.path, listed.name)
        lock = tree.git_dir / "index.lock"
        found += [str(lock)] if lock.exists() else await dirty_paths(tree, old, new)
    return tuple(found)


async def forget_refs(
    repository: Repository, wanted: Mapping[str, Sha | None], *, intended_at: datetime | None = None
) -> None:
    """Let go of refs of ours that are still where they were left; None: wherever they are.

    `wanted` names refs of the run and branches of its attempts; those that are gone already are gone.
    `intended_at` is when this was journalled, if it was: only a lock made since then is one of ours.
    """
    found = await list_refs(repository, *wanted) if wanted else {}
    gone = [(ref, None, sha) for ref, sha in found.items() if wanted.get(ref, "") in (None, sha)]
    if gone:
        when = intended_at.timestamp() if intended_at else time.time()
        await update_refs_again(repository, gone, intended_at=when, message="mawep: retire", fsync=False)


async def landing_refs(repository: Repository, run: str) -> tuple[str, ...]:
    """Every ref that holds a composition of this run."""
    return tuple(await list_refs(repository, f"refs/mawep/{run}/landing/"))
