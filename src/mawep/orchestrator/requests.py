"""What agents ask of the orchestrator through their workers, and what it answers and tells the others."""

from __future__ import annotations

from collections.abc import Iterator

from mawep.coordination import payloads as wire
from mawep.core import events as ev
from mawep.core.changes import MOST_OF_AN_ATTEMPT, pattern_of
from mawep.core.claims import MOST_ASKED, askable
from mawep.core.model import Number
from mawep.core.state import Attempt, Progress, State

TEXT_LIMIT = 4000
"""Characters of each text of an announcement."""
MOST_AFFECTED = 50
"""Paths and patterns that an announcement may name."""


def claims(
    request: wire.ClaimRequest, fence: int, state: State
) -> tuple[wire.ClaimAnswer, list[ev.AnyEvent]]:
    """The answer to an agent that asks for paths, and the event if it gets them."""

    def answer(why: str, *, granted: bool = False, held: dict[str, int] | None = None) -> wire.ClaimAnswer:
        return wire.ClaimAnswer(
            issue=request.issue,
            attempt=request.attempt,
            request_id=request.request_id,
            granted=granted,
            why=why,
            held=held or {},
        )

    attempt = at_work(state, request.issue, fence)
    if attempt is None:
        return answer("the turn is over"), []
    try:
        paths = tuple(dict.fromkeys(map(askable, request.paths)))
    except ValueError as error:
        return answer(f"a path {error}"), []
    if state.rules.on_claim_conflict == "off":
        return answer("claims are off, nobody is kept from", granted=True), []
    mine = state.claims.held_by(request.issue)
    wanted = tuple(path for path in paths if path not in mine)
    if not wanted:
        return answer("", granted=True), []
    if len(attempt.asked) + len(wanted) > MOST_ASKED:
        return answer(f"an attempt may claim {MOST_ASKED} paths; it has {len(attempt.asked)}"), []
    held = {c.path: c.holder for c in state.claims.conflicts(wanted, asking=request.issue, now=None)}
    if held:
        return answer("others hold some of it", held=held), []
    shared = {path: n for path in wanted for n in state.claims.holding(path)}
    why = "yours, and others claim it as well, who are told when you change it" if shared else ""
    return answer(why, granted=True, held=shared), [ev.ClaimsTaken(request.issue, fence, wanted)]


def announced(said: wire.BreakingChange, fence: int, state: State) -> list[ev.AnyEvent]:
    """The event of an announcement; what it names that is no path is left out, and nothing without a file."""
    if at_work(state, said.issue, fence) is None:
        return []
    mine = [change for change in state.changes if change.issue == said.issue]
    if len(mine) >= MOST_OF_AN_ATTEMPT and all(change.file != said.file for change in mine):
        return []
    files = list(_named([said.file]))
    if not files:
        return []
    affects = tuple(dict.fromkeys(_named(said.affects[:MOST_AFFECTED])))
    texts = said.change[:TEXT_LIMIT], said.migration[:TEXT_LIMIT]
    return [ev.BreakingChangeAnnounced(said.issue, fence, files[0], texts[0], affects, texts[1])]


def _named(paths: list[str]) -> Iterator[str]:
    for path in paths:
        try:
            yield pattern_of(path)
        except ValueError:
            continue


def at_work(state: State, number: Number, fence: int) -> Attempt | None:
    """The attempt that speaks, if this is its current turn."""
    record = state.issues.get(number)
    attempt = record.attempt if record is not None and number in state.active else None
    if attempt is None or attempt.fence != fence or attempt.progress is not Progress.RUNNING:
        return None
    return attempt


def claim_news(event: ev.AnyEvent, state: State) -> Iterator[wire.ClaimsChanged]:
    """What other agents' workers have to know about who may write what, from the state after the event."""
    if not state.claims.exclusive:
        return
    match event:
        case ev.AttemptAssigned(issue=issue, claims=taken) | ev.ClaimsTaken(issue=issue, paths=taken):
            held = state.claims.held_by(issue)
            if taken and set(taken) <= set(held):
                yield wire.ClaimsChanged(issue=issue, taken=list(taken), released=[])
        case (
            ev.AttemptFailed()
            | ev.AttemptInterrupted()
            | ev.IssueParked()
            | ev.IssueCancelled()
            | ev.PullRequestMerged()
        ):
            yield from _given_back(event.issue, state)
        case ev.TargetMoved(steps=steps):
            for step in steps:
                yield from _given_back(step.issue, state)
        case ev.LandingComposed(conflicts=conflicts):
            for conflict in conflicts:
                yield from _given_back(conflict.issue, state)
        case _:
            return


def _given_back(number: Number, state: State) -> Iterator[wire.ClaimsChanged]:
    attempt = state.issues[number].attempt if number in state.issues else None
    if attempt is None or number in state.active:
        return
    released = [*state.graph.issues[number].files, *attempt.asked]
    if released:
        yield wire.ClaimsChanged(issue=number, taken=[], released=released)


def broadcast(event: ev.BreakingChangeAnnounced, state: State) -> Iterator[wire.BreakingChange]:
    """What everybody hears of an announcement that counts."""
    for change in state.changes:
        if (change.issue, change.file, change.change) == (event.issue, event.file, event.change):
            attempt = state.issues[event.issue].attempt
            yield wire.BreakingChange(
                issue=change.issue,
                attempt=attempt.number if attempt else 0,
                file=change.file,
                change=change.change,
                affects=list(change.affects),
                migration=change.migration,
                severity="high",
            )
