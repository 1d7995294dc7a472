"""The workshop: takes assignments from its mailbox, runs agents under leases, reports, and decides nothing.

Properties wanted: an agent never outlives its lease; a result is reported once, under the fence it was made
under; whatever an attempt wrote is committed or salvaged before it is reported; a defect of ours fails the
attempt that met it, loudly. Known race: a stop may cross a result on its way; both are reported, and the
orchestrator takes the first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import msgspec
import structlog

from mawep.adapters.git import Repository
from mawep.adapters.process import Supervisor, SupervisorGoneError, until_free
from mawep.agents.base import AgentFailed, ProviderLimited
from mawep.agents.command import CommandRuntime, finished_before
from mawep.clock import Clock
from mawep.coordination import channels
from mawep.coordination import payloads as wire
from mawep.coordination.bus import Bus
from mawep.coordination.inbox import Received
from mawep.coordination.leases import Leases
from mawep.coordination.outages import hear, through_outage
from mawep.core.model import FailureReason, Issue
from mawep.errors import BusGoneError, LeaseLostError, MawepError
from mawep.stages.attempt import Ears, Turn, TurnOutcome
from mawep.stages.workspace import Workspaces
from mawep.worker.claims import Claims
from mawep.worker.desk import (
    CONTINUE,
    Desk,
    WorkerSettings,
    launch_of,
    lock_of,
    result_of,
    usage_of,
    write_issue,
)
from mawep.worker.following import followed
from mawep.worker.keeping import Keeping
from mawep.worker.mishaps import logged
from mawep.worker.models import Models, ended
from mawep.worker.renewal import renewed
from mawep.worker.reports import HEALTH_SECONDS, Reports, health_of
from mawep.worker.results import Results
from mawep.worker.sessions import Sessions
from mawep.worker.talk import Talk, spoken
from mawep.worker.tools import Toolbox
from mawep.worker.watching import watched

log = structlog.get_logger("mawep.worker")

LOCK_SECONDS = 15.0
"""How long a turn that is continued waits for what is left of its predecessor to be gone."""
HANDOVER_SECONDS = 2.0
"""How long a turn whose result is out may take to wind up before the next turn of its attempt ends it."""


class Worker:
    """Offers agent slots to one run."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        bus: Bus,
        leases: Leases,
        workspaces: Workspaces,
        repository: Repository,
        supervisor: Supervisor,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._bus = bus
        self._reports = Reports(bus, clock)
        self._leases = leases
        self._results = Results(leases, clock)
        self._workspaces = workspaces
        self._repository = repository
        self._keeping = Keeping(settings.run, workspaces, repository)
        self._clock = clock
        self._talk = Talk(self._reports)
        self._claims = Claims()
        self._tools = Toolbox(
            settings.directory, self._reports, self._talk, self._claims, clock, forge=settings.forge
        )
        self._desks: dict[tuple[int, int], Desk] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions = Sessions(
            settings,
            workspaces=workspaces,
            supervisor=supervisor,
            reports=self._reports,
            claims=self._claims,
            tools=self._tools,
            models=Models(settings, self._desks, self._in_background),
        )

    async def forget_the_past(self) -> None:
        """Leave unread what an earlier process of this name was told: the orchestrator says again what still holds.

        Call it before the orchestrator speaks.
        """
        mailbox = channels.direct(self._settings.name)
        await self._bus.acknowledge(mailbox, await self._bus.last(mailbox))

    async def run(self) -> None:
        """Work until cancelled; then every agent is ended and nothing is reported any more."""
        health = asyncio.create_task(self._report_health())
        try:
            mailbox = channels.direct(self._settings.name)
            async for received in hear(self._bus, [mailbox], self._clock):
                if not isinstance(received, Received):
                    continue
                try:
                    self._handle(received)
                except Exception:  # the attempt it was for is given up when its lease runs off
                    log.exception("message not understood", type=received.envelope.type)
                acknowledge = partial(self._bus.acknowledge, mailbox, received.stream_id)
                await through_outage(acknowledge, self._clock)
        finally:
            health.cancel()
            await self._end_everything(health)
            await self._reports.close()

    async def _end_everything(self, *others: asyncio.Task[None]) -> None:
        running = [desk.task for desk in self._desks.values() if desk.task] + list(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, *others, return_exceptions=True)
        await asyncio.gather(*(self._sessions.close(desk) for desk in self._desks.values()))
        self._desks.clear()
        await self._tools.leave()

    # --- messages

    def _handle(self, received: Received) -> None:
        fence = received.envelope.fence or 0
        match received.payload:
            case wire.Assignment() as work:
                self._start(work, fence, self._first_turn)
            case wire.Repair() as repair:
                self._results.settled((repair.issue, repair.attempt))
                self._start(repair.work, fence, lambda desk: self._repair(desk, repair))
            case wire.Stop() as stop:
                self._results.settled((stop.issue, stop.attempt))
                self._in_background(self._stop(stop, fence))
            case wire.Release() as release:
                self._results.settled((release.issue, release.attempt))
                self._let_go((release.issue, release.attempt))
            case wire.Deliver() as message:
                self._in_background(self._deliver(message))
            case wire.Answer() as answer:
                self._in_background(self._answer(answer))
            case wire.ClaimAnswer() | wire.ForgeAnswer() as said:
                self._tools.answered(said)
            case wire.ClaimsChanged() as news:
                self._claims.change(news)
            case other:
                log.warning("unexpected message", type=other.type_name)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(logged("message not dealt with", work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _start(self, work: wire.Assignment, fence: int, turn: Callable[[Desk], Awaitable[str]]) -> None:
        issue = msgspec.convert(work.issue, Issue)
        desk = self._desks.get((issue.number, work.attempt))
        if desk is None:
            desk = Desk(work, issue, 0, self._workspaces.find(work.worktree))
            desk.undelivered = self._talk.waiting_for(desk.key)
            self._desks[desk.key] = desk
        if fence <= desk.newest:
            log.warning("assignment repeated", issue=issue.number, attempt=work.attempt, fence=fence)
            return
        desk.newest = fence
        desk.task = asyncio.create_task(self._after(desk.task, desk, work, fence, turn))

    async def _after(
        self,
        before: asyncio.Task[None] | None,
        desk: Desk,
        work: wire.Assignment,
        fence: int,
        turn: Callable[[Desk], Awaitable[str]],
    ) -> None:
        """A turn of an attempt begins when its last one is over: two never run at once."""
        if before is not None:
            try:
                await asyncio.wait({before}, timeout=HANDOVER_SECONDS)
            finally:
                before.cancel()
                await asyncio.gather(before, return_exceptions=True)
        if desk.leaving is not None:  # its session is being closed: it is no session to go on in
            await asyncio.wait({desk.leaving})
        self._desks[desk.key] = desk
        desk.work, desk.fence = work, fence
        await self._under_lease(desk, turn)

    async def _under_lease(self, desk: Desk, turn: Callable[[Desk], Awaitable[str]]) -> None:
        """One turn from lease to result; whatever goes wrong in it is the result."""
        bound = log.bind(issue=desk.issue.number, attempt=desk.work.attempt, agent=desk.work.agent)
        try:
            desk.lease = await through_outage(
                lambda: self._leases.acquire(
                    f"{desk.issue.number}/{desk.work.attempt}",
                    self._settings.name,
                    desk.fence,
                    str(desk.fence),
                ),
                self._clock,
            )
            async with renewed(self._leases, desk, self._clock):
                result = await self._result(desk, turn)
            # A renewal beside it would find the lease done, and take that for lost.
            await self._commit(desk, result)
        except LeaseLostError as error:
            # Under this fence nothing can be committed any more; the work is kept, the loss is told.
            bound.warning("lease lost", cause=str(error))
            await self._give_up(desk, FailureReason.LOST, str(error))
        except (
            SupervisorGoneError
        ) as error:  # not this attempt's fault: the run stops, and resume looks after it
            bound.error("turn broken off", cause=str(error))
            await self._sessions.close(desk)
        except Exception as error:
            bound.exception("turn could not be reported")
            await self._give_up(desk, FailureReason.WORKSPACE_ERROR, str(error) or repr(error))

    async def _give_up(self, desk: Desk, reason: FailureReason, detail: str) -> None:
        """Report a turn that cannot commit a result; if even that fails, its lease runs off with nobody to renew it.

        Whoever ends it meanwhile finds its desk, and closes what is open there.
        """
        try:
            result = await self._failure(desk, reason, detail)
        except Exception:
            self._desks.pop(desk.key, None)
            raise
        self._desks.pop(desk.key, None)
        await logged("failure not reported", self._reports.tell(desk, result))

    async def _result(self, desk: Desk, turn: Callable[[Desk], Awaitable[str]]) -> wire.TurnResult:
        try:
            stop = await ended(turn(desk), desk)
            head = await self._keeping.commit(desk)
        except ProviderLimited as limited:
            return await self._limited(desk, limited)
        except AgentFailed as failure:
            detail = "\n".join(part for part in (failure.what, failure.cause, failure.detail) if part)
            return await self._failure(desk, failure.reason, detail)
        except (LeaseLostError, SupervisorGoneError):
            raise
        except (MawepError, OSError) as error:
            return await self._failure(desk, FailureReason.WORKSPACE_ERROR, str(error))
        except Exception as error:
            log.exception("turn broke", issue=desk.issue.number, attempt=desk.work.attempt)
            return await self._failure(desk, FailureReason.WORKSPACE_ERROR, f"MAWEP itself broke: {error!r}")
        if head == desk.work.base:
            return await self._failure(
                desk, FailureReason.NO_CHANGES, "the agent says it has finished, but nothing has changed"
            )
        usage = usage_of(desk)
        return result_of(self._settings, desk, "finished", usage=usage, head=head, stop_reason=stop)

    # --- turns

    async def _first_turn(self, desk: Desk) -> str:
        work = desk.work
        if work.resume:
            return await self._continued_turn(desk)
        desk.workspace = await self._workspaces.lend(
            name=work.worktree, branch=work.branch, base=work.base, port_slot=work.port_slot
        )
        write_issue(self._settings, desk)
        await self._sessions.open(desk, resume=None)
        return (await self._converse(desk, work.prompt, resumed=False)).stop

    async def _continued_turn(self, desk: Desk) -> str:
        """A turn whose process died with an earlier MAWEP: it may have ended, or be loadable, or be lost."""
        if desk.workspace is None:
            raise AgentFailed("the attempt died with MAWEP before it began", reason=FailureReason.LOST)
        await until_free(lock_of(self._settings, desk), LOCK_SECONDS)
        if isinstance(self._settings.runtime_of(desk), CommandRuntime):
            if desk.work.ended_fence is not None and finished_before(
                launch_of(self._settings, desk, token=str(desk.work.ended_fence))
            ):
                return "end_turn"
            raise AgentFailed("the agent died with MAWEP", reason=FailureReason.LOST)
        if desk.work.session_id is None:
            raise AgentFailed("the agent died with MAWEP before it had a session", reason=FailureReason.LOST)
        await self._sessions.open(desk, resume=desk.work.session_id)
        return (await self._converse(desk, CONTINUE, resumed=True)).stop

    async def _repair(self, desk: Desk, repair: wire.Repair) -> str:
        """The same session if it lives or can be loaded, else a fresh one with the evidence."""
        feedback = repair.feedback
        command = isinstance(self._settings.runtime_of(desk), CommandRuntime)
        if desk.session is None or command or repair.target is not None:
            await self._sessions.close(desk)
            await until_free(lock_of(self._settings, desk), LOCK_SECONDS)
            if repair.target is not None:
                feedback = f"{await followed(desk, self._workspaces, repair.target)}\n\n{feedback}"
            if not await self._sessions.reopen(desk, "again" if command else desk.work.session_id):
                await self._sessions.open(desk, resume=None)
                feedback = f"{desk.work.prompt}\n\n{feedback}"
        return (await self._converse(desk, feedback, resumed=False)).stop

    async def _converse(self, desk: Desk, prompt: str, *, resumed: bool) -> TurnOutcome:
        session = desk.session
        if session is None:
            raise AgentFailed("the agent's session is gone")
        held, desk.undelivered = desk.undelivered, []
        prompt = "\n\n".join([prompt, *map(spoken, held)])

        async def started(pid: int) -> None:
            await self._reports.started(desk, pid, resumed=resumed)
            await self._sessions.tell(desk)  # one that has a process for every turn is named only now
            await self._talk.delivered(desk, held)

        ears = Ears(
            started=started,
            progressed=lambda progress: self._reports.progressed(desk, progress),
            asked=lambda question: self._talk.asked(desk, question),
            announced=lambda change: self._tools.announced(desk, change),
        )
        at, most, clock = desk.at, self._settings.limits, self._clock
        desk.turn = Turn(session, at.path, most, clock, ears, scratch=at.tmp, held=at.held, calls=desk.calls)
        try:
            async with watched(desk, self._repository, clock):
                return await desk.turn.run(prompt)
        except AgentFailed as failure:
            session.failed(failure)
            raise
        finally:
            self._talk.hush(desk)

    # --- results

    async def _limited(self, desk: Desk, limited: ProviderLimited) -> wire.TurnResult:
        """What the attempt has made stays where it is: it goes on there, in its session if that can be loaded."""
        usage = usage_of(desk)
        result = result_of(
            self._settings, desk, "limited", usage=usage, detail=limited.why, until=limited.until
        )
        await self._sessions.close(desk)
        return result

    async def _failure(self, desk: Desk, reason: FailureReason, detail: str) -> wire.TurnResult:
        usage = usage_of(desk)
        await self._sessions.close(desk)
        salvage = await self._keeping.salvage(desk)
        return result_of(
            self._settings, desk, "failed", usage=usage, reason=reason.value, detail=detail, salvage=salvage
        )

    async def _commit(self, desk: Desk, result: wire.TurnResult) -> None:
        if desk.lease is None:
            raise LeaseLostError("there is no lease to hand the result in under")
        sealed = self._bus.seal(channels.RESULTS, result, to=channels.ORCHESTRATOR, fence=desk.fence)
        await self._results.hand_in(desk.key, desk.lease, sealed.to_bytes())
        desk.lease, desk.turn = None, None
        if result.outcome == "failed":
            self._desks.pop(desk.key, None)

    # --- what may come at any time

    async def _stop(self, stop: wire.Stop, fence: int) -> None:
        key = (stop.issue, stop.attempt)
        desk = self._desks.get(key)
        if desk is None:
            issue = msgspec.convert(stop.work.issue, Issue)
            desk = Desk(stop.work, issue, fence, self._workspaces.find(stop.work.worktree))
            self._desks[key] = desk
            gone = until_free(lock_of(self._settings, desk), LOCK_SECONDS)
            await logged("the agent may still live", gone)
        usage = usage_of(desk)
        if desk.task is not None:
            desk.task.cancel()
            await asyncio.gather(desk.task, return_exceptions=True)
        await self._sessions.close(desk)
        if desk.lease is not None:  # else somebody greater has it, or it runs off
            with contextlib.suppress(LeaseLostError, BusGoneError):
                await self._leases.release(desk.lease)
        kept = await self._keeping.salvage(desk)
        result = result_of(
            self._settings, desk, "stopped", usage=usage, reason=stop.reason, detail=stop.detail, salvage=kept
        )
        self._desks.pop(key, None)
        await self._reports.send(channels.direct(channels.ORCHESTRATOR), result, fence)

    def _let_go(self, key: tuple[int, int]) -> None:
        desk = self._desks.get(key)
        if desk is not None:
            desk.leaving = self._in_background(self._release(desk))

    async def _release(self, desk: Desk) -> None:
        await self._sessions.close(desk)
        self._desks.pop(desk.key, None)
        if desk.workspace is not None:
            await self._workspaces.shelve(desk.workspace)

    async def _deliver(self, message: wire.Deliver) -> None:
        await self._talk.deliver(self._desks.get((message.issue, message.attempt)), message)

    async def _answer(self, answer: wire.Answer) -> None:
        desk = self._desks.get((answer.issue, answer.attempt))
        if desk is not None:
            await self._talk.answer(desk, answer)

    async def _report_health(self) -> None:
        while True:
            await logged("health not said", self._say_health())
            await logged("results not handed in again", self._results.hand_in_again())
            await self._clock.sleep(HEALTH_SECONDS)

    async def _say_health(self) -> None:
        self._settings.logins.collect()
        desks = list(self._desks.values())
        for desk in desks:
            if desk.session and desk.lease is None:  # it waits for a verdict; nobody renews a lease for it
                desk.session.extend(self._clock.boottime() + self._leases.ttl)
        health = health_of(self._settings.name, desks, self._clock.boottime())
        await self._reports.publish(channels.HEALTH_CHECK, health, None)
