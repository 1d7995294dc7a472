"""What each intent does to the world. Every effect can be asked for twice: it first looks what is there.

The table in docs/effects.md lists intent, observation and done event of each; this file is that table in code.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from typing import TypeVar

import msgspec
import structlog

from mawep.adapters.git import LockHeldError, Repository, Sha
from mawep.adapters.git_objects import is_ancestor
from mawep.adapters.git_refs import RefMovedError, read_ref
from mawep.agents.prompt import Feedback, PromptContext, Quote, render_feedback, render_prompt
from mawep.clock import Clock
from mawep.coordination import channels, outages
from mawep.coordination import payloads as wire
from mawep.coordination.bus import Bus
from mawep.coordination.envelopes import MAX_BYTES
from mawep.coordination.sealing import EnvelopeTooLargeError
from mawep.core import changes
from mawep.core import events as ev
from mawep.core.model import FailureReason, GateRecord, GateResult, Issue, Number
from mawep.core.state import Attempt, State
from mawep.errors import GitError
from mawep.orchestrator import breakage
from mawep.orchestrator.feedback import GO_ON, asked_by, go_on
from mawep.orchestrator.proposals import Proposals, Proposing
from mawep.orchestrator.reviews import Reviews
from mawep.orchestrator.taking_in import take_back, take_in
from mawep.stages import acceptance, land
from mawep.stages.land.branches import Proposed
from mawep.stages.land.resolve import Resolver
from mawep.stages.verify import Gate
from mawep.stages.workspace import SetupError, Workspaces
from mawep.state.journal import Journal

log = structlog.get_logger("mawep.effects")

WORKER = "worker-0"
CLAIMS_TOLD = MAX_BYTES // 4
"""Bytes of what others claim that an agent is told beforehand; the import checks all of it."""
NEWS_TOLD = 10
"""Landed breaking changes that an agent is told of beforehand, the newest."""
DETAIL_TOLD = 20_000
"""Characters of the reason to stop that a worker is told; the journal has all of it."""

T = TypeVar("T")

Examining = ev.ImportIntended | ev.RevertIntended | ev.GateIntended | ev.ReviewIntended | ev.BreaksSought
"""Intents that look at commits."""


@dataclass(frozen=True)
class Told:
    """What holds for the whole run, as it is at its start. `follows`: live branches are brought up to the target."""

    prompt: str | None
    feedback: str | None
    gate: tuple[str, ...]
    protected: tuple[str, ...]
    resolver: Resolver | None
    """Resolves conflicts by rule; None: nothing is."""
    follows: bool


class Effects:
    """Carries out intents for one run. `state` gives the newest state."""

    def __init__(
        self,
        *,
        repository: Repository,
        journal: Journal,
        bus: Bus,
        gate: Gate,
        workspaces: Workspaces,
        target: land.Target,
        reviews: Reviews,
        proposals: Proposals | None,
        told: Told,
        state: Callable[[], State],
        clock: Clock,
    ) -> None:
        self._repository = repository
        self._journal = journal
        self._bus = bus
        self._gate = gate
        self._workspaces = workspaces
        self._target = target
        self._proposals = proposals
        self._reviews = reviews
        self._told = told
        self._state = state
        self._clock = clock

    async def perform(self, recorded: ev.Recorded) -> ev.AnyEvent | None:
        """Carry out one intent; its done event, or None when that comes over the bus or not at all.

        Raises:
            MawepError: what the run stands on failed; the intent stays open and is driven again on resume.
        """
        if isinstance(recorded.event, Proposing) and self._proposals is not None:
            return await self._proposals.perform(recorded, recorded.event)
        if isinstance(recorded.event, Examining):
            return await self._examine(recorded.event, recorded)
        match recorded.event:
            case ev.AttemptAssigned(issue=issue) | ev.AttemptReclaimed(issue=issue):
                resume = isinstance(recorded.event, ev.AttemptReclaimed)
                return await self._order(issue, self._assignment(issue, resume=resume), recorded.seq)
            case ev.RepairIntended(issue=issue) | ev.AttemptContinued(issue=issue):
                return await self._order(issue, self._another_turn(recorded.event), recorded.seq)
            case ev.StopIntended() as stop:
                return await self._order(stop.issue, self._stop(stop), stop.fence)
            case ev.CandidateQueued(issue=issue):
                await self._release(issue)
            case ev.MessageSent() as message:
                await self._deliver(message)
            case ev.LandingOpened() as intent:
                return await self._compose(intent, recorded)
            case ev.ProbeIntended() as intent:
                steps, conflicts = await self._composed(intent.base, intent.members, recorded)
                return ev.ProbeComposed(intent.base, intent.members, () if conflicts else steps)
            case ev.SealIntended() as intent:
                return await self._seal(intent, recorded)
            case ev.MoveIntended() as intent:
                return await self._target.move(intent, intended_at=recorded.at)
            case ev.RetireIntended() as intent:
                return await self._retire(intent, recorded)
        return None

    async def answer(self, answered: ev.QuestionAnswered) -> None:
        """Bring a person's answer to the agent that waits for it."""
        attempt = self._attempt(answered.issue)
        await self._send(
            wire.Answer(
                issue=answered.issue,
                attempt=attempt.number,
                question_id=answered.question,
                text=answered.text,
            ),
            attempt.fence,
        )

    async def still_blocked(self, state: State) -> bool:
        """True while the target's checkout is in the way of the move that waits."""
        batch = state.landing
        if batch is None or not batch.sealed:
            return False
        new = batch.sealed[-1].commit
        return bool(await self._target.blocked_by(batch.base, new))

    async def conclude(self) -> None:
        """The run has ended: let go of the compositions that were made on the way."""
        state = self._state()
        refs = await land.landing_refs(self._repository, state.run)
        await self._forget(dict.fromkeys(refs), state.ended_at)

    # --- to the worker

    async def _order(self, number: Number, order: wire.Payload, fence: int) -> ev.AttemptFailed | None:
        """Tell the worker what to do; an attempt whose order no envelope can carry has failed."""
        try:
            await self._send(order, fence)
        except EnvelopeTooLargeError as error:
            await self._release(number)  # an agent that waits for a verdict would wait for ever
            detail = (
                f"what its worker has to be told is too large for one message ({error.cause}); "
                "shorten the issue's text or its list of files"
            )
            return ev.AttemptFailed(number, fence, FailureReason.WORKSPACE_ERROR, detail)
        return None

    async def _release(self, number: Number) -> None:
        await self._send(wire.Release(issue=number, attempt=self._attempt(number).number), None)

    async def _send(self, payload: wire.Payload, fence: int | None) -> None:
        """Into the worker's mailbox, through outages of the bus: nobody else would say it again."""
        await outages.tell(self._bus, channels.direct(WORKER), payload, self._clock, fence=fence)

    def _attempt(self, issue: Number) -> Attempt:
        attempt = self._state().issues[issue].attempt
        if attempt is None:
            raise LookupError(f"#{issue} has no attempt")
        return attempt

    def _assignment(self, number: Number, *, resume: bool) -> wire.Assignment:
        state, attempt = self._state(), self._attempt(number)
        issue = state.graph.issues[number]
        others = state.claims.reserved_from(number)
        context = self._context(issue, attempt, tuple(others))
        return wire.Assignment(
            issue=msgspec.to_builtins(issue),
            attempt=attempt.number,
            agent=f"agent-{attempt.slot}",
            branch=attempt.branch,
            base=attempt.base,
            worktree=attempt.name,
            runtime=attempt.runtime,
            prompt=render_prompt(self._told.prompt, issue, replace(context, messages=self._news(number))),
            title=issue.title,
            claims_of_others=_at_most(CLAIMS_TOLD, tuple(others)),
            own_claims=list(state.claims.held_by(number) or issue.files),
            protected=list(self._told.protected),
            trailers=dict(acceptance.Given(state.run, number, attempt.number).trailers()),
            session_id=attempt.session.id if attempt.session and attempt.session.loadable else None,
            resume=resume,
            ended_fence=attempt.previous_fence if resume else None,
            spent=wire.Consumption(**msgspec.structs.asdict(attempt.usage)),
            port_slot=attempt.slot,
        )

    def _another_turn(self, intent: ev.RepairIntended | ev.AttemptContinued) -> wire.Repair:
        return self._repair(intent) if isinstance(intent, ev.RepairIntended) else self._continued(intent)

    def _repair(self, repair: ev.RepairIntended) -> wire.Repair:
        return wire.Repair(
            issue=repair.issue,
            attempt=repair.attempt,
            feedback=self._feedback(repair.issue, asked_by(self._state(), repair)),
            round=repair.round,
            work=self._assignment(repair.issue, resume=False),
            target=self._state().target if self._told.follows and not repair.merge else None,
        )

    def _continued(self, intent: ev.AttemptContinued) -> wire.Repair:
        """To go on after a limit is a turn like one that repairs."""
        attempt = self._attempt(intent.issue)
        evidence = attempt.evidence
        return wire.Repair(
            issue=intent.issue,
            attempt=intent.attempt,
            feedback=self._feedback(intent.issue, go_on(self._state(), attempt)) if evidence else GO_ON,
            round=attempt.repairs,
            work=self._assignment(intent.issue, resume=False),
        )

    def _feedback(self, number: Number, feedback: Feedback) -> str:
        issue = self._state().graph.issues[number]
        context = self._context(
            issue, self._attempt(number), tuple(self._state().claims.reserved_from(number))
        )
        return render_feedback(self._told.feedback, issue, feedback, context)

    def _stop(self, stop: ev.StopIntended) -> wire.Stop:
        """Without what only an agent needs: who could be told to begin can be told to stop."""
        work = self._assignment(stop.issue, resume=False)
        return wire.Stop(
            issue=stop.issue,
            attempt=self._attempt(stop.issue).number,
            reason=stop.reason.value if stop.reason else None,
            detail=stop.detail[:DETAIL_TOLD],
            work=work.model_copy(update={"prompt": "", "claims_of_others": []}),
        )

    async def _deliver(self, message: ev.MessageSent) -> None:
        attempt = self._attempt(message.issue)
        deliver = wire.Deliver(
            issue=message.issue,
            attempt=attempt.number,
            message_id=message.message,
            text=message.text,
            sender=message.by,
            foreign=message.foreign,
            lead=message.lead,
        )
        await self._send(deliver, attempt.fence)

    def _context(self, issue: Issue, attempt: Attempt, others: tuple[str, ...]) -> PromptContext:
        return PromptContext(
            token=secrets.token_hex(16),
            agent=f"agent-{attempt.slot}",
            attempt=attempt.number,
            branch=attempt.branch,
            base=attempt.base,
            target=self._state().target_branch,
            gate=self._told.gate,
            protected=self._told.protected,
            own_claims=self._state().claims.held_by(issue.number) or issue.files,
            claims_of_others=others,
        )

    def _news(self, number: Number) -> tuple[Quote, ...]:
        """What changed under this issue before it began: announced breaking changes that have landed."""
        landed = changes.concerning(self._state(), number)
        return tuple(
            Quote(f"breaking change announced by {c.agent} on #{c.issue}, landed", changes.told_in(c))
            for c in landed[-NEWS_TOLD:]
        )

    # --- import and gate

    async def _examine(self, intent: Examining, recorded: ev.Recorded) -> ev.AnyEvent | None:
        match intent:
            case ev.ImportIntended():
                return await self._import(intent)
            case ev.RevertIntended():
                return await _made(lambda: take_back(self._repository, intent, self._state(), recorded.at))
            case ev.GateIntended():
                return await self._run_gate(intent)
            case ev.ReviewIntended():
                return await self._reviews.perform(intent, recorded.seq)
            case ev.BreaksSought():
                return await breakage.found(self._repository, intent, self._state())

    async def _import(self, intent: ev.ImportIntended) -> ev.CandidateImported | ev.ImportRefused:
        state = self._state()
        person = state.issues[intent.issue].offered  # who may have merged what the run has not seen yet
        target = await self._target.now(state.target) if person else state.target
        return await take_in(self._repository, intent, state, target=target, protected=self._told.protected)

    async def _run_gate(self, intent: ev.GateIntended) -> ev.GateFinished:
        try:
            return await self._gate.run(intent)
        except SetupError as error:  # the tree itself cannot be set up: that is a verdict on it
            return ev.GateFinished(
                GateRecord(
                    *("", intent.tree, GateResult.RED, (), 0.0, "", f"set-up failed: {error}"),
                    scopes=intent.scopes,
                    reads=intent.reads,
                )
            )

    # --- landing

    def _candidates(self, members: Sequence[Number]) -> list[land.Candidate]:
        state = self._state()
        found = []
        for number in members:
            attempt = self._attempt(number)
            title, reverts = state.graph.issues[number].title, tuple(one.issue for one in attempt.reverts)
            made = land.Candidate(
                number, attempt.number, title, attempt.commit or "", reverts, attempt.resolved
            )
            found.append(made)
        return found

    async def _composed(
        self, base: Sha, members: Sequence[Number], recorded: ev.Recorded
    ) -> tuple[tuple[ev.Step, ...], tuple[ev.MergeConflict, ...]]:
        state, candidates = self._state(), self._candidates(members)
        steps, conflicts = await _made(
            lambda: land.compose(
                self._repository, state.run, base, candidates, recorded.at, resolver=self._told.resolver
            )
        )
        return await self._scoped(base, steps), conflicts

    async def _scoped(self, base: Sha, steps: tuple[ev.Step, ...]) -> tuple[ev.Step, ...]:
        state = self._state()
        labels = [label for step in steps for label in state.graph.issues[step.issue].labels]
        return await land.scoped(self._repository, base, steps, state.rules, labels)

    async def _ways(
        self, base: Sha, number: Number, recorded: ev.Recorded
    ) -> tuple[tuple[ev.Step, ...], ev.MergeConflict | None]:
        """How who is alone can be merged by rule, and the conflict; None when it merges as it is."""
        (candidate,) = self._candidates([number])
        run, resolver = self._state().run, self._told.resolver
        found, conflict = await _made(
            lambda: land.ways(self._repository, run, base, candidate, recorded.at, resolver=resolver)
        )
        return tuple([(await self._scoped(base, (way,)))[0] for way in found]), conflict

    async def _compose(self, intent: ev.LandingOpened, recorded: ev.Recorded) -> ev.AnyEvent:
        now = await self._target.now(intent.base)
        if now != intent.base:
            return ev.TargetAdvanced(now)
        if len(intent.members) == 1:
            found, conflict = await self._ways(intent.base, intent.members[0], recorded)
            if conflict is not None:
                return ev.LandingComposed(intent.base, (), (conflict,), found, parks=False)
        steps, conflicts = await self._composed(intent.base, intent.members, recorded)
        return ev.LandingComposed(intent.base, steps, conflicts, parks=False)

    async def _seal(self, intent: ev.SealIntended, recorded: ev.Recorded) -> ev.AnyEvent:
        state = self._state()
        composed = intent.steps[-1].commit
        unfit = await acceptance.unfit(self._repository, intent.base, composed, self._told.protected)
        if unfit:  # a clean merge can put a file where nobody wrote one
            return ev.IssueParked(intent.steps[-1].issue, f"the merge is not fit to land: {'; '.join(unfit)}")
        candidates = {c.issue: c for c in self._candidates([step.issue for step in intent.steps])}
        head = self._journal.hash_at(recorded.seq)
        return await _made(
            lambda: land.seal(
                self._repository,
                state.run,
                intent,
                candidates,
                target=state.target_branch,
                journal_head=head,
            )
        )

    async def _retire(self, intent: ev.RetireIntended, recorded: ev.Recorded) -> ev.WorkspacesRetired:
        state = self._state()
        found = () if state.landing or state.aside else await land.landing_refs(self._repository, state.run)
        refs: dict[str, Sha | None] = dict.fromkeys(found)
        for number in intent.issues:
            attempt = self._attempt(number)
            workspace = self._workspaces.find(attempt.name)
            if workspace is not None:
                await self._workspaces.discard(workspace)
            if state.rules.mode != "branch_only":  # whose branches are what a person wants
                ref = f"refs/heads/{attempt.branch}"
                refs[ref] = await self._contained(ref, attempt) if attempt.offered_by else attempt.commit
            refs[acceptance.candidate_ref(state.run, number, attempt.number)] = None
            proposed = Proposed(state.run, number, attempt.number, attempt.branch)
            refs |= dict.fromkeys((proposed.made, proposed.given))
        await self._forget(refs, recorded.at)
        return ev.WorkspacesRetired(intent.issues)

    async def _contained(self, ref: str, attempt: Attempt) -> Sha | None:
        """Where a branch is, if what a person made of it contains that; else where it is not."""
        head, made = await read_ref(self._repository, ref), attempt.commit or ""
        return head if head and await is_ancestor(self._repository, head, made) else made

    async def _forget(self, refs: Mapping[str, Sha | None], intended_at: datetime | None) -> None:
        """Let go of refs; while somebody is at work there they are kept, which is no reason to stop."""
        try:
            await land.forget_refs(self._repository, refs, intended_at=intended_at)
        except (LockHeldError, RefMovedError) as error:
            log.warning("refs are kept", refs=sorted(refs), cause=str(error))


async def _made(make: Callable[[], Awaitable[T]]) -> T:
    """Commits and the ref that holds them: made twice if need be, to the same shas.

    Between the two, a person's `git gc --prune=now` takes what no ref holds yet.
    """
    try:
        return await make()
    except GitError as error:
        log.warning("made again", cause=str(error))
        return await make()


def _at_most(room: int, texts: Sequence[str]) -> list[str]:
    """The first of these texts, as many as there is room for in bytes."""
    sizes = accumulate(len(text.encode()) for text in texts)
    return [text for text, size in zip(texts, sizes, strict=True) if size <= room]
