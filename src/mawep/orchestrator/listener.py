"""What the hall hears on the bus, turned into events; what the run has to say, turned into messages.

Workers report facts under a fence, people ask for things. Both are answered and acknowledged only after the
journal has what follows from them. A verb that was sent to a process which died before it answered is refused
on resume: its sender has been told nothing, and must not be surprised later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from mawep.clock import Clock
from mawep.coordination import channels
from mawep.coordination import payloads as wire
from mawep.coordination.bus import Bus, QuotaError
from mawep.coordination.inbox import Gap, Received, later
from mawep.coordination.outages import hear
from mawep.coordination.sealing import EnvelopeTooLargeError
from mawep.core import events as ev
from mawep.core import touched
from mawep.core.model import Budget, Question, Session
from mawep.core.severity import severity
from mawep.core.state import Progress, State
from mawep.core.usage import highest
from mawep.errors import BusGoneError
from mawep.orchestrator import requests
from mawep.orchestrator.effects import WORKER
from mawep.orchestrator.errands import Errands, answered
from mawep.orchestrator.hall import Incoming, Orchestrator
from mawep.orchestrator.results import result_events, usage_from
from mawep.orchestrator.verbs import Refused, Verb, carry_out

log = structlog.get_logger("mawep.listener")

MAILBOX = channels.direct(channels.ORCHESTRATOR)
LISTENED = (MAILBOX, channels.RESULTS, *channels.CAPPED)

LAST_WORDS_SECONDS = 2.0
"""How long the end of a run waits for announcements that are under way."""

OVER = ("failed", "stopped")
"""Outcomes after which nothing follows for an attempt."""

Overhear = Callable[[wire.Payload], None]
"""Is shown every status message; for the live view and the metrics."""


class Listener:
    """The hall's ears and mouth. What lay in its mailbox when it began to listen was said to another process."""

    def __init__(
        self,
        bus: Bus,
        hall: Orchestrator,
        clock: Clock,
        overhear: Overhear,
        look: Callable[[bool], None] = lambda hooked: None,
        *,
        errands: Errands | None = None,
    ) -> None:
        self._errands = errands
        self._bus = bus
        self._hall = hall
        self._clock = clock
        self._overhear = overhear
        self._look = look
        self._since = "0-0"
        self._background: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Listen until cancelled, through outages of the bus."""
        cursors = dict.fromkeys(channels.CAPPED, "$")
        try:
            self._since = await self._bus.last(MAILBOX)
            async for item in hear(self._bus, LISTENED, self._clock, cursors):
                if isinstance(item, Gap):
                    log.warning("messages were missed", channel=item.channel)
                else:
                    self._take(item)
        finally:
            await self._fall_silent()

    def witness(self, recorded: ev.Recorded, state: State) -> None:
        """Tell the others what an event means for them."""
        for channel, payload in announcements(recorded.event, state):
            self._in_background(self.announce(channel, payload))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _fall_silent(self) -> None:
        """Say what is being said, if the bus takes it soon; who spoke later would connect to it once more."""
        if self._background:
            await asyncio.wait(self._background, timeout=LAST_WORDS_SECONDS)
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def announce(self, channel: str, payload: wire.Payload, fence: int | None = None) -> None:
        """Send; a bus that does not take it costs the message, not the run."""
        try:
            await self._bus.send(channel, payload, fence=fence)
        except (BusGoneError, QuotaError, EnvelopeTooLargeError) as error:
            log.warning("not announced", channel=channel, cause=error.cause)

    def _take(self, received: Received) -> None:
        payload = received.payload
        if received.channel in channels.CAPPED:
            self._overhear(payload)
            if isinstance(payload, wire.Health):
                self._hall.post(Incoming(lambda state: health(payload, state, self._clock.now())))
            elif isinstance(payload, wire.Progress):
                fence = received.envelope.fence or 0
                if progressed(payload, fence, self._hall.state):
                    self._hall.post(Incoming(lambda state: progressed(payload, fence, state)))
            return
        if isinstance(payload, wire.Look):
            self._look(payload.hooked)
        if isinstance(payload, Verb):
            self._asked(received, payload)
        elif isinstance(payload, wire.ClaimRequest):
            self._claimed(received, payload)
        elif isinstance(payload, wire.ForgeRequest):
            self._in_background(self._run_errand(received, payload))
        else:
            fence = received.envelope.fence or 0
            self._hall.post(
                Incoming(lambda state: facts(payload, fence, state), lambda state: self._settle(received))
            )

    async def _settle(self, received: Received, reply: wire.Reply | None = None) -> None:
        """Answer and acknowledge; if the bus is gone just now, what comes again is recognised."""
        try:
            if reply is not None:
                await self._bus.reply(received.envelope, reply)
            if isinstance(received.payload, wire.TurnResult) and received.payload.outcome in OVER:
                # What has finished, or waits for its provider, is released later; its worker keeps a result until then.
                await self._bus.send(channels.direct(received.envelope.sender), released(received.payload))
            await self._bus.acknowledge(received.channel, received.stream_id)
        except (BusGoneError, QuotaError, EnvelopeTooLargeError) as error:
            log.warning("not acknowledged", channel=received.channel, cause=error.cause)

    def _claimed(self, received: Received, request: wire.ClaimRequest) -> None:
        """An agent asks for paths: journalled if it gets them, then answered."""
        fence = received.envelope.fence or 0
        answers: list[wire.ClaimAnswer] = []

        def events(state: State) -> Iterable[ev.AnyEvent]:
            answer, taken = requests.claims(request, fence, state)
            answers.append(answer)
            return taken

        async def settle(state: State) -> None:
            for answer in answers:
                await self.announce(channels.direct(received.envelope.sender), answer, fence)
            await self._settle(received)

        self._hall.post(Incoming(events, settle))

    async def _run_errand(self, received: Received, request: wire.ForgeRequest) -> None:
        """An agent wants something of the forge, which changes nothing in the run."""
        fence = received.envelope.fence or 0
        attempt = requests.at_work(self._hall.state, request.issue, fence)
        if attempt is None or self._errands is None:
            why = "the turn is over" if attempt is None else "there is no forge"
            done = answered(request, why, ok=False)
        else:
            done = await self._errands.run(request, f"agent-{attempt.slot}")
        await self.announce(channels.direct(received.envelope.sender), done, fence)
        await self._settle(received)

    def _asked(self, received: Received, verb: Verb) -> None:
        """A person's verb: refused or journalled, then answered."""
        answer = [wire.Reply(ok=False, text="the run was not there to hear it; please say it again")]

        def events(state: State) -> Iterable[ev.AnyEvent]:
            if not later(received.stream_id, self._since):
                return ()
            try:
                said, asked_for = carry_out(verb, received.envelope.sender, received.envelope.id, state)
            except Refused as refusal:
                answer[0] = wire.Reply(ok=False, text=str(refusal))
                return ()
            answer[0] = wire.Reply(ok=True, text=said)
            return asked_for

        self._hall.post(Incoming(events, lambda state: self._settle(received, answer[0])))


