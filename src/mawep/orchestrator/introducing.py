"""What a pull request says of itself: what was made and by whom, on what evidence, and at last what landed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mawep.adapters.git import Repository
from mawep.adapters.git_history import commits_between, parse_trailers
from mawep.core.model import Number, PlanEntry
from mawep.core.state import Attempt, State, replace
from mawep.observe.live import Live
from mawep.orchestrator.standing import below_git
from mawep.reports.views import Landing, Proposal


@dataclass(frozen=True)
class Introduction:
    """Introduces what a run proposes. `hide` takes secrets out; `closes`: issues are where pull requests are."""

    repository: Repository
    live: Live
    hide: Callable[[str], str] = str
    closes: bool = True

    async def of(
        self, state: State, number: Number, attempt: Attempt, landed: Landing | None = None
    ) -> Proposal:
        """What is to be said of an attempt's work. `landed`: it has been merged."""
        record, view = state.issues[number], self.live.of(number, attempt.number)
        gate = record.pull.gate if record.pull else attempt.gate
        return Proposal(
            number=number,
            title=self.hide(state.graph.issues[number].title),
            target=state.target_branch,
            commit=attempt.commit or "",
            run=state.run,
            summary=self.hide(await self._summary(attempt)),
            plan=tuple(PlanEntry(self.hide(one.content), one.status) for one in view.plan) if view else (),
            files=attempt.files,
            gate=state.gates.get(gate),
            reviews=tuple(replace(one, summary=self.hide(one.summary)) for one in record.reviews),
            landing=landed,
            agent=f"agent-{attempt.slot}",
            runtime=attempt.runtime or None,
            attempts=record.runs,
            repairs=attempt.repairs,
            tokens=attempt.usage.tokens,
            cost_usd=attempt.usage.cost_usd,
            transcript=below_git(attempt.transcript),
            closes=self.closes,
        )

    async def _summary(self, attempt: Attempt) -> str:
        """What the agent says in the messages of its commits."""
        if attempt.commit is None:
            return ""
        commits = await commits_between(self.repository, attempt.base, attempt.commit)
        return "\n\n".join(_said(commit.message) for commit in commits if len(commit.parents) < 2)


def _said(message: str) -> str:
    """A message without the trailers at its end."""
    text = message.encode("utf-8", "replace").decode().strip()
    return text.rpartition("\n\n")[0] if parse_trailers(text) else text
