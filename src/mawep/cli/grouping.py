"""Conduct the runs of several repositories at once, tied together by a hub."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import structlog

from mawep.adapters.git_orphans import end_orphans
from mawep.adapters.runtime_directory import clear_runtime_directory
from mawep.adapters.valkey_embedded import recorded_socket
from mawep.cli.audience import Audience
from mawep.cli.conduct import Conducted, Conductor, Opened, begin, first_event, refuse_unfinished
from mawep.cli.interrupts import interruptible
from mawep.cli.members import Member
from mawep.cli.upkeep import shared_server
from mawep.clock import Clock
from mawep.coordination.envelopes import new_id
from mawep.core import events as ev
from mawep.core import group as groups
from mawep.core.engine import replay
from mawep.core.model import Issue
from mawep.core.state import State
from mawep.errors import InfrastructureError, MawepError
from mawep.orchestrator import Hub
from mawep.state import journal as journals
from mawep.state.groups import GroupRecord, Part, clear_the_way, has_begun, part_of, write
from mawep.state.journal import Journal
from mawep.state.runs import RunDirectory, home, target_claimed

log = structlog.get_logger("mawep.group")


@dataclass(frozen=True)
class Seat:
    """One repository of a group, and who watches its run."""

    member: Member
    part: Part
    audience: Audience


@contextlib.contextmanager
def claimed(members: Iterable[Member]) -> Iterator[None]:
    """Hold the target of each for this process.

    Raises:
        UsageError: another process holds one.
    """
    with ExitStack() as claims:
        for member in members:
            branch = member.config.orchestrator.target_branch
            claims.enter_context(target_claimed(member.repository.common_dir, branch))
        yield


async def establish(
    members: Mapping[str, Member], issues: Mapping[str, Sequence[Issue]], config: Path, clock: Clock
) -> GroupRecord:
    """Write down a group: from then on it can be resumed. `issues` are by the key of their repository.

    Raises:
        UsageError: a run on one of the targets is not finished, or a template cannot be used; nothing was touched.
    """
    parts = []
    for key, chosen in issues.items():
        member = members[key]
        refuse_unfinished(member.repository.common_dir, member.config.orchestrator.target_branch)
        started = await first_event(member.repository, member.config, chosen, clock, shared=True)
        parts.append(part_of(member.name, member.repository.common_dir, started))
    agents = next(iter(members.values())).config.orchestrator.max_agents
    record = GroupRecord(new_id(clock.now()), str(config.absolute()), agents, tuple(parts))
    write(record)
    return record


async def bring_news(record: GroupRecord, clock: Clock) -> None:
    """Tell runs that have ended what changed elsewhere while nobody conducted them: some of them go on.

    Raises:
        JournalError: a journal cannot be read or written.
    """
    while True:
        group = groups.group_of(record.agents, [part.key for part in record.parts])
        states = {part.key: _state_of(part) for part in record.parts if has_begun(part)}
        for key, state in states.items():
            group = groups.seen(group, key, state, clock.now())
        news = [
            (key, event)
            for key, event in groups.news(group)
            if isinstance(event, ev.FarSeen) and states[key].ended is not None
        ]
        if not news:
            return
        for part in record.parts:
            if told := [event for key, event in news if key == part.key]:
                with closing(Journal.open(part.directory.journal)) as journal:
                    for event in told:
                        journal.append(event, clock.now())
                    await journal.commit()


def _state_of(part: Part) -> State:
    return replay(journals.read(part.directory.journal))


async def conduct(
    record: GroupRecord, seats: Sequence[Seat], clock: Clock, *, rerun: bool = True
) -> list[Conducted]:
    """Conduct every run of the group that has not ended; what became of each. `rerun`: lost attempts are run again.

    Raises:
        JournalError: a journal cannot be opened.
        UsageError: the configuration cannot drive the agents of one.
    """
    hub = Hub(record.agents, [seat.part.key for seat in seats], clock)
    opened = await _open_all(seats, clock, rerun=rerun)
    for seat, one in zip(seats, opened, strict=True):
        if isinstance(one, Opened):
            hub.join(seat.part.key, one.hall)
        else:
            hub.leave(seat.part.key, one.state)
    with interruptible(_Interrupts(hub).hear):
        work = (_conduct(seat, one, hub, clock) for seat, one in zip(seats, opened, strict=True))
        return await asyncio.gather(*work)


class _Interrupts:
    """Raises the hub to the level that a signal stands for."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._level = 0

    def hear(self, level: int) -> None:
        while self._level < level:
            self._level += 1
            self._hub.interrupt()


async def _open_all(seats: Iterable[Seat], clock: Clock, *, rerun: bool) -> list[Opened | Conducted]:
    """Take over every journal, or none."""
    opened: list[Opened | Conducted] = []
    with ExitStack() as undo:
        for seat in seats:
            one = await _open(seat, clock, rerun=rerun)
            if isinstance(one, Opened):
                undo.callback(one.journal.close)
            opened.append(one)
        undo.pop_all()
    return opened


async def _open(seat: Seat, clock: Clock, *, rerun: bool) -> Opened | Conducted:
    """Take over the journal, beginning the run if it has not begun; what became of it, if it has ended."""
    conductor, part = _conductor(seat, clock), seat.part
    if not has_begun(part):
        clear_the_way(part)
        return conductor.open(*await begin(seat.member.repository.common_dir, part.first_event(), clock))
    state = _state_of(part)
    if state.ended is not None:
        return Conducted(part.directory, state, None)
    return conductor.reopen(part.directory, rerun=rerun)


def _conductor(seat: Seat, clock: Clock) -> Conductor:
    return Conductor(seat.member.repository, seat.member.config, clock, seat.audience.view)


async def _conduct(seat: Seat, one: Opened | Conducted, hub: Hub, clock: Clock) -> Conducted:
    """Conduct one of the runs. What breaks it is its own: the others go on."""
    if isinstance(one, Conducted):
        await _sweep(seat.member.repository.common_dir, one.directory)
        return one

    @asynccontextmanager
    async def admitted() -> AsyncIterator[bool]:
        try:
            yield await hub.admitted(seat.part.key)
        finally:
            hub.leave(seat.part.key)  # before its worktrees are tidied up: others can use its agents

    try:
        async with AsyncExitStack() as stack:
            with ExitStack() as undo:
                undo.callback(one.journal.close)
                await stack.enter_async_context(seat.audience)
                undo.pop_all()
            return await _conductor(seat, clock).conduct(one, admitted)
    except MawepError as error:
        failure = InfrastructureError(error.what, cause=error.cause, next_step=error.next_step)
    except Exception as error:
        log.exception("a part of the run broke")
        failure = InfrastructureError("MAWEP itself broke", cause=repr(error), next_step="please report it")
    finally:
        hub.leave(seat.part.key)
    return Conducted(one.directory, one.hall.state, failure)


async def _sweep(common_dir: Path, ended: RunDirectory) -> None:
    """End what the dead process of a run that had ended left running."""
    await end_orphans(common_dir)
    clear_runtime_directory(ended.path)
    data = home(common_dir) / "valkey"
    if recorded_socket(data) is not None:
        async with shared_server(data):
            pass  # who leaves it last turns it off