def released(result: wire.TurnResult) -> wire.Release:
    """What tells a worker that the journal has the result, and that nothing follows from it for its attempt."""
    return wire.Release(issue=result.issue, attempt=result.attempt)


def facts(payload: wire.Payload, fence: int, state: State) -> list[ev.AnyEvent]:
    """What a worker's message says happened; nothing for an issue this run does not know."""
    number = getattr(payload, "issue", None)
    if number not in state.issues:
        return []
    match payload:
        case wire.AttemptStarted():
            return [ev.AttemptStarted(payload.issue, fence, payload.pid, payload.worktree)]
        case wire.SessionOpened():
            session = Session(payload.session_id, payload.loadable)
            return [ev.SessionOpened(payload.issue, fence, session)]
        case wire.Question():
            question = Question(payload.question_id, payload.text, tuple(payload.options))
            return [ev.QuestionAsked(payload.issue, fence, question)]
        case wire.Delivered():
            return [ev.MessageDelivered(payload.issue, payload.message_id)]
        case wire.BreakingChange():
            return requests.announced(payload, fence, state)
        case wire.TurnResult():
            return result_events(payload, fence)
        case _:
            return []


def extensions(health: wire.Health, state: State, now: datetime) -> list[ev.AnyEvent]:
    """Leases that this sign of life extends; written down only when a third of them has run off."""
    alive = {attempt.fence for attempt in health.attempts}
    due = now + timedelta(seconds=state.rules.lease_seconds * 2 / 3)
    fences = tuple(
        attempt.fence
        for attempt in (state.issues[number].attempt for number in state.active)
        if attempt is not None
        and attempt.fence in alive
        and attempt.progress in (Progress.RUNNING, Progress.STOPPING)
        and attempt.lease_until < due
    )
    until = now + timedelta(seconds=state.rules.lease_seconds)
    return [ev.LeasesExtended(fences, until)] if fences else []


