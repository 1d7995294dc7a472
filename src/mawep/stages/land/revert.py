"""The revert of landings, made as a candidate: what they brought is taken out of the target as it is now.

Each is a merge of three: what landed, the target, and what was there before it landed. So later work stays, and where
that needs what is taken out, it is a conflict like any other, or the gate's to find.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_merge import Conflicted, conflict_hunks, merge_trees
from mawep.adapters.git_objects import changed_paths_raw, commit_tree, rev_parse
from mawep.adapters.git_packs import kept
from mawep.adapters.git_refs import hold
from mawep.core.events import CandidateImported, IssueParked, Landed, RevertIntended
from mawep.core.model import Scope
from mawep.core.scopes import affected
from mawep.stages.land.author import MAWEP


async def make_revert(
    repository: Repository,
    intent: RevertIntended,
    date: datetime,
    *,
    held_by: str,
    trailers: Sequence[tuple[str, str]],
    scopes: tuple[Scope, ...],
    labels: Iterable[str],
) -> CandidateImported | IssueParked:
    """Take the landings out of `intent.base`, one commit each, held by a ref. The same intent, the same commits.

    `trailers` are those of a commit for the attempt.
    """
    head = intent.base
    for landed in intent.landings:
        before = await rev_parse(repository, f"{landed.commit}^1", "tree")
        undone = await commit_tree(repository, before, [landed.commit], "undone", author=MAWEP, date=date)
        merged = await merge_trees(repository, head, undone)
        if isinstance(merged, Conflicted):
            return await _parked(repository, intent, landed, merged, (head, undone))
        message = _message(landed, trailers)
        head = await commit_tree(repository, merged.tree, [head], message, author=MAWEP, date=date)
    changes = await changed_paths_raw(repository, intent.base, head)
    if not changes:
        why = f"there is nothing left to take back: the target is without what #{intent.issue} brought"
        return IssueParked(intent.issue, why)
    async with kept(repository, [head], [intent.base]):
        await hold(repository, held_by, head)
    files = tuple(sorted({change.path for change in changes}))
    affects = affected(scopes, files, labels) if scopes else None
    tree = await rev_parse(repository, head, "tree")
    return CandidateImported(intent.issue, intent.attempt, head, tree, files, affects)


async def _parked(
    repository: Repository,
    intent: RevertIntended,
    landed: Landed,
    merged: Conflicted,
    sides: tuple[Sha, Sha],
) -> IssueParked:
    names = dict(zip(sides, ("the target", f"before #{landed.issue}"), strict=True))
    hunks = await conflict_hunks(repository, merged, names=names)
    text = "\n\n".join(f"--- {path}\n{hunk}" for path, hunk in hunks.items())
    why = f"later work builds on what #{landed.issue} brought: {', '.join(merged.files)}"
    return IssueParked(intent.issue, why, text, merged.files)


def _message(landed: Landed, trailers: Sequence[tuple[str, str]]) -> str:
    ours = "".join(f"{key}: {value}\n" for key, value in trailers)
    return f"Revert #{landed.issue}\n\nThis takes back {landed.commit}.\n\n{ours}"
