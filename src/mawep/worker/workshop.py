"""The workshop: takes assignments from its mailbox, runs agents under leases, reports, and decides nothing.

Properties wanted: an agent never outlives its lease; a result is reported once, under the fence it was made
under; whatever an attempt wrote is committed or salvaged before it is reported. Known race: a stop may cross
a result on its way; both are reported, and the orchestrator takes the first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from mawep.adapters.git import Repository
from mawep.adapters.git_objects import Identity as Author
from mawep.adapters.git_refs import read_ref
from mawep.adapters.process import Supervisor, clean_environment, until_free
from mawep.agents.base import AgentFailed, AgentSession, BreakingChange, Launch, Runtime
from mawep.agents.command import CommandRuntime, finished_before
from mawep.clock import Clock
from mawep.coordination import channels
from mawep.coordination import envelopes as wire
from mawep.coordination.bus import Bus
from mawep.coordination.inbox import Received
from mawep.coordination.leases import Lease, Leases, RenewalWatch
from mawep.core.claims import covers
from mawep.core.model import FailureReason, Issue, Question, Sha, Usage
from mawep.errors import BusGoneError, LeaseLostError, MawepError
from mawep.stages.attempt import Ears, Limits, Progress, Turn, TurnOutcome, vitals_of
from mawep.stages.workspace import Workspace, Workspaces

log = structlog.get_logger("mawep.worker")

LOCK_SECONDS = 15.0
"""How long a turn that is continued waits for what is left of its predecessor to be gone."""
HEALTH_SECONDS = 5.0
OUTAGE_POLL = 0.1
"""How often a bus that is gone is asked whether it is back, in seconds."""
REPORT_SECONDS = 0.25
"""Progress of one attempt is published at most this often."""
CONTINUE = (
    "Your session was interrupted and has been restored. Look at the state of your working tree, "
    "go on from there and finish the task."
)


@dataclass(frozen=True)
class WorkerSettings:
    """How this worker drives agents. `directory` is the run's; `command` starts an agent."""

    name: str
    run: str
    directory: Path
    runtime: Runtime
    command: tuple[str, ...]
    env: tuple[str, ...]
    limits: Limits


@dataclass
class Desk:
    """One attempt at work here. `turn` is None between turns; `fence` is that of the last one."""

    work: wire.Assignment
    issue: Issue
    fence: int
    workspace: Workspace | None = None
    session: AgentSession | None = None
    turn: Turn | None = None
    task: asyncio.Task[None] | None = None
    lease: Lease | None = None
    reported: float = 0.0
    undelivered: list[wire.Deliver] = field(default_factory=list)

    @property
    def at(self) -> Workspace:
        """Its workspace, which it has from the beginning of its first turn."""
        if self.workspace is None:
            raise AgentFailed("the attempt's worktree is gone", reason=FailureReason.WORKSPACE_ERROR)
        return self.workspace

    @property
    def key(self) -> tuple[int, int]:
        """(issue, attempt)."""
        return self.issue.number, self.work.attempt


