"""Whose work a move of the target may break, as the state of the run knows it."""

from __future__ import annotations

from pathlib import Path

import structlog

from mawep.adapters.git import Repository
from mawep.adapters.git_refs import read_ref
from mawep.core import events as ev
from mawep.core.changes import touches
from mawep.core.model import Number
from mawep.core.state import State
from mawep.core.touched import changed
from mawep.errors import GitError
from mawep.stages.breaking import Work, broken_by

log = structlog.get_logger("mawep.breakage")

LIKELY = 0.5
"""A predicted file that is at least as likely is one that an agent is taken to work on."""


async def found(repository: Repository, intent: ev.BreaksSought, state: State) -> ev.BreaksFound:
    """What the move breaks of these issues' work. What cannot be read is passed over: it is found at landing."""
    try:
        works = [work for number in intent.issues if (work := await _work(repository, state, number))]
        broken = await broken_by(repository, intent.old, intent.new, works)
        return ev.BreaksFound(intent.old, intent.new, broken)
    except GitError as error:
        log.warning("what a landing breaks is not known", cause=str(error))
        return ev.BreaksFound(intent.old, intent.new)


async def _work(repository: Repository, state: State, number: Number) -> Work | None:
    attempt = state.issues[number].attempt
    if attempt is None:
        return None
    likely = (one.path for one in state.graph.issues[number].predicted if one.share >= LIKELY)
    worktree = Path(attempt.worktree) if attempt.worktree else None
    return Work(
        number,
        attempt.number,
        attempt.base,
        await read_ref(repository, f"refs/heads/{attempt.branch}"),
        (*touches(state, number), *changed(state, number), *likely),
        worktree if worktree is not None and worktree.is_dir() else None,
    )
