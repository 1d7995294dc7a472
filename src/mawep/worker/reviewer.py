"""Runs reviewers: an agent behind walls in a checkout that it can only read, for one prompt and one answer.

Whatever keeps a reviewer from a verdict is said, and is none: it failed, took too long, met a limit of its provider,
asked a question, or answered something else. What it writes has no effect.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import structlog

from mawep.adapters.fences import OFF, around
from mawep.adapters.process import Supervisor, clean_environment, until_free
from mawep.adapters.programs import own_python, with_real
from mawep.adapters.sandbox import Mount, Walls
from mawep.agents.answer import NoAnswerError, NothingSaidError, read_answer
from mawep.agents.base import (
    AgentEvent,
    AgentFailed,
    BreakingChange,
    Launch,
    MessageText,
    Needs,
    Output,
    ProviderLimited,
    ToolCall,
)
from mawep.agents.recorded import RecordedSession, open_recorded
from mawep.clock import Clock
from mawep.core.events import ReviewFinished, ReviewIntended
from mawep.core.model import Issue, Question, Usage
from mawep.core.verdict import Remark, ReviewRecord, Verdict
from mawep.errors import InfrastructureError, MawepError
from mawep.gateway.gateway import Gateway, Made, Visitor
from mawep.gateway.shapes.base import Trouble
from mawep.gateway.throttle import Limited
from mawep.gateway.values import Amount
from mawep.stages.attempt import Ears, Limits, Turn
from mawep.stages.workspace import Reading, Workspaces
from mawep.worker.desk import Driving, WorkerSettings
from mawep.worker.models import BY_THEMSELVES, counted, pointed
from mawep.worker.walls import MODEL_ONLY, NO_NETWORK, bridge, named, socket_inside

log = structlog.get_logger("mawep.worker")

OPENING_SECONDS = 120.0
"""How long a reviewer may take to be ready."""
LOCK_SECONDS = 15.0
KEPT_LINES = 20_000
"""Lines of a program that are kept, the last ones, to look for its answer in."""
SAID = 2000
"""Characters of why there is no verdict."""


@dataclass
class _Heard:
    """What a reviewer said: messages since it last used a tool, lines that a program printed; and what it took."""

    messages: list[str] = field(default_factory=list)
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    whole: str = ""
    usage: Usage = field(default_factory=Usage)

    def see(self, event: AgentEvent) -> None:
        match event:
            case MessageText(text):
                self.messages.append(text)
            case ToolCall():
                self.messages.clear()
            case Output(line):
                self.lines.append(line)
            case _:
                pass

    def answer(self, told: str) -> tuple[Verdict, str, tuple[Remark, ...]]:
        """Its answer: in the last thing it said, else in all of it. Raises NoAnswerError."""
        if self.lines:
            return read_answer("\n".join(self.lines), told)
        try:
            return read_answer("".join(self.messages), told)
        except NothingSaidError:
            return read_answer(self.whole, told)


class _Listening(Turn):
    """A turn whose words are kept."""

    heard: _Heard

    async def hear(self, event: AgentEvent) -> None:
        self.heard.see(event)
        await super().hear(event)


class _ReadOnly:
    """Lets nothing be written."""

    def verdict(self, path: str) -> str | None:
        """See PathPolicy.verdict."""
        return "a reviewer changes nothing"


class Reviewer:
    """Has candidates of one run looked at. `ports` is the number of the first block of ports for reviewers."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        workspaces: Workspaces,
        supervisor: Supervisor,
        clock: Clock,
        limits: Limits,
        ports: int,
    ) -> None:
        self._settings = settings
        self._workspaces = workspaces
        self._supervisor = supervisor
        self._clock = clock
        self._limits = limits
        self._ports = ports
        self._gateway: Gateway | None = settings.gateway
        self._at_work: dict[str, RecordedSession] = {}
        self._ending: set[asyncio.Task[None]] = set()
        if self._gateway is not None:
            self._gateway.attend(self)

    async def review(self, issue: Issue, intent: ReviewIntended, seq: int, prompt: str) -> ReviewFinished:
        """Have it reviewed; `seq` is the intent's place in the journal.

        Raises:
            InfrastructureError: what the run stands on failed; the review is to be made again.
        """
        heard, began = _Heard(), self._clock.awake()
        verdict, remarks, limit = Verdict.NONE, tuple[Remark, ...](), None
        try:
            await self._ask(issue, intent, seq, prompt, heard)
            verdict, summary, remarks = heard.answer(prompt)
        except NoAnswerError as error:
            summary = str(error)
        except AgentFailed as failure:
            told = "\n".join(part for part in (failure.what, failure.cause, failure.detail) if part)
            summary = f"has not come to one: {told}"[:SAID]
            limit = failure if isinstance(failure, ProviderLimited) else None
        except InfrastructureError:
            raise
        except MawepError as error:
            summary = f"has not begun: {error}"[:SAID]
        except Exception as error:  # a defect of ours costs this review, not the run
            log.exception("review broke", issue=intent.issue, review=intent.number)
            summary = f"has not come to one: MAWEP itself broke: {error!r}"[:SAID]
        if self._gateway is not None and (total := self._gateway.total(intent.issue, -seq)).calls:
            heard.usage = counted(total)
        record = ReviewRecord(
            *(intent.number, intent.attempt, intent.commit, intent.tree, verdict, summary, remarks),
            runtime=intent.runtime,
            seconds=round(self._clock.awake() - began, 3),
            transcript=str(self._directory(intent) / "transcript.jsonl"),
            usage=heard.usage,
        )
        until = limit.until if limit else None
        return ReviewFinished(intent.issue, record, limited=limit is not None, until=until)

    def _directory(self, intent: ReviewIntended) -> Path:
        return self._settings.directory / "reviews" / f"{intent.issue}-{intent.number}"

    async def _ask(self, issue: Issue, intent: ReviewIntended, seq: int, prompt: str, heard: _Heard) -> None:
        driving = self._settings.driving(intent.runtime)
        needs = driving.runtime.needs(driving.command)
        directory = self._directory(intent)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = f"# {issue.title}\n\n{issue.body}\n".encode(errors="replace")
        (directory / "issue.md").write_bytes(text)
        await until_free(_lock(directory), LOCK_SECONDS)
        tree = self._workspaces.reading_tree(intent.commit, driving.sandbox, self._ports)
        async with tree as place:
            with self._admitted(intent, seq, driving, needs) as visitor:
                launch = self._launch(intent, driving, needs, place, token=str(seq), visitor=visitor)
                try:
                    await self._converse(driving, launch, place, prompt, heard=heard, visitor=visitor)
                except AgentFailed as failure:
                    raise _seen(visitor) or failure from None
                finally:
                    self._settings.logins.retrieve(place.name)

    async def _converse(
        self,
        driving: Driving,
        launch: Launch,
        place: Reading,
        prompt: str,
        *,
        heard: _Heard,
        visitor: Visitor | None,
    ) -> None:
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                session = await open_recorded(
                    driving.runtime, launch, self._supervisor, _ReadOnly(), resume=None
                )
        except TimeoutError:
            raise AgentFailed("it was not ready in time", cause=f"{OPENING_SECONDS:g} s") from None
        turn = _Listening(
            *(session, place.path, self._limits, self._clock, _EARS),
            scratch=place.tmp,
            held=(place.home,),
            calls=lambda: len(visitor.calls) if visitor else 0,
        )
        turn.heard = heard
        if visitor is not None:
            self._at_work[visitor.token] = session
        try:
            heard.whole = (await turn.run(prompt)).text
        except AgentFailed as failure:
            session.failed(failure)
            raise
        finally:
            heard.usage = _priced(turn.progress.usage, driving)
            self._at_work.pop(visitor.token if visitor else "", None)
            await session.close()
        if (seen := _seen(visitor)) is not None:
            raise seen

    # --- how it is started

    def _launch(
        self,
        intent: ReviewIntended,
        driving: Driving,
        needs: Needs,
        place: Reading,
        *,
        token: str,
        visitor: Visitor | None,
    ) -> Launch:
        directory = self._directory(intent)
        home = place.home if driving.sandbox != OFF or needs.own_home else None
        extra = {
            "MAWEP_RUN": self._settings.run,
            "MAWEP_ISSUE": str(intent.issue),
            "MAWEP_ISSUE_FILE": str(directory / "issue.md"),
            "MAWEP_ATTEMPT": str(intent.attempt),
            "MAWEP_REVIEW": str(intent.number),
            "MAWEP_AGENT": "reviewer",
            "MAWEP_PORT": str(place.ports.start),
            "TMPDIR": str(place.tmp),
            **({"MAWEP_MODEL": driving.model} if driving.model else {}),
            **({"HOME": str(home)} if home else {}),
        }
        env = clean_environment(passed=driving.env, extra=extra)
        launch = Launch(
            command=driving.command,
            cwd=place.path,
            env=env,
            secrets=tuple(env[name] for name in driving.env if name in env),
            lock=_lock(directory),
            status_file=directory / "status.json",
            token=token,
            transcript=directory / "transcript.jsonl",
            stderr_log=directory / "stderr.log",
            prompt_file=directory / "prompt.md",
            feedback_file=directory / "feedback.md",
            model_name=driving.model,
            home=home,
        )
        if home is not None:
            lent = self._settings.logins.lend(place.name, home, needs.logins)
            launch = replace(launch, secrets=(*launch.secrets, *lent))
        launch = replace(launch, prefix=self._walls(launch, driving, needs, place, visitor))
        return launch if visitor is None else pointed(launch, visitor, needs.api, place.ports[-1])

    def _walls(
        self, launch: Launch, driving: Driving, needs: Needs, place: Reading, visitor: Visitor | None
    ) -> tuple[str, ...]:
        """As around any agent, but that it may write nowhere except in HOME and TMPDIR."""
        kind, mounts, behind = driving.sandbox, tuple[Mount, ...](), tuple[str, ...]()
        if self._gateway is not None and visitor is not None:
            inside = socket_inside(kind, "gateway", self._gateway.socket)
            mounts, behind = (
                (Mount(self._gateway.socket, inside, writable=True),),
                bridge(place.ports[-1], inside),
            )
        if place.git is None:
            return behind
        seen = (*self._settings.shown, *own_python(), *needs.visible, *named(driving.command))
        walls = Walls(
            cwd=place.path,
            writable=(place.tmp, place.home),
            read_only=(
                place.path,
                place.git.git,
                *with_real(path for path in seen if path.is_absolute()),
                *place.git.borrowed,
                *(launch.prompt_file, Path(launch.env["MAWEP_ISSUE_FILE"])),
            ),
            mounts=(place.git.pointer, *mounts),
            network=driving.network not in {NO_NETWORK, MODEL_ONLY},
        )
        return (*around(kind, walls), *behind)

    # --- at the gateway

    @contextmanager
    def _admitted(
        self, intent: ReviewIntended, seq: int, driving: Driving, needs: Needs
    ) -> Iterator[Visitor | None]:
        """A visitor of the gateway, who is on its books with a number that no attempt has."""
        if self._gateway is None or driving.runtime.name in BY_THEMSELVES:
            yield None
            return
        visitor = self._gateway.admit(intent.issue, -seq, intent.runtime, needs.api)
        try:
            yield visitor
        finally:
            self._gateway.dismiss(visitor.token)

    def spent(self, visitor: Visitor, total: Amount) -> None:
        """What it consumed is asked for at the end."""

    def refused(self, visitor: Visitor, trouble: Trouble, why: str) -> None:
        """A reviewer that may spend nothing more has to end."""
        session = self._at_work.get(visitor.token)
        if session is not None and trouble == "budget":
            ending = asyncio.create_task(session.cancel())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    def limited(self, visitor: Visitor, limit: Limited) -> None:
        """Agents try again by themselves."""

    def made(self, call: Made) -> None:
        """Nothing to be done."""


def _seen(visitor: Visitor | None) -> AgentFailed | None:
    """Why a turn did not end by itself, as the gateway saw it."""
    if visitor is not None and visitor.overdrawn is not None:
        return AgentFailed(visitor.overdrawn)
    if visitor is not None and visitor.limited is not None:
        return ProviderLimited(visitor.limited.until, visitor.limited.why)
    return None


def _priced(usage: Usage, driving: Driving) -> Usage:
    if usage.cost_usd is not None or usage.tokens is None or driving.price is None:
        return usage
    return msgspec.structs.replace(usage, cost_usd=driving.price(usage))


def _lock(directory: Path) -> Path:
    """What is locked while any process of the reviewer lives; beside the others, so that all are found."""
    return directory.with_suffix(".lock")


async def _started(pid: int) -> None:
    pass


async def _asked(question: Question) -> None:
    raise AgentFailed("it asks a question, and nobody answers reviewers", cause=question.text)


async def _announced(change: BreakingChange) -> None:
    pass


_EARS = Ears(started=_started, progressed=lambda progress: None, asked=_asked, announced=_announced)