class ClaimPolicy:
    """Refuses what others have claimed; what an issue declared itself is its own."""

    def __init__(self, claimed: list[str], protected: list[str]) -> None:
        self._claimed = claimed
        self._protected = protected

    def verdict(self, path: str) -> str | None:
        """None when the path may be written."""
        if path.startswith(("/", "../")):
            return "it is outside the worktree"
        if any(covers(pattern, path) for pattern in self._claimed):
            return "another issue has claimed it"
        if any(covers(pattern.removesuffix("/**"), path) for pattern in self._protected):
            return "it is a protected path"
        return None


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
        self._leases = leases
        self._workspaces = workspaces
        self._repository = repository
        self._supervisor = supervisor
        self._clock = clock
        self._desks: dict[tuple[int, int], Desk] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled; then every agent is ended and nothing is reported any more."""
        health = asyncio.create_task(self._report_health())
        try:
            mailbox = channels.direct(self._settings.name)
            async for received in _received(self._bus, mailbox, self._clock):
                self._handle(received)
                acknowledge = partial(self._bus.acknowledge, mailbox, received.stream_id)
                await _through_outage(acknowledge, self._clock)
        finally:
            health.cancel()
            await self._end_everything(health)

    async def _end_everything(self, *others: asyncio.Task[None]) -> None:
        running = [desk.task for desk in self._desks.values() if desk.task] + list(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, *others, return_exceptions=True)
        sessions = [desk.session for desk in self._desks.values() if desk.session]
        await asyncio.gather(*(session.close() for session in sessions), return_exceptions=True)
        self._desks.clear()

    # --- messages

    def _handle(self, received: Received) -> None:
        fence = received.envelope.fence or 0
        match received.payload:
            case wire.Assignment() as work:
                self._start(work, fence, self._first_turn)
            case wire.Repair() as repair:
                self._start(repair.work, fence, lambda desk: self._repair(desk, repair.feedback))
            case wire.Stop() as stop:
                self._in_background(self._stop(stop, fence))
            case wire.Release() as release:
                self._in_background(self._release((release.issue, release.attempt)))
            case wire.Deliver() as message:
                self._in_background(self._deliver(message))
            case wire.Answer() as answer:
                self._in_background(self._answer(answer))
            case other:
                log.warning("unexpected message", type=other.type_name)

    def _in_background(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _start(self, work: wire.Assignment, fence: int, turn: Callable[[Desk], Awaitable[str]]) -> None:
        issue = msgspec.convert(work.issue, Issue)
        desk = self._desks.get((issue.number, work.attempt))
        if desk is None:
            desk = Desk(work, issue, fence, self._workspaces.find(work.worktree))
            self._desks[desk.key] = desk
        desk.work, desk.fence = work, fence
        desk.task = asyncio.create_task(self._under_lease(desk, turn))

    async def _under_lease(self, desk: Desk, turn: Callable[[Desk], Awaitable[str]]) -> None:
        """One turn from lease to result; whatever goes wrong in it is the result."""
        bound = log.bind(issue=desk.issue.number, attempt=desk.work.attempt, agent=desk.work.agent)
        try:
            desk.lease = await _through_outage(
                lambda: self._leases.acquire(
                    f"{desk.issue.number}/{desk.work.attempt}",
                    self._settings.name,
                    desk.fence,
                    str(desk.fence),
                ),
                self._clock,
            )
            async with self._renewed(desk):
                result = await self._result(desk, turn)
                await self._commit(desk, result)
        except LeaseLostError as error:
            # Under this fence nothing can be committed any more; the work is kept, the loss is told.
            bound.warning("lease lost", cause=str(error))
            lost = await self._failure(desk, FailureReason.LOST, str(error))
            self._desks.pop(desk.key, None)
            await self._send(channels.direct(channels.ORCHESTRATOR), lost, desk.fence)
        except MawepError as error:
            bound.error("turn could not be reported", cause=str(error))
            await self._close(desk)

    async def _result(self, desk: Desk, turn: Callable[[Desk], Awaitable[str]]) -> wire.TurnResult:
        try:
            stop = await turn(desk)
            head = await self._commit_work(desk)
        except AgentFailed as failure:
            detail = "\n".join(part for part in (failure.what, failure.cause, failure.detail) if part)
            return await self._failure(desk, failure.reason, detail)
        except LeaseLostError:
            raise
        except MawepError as error:
            return await self._failure(desk, FailureReason.WORKSPACE_ERROR, str(error))
        except OSError as error:
            return await self._failure(desk, FailureReason.WORKSPACE_ERROR, f"{error}")
        if head == desk.work.base:
            return await self._failure(
                desk, FailureReason.NO_CHANGES, "the agent says it has finished, but nothing has changed"
            )
        return self._finished(desk, head, stop)

    # --- turns

    async def _first_turn(self, desk: Desk) -> str:
        work = desk.work
        if work.resume:
            return await self._continued_turn(desk)
        desk.workspace = await self._workspaces.lend(
            name=work.worktree, branch=work.branch, base=work.base, port_slot=work.port_slot
        )
        self._write_issue(desk)
        await self._open(desk, resume=None)
        return (await self._converse(desk, work.prompt, resumed=False)).stop

    async def _continued_turn(self, desk: Desk) -> str:
        """A turn whose process died with an earlier MAWEP: it may have ended, or be loadable, or be lost."""
        if desk.workspace is None:
            raise AgentFailed("the attempt died with MAWEP before it began", reason=FailureReason.LOST)
        await until_free(self._launch(desk).lock, LOCK_SECONDS)
        if isinstance(self._settings.runtime, CommandRuntime):
            if desk.work.ended_fence is not None and finished_before(
                self._launch(desk, token=str(desk.work.ended_fence))
            ):
                return "end_turn"
            raise AgentFailed("the agent died with MAWEP", reason=FailureReason.LOST)
        if desk.work.session_id is None:
            raise AgentFailed("the agent died with MAWEP before it had a session", reason=FailureReason.LOST)
        await self._open(desk, resume=desk.work.session_id)
        return (await self._converse(desk, CONTINUE, resumed=True)).stop

    async def _repair(self, desk: Desk, feedback: str) -> str:
        """The same session if it lives or can be loaded, else a fresh one with the evidence."""
        command = isinstance(self._settings.runtime, CommandRuntime)
        if desk.session is None or command:
            await self._close(desk)
            await until_free(self._launch(desk).lock, LOCK_SECONDS)
            try:
                await self._open(desk, resume="again" if command else desk.work.session_id)
            except AgentFailed as failure:
                if failure.reason is not FailureReason.LOST:
                    raise
                await self._open(desk, resume=None)
                feedback = f"{desk.work.prompt}\n\n{feedback}"
        return (await self._converse(desk, feedback, resumed=False)).stop

    async def _open(self, desk: Desk, *, resume: str | None) -> None:
        policy = ClaimPolicy(desk.work.claims_of_others, desk.work.protected)
        desk.session = await self._settings.runtime.open(
            self._launch(desk), self._supervisor, policy, resume=resume
        )
        if desk.session.session_id:
            await self._tell(
                desk,
                wire.SessionOpened(
                    issue=desk.issue.number,
                    attempt=desk.work.attempt,
                    session_id=desk.session.session_id,
                    loadable=desk.session.loadable,
                ),
            )

    async def _converse(self, desk: Desk, prompt: str, *, resumed: bool) -> TurnOutcome:
        session = desk.session
        if session is None:
            raise AgentFailed("the agent's session is gone")
        held, desk.undelivered = desk.undelivered, []
        for message in held:
            prompt = f"{prompt}\n\nMessage from {message.sender}:\n{message.text}"
        ears = Ears(
            progressed=lambda progress: self._progressed(desk, progress),
            asked=lambda question: self._asked(desk, question),
            announced=lambda change: self._announced(desk, change),
        )
        desk.turn = Turn(session, desk.at.path, self._settings.limits, self._clock, ears)
        running = asyncio.create_task(desk.turn.run(prompt))
        try:
            while not session.pid and not running.done():  # noqa: ASYNC110 (a program starts with its first prompt)
                await asyncio.sleep(0.002)
            await self._tell(
                desk,
                wire.AttemptStarted(
                    issue=desk.issue.number,
                    attempt=desk.work.attempt,
                    agent=desk.work.agent,
                    pid=session.pid,
                    resumed=resumed,
                    worktree=str(desk.at.path),
                ),
            )
            for message in held:
                await self._delivered(desk, message)
            return await running
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError, MawepError):
                await running

    # --- results

    async def _commit_work(self, desk: Desk) -> Sha:
        """Commit what the agent left uncommitted; the head of its recorded branch."""
        work = desk.work
        await self._workspaces.commit_for_agent(
            desk.at,
            message=_commit_message(desk.issue),
            identity=Author(work.agent, f"{work.agent}@mawep.localhost"),
            trailers=work.trailers,
        )
        head = await read_ref(self._repository, f"refs/heads/{work.branch}")
        if head is None:
            raise AgentFailed(f"the branch {work.branch} is gone", reason=FailureReason.WORKSPACE_ERROR)
        return head

    async def _failure(self, desk: Desk, reason: FailureReason, detail: str) -> wire.TurnResult:
        usage = self._usage(desk)
        await self._close(desk)
        salvage = await self._salvage(desk)
        return wire.TurnResult(
            issue=desk.issue.number,
            attempt=desk.work.attempt,
            outcome="failed",
            reason=reason.value,
            detail=detail,
            salvage=salvage,
            usage=usage,
            stop_reason="",
            transcript=str(self._directory(desk) / "transcript.jsonl"),
        )

    def _finished(self, desk: Desk, head: Sha, stop: str) -> wire.TurnResult:
        session = desk.session
        return wire.TurnResult(
            issue=desk.issue.number,
            attempt=desk.work.attempt,
            outcome="finished",
            detail="",
            head=head,
            usage=self._usage(desk),
            stop_reason=stop,
            transcript=str(self._directory(desk) / "transcript.jsonl"),
            session_id=session.session_id if session and session.loadable else None,
        )

    async def _commit(self, desk: Desk, result: wire.TurnResult) -> None:
        if desk.lease is None:
            return
        lease = desk.lease
        sealed = self._bus.seal(channels.RESULTS, result, to=channels.ORCHESTRATOR, fence=desk.fence)
        await _through_outage(lambda: self._leases.commit(lease, sealed.to_bytes()), self._clock)
        desk.lease, desk.turn = None, None
        if result.outcome == "failed":
            self._desks.pop(desk.key, None)

    async def _salvage(self, desk: Desk) -> str | None:
        if desk.workspace is None:
            return None
        ref = f"refs/mawep/{self._settings.run}/salvage/{desk.issue.number}-a{desk.work.attempt}"
        author = Author(desk.work.agent, f"{desk.work.agent}@mawep.localhost")
        trailers = "\n".join(f"{key}: {value}" for key, value in desk.work.trailers.items())
        message = f"chore: salvage what #{desk.issue.number} left uncommitted\n\n{trailers}"
        try:
            sha = await self._workspaces.salvage(desk.workspace, ref, message, author)
        except MawepError as error:
            log.warning("salvage failed; the worktree is kept", issue=desk.issue.number, cause=str(error))
            return None
        finally:
            await self._workspaces.shelve(desk.workspace)
        return ref if sha else None

    # --- what may come at any time

    async def _stop(self, stop: wire.Stop, fence: int) -> None:
        key = (stop.issue, stop.attempt)
        desk = self._desks.pop(key, None)
        if desk is None:
            issue = msgspec.convert(stop.work.issue, Issue)
            desk = Desk(stop.work, issue, fence, self._workspaces.find(stop.work.worktree))
        usage = self._usage(desk)
        if desk.task is not None:
            desk.task.cancel()
            await asyncio.gather(desk.task, return_exceptions=True)
        await self._close(desk)
        if desk.lease is not None:
            with contextlib.suppress(LeaseLostError, BusGoneError):
                await self._leases.release(desk.lease)
        result = wire.TurnResult(
            issue=stop.issue,
            attempt=stop.attempt,
            outcome="stopped",
            reason=stop.reason,
            detail=stop.detail,
            salvage=await self._salvage(desk),
            usage=usage,
            stop_reason="",
            transcript=str(self._directory(desk) / "transcript.jsonl"),
        )
        await self._send(channels.direct(channels.ORCHESTRATOR), result, fence)

    async def _release(self, key: tuple[int, int]) -> None:
        desk = self._desks.pop(key, None)
        if desk is not None:
            await self._close(desk)

    async def _deliver(self, message: wire.Deliver) -> None:
        desk = self._desks.get((message.issue, message.attempt))
        if desk is None or desk.session is None:
            return
        text = f"Message from {message.sender}:\n{message.text}"
        if await desk.session.say(text):
            await self._delivered(desk, message)
        else:
            desk.undelivered.append(message)

    async def _delivered(self, desk: Desk, message: wire.Deliver) -> None:
        await self._tell(
            desk,
            wire.Delivered(issue=message.issue, attempt=message.attempt, message_id=message.message_id),
        )

    async def _answer(self, answer: wire.Answer) -> None:
        desk = self._desks.get((answer.issue, answer.attempt))
        if desk is None or desk.session is None or desk.turn is None:
            return
        desk.turn.answered()
        try:
            await desk.session.answer(answer.question_id, answer.text)
        except MawepError as error:
            log.warning("answer not taken", issue=answer.issue, cause=str(error))

    # --- reports

    def _progressed(self, desk: Desk, progress: Progress) -> None:
        now = self._clock.awake()
        if now - desk.reported < REPORT_SECONDS:
            return
        desk.reported = now
        payload = wire.Progress(
            issue=desk.issue.number,
            attempt=desk.work.attempt,
            agent=desk.work.agent,
            percent=progress.percent,
            stage=progress.stage,
            plan=[wire.PlanLine(content=entry.content, status=entry.status) for entry in progress.plan],
            activity=progress.activity,
            files=list(progress.files),
            usage=_consumption(progress.usage),
            eta_seconds=progress.eta(now),
        )
        self._in_background(self._publish(channels.PROGRESS_UPDATES, payload, desk.fence))

    async def _asked(self, desk: Desk, question: Question) -> None:
        await self._tell(
            desk,
            wire.Question(
                issue=desk.issue.number,
                attempt=desk.work.attempt,
                question_id=question.id,
                text=question.text,
                options=list(question.options),
            ),
        )
        blocker = wire.Blocker(
            issue=desk.issue.number, attempt=desk.work.attempt, kind="question", text=question.text
        )
        await self._publish(channels.BLOCKERS, blocker, desk.fence)

    async def _announced(self, desk: Desk, change: BreakingChange) -> None:
        payload = wire.BreakingChange(
            issue=desk.issue.number,
            attempt=desk.work.attempt,
            file=change.file,
            change=change.change,
            affects=list(change.affects),
            migration=change.migration,
            severity="high",
        )
        await self._publish(channels.BREAKING_CHANGES, payload, desk.fence)

    async def _report_health(self) -> None:
        while True:
            attempts = []
            for desk in list(self._desks.values()):
                pid = desk.session.pid if desk.session else 0
                vitals = vitals_of(pid)
                attempts.append(
                    wire.AttemptHealth(
                        issue=desk.issue.number,
                        attempt=desk.work.attempt,
                        fence=desk.fence,
                        pid=pid,
                        cpu_seconds=vitals.cpu_seconds if vitals else 0.0,
                        rss_mb=vitals.rss_mb if vitals else 0.0,
                        idle_seconds=desk.turn.idle_seconds if desk.turn else 0.0,
                    )
                )
                if (
                    desk.session and desk.lease is None
                ):  # it waits for a verdict; nobody renews a lease for it
                    desk.session.extend(self._clock.boottime() + self._leases.ttl)
            health = wire.Health(
                worker=self._settings.name, attempts=attempts, at_boottime=self._clock.boottime()
            )
            await self._publish(channels.HEALTH_CHECK, health, None)
            await self._clock.sleep(HEALTH_SECONDS)

    async def _tell(self, desk: Desk, payload: wire.Payload) -> None:
        await self._send(channels.direct(channels.ORCHESTRATOR), payload, desk.fence)

    async def _send(self, channel: str, payload: wire.Payload, fence: int | None) -> None:
        """Put it into a mailbox; while the bus is gone it waits in the outbox."""
        try:
            await self._bus.send(channel, payload, fence=fence)
        except BusGoneError:
            await _through_outage(self._bus.resend, self._clock)

    async def _publish(self, channel: str, payload: wire.Payload, fence: int | None) -> None:
        """Say it to whoever listens; lost if the bus is gone, as the next one says it better."""
        try:
            await self._bus.send(channel, payload, fence=fence)
        except BusGoneError as error:
            log.warning("status not published", channel=channel, cause=error.cause)

    # --- small parts

    @contextlib.asynccontextmanager
    async def _renewed(self, desk: Desk) -> AsyncIterator[None]:
        """Keep the lease while the turn runs; when it is lost, the turn is cancelled with it."""
        owner = asyncio.current_task()
        lost: list[Exception] = []

        async def give_up(error: Exception) -> None:
            lost.append(error)
            if owner is not None:
                owner.cancel()

        def extended(lease: Lease) -> None:
            desk.lease = lease
            if desk.session:
                desk.session.extend(lease.expires_boottime)

        if desk.lease is None:
            return
        watch = RenewalWatch(self._leases, desk.lease, self._clock, lost=give_up, renewed=extended)
        task = asyncio.create_task(watch.run())
        try:
            yield
        except asyncio.CancelledError:
            if not lost:
                raise
            if owner is not None:
                owner.uncancel()
            raise LeaseLostError("the lease was lost", cause=str(lost[0])) from None
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _close(self, desk: Desk) -> None:
        session, desk.session, desk.turn = desk.session, None, None
        if session is not None:
            await session.close()

    def _usage(self, desk: Desk) -> wire.Consumption:
        return _consumption(desk.turn.progress.usage if desk.turn else Usage())

    def _write_issue(self, desk: Desk) -> None:
        path = self._directory(desk) / "issue.md"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(f"# {desk.issue.title}\n\n{desk.issue.body}\n", encoding="utf-8")

    def _directory(self, desk: Desk) -> Path:
        return self._settings.directory / "attempts" / f"{desk.issue.number}-a{desk.work.attempt}"

    def _launch(self, desk: Desk, *, token: str | None = None) -> Launch:
        work, directory = desk.work, self._directory(desk)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        extra = {
            "MAWEP_RUN": self._settings.run,
            "MAWEP_ISSUE": str(desk.issue.number),
            "MAWEP_ISSUE_FILE": str(directory / "issue.md"),
            "MAWEP_ATTEMPT": str(work.attempt),
            "MAWEP_AGENT": work.agent,
            "MAWEP_PORT": str(desk.at.ports.start),
            "TMPDIR": str(desk.at.tmp),
        }
        return Launch(
            command=self._settings.command,
            cwd=desk.at.path,
            env=clean_environment(passed=self._settings.env, extra=extra),
            lock=directory / "lock",
            status_file=directory / "status.json",
            token=token or str(desk.fence),
            transcript=directory / "transcript.jsonl",
            stderr_log=directory / "stderr.log",
            prompt_file=directory / "prompt.md",
            feedback_file=directory / "feedback.md",
            deadline=desk.lease.expires_boottime if desk.lease else None,
        )


def _commit_message(issue: Issue) -> str:
    kind = "fix" if {"bug", "defect", "hotfix"} & {label.lower() for label in issue.labels} else "feat"
    title = " ".join(issue.title.split())
    return f"{kind}: {title}\n\nCommitted by MAWEP for the agent on #{issue.number}."


def _consumption(usage: Usage) -> wire.Consumption:
    return wire.Consumption(**{name: getattr(usage, name) for name in usage.__struct_fields__})


async def _received(bus: Bus, mailbox: str, clock: Clock) -> AsyncIterator[Received]:
    """What comes into a mailbox, through outages of the bus; the orchestrator decides when one is too long."""
    while True:
        try:
            async for item in bus.read([mailbox]):
                if isinstance(item, Received):
                    yield item
        except BusGoneError:
            await clock.sleep(OUTAGE_POLL)


async def _through_outage(attempt: Callable[[], Awaitable[Any]], clock: Clock) -> Any:
    """Do it as soon as the bus is there. Ended from outside when the outage is too long."""
    while True:
        try:
            return await attempt()
        except BusGoneError:
            await clock.sleep(OUTAGE_POLL)
