"""End a run whose process is dead, without going on with it: nothing starts, nothing that was made is lost."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from mawep.adapters.git import Repository
from mawep.adapters.git_orphans import end_orphans
from mawep.adapters.git_packs import forget_dead_keeps
from mawep.adapters.git_refs import list_refs
from mawep.adapters.git_scratch import forget_dead_scratch
from mawep.adapters.runtime_directory import clear_runtime_directory
from mawep.cli.outcome import save_report
from mawep.cli.upkeep import shared_server
from mawep.clock import SystemClock
from mawep.core import events as ev
from mawep.core.engine import evolve, replay
from mawep.core.model import IssueState
from mawep.core.state import State
from mawep.errors import GitError, InfrastructureError
from mawep.observe.text import count, short
from mawep.stages.land import move_target
from mawep.state import journal as journals
from mawep.state.journal import Journal
from mawep.state.runs import RunSummary, home, target_claimed


async def give_up(repository: Repository, run: RunSummary) -> list[str]:
    """Cancel every open issue of a dead run and end it; what was done, in lines for people.

    A move of the target that was under way is completed first: its tree is gated, and half a move would leave the
    user's checkout in between.

    Raises:
        UsageError: another process works on its target.
        JournalError: another process has the run.
        InfrastructureError: the target is not where the run left it.
    """
    with target_claimed(repository.common_dir, run.target_branch):
        journal = Journal.open(run.directory.journal)
        with closing(journal):
            await end_orphans(repository.common_dir)
            forget_dead_keeps(repository.common_dir)
            forget_dead_scratch(repository.common_dir)
            clear_runtime_directory(run.directory.path)
            before = state = replay(journals.read(run.directory.journal))
            async for event in _farewell(repository, state, getpass.getuser()):
                state = evolve(state, journal.append(event, SystemClock().now()))
                await journal.commit()
        save_report(run.directory, state, journals.read(run.directory.journal))
        async with shared_server(home(repository.common_dir) / "valkey"):
            pass  # who leaves it last turns it off, and the dead process did not
    heads = await list_refs(repository, "refs/heads/")
    return list(_told(before, state, frozenset(heads)))


async def _farewell(repository: Repository, state: State, by: str) -> AsyncIterator[ev.AnyEvent]:
    """The events that bring a run to its end."""
    batch = state.landing
    landed: frozenset[int] = frozenset()
    if batch is not None:
        move = state.effects.get("move")
        done: ev.AnyEvent = ev.MoveLost(batch.base)
        if move is not None and isinstance(move.event, ev.MoveIntended):
            done = await _complete(repository, state.target_branch, move.event, move.at) or done
        if isinstance(done, ev.TargetMoved):
            landed = frozenset(step.issue for step in done.steps)
        elif isinstance(done, ev.MoveBlocked):
            done = ev.MoveLost(batch.base)
        yield done
    for number in state.graph.order:
        record = state.issues[number]
        if number in landed or record.state.terminal:
            continue
        pull = record.pull
        if pull is not None and pull.queued and record.proposed:  # nobody waits for the forge any more
            yield ev.PullRequestSeen(number, pull.number, pull.head, state.target)
        yield ev.IssueCancelled(number, by)
        if pull is not None and record.state is IssueState.LANDING:
            yield ev.MergeDeferred(number, f"given up by {by}", refused=False)
        if record.state.holds_slot and record.attempt is not None:
            yield ev.AttemptInterrupted(number, record.attempt.fence)
    total = state.landed + len(landed)
    yield ev.RunEnded("landed" if total == len(state.issues) else "partial" if total else "failed")


async def _complete(
    repository: Repository, branch: str, move: ev.MoveIntended, intended_at: datetime
) -> ev.AnyEvent | None:
    """Finish a move; None when somebody rewrote the target, so that nothing of ours can be finished on it."""
    try:
        return await move_target(repository, branch, move, intended_at=intended_at)
    except GitError:
        raise
    except InfrastructureError:
        return None


def _told(before: State, after: State, heads: frozenset[str]) -> Iterator[str]:
    cancelled = [
        number
        for number in after.graph.order
        if after.issues[number].state is IssueState.CANCELLED and not before.issues[number].state.terminal
    ]
    yield f"Run {after.run} is given up: {count(len(cancelled), 'issue')} cancelled, {after.landed} landed."
    if after.landed > before.landed:
        yield f"  a landing that was under way is complete: {after.target_branch} is at {short(after.target)}"
    for number in cancelled:
        if kept := list(_kept(after, number, heads)):
            yield f"  kept of #{number}: {', '.join(kept)}"
    yield "  `mawep retry ISSUE` takes one up again, `mawep cleanup` tidies up when retention is over"


def _kept(state: State, number: int, heads: frozenset[str]) -> Iterator[str]:
    attempt, salvage = state.issues[number].attempt, state.issues[number].salvage
    if attempt is not None and f"refs/heads/{attempt.branch}" in heads:
        yield f"branch {attempt.branch}"
    if attempt is not None and attempt.worktree and Path(attempt.worktree).is_dir():
        yield f"worktree {attempt.worktree}"
    if salvage is not None:
        yield f"saved work {salvage}"