def health(said: wire.Health, state: State, now: datetime) -> list[ev.AnyEvent]:
    """What a sign of life of a worker says: leases go on, agents have spent."""
    consumed = [ev.Consumed(one.issue, one.fence, usage_from(one.usage)) for one in said.attempts]
    return [*extensions(said, state, now), *spendings(consumed, state)]


def progressed(said: wire.Progress, fence: int, state: State) -> list[ev.AnyEvent]:
    """What the journal does not have yet of what an attempt has spent, where that is bounded, and of its files."""
    consumed = (
        [ev.Consumed(said.issue, fence, usage_from(said.usage))] if state.rules.budget != Budget() else []
    )
    return [*spendings(consumed, state), *touched.seen(state, said.issue, fence, said.files)]


def spendings(consumed: Iterable[ev.Consumed], state: State) -> list[ev.AnyEvent]:
    """What of this the journal does not have yet."""
    news = tuple(one for one in consumed if _is_news(one, state))
    return [ev.UsageSeen(news)] if news else []


def _is_news(one: ev.Consumed, state: State) -> bool:
    attempt = state.issues[one.issue].attempt if one.issue in state.active else None
    if attempt is None or attempt.fence != one.fence:
        return False
    known = msgspec.structs.replace(attempt.usage, context_used=None, context_size=None)
    said = msgspec.structs.replace(one.usage, context_used=None, context_size=None)
    return highest(known, said) != known


def announcements(event: ev.AnyEvent, state: State) -> Iterator[tuple[str, wire.Payload]]:
    """What everybody should hear about an event, and what workers have to know of it for other agents."""
    for news in requests.claim_news(event, state):
        yield channels.direct(WORKER), news
    match event:
        case ev.BudgetWarned():
            warning = wire.Blocker(
                issue=event.issue or 0, attempt=event.attempt or 0, kind="budget", text=event.text
            )
            yield channels.BLOCKERS, warning
        case ev.TargetMoved():
            for step in event.steps:
                unblocks = list(state.graph.dependents[step.issue])
                update = wire.DependencyUpdate(issue=step.issue, commit=step.commit, unblocks=unblocks)
                yield channels.DEPENDENCY_UPDATES, update
        case ev.PullRequestMerged(issue=issue, commit=commit):
            unblocks = list(state.graph.dependents[issue])
            yield (
                channels.DEPENDENCY_UPDATES,
                wire.DependencyUpdate(issue=issue, commit=commit, unblocks=unblocks),
            )
        case ev.LandingComposed():
            for conflict in event.told:
                yield (
                    channels.MERGE_CONFLICTS,
                    wire.MergeConflict(
                        issue=conflict.issue,
                        others=list(conflict.with_),
                        files=list(conflict.files),
                        hunks=conflict.hunks,
                        severity=severity(conflict.files),
                    ),
                )
        case ev.FilesTouched(issue=issue, paths=paths):
            for other, files in touched.shared(state, issue, paths).items():
                yield (
                    channels.SHARED_FILES,
                    wire.SharedFiles(
                        issue=issue, others=[other], files=list(files), severity=severity(files)
                    ),
                )
        case ev.BreakingChangeAnnounced():
            for change in requests.broadcast(event, state):
                yield channels.BREAKING_CHANGES, change
        case _:
            return
