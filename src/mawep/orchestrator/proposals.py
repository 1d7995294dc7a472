"""Pull requests: opened, brought up to date and merged on a forge, each once; and looked at while they are open.

A forge that does not answer, or has had enough of us, is asked again later, and that is said: no issue fails for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from mawep.adapters.git_objects import is_ancestor, rev_parse
from mawep.adapters.git_remote import Remote, RemoteUnreachableError
from mawep.core import events as ev
from mawep.core import review
from mawep.core.model import IssueState, Number
from mawep.core.returning import instead
from mawep.core.state import Attempt, Pull, State
from mawep.orchestrator.asking import Asking
from mawep.orchestrator.introducing import Introduction
from mawep.orchestrator.verdicts import Said, read
from mawep.reports import sentences, texts
from mawep.reports.markers import Markers
from mawep.reports.views import Landing
from mawep.stages import acceptance
from mawep.stages.land import affects, branches
from mawep.stages.land.branches import Clash, FollowedTarget, Proposed
from mawep.stages.land.landed import remember_landing
from mawep.state.outbox import Outbox
from mawep.trackers.base import (
    Conflicted,
    Forge,
    ForgeError,
    MergeRefused,
    NotAllowed,
    NotThere,
    PullRequest,
    Refused,
    Required,
    ReviewComment,
)

log = structlog.get_logger("mawep.proposals")

KIND = "pull"
LOOK = "look"
"""What the looks at open pull requests are called."""

Proposing = ev.PullRequestIntended | ev.UpdateIntended | ev.MergeIntended
"""What a forge is asked for."""


@dataclass(frozen=True)
class Ways:
    """How it is proposed and merged. `every`: seconds between two looks; `protected` are paths nobody may change.

    `closes`: issues are on the same forge as pull requests.
    """

    method: str = "merge"
    every: float = 30.0
    protected: tuple[str, ...] = ()
    closes: bool = True


class Proposals:
    """The pull requests of one run. `state` gives the newest state, `chain` the journal's head at an event."""

    def __init__(
        self,
        forge: Forge,
        remote: Remote,
        outbox: Outbox,
        ways: Ways,
        *,
        secret: bytes,
        state: Callable[[], State],
        chain: Callable[[int], str],
        asking: Asking,
        introduction: Introduction,
    ) -> None:
        self._forge = forge
        self._remote = remote
        self._repository = remote.repository
        self._outbox = outbox
        self._ways = ways
        self._secret = secret
        self._state = state
        self._chain = chain
        self._asking = asking
        self._introduction = introduction
        self._markers: Markers | None = None
        self._poked = asyncio.Event()

    async def perform(self, recorded: ev.Recorded, intent: Proposing) -> ev.AnyEvent:
        """Carry out one intent; its done event."""
        return await self._asking.through(
            f"{type(intent).__name__}/{intent.issue}", lambda: self._done(intent, recorded)
        )

    async def _done(self, intent: Proposing, recorded: ev.Recorded) -> ev.AnyEvent:
        match intent:
            case ev.PullRequestIntended():
                return await self._open(intent)
            case ev.UpdateIntended():
                return await self._update(intent, recorded.at)
            case ev.MergeIntended():
                return await self._merge(intent, recorded.seq)

    # --- opened

    async def _open(self, intent: ev.PullRequestIntended) -> ev.AnyEvent:
        attempt, pull = self._parts(intent.issue)
        pushed = await branches.push(self._remote, self._proposed(intent.issue, attempt), intent.head)
        if not pushed and not pull.number:
            why = f"the branch {attempt.branch} on {self._remote.name} holds what is not of this attempt"
            return ev.IssueParked(intent.issue, why)
        try:
            known = await self._opened(intent.issue, attempt)
        except (Refused, NotThere) as refused:
            return ev.IssueParked(
                intent.issue, f"no pull request is opened: {refused.what} {refused.cause}".strip()
            )
        await self._rewrite(intent.issue, attempt, known.number, posted=known.body)
        if pushed:
            await self._answer_remarks(intent.issue, pull, known.number, intent.head)
        return ev.PullRequestOpened(intent.issue, known.number, known.url, intent.head)

    async def _opened(self, number: Number, attempt: Attempt) -> PullRequest:
        state, markers = self._state(), await self._marks()
        key = f"a{attempt.number}"

        async def look() -> PullRequest | None:
            found = await self._forge.pulls(head=attempt.branch, state="all")
            return markers.find(found, number, KIND, key, run=state.run)

        async def act() -> PullRequest:
            about = await self._introduction.of(state, number, attempt)
            mark = markers.mark(number, KIND, state.run, key)
            return await self._forge.open_pull(
                title=sentences.pull_title(about),
                body=texts.pull_body(about, mark),
                head=attempt.branch,
                base=state.target_branch,
            )

        return await self._outbox.once(f"pull/{number}/{key}", look, act, as_=PullRequest)

    async def _rewrite(
        self, number: Number, attempt: Attempt, on: int, *, posted: str = "", landed: Landing | None = None
    ) -> None:
        """Have its text say what is so now, unless somebody has written another one since."""
        key = f"a{attempt.number}"
        written = f"digest/{KIND}/{number}/{key}"
        about = await self._introduction.of(self._state(), number, attempt, landed)
        body = texts.pull_body(about, (await self._marks()).mark(number, KIND, self._state().run, key))
        if posted and not self._outbox.recalled(written):
            await self._outbox.remember(written, _digest(posted))
        known = self._outbox.recalled(written)
        if known == _digest(body):
            return
        with contextlib.suppress(Refused, NotThere, NotAllowed):  # the text is no reason to stop
            if known == _digest((await self._forge.pull(on)).body):
                await self._forge.edit_pull(on, body=body)
                await self._outbox.remember(written, _digest(body))

    async def _answer_remarks(self, number: Number, pull: Pull, on: int, head: str) -> None:
        """Whoever said something of a line is told where it was taken up."""
        for item in sorted(pull.answered):
            kind, _, name = item.partition(":")
            if kind == "remark":
                await self._answer(number, on, int(name), head)

    async def _answer(self, number: Number, on: int, remark: int, head: str) -> None:
        markers, run = await self._marks(), self._state().run
        key = f"reply/{remark}"

        async def look() -> ReviewComment | None:
            return markers.find(await self._forge.review_comments(on), number, "reply", key, run=run)

        async def act() -> ReviewComment:
            mark = markers.mark(number, "reply", run, key)
            return await self._forge.reply(on, remark, f"{mark}\n\n{sentences.taken_up(head)}")

        with contextlib.suppress(Refused, NotThere, NotAllowed):  # the remark may be gone
            await self._outbox.once(f"reply/{number}/{remark}", look, act, as_=ReviewComment)

    # --- brought up to date

    async def _update(self, intent: ev.UpdateIntended, date: datetime) -> ev.AnyEvent:
        number = intent.issue
        attempt, pull = self._parts(number)
        target = await self.target.now(intent.target)
        made = await branches.bring_up_to_date(
            self._remote, self._proposed(number, attempt), pull.head, target=target, date=date
        )
        if isinstance(made, Clash):
            why = f"does not merge cleanly with {self.target.branch}: {', '.join(made.files)}"
            return instead(self._state(), ev.IssueParked(number, why, made.hunks, made.files))
        commit, theirs = made
        unfit = await acceptance.unfit(self._repository, target, commit, self._ways.protected)
        if unfit:
            return ev.IssueParked(number, f"the branch is not fit to land: {'; '.join(unfit)}")
        tree = await rev_parse(self._repository, commit, "tree")
        rules, labels = self._state().rules, self._state().graph.issues[number].labels
        scopes = await affects(self._repository, target, commit, rules.scopes, labels)
        return ev.BranchUpdated(number, intent.head, commit, tree, theirs, scopes)

    # --- merged

    async def _merge(self, intent: ev.MergeIntended, seq: int) -> ev.AnyEvent:
        number = intent.issue
        seen = await self._forge.pull(intent.number)
        if seen.merged:
            return await self._landed(number, seen.merge_commit, seq)
        if seen.state != "open":
            return ev.MergeDeferred(number, "it is closed", refused=False)
        if seen.head_sha != intent.head:
            why = f"its head is {seen.head_sha[:12]} now, not {intent.head[:12]}"
            return ev.MergeDeferred(number, why, refused=False)
        target = await self.target.now(self._state().target)
        if not intent.queue and not await is_ancestor(self._repository, target, intent.head):
            return ev.MergeDeferred(number, f"{self.target.branch} has moved to {target[:12]}", refused=False)
        try:
            if intent.queue:
                if await self._forge.queued(intent.number) is None:
                    await self._forge.enqueue(intent.number, sha=intent.head)
                return ev.PullRequestQueued(number)
            title, body = self._message(number, seq)
            merged = await self._forge.merge(
                intent.number, sha=intent.head, method=self._ways.method, title=title, body=body
            )
        except MergeRefused as refused:
            return ev.MergeDeferred(number, refused.reason or refused.what)
        except Conflicted as moved:
            return ev.MergeDeferred(number, moved.what)
        return await self._landed(number, merged.commit, seq)

    def _message(self, number: Number, seq: int) -> tuple[str, str]:
        """What the commit on the target says: by its trailers later runs know that the issue has landed."""
        state = self._state()
        attempt, pull = self._parts(number)
        verdict = state.gates.get(pull.gate)
        title = " ".join(state.graph.issues[number].title.split())
        proof = (
            f"Mawep-Gate: {ev.gate_digest(verdict) if verdict else 'none'}",
            f"Mawep-Journal: {self._chain(seq)}",
            *(f"Mawep-Review: {digest}" for _, digest in review.proofs(state, (_step(number, pull),))),
        )
        trailers = "\n".join((self._proposed(number, attempt).trailers, *proof))
        name = f"#{number}" if self._ways.closes else f"issue {number}"
        return f"Merge {name} into {state.target_branch}: {title}", trailers

    async def _landed(self, number: Number, commit: str | None, seq: int) -> ev.PullRequestMerged:
        attempt, pull = self._parts(number)
        target = await branches.arrived(self.target, commit, self._state().target)
        commit = commit or target
        exact = await branches.same_tree(self._repository, (commit, pull.head))
        if not exact:
            log.warning("not gated exactly", issue=number, commit=commit)
        await remember_landing(self._repository, number, commit)
        tree = await rev_parse(self._repository, commit, "tree")
        said = Landing(commit, self._state().target_branch, tree, self._chain(seq), exact)
        await self._rewrite(number, attempt, pull.number, landed=said)
        return ev.PullRequestMerged(number, commit, target, exact)

    # --- looked at

    def witness(self, recorded: ev.Recorded, state: State) -> None:
        """What has just been given to the forge is looked at soon."""
        if isinstance(recorded.event, ev.PullRequestOpened | ev.PullRequestQueued | ev.BranchUpdated):
            self.poke()

    def poke(self, hooked: bool = False) -> None:
        """Look soon."""
        self._poked.set()

    async def watch(self, tell: Callable[[ev.AnyEvent], None]) -> None:
        """Look at open pull requests until cancelled; what is new is told."""
        while True:
            try:
                await self.look(tell)
            except (ForgeError, RemoteUnreachableError) as error:
                self._asking.held_up(LOOK, error, self._ways.every)
            else:
                self._asking.answered(LOOK)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._ways.every):
                    await self._poked.wait()
            self._poked.clear()

    async def look(self, tell: Callable[[ev.AnyEvent], None]) -> None:
        """Look once at every pull request that waits for the forge.

        Raises:
            ForgeError: it could not be read.
            InfrastructureError: the target cannot be fetched, or was rewritten.
        """
        state = self._state()
        waiting = [n for n in state.active if state.issues[n].proposed and self._parts(n)[1].published]
        if not waiting or not state.running:
            return
        target = await self.target.now(state.target)
        if target != self._state().target:
            tell(ev.TargetAdvanced(target))
        required = await self._forge.required(state.target_branch)
        login = (await self._marks()).login
        for number in waiting:
            known = self._state().issues[number].pull
            if (
                known is not None
                and known.published
                and self._state().issues[number].state is IssueState.QUEUED
            ):
                seen = await self._seen(number, known, target, required, login)
                if seen != known.seen:
                    tell(seen)

    async def _seen(
        self, number: Number, known: Pull, target: str, required: Required, login: str
    ) -> ev.PullRequestSeen:
        pull = await self._forge.pull(known.number)
        said = Said(pull, required, login)
        queued = False
        if pull.state == "open" and not pull.merged:
            said = Said(
                pull,
                required,
                login,
                await self._forge.checks(pull.head_sha),
                await self._forge.reviews(known.number),
                await self._forge.review_comments(known.number),
            )
            queued = required.merge_queue and await self._forge.queued(known.number) is not None
        found = read(said, known.answered)
        ours = pull.head_sha == known.head
        behind = ours and not await is_ancestor(self._repository, target, known.head)
        return ev.PullRequestSeen(
            issue=number,
            number=known.number,
            head=pull.head_sha,
            target=target,
            state=found.state,
            verdict=found.verdict,
            behind=behind,
            conflicting=ours and behind and pull.mergeable is False,
            queue=required.merge_queue,
            queued=queued,
            waits_for=found.waits_for,
            feedback=found.feedback,
            items=found.items,
            by=pull.merged_by or "",
        )

    # --- within

    @property
    def target(self) -> FollowedTarget:
        """What is proposed goes there."""
        return FollowedTarget(self._remote, self._state().target_branch)

    def _parts(self, number: Number) -> tuple[Attempt, Pull]:
        record = self._state().issues[number]
        if record.attempt is None or record.pull is None:
            raise LookupError(f"#{number} is not proposed")
        return record.attempt, record.pull

    def _proposed(self, number: Number, attempt: Attempt) -> Proposed:
        return Proposed(self._state().run, number, attempt.number, attempt.branch)

    async def _marks(self) -> Markers:
        if self._markers is None:
            login = await self._forge.whoami()
            self._markers = Markers(self._secret, self._forge.repository, login)
        return self._markers


def _digest(body: str) -> str:
    """What a text is known by, however a forge ends its lines."""
    return hashlib.sha256(body.replace("\r", "").strip().encode()).hexdigest()


def _step(number: Number, pull: Pull) -> ev.Step:
    return ev.Step(number, pull.head, pull.tree)
