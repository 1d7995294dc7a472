"""Has candidates reviewed: tells a reviewer what to look at, and brings back what it says.

What it is told is the issue, the diff, what the gate printed, and what was said of the issue before; all of that is
others' text, and fenced.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from mawep.adapters.git import Repository, Sha
from mawep.agents.prompt import PromptTemplateError, Quote, ReviewContext, render_review
from mawep.core import events as ev
from mawep.core.model import GateRecord, Issue, Number
from mawep.core.state import State
from mawep.core.verdict import ReviewRecord, Verdict

DIFF_TOLD = 50_000
"""Characters of a diff that a reviewer is told; it has the rest in its checkout."""
FILES_TOLD = 200
"""Changed files that are listed in front of it."""
GATE_TOLD = 8000
"""Bytes of what a command of the gate printed that a reviewer is told, the last ones."""
_DIFF = ("diff-tree", "-r", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames")


class Reviewer(Protocol):
    """Who runs reviewers."""

    async def review(
        self, issue: Issue, intent: ev.ReviewIntended, seq: int, prompt: str
    ) -> ev.ReviewFinished:
        """Have it reviewed. Raises InfrastructureError when that has to be done again."""
        ...


class Reviews:
    """The reviews of one run. `gates` is where the gate keeps what it printed."""

    def __init__(
        self,
        *,
        repository: Repository,
        reviewer: Reviewer,
        template: str | None,
        gates: Path,
        state: Callable[[], State],
    ) -> None:
        self._repository = repository
        self._reviewer = reviewer
        self._template = template
        self._gates = gates
        self._state = state
        self._under_way: dict[Number, asyncio.Task[ev.ReviewFinished]] = {}

    def witness(self, recorded: ev.Recorded, state: State) -> None:
        """An attempt that is stopped is not reviewed any further."""
        if isinstance(recorded.event, ev.StopIntended):
            under_way = self._under_way.get(recorded.event.issue)
            if under_way is not None:
                under_way.cancel()

    async def perform(self, intent: ev.ReviewIntended, seq: int) -> ev.ReviewFinished | None:
        """Have a candidate reviewed; None when nobody wants to know any more.

        Raises:
            MawepError: what the run stands on failed.
        """
        issue = self._state().graph.issues[intent.issue]
        try:
            prompt = await self._prompt(issue, intent)
        except PromptTemplateError as error:
            about = intent.number, intent.attempt, intent.commit, intent.tree
            why = f"was not told anything: {error}"
            return ev.ReviewFinished(
                intent.issue, ReviewRecord(*about, Verdict.NONE, why, runtime=intent.runtime)
            )
        review = asyncio.ensure_future(self._reviewer.review(issue, intent, seq, prompt))
        self._under_way[intent.issue] = review
        try:
            await asyncio.wait({review})
        finally:
            self._under_way.pop(intent.issue, None)
            if not review.done():
                review.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await review
        return None if review.cancelled() else review.result()

    async def _prompt(self, issue: Issue, intent: ev.ReviewIntended) -> str:
        state = self._state()
        record = state.issues[intent.issue]
        diff, cut = await self._diff(intent.base, intent.commit)
        earlier = (
            Quote(f"review {one.number} by {one.runtime}: {one.verdict.value}", one.reasons)
            for one in record.reviews
            if one.verdict is not Verdict.NONE
        )
        context = ReviewContext(
            token=secrets.token_hex(16),
            commit=intent.commit,
            base=intent.base,
            target=state.target_branch,
            round=intent.number,
            rounds=state.rules.review_rounds,
            diff=diff,
            cut=cut,
            gate=tuple(self._gate_output(state.gates.get(record.attempt.gate) if record.attempt else None)),
            earlier=tuple(earlier),
        )
        return render_review(self._template, issue, context)

    def _gate_output(self, record: GateRecord | None) -> Iterator[Quote]:
        """What each command of the gate printed last; bounded by the gate itself."""
        for place, result in enumerate(record.commands if record else ()):
            log = self._gates / f"{record.log}-{place}.log" if record else Path()
            try:
                printed = log.read_bytes()[-GATE_TOLD:].decode(errors="replace")
            except OSError:
                printed = "(what it printed is gone)"
            yield Quote(f"the gate, exit code {result.exit_code}: {result.command}", printed)

    async def _diff(self, base: Sha, commit: Sha) -> tuple[str, str]:
        """The diff with its files in front, and a sentence about what is left out of it, '' for nothing."""
        listed = (await self._repository.run(*_DIFF, "--numstat", base, commit)).decode(errors="replace")
        files = listed.splitlines()
        whole = (await self._repository.run(*_DIFF, "-p", base, commit)).decode(errors="replace")
        shown = whole
        if len(whole) > DIFF_TOLD:
            shown = whole[:DIFF_TOLD]
            shown = shown[: shown.rfind("\n") + 1] or shown
        text = "\n".join([*files[:FILES_TOLD], "", shown])
        told, lines = shown.count("\n"), whole.count("\n")
        if shown == whole and len(files) <= FILES_TOLD:
            return text, ""
        return text, (
            f"The diff is not quoted whole: {len(files)} files have changed, of which "
            f"{min(len(files), FILES_TOLD)} are listed, and {told} of its {lines} lines are quoted. "
            f"Read the rest in your working directory, with `git diff {base} {commit}`."
        )
