"""The reporter: keeps what a forge shows of a run up to date, beside the run and never in its way.

It sees every event and holds nobody up. What it owes follows from the run's state and from the outbox, so it is owed
after a crash too: one comment for each issue, edited in place; labels; the closing of what has landed on the remote and
its opening when that was taken back; remarks. What the forge does not take now is delivered later, what it refuses is
logged and let be. No issue fails for any of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from mawep.clock import Clock
from mawep.core import events as ev
from mawep.core.model import Number
from mawep.core.outside import Command
from mawep.core.state import IssueRecord, State
from mawep.errors import MawepError
from mawep.observe.live import Live, Owed
from mawep.orchestrator.closings import Closings
from mawep.orchestrator.patience import Patience
from mawep.orchestrator.refusals import Refusals
from mawep.orchestrator.remote import Remote
from mawep.orchestrator.reopenings import Reopenings
from mawep.orchestrator.report_names import SAYING, answering, asking, closing, opening_again
from mawep.orchestrator.standing import face, outcome, standing
from mawep.reports import sentences, texts
from mawep.reports.markers import Markers
from mawep.reports.views import Standing
from mawep.state.outbox import TOLD, WHY_UNTOLD, Outbox
from mawep.trackers.base import Forge, NotAllowed, NotThere, RateLimited, Refused

log = structlog.get_logger("mawep.reporter")

REFUSALS = (NotThere, NotAllowed, Refused)
"""What a forge says to a report that it will never take."""
CERTAIN = (*REFUSALS, RateLimited)
"""Errors after which nothing was done: what an outbox need not look for."""
DEBOUNCE = 5.0
"""How long a change waits for others, in seconds."""
PAUSES = (30.0, 60.0, 120.0, 300.0, 600.0)
"""How long nothing is tried after a failure, and after the next, in seconds."""
FINISH_SECONDS = 30.0
"""How long the end of a run waits for a forge that takes nothing, and an interrupted one until it has everything."""
AGAIN = 5.0
"""How long the end of a run waits before it tries again."""
WHERE = {"github": "GitHub", "gitlab": "GitLab", "forgejo": "Forgejo"}


@dataclass(frozen=True)
class Reporting:
    """How it is reported. `every`: seconds between reports without a change of state; `labels`: by state.

    `template` is the repository's own, None for the shipped one; `summary` is the issue that is told how runs end.
    """

    every: float = 7200.0
    template: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    summary: Number | None = None


@dataclass(frozen=True)
class Due:
    """One thing to be done on the forge, and what it is called in the log."""

    name: str
    deliver: Callable[[], Awaitable[None]]


class Reporter:
    """Reports on one run. `state` gives the newest state, `hide` takes secrets out of what is said."""

    def __init__(
        self,
        forge: Forge,
        outbox: Outbox,
        settings: Reporting,
        *,
        secret: bytes,
        state: Callable[[], State],
        live: Live,
        clock: Clock,
        hide: Callable[[str], str] = lambda text: text,
        past: Callable[[str], str] = lambda key: "",
    ) -> None:
        self._forge = forge
        self._outbox = outbox
        self._settings = settings
        self._secret = secret
        self._state = state
        self._live = live
        self._clock = clock
        self._hide = hide
        self._markers: Markers | None = None
        self._faces: dict[Number, tuple[object, ...]] = {}
        self._stale: set[Number] = set()
        self._mislabelled: set[Number] = set()
        self._labels: dict[Number, set[str]] = {}
        self._remote = Remote(forge, state, self._stale.add)
        self._closings = Closings(forge, outbox, state, self._remote, told=self._posted)
        self._reopenings = Reopenings(forge, outbox, state, self._remote, past=past, told=self._posted)
        self._summarized = -1
        self._leaving = False
        self._patience: Patience | None = None
        self._refused = Refusals()
        self._woken = asyncio.Event()
        self._woken.set()
        self._busy = asyncio.Lock()
        self._failures = 0
        self._not_before: datetime | None = None
        self._next_look = clock.now() + timedelta(seconds=settings.every)
        self._counts: Counter[str] = Counter()
        self._owed = Owed()

    # --- what it is told

    def witness(self, recorded: ev.Recorded, state: State) -> None:
        """Something happened; what of it is worth telling is seen later."""
        self._woken.set()

    async def say(self, issue: Number, key: str, *parts: str) -> None:
        """Comment once on an issue or pull request. It is durable when this returns, and posted later.

        `key` tells this remark from all others of the run; `parts` are ready to be posted.

        Raises:
            OutboxError: the disk refused; nothing will be posted.
        """
        await self._outbox.owe(f"{SAYING}{key}", json.dumps({"issue": issue, "parts": parts}))
        self._woken.set()

    def remarks(self, prefix: str) -> int:
        """How many remarks of this run have a key that begins so."""
        return self._outbox.count(f"{SAYING}{prefix}")

    async def promise(self) -> None:
        """Write down that the forge is to be told everything, so that it is owed from now on."""
        if not self._outbox.done(TOLD):
            await self._outbox.remember(TOLD, "0")

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await self._wait()
            await self._clock.sleep(DEBOUNCE)
            await self.deliver()

    async def finish(self, seconds: float = FINISH_SECONDS) -> int:
        """Deliver what is owed now that the run is over for this process; how much is left.

        A run that has ended waits until the forge has taken nothing for so long, as many reports take their time: it
        asks for a pause between two writes. One that is left in the middle waits for so long in all.
        """
        self._leaving = True
        self._look_again()
        try:
            async with asyncio.timeout(None) as limit:
                self._patience = Patience(limit, self._clock, seconds)
                await self.deliver()
                while self._owed.reports and self._patience.left() > AGAIN:
                    await self._clock.sleep(AGAIN)
                    await self.deliver()
        except TimeoutError:
            self._tell(len(list(self._due())), self._owed.why or "there was no time left")
        finally:
            self._patience = None
        left = self._owed.reports + self._refused.curable
        if left:
            why = self._owed.why or "; ".join(self._refused.sentences())
            log.warning(
                "the forge does not know everything yet; `mawep resume` tells it", reports=left, cause=why
            )
            await self._outbox.remember(WHY_UNTOLD, why)
        elif self._state().ended is not None:
            await self._outbox.remember(TOLD, str(self._state().seq))
        return left

    async def deliver(self) -> None:
        """Deliver all that is owed, or as much of it as the forge takes now."""
        async with self._busy:
            self._woken.clear()
            self._look()
            while dues := list(self._due()):  # what is delivered may make a comment stale
                for due in dues:
                    try:
                        await self._delivered(due)
                    except Exception as error:  # whatever it is, it is the report that waits, and not the run
                        self._failed(due, error)
                        return
            self._failures, self._not_before = 0, None
            self._tell(0, "")

    async def _wait(self) -> None:
        """Until something happened or it is time to look again; after a failure, until it is long enough ago."""
        now = self._clock.now()
        if self._not_before is not None:
            await self._clock.sleep(max(0.0, (self._not_before - now).total_seconds()))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, (self._next_look - now).total_seconds())):
                await self._woken.wait()

    async def _delivered(self, due: Due) -> None:
        try:
            await due.deliver()
        except REFUSALS as error:
            log.warning("the forge refuses a report", report=due.name, error=error.what, cause=error.cause)
            self._refused.add(due.name, error)
        if self._patience is not None and self._state().ended is not None:
            self._patience.renew()

    def _failed(self, due: Due, error: Exception) -> None:
        pause = timedelta(seconds=PAUSES[min(self._failures, len(PAUSES) - 1)])
        self._failures += 1
        self._not_before = self._clock.now() + pause
        if isinstance(error, RateLimited):
            self._not_before = max(self._not_before, error.until)
        if isinstance(error, MawepError):
            why = error.what
            log.warning("a report waits", report=due.name, error=why, cause=error.cause)
        else:
            why = repr(error)
            log.error("a report broke", report=due.name, exc_info=error)
        self._counts["failed"] += 1
        self._tell(len(list(self._due())), why)

    def _tell(self, reports: int, why: str) -> None:
        now = self._clock.now()
        self._owed = Owed(
            reports=reports,
            where=WHERE.get(self._forge.name, self._forge.name),
            since=(self._owed.since or now) if reports else None,
            why=why,
            given_up=len(self._refused),
            refused=self._refused.sentences(),
            posted=self._counts["posted"],
            failed=self._counts["failed"],
        )
        self._live.owe(now, self._owed)

    # --- what is owed

    def _look(self) -> None:
        """See which issues have another face than when they were last reported on."""
        state, now = self._state(), self._clock.now()
        if again := now >= self._next_look:
            self._next_look = now + timedelta(seconds=self._settings.every)
            self._look_again()
            self._refused.try_again()
        for number in state.graph.order:
            seen = (*face(state, number), self._left_behind(state, number))
            if self._faces.get(number) != seen:
                self._faces[number] = seen
                self._stale |= {number}
                self._mislabelled |= {number}
            elif again and number in state.active:
                self._stale |= {number}

    def _look_again(self) -> None:
        """What the remote did not have yet it may have now."""
        self._closings.look_again()
        self._reopenings.look_again()

    def _due(self) -> Iterator[Due]:
        """What is to be done on the forge, in order. A report is made of what is so when its turn comes."""
        return (due for due in self._all_due(self._state()) if due.name not in self._refused)

    def _all_due(self, state: State) -> Iterator[Due]:
        for entry in self._outbox.unfinished():
            if entry.key.startswith(SAYING):
                yield Due(entry.key, partial(self._say, entry.key, entry.payload))
        for number in state.graph.order:
            record = state.issues[number]
            if record.question is not None and not self._outbox.done(asking(number, record.question.id)):
                yield Due(asking(number, record.question.id), partial(self._ask, number))
            for command in state.outside.commands.get(number, ()):
                if not self._outbox.done(answering(command)):
                    yield Due(answering(command), partial(self._answer, number, command))
            yield from (Due(*one) for one in self._closings.of(number))
            yield from (Due(*one) for one in self._reopenings.of(number))
            if number in self._stale:
                yield Due(f"status/{number}", partial(self._update, number))
            if number in self._mislabelled and self._settings.labels:
                yield Due(f"labels/{number}", partial(self._label, number))
        yield from (Due(*one) for one in self._closings.of_wholes())
        if state.ended is not None and self._settings.summary is not None and self._summarized != state.seq:
            yield Due("summary", partial(self._summarize, self._settings.summary))

    # --- deliveries; each looks at the state anew, and may be done twice

    async def _update(self, number: Number) -> None:
        self._stale -= {number}
        try:
            of = self._standing(number)
            mark = (await self._known()).mark(number, "status", of.run)
            await self._keep(number, "status", "", texts.update(self._settings.template, of, mark))
        except BaseException:
            self._stale |= {number}
            raise

    async def _summarize(self, number: Number) -> None:
        state = self._state()
        of = outcome(state, self._clock.now(), self._live, self._hide)
        mark = (await self._known()).mark(number, "summary", of.run, of.run)
        await self._keep(number, "summary", of.run, texts.summary(of, mark))
        self._summarized = state.seq

    async def _keep(self, number: Number, kind: str, key: str, body: str) -> None:
        """Have one comment with that text, edited in place; a text that is there already is not sent."""
        name, digest = f"{kind}/{number}", hashlib.sha256(body.encode()).hexdigest()
        if self._outbox.recalled(f"digest/{name}") == digest:
            return
        fresh = False

        async def look() -> int | None:
            return await self._found(number, kind, key)

        async def act() -> int:
            nonlocal fresh
            found = await look()  # by an earlier run
            if found is not None:
                return found
            fresh = True
            return await self._post(number, body)

        comment = await self._outbox.once(f"comment/{name}", look, act, as_=int)
        if not fresh:
            await self._forge.edit_comment(comment, body)
            self._posted()
        await self._outbox.remember(f"digest/{name}", digest)

    async def _ask(self, number: Number) -> None:
        of, record = self._standing(number), self._state().issues[number]
        if record.question is not None:
            name = asking(number, record.question.id)
            await self._once(name, number, "question", record.question.id, sentences.question(of))

    async def _answer(self, number: Number, command: Command) -> None:
        """Say to who gave a command in a comment what became of it."""
        words = sentences.accepted if command.done else sentences.refused
        said = words(command.by, self._hide(command.command), self._hide(command.said))
        name = answering(command)
        await self._once(name, number, "answer", name, [said])

    async def _say(self, key: str, payload: str) -> None:
        said = json.loads(payload)
        await self._once(key, said["issue"], "note", key, said["parts"])

    async def _once(self, name: str, number: Number, kind: str, key: str, parts: Iterable[str]) -> None:
        run = self._state().run
        body = texts.marked((await self._known()).mark(number, kind, run, key), parts)

        async def look() -> int | None:
            return await self._found(number, kind, key, run)

        async def act() -> int:
            return await self._post(number, body)

        await self._outbox.once(name, look, act, as_=int)

    async def _label(self, number: Number) -> None:
        """Have the label of its state and none of our others; labels of other people are let be."""
        ours = set(self._settings.labels.values())
        wanted = self._settings.labels.get(self._state().issues[number].state.value)
        has = self._labels.pop(number, None)  # whoever fails on the way looks again
        if has is None:
            has = ours.intersection((await self._forge.issue(number)).labels)
        if wanted is not None and wanted not in has:
            await self._forge.add_labels(number, [wanted])
            self._posted()
        for label in sorted(has - {wanted}):
            await self._forge.remove_label(number, label)
            self._posted()
        self._labels[number] = {wanted} if wanted is not None else set()
        self._mislabelled -= {number}

    # --- the forge

    def _standing(self, number: Number) -> Standing:
        state = self._state()
        of = standing(state, number, self._clock.now(), self._live, self._hide)
        back = state.issues[number].taken_back
        return replace(
            of,
            on_remote=self._on_remote(state.issues[number]),
            open_again=self._reopenings.opened(number, back) if back is not None else None,
            left_behind=self._left_behind(state, number),
        )

    def _on_remote(self, record: IssueRecord) -> bool | None:
        """Whether the remote has what came of an issue: its landing, or the revert of that; None: nobody has looked."""
        back, landed_as = record.taken_back, record.landed_as
        if landed_as is not None:
            done, commit = closing(record.number, landed_as), landed_as
        elif back is not None:
            done, commit = opening_again(record.number, back.commit), back.commit
        else:
            return None
        return True if self._outbox.done(done) else self._remote.known(commit)

    def _left_behind(self, state: State, number: Number) -> bool:
        """Whether this process leaves it in the middle, for `mawep resume`."""
        return self._leaving and state.ended is None and number in state.active

    async def _known(self) -> Markers:
        """Our marks; they need our login, which only the forge can tell."""
        if self._markers is None:
            self._markers = Markers(self._secret, self._forge.repository, await self._forge.whoami())
        return self._markers

    async def _found(self, number: Number, kind: str, key: str, run: str | None = None) -> int | None:
        markers, comments = await self._known(), await self._forge.comments(number)
        found = markers.find(comments, number, kind, key, run=run)
        return None if found is None else found.id

    def _posted(self) -> None:
        self._counts["posted"] += 1

    async def _post(self, number: Number, body: str) -> int:
        made = await self._forge.comment(number, body)
        self._posted()
        return made.id
