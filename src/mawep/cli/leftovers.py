"""What ended runs have left in a repository and nobody needs any more: found first, removed then.

Only what a journal or our own registry names is ever touched. A branch goes only while it points at a commit that
MAWEP saw there, and only if the target has it all.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_objects import is_ancestor
from mawep.adapters.git_refs import RefMovedError, list_refs, read_ref, update_refs
from mawep.adapters.git_worktrees import list_worktrees
from mawep.adapters.process import Supervisor
from mawep.adapters.valkey import Connection
from mawep.cli.landing import own_branch, target_ref
from mawep.cli.settings import workspace_settings
from mawep.cli.upkeep import clear_dead_sockets, shared_server
from mawep.clock import SystemClock
from mawep.config import Config
from mawep.coordination.bus import forget_run
from mawep.core import events as ev
from mawep.errors import UsageError
from mawep.observe.text import count
from mawep.stages.workspace import Workspaces
from mawep.stages.workspace.registry import Kind, Record, Registry, Stage
from mawep.state import journal
from mawep.state.runs import RunDirectory, RunSummary, home, list_runs, target_claimed


@dataclass(frozen=True)
class _Ended:
    """An ended run as its journal tells it: its attempts' branches and every commit that was seen on them."""

    summary: RunSummary
    at: datetime
    branches: frozenset[str]
    seen: frozenset[Sha]


