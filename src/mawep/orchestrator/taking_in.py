"""What becomes a candidate: what an attempt or a person made, once it is checked, and the revert of a landing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_refs import read_ref
from mawep.core import events as ev
from mawep.core.model import IssueState, Number
from mawep.core.state import State
from mawep.errors import GitError
from mawep.stages.acceptance import Given, Guard, accept, candidate_ref
from mawep.stages.land.by_agent import accounted
from mawep.stages.land.reading import what_is_read
from mawep.stages.land.revert import make_revert

log = structlog.get_logger("mawep.taking_in")


async def take_in(
    repository: Repository,
    intent: ev.ImportIntended,
    state: State,
    *,
    target: Sha,
    protected: Sequence[str],
) -> ev.CandidateImported | ev.ImportRefused:
    """Check the commits that an attempt ends with; `target` is where the target is."""
    scopes, labels = state.rules.scopes, state.graph.issues[intent.issue].labels
    taken = await accept(
        repository,
        intent,
        run=state.run,
        target=target,
        others=await _heads_of_others(repository, state, intent.issue),
        guard=Guard(protected, state.claims.reserved_from(intent.issue), scopes, labels),
    )
    if isinstance(taken, ev.ImportRefused):
        return taken
    taken = await _with_what_is_read(repository, state, taken)
    record = state.issues[intent.issue]
    if record.returned is None or record.attempt is None:
        return taken
    try:
        told = await accounted(repository, record.attempt.commit or "", intent.head, state.target)
    except GitError as error:  # what was there before may be gone
        log.warning("no account of a merge", issue=intent.issue, cause=str(error))
        return taken
    return msgspec.structs.replace(taken, resolved=told)


async def take_back(
    repository: Repository, intent: ev.RevertIntended, state: State, date: datetime
) -> ev.CandidateImported | ev.IssueParked:
    """Make the revert of landings."""
    made = await make_revert(
        *(repository, intent, date),
        held_by=candidate_ref(state.run, intent.issue, intent.attempt),
        trailers=Given(state.run, intent.issue, intent.attempt).trailers(),
        scopes=state.rules.scopes,
        labels=state.graph.issues[intent.issue].labels,
    )
    return made if isinstance(made, ev.IssueParked) else await _with_what_is_read(repository, state, made)


async def _with_what_is_read(
    repository: Repository, state: State, made: ev.CandidateImported
) -> ev.CandidateImported:
    reads = await what_is_read(repository, made.commit, state.rules, made.scopes)
    return msgspec.structs.replace(made, reads=reads)


async def _heads_of_others(repository: Repository, state: State, number: Number) -> list[Sha]:
    """What the last attempts of other issues made that has not landed, whatever became of them."""
    attempts = [
        record.attempt
        for n, record in state.issues.items()
        if n != number and record.attempt is not None and record.state is not IssueState.LANDED
    ]
    heads = {await read_ref(repository, f"refs/heads/{attempt.branch}") for attempt in attempts}
    return sorted(head for head in heads | {attempt.commit for attempt in attempts} if head)