@dataclass
class Leftovers:
    """What can go. `overdue` are worktrees whose attempt is over and whose retention never began: it begins now.

    `unlent` are those that no attempt has: a process that was killed could not take them away.
    """

    worktrees: list[Record] = field(default_factory=list)
    unlent: list[Record] = field(default_factory=list)
    overdue: list[Record] = field(default_factory=list)
    branches: dict[str, Sha] = field(default_factory=dict)
    refs: dict[str, Sha] = field(default_factory=dict)
    spoken: list[RunDirectory] = field(default_factory=list)
    runs: list[RunDirectory] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Each of them, for people."""
        yield from (f"worktree {record.path} ({record.branch})" for record in self.worktrees)
        yield from (f"worktree {record.path}" for record in self.unlent)
        yield from (f"branch {ref.removeprefix('refs/heads/')}, fully merged" for ref in self.branches)
        yield from (f"{ref}" for ref in self.refs)
        yield from (f"messages and keys of run {directory.run}" for directory in self.spoken)
        yield from (f"journal, logs and transcripts of run {directory.run}" for directory in self.runs)

    def kept(self) -> str:
        """What stays for now, for people; empty when nothing does."""
        if not self.overdue:
            return ""
        return f"{count(len(self.overdue), 'worktree')} of ended runs kept; their retention begins now"


async def find(repository: Repository, config: Config, now: datetime, *, at_once: bool) -> Leftovers:
    """What can go now. `at_once`: worktrees and refs of ended runs, however young.

    Raises:
        UsageError: a run is going on.
    """
    runs = list_runs(repository.common_dir)
    for run in runs:
        if run.alive:
            raise UsageError(
                f"Run {run.directory.run} is running", next_step="tidy up when it has ended, or pause for it"
            )
    ended = [_read(run) for run in runs if run.ended]
    needed = {name for run in runs if not run.ended for name in _worktree_names(run)}
    kept = timedelta(days=0 if at_once else config.cleanup.worktree_retention_days)
    found = Leftovers()
    for record in _worktrees(repository):
        if record.kind is not Kind.ATTEMPT or record.stage is not Stage.LENT:
            found.unlent.append(record)
            continue
        if record.name in needed:
            continue
        if at_once or (record.shelved_at is not None and record.shelved_at + kept <= now):
            found.worktrees.append(record)
        elif record.shelved_at is None:
            found.overdue.append(record)
    going = {Path(record.path) for record in found.worktrees}
    busy = {tree.branch for tree in list_worktrees(repository) if tree.path not in going}
    for one in ended:
        directory = one.summary.directory
        landed_on = one.summary.target_branch
        here = () if landed_on == own_branch(directory.run) else (f"refs/heads/{landed_on}",)
        for ref in {*here, target_ref(config)}:
            found.branches |= await _merged(repository, one, ref, busy)
        if one.at + kept <= now:
            found.refs |= await list_refs(repository, f"refs/mawep/{directory.run}/")
        if directory.keys.is_dir():
            found.spoken.append(directory)
        if one.at + timedelta(days=config.cleanup.log_retention_days) <= now:
            found.runs.append(directory)
    return found


def _read(run: RunSummary) -> _Ended:
    records = journal.read(run.directory.journal)
    branches, seen = set[str](), set[Sha]()
    for recorded in records:
        match recorded.event:
            case ev.AttemptAssigned(branch=branch, base=base):
                branches.add(branch)
                seen.add(base)
            case ev.TurnEnded(head=head):
                seen.add(head)
            case ev.CandidateImported(commit=commit):
                seen.add(commit)
            case _:
                pass
    return _Ended(run, records[-1].at, frozenset(branches), frozenset(seen))


def _worktree_names(run: RunSummary) -> Iterator[str]:
    for recorded in journal.read(run.directory.journal):
        if isinstance(recorded.event, ev.AttemptAssigned):
            yield recorded.event.name


def _worktrees(repository: Repository) -> list[Record]:
    houses = home(repository.common_dir) / "workspaces"
    return Registry(houses).all() if houses.is_dir() else []


async def _merged(
    repository: Repository, run: _Ended, ref: str, busy: Iterable[str | None]
) -> dict[str, Sha]:
    """The branches of a run that the target (a ref) has all of."""
    target = await read_ref(repository, ref)
    if target is None or not run.branches:
        return {}
    heads = await list_refs(repository, *(f"refs/heads/{branch}" for branch in sorted(run.branches)))
    return {
        ref: sha
        for ref, sha in heads.items()
        if ref.removeprefix("refs/heads/") in run.branches
        and ref not in busy
        and sha in run.seen
        and await is_ancestor(repository, sha, target)
    }


async def remove(repository: Repository, config: Config, found: Leftovers) -> None:
    """Let go of what was found. Nothing can begin on the targets concerned meanwhile.

    Raises:
        UsageError: another process works on one of the targets.
    """
    with ExitStack() as claims:
        for branch in sorted({run.target_branch for run in list_runs(repository.common_dir)}):
            claims.enter_context(target_claimed(repository.common_dir, branch))
        if (home(repository.common_dir) / "workspaces").is_dir():
            await _remove_worktrees(repository, config, found)
        for ref, sha in {**found.branches, **found.refs}.items():
            with suppress(RefMovedError):  # somebody works on it again
                await update_refs(repository, [(ref, None, sha)], message="mawep: cleanup", fsync=False)
        await _forget(repository.common_dir, found.spoken)
        clear_dead_sockets(repository.common_dir)
        for directory in found.runs:
            shutil.rmtree(directory.path)


async def _remove_worktrees(repository: Repository, config: Config, found: Leftovers) -> None:
    async with AsyncExitStack() as stack:
        supervisor = await Supervisor.start()
        stack.push_async_callback(supervisor.close)
        settings = workspace_settings(config, repository)
        workspaces = Workspaces(repository, supervisor, settings, SystemClock())
        await workspaces.open()
        stack.push_async_callback(workspaces.close)  # which removes what is not lent, and empties the trash
        for record in found.overdue:
            if workspace := workspaces.find(record.name):
                await workspaces.shelve(workspace)
        for record in found.worktrees:
            if workspace := workspaces.find(record.name):
                await workspaces.discard(workspace)


async def _forget(common_dir: Path, spoken: Sequence[RunDirectory]) -> None:
    """Take the messages of ended runs off the server, and the keys that they were signed with."""
    data = home(common_dir) / "valkey"
    if not spoken:
        return
    async with shared_server(data) as server:
        connection = await Connection.connect(server.url)
        try:
            for directory in spoken:
                await forget_run(connection, directory.run)
                for key in sorted(directory.keys.iterdir()):
                    key.unlink()
                directory.keys.rmdir()
        finally:
            await connection.close()
