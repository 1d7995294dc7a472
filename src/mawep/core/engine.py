"""The whole program in three pure functions: `evolve`, `decide`, `next_wakeup`.

The hall appends an event to the journal, folds it with `evolve`, and asks `decide` what to do next, again and
again until it answers nothing. What `decide` returns is journalled like any other event; those that are
intents have an effect, which runs after the journal has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import reduce

from mawep.core import (
    breaks,
    budget,
    changes,
    landing,
    news,
    offered,
    pulls,
    returning,
    review,
    rules,
    schedule,
    slots,
    ways,
)
from mawep.core import events as ev
from mawep.core.culprits import Land, Probe
from mawep.core.lifecycle import HANDLERS
from mawep.core.model import FailureReason, GateResult, Number
from mawep.core.state import Attempt, IssueRecord, Landing, Progress, State, replace


def evolve(state: State, recorded: ev.Recorded) -> State:
    """The state after an event. Total: an event that does not fit changes nothing but `seq`."""
    event = recorded.event
    issue = getattr(event, "issue", None)
    if issue is None or issue in state.issues:
        state = HANDLERS[type(event)](state, recorded, event)
    return replace(state, seq=recorded.seq)


def replay(records: Iterable[ev.Recorded]) -> State:
    """The state after all these events."""
    return reduce(evolve, records, State())


def decide(state: State, now: datetime) -> list[ev.Command]:
    """What to do next; empty when there is nothing to do before another event comes."""
    if not state.running:
        return []
    run, free = budget.run_lines(state), slots.free(state)
    commands: list[ev.Command] = [
        *_lifted(state, now),
        *_attempts(state, run, now),
        *returning.commands(state, run, now, free),
        *pulls.commands(state, run, now, free),
        *_warnings(state, run, now),
        *_news(state),
        *breaks.sought(state),
        *breaks.told(state),
        *news.decided(state),
    ]
    if commands:
        return commands
    starts = schedule.assignments(state, now)
    reviews = review.starts(state)
    commands = [
        *_batch(state, now),
        *_gates(state),
        *reviews,
        *starts,
        *_spent(state, now),
        *_retirement(state),
    ]
    return commands or _ending(state, now)


def next_wakeup(state: State) -> datetime | None:
    """When `decide` may answer something else although nothing happened; None: never."""
    moments = [limit.until for limit in state.limits.values() if not limit.lifted]
    moments.extend(budget.moments(state))
    for number in state.active:
        record = state.issues[number]
        progress = record.attempt.progress if record.attempt else None
        if record.attempt and progress in (Progress.RUNNING, Progress.STOPPING):
            moments.append(record.attempt.lease_until)
        if record.question and record.question.asked_at and progress is Progress.RUNNING:
            moments.append(record.question.asked_at + timedelta(seconds=state.rules.input_timeout))
    return min(moments, default=None)


# --- attempts


def _lifted(state: State, now: datetime) -> Iterator[ev.LimitLifted]:
    for runtime, limit in state.limits.items():
        if not limit.lifted and rules.limit_is_over(limit, now):
            yield ev.LimitLifted(runtime)


def _warnings(state: State, run: list[budget.Line], now: datetime) -> Iterator[ev.BudgetWarned]:
    for line in budget.warnings(state, run, now):
        yield ev.BudgetWarned(line.key, line.warned(now), line.issue, line.attempt)


def _spent(state: State, now: datetime) -> Iterator[ev.IssueOverBudget]:
    """Issues that could start if anything were left to them; what never ran has spent nothing."""
    if not state.dispatching or not budget.bounds(state.rules.budget, "issue"):
        return
    for rank in state.ready:
        number = state.graph.by_rank[rank]
        if state.issues[number].runs and (line := schedule.issue_budget(state, number, now)):
            yield ev.IssueOverBudget(number, line.told(now))


def _attempts(state: State, run: list[budget.Line], now: datetime) -> Iterator[ev.Command]:
    for number in state.active:
        record = state.issues[number]
        if record.attempt is not None:
            command = _next_for(state, record, record.attempt, run, now)
            if command is not None:
                yield command


def _next_for(
    state: State, record: IssueRecord, attempt: Attempt, run: list[budget.Line], now: datetime
) -> ev.Command | None:
    match attempt.progress:
        case Progress.ORPHANED:
            return ev.AttemptReclaimed(record.number, attempt.number, _lease(state, now))
        case Progress.RUNNING | Progress.STOPPING if not rules.lease_holds(attempt, now):
            detail = f"no sign of its worker since {attempt.lease_until:%H:%M:%S} UTC"
            return ev.AttemptFailed(record.number, attempt.fence, FailureReason.LOST, detail)
        case Progress.RUNNING:
            return _stop_running(state, record, attempt, now) or _over_budget(
                state, attempt, record, run, now
            )
        case Progress.LIMITED if not record.cancelled_by:
            if over := _over_budget(state, attempt, record, run, now):
                return over
            if state.interrupted or not rules.provider_allows(state, attempt.runtime):
                return None
            return ev.AttemptContinued(record.number, attempt.number, _lease(state, now))
        case _ if record.cancelled_by and attempt.progress not in (Progress.STOPPING, Progress.QUEUED):
            return ev.StopIntended(record.number, attempt.fence, None, f"cancelled by {record.cancelled_by}")
        case Progress.ENDED if attempt.head is not None:
            return ev.ImportIntended(record.number, attempt.number, attempt.head, attempt.base)
        case Progress.ENDED if attempt.reverts:
            return ev.RevertIntended(record.number, attempt.number, state.target, attempt.reverts)
        case Progress.REFUSED if attempt.refusal is not None:
            return _repair_or_stop(state, record.number, attempt, attempt.refusal, run, now=now)
        case Progress.IMPORTED:
            return _after_gate(state, record, attempt, run, now)
        case _:
            return None


def _news(state: State) -> Iterator[ev.MessageSent]:
    """Whose work an announced change breaks is told."""
    known = {change.seq: change for change in state.changes}
    for seq, number in state.to_tell:
        change = known[seq]
        by = f"{change.agent} on #{change.issue}"
        yield ev.MessageSent(number, changes.message_id(seq), changes.told_in(change), by, foreign=True)


def _lease(state: State, now: datetime) -> datetime:
    return now + timedelta(seconds=state.rules.lease_seconds)


def _stop_running(
    state: State, record: IssueRecord, attempt: Attempt, now: datetime
) -> ev.StopIntended | None:
    if record.cancelled_by:
        return ev.StopIntended(record.number, attempt.fence, None, f"cancelled by {record.cancelled_by}")
    if state.interrupted > 1 or (state.interrupted and record.question):
        return ev.StopIntended(record.number, attempt.fence, None, "the run was interrupted")
    question = record.question
    if question and question.asked_at:
        timeout = state.rules.input_timeout
        if rules.input_is_overdue(question.asked_at, timeout, now):
            detail = f"nobody answered within {timeout / 60:g} minutes: {question.text}"
            return ev.StopIntended(record.number, attempt.fence, FailureReason.INPUT_TIMEOUT, detail)
    return None


def _over_budget(
    state: State, attempt: Attempt, record: IssueRecord, run: list[budget.Line], now: datetime
) -> ev.StopIntended | None:
    """A turn that runs was allowed, however many there may be; what it spends ends it."""
    for line in budget.all_lines(state, record.number, run):
        if line.kind != "turns" and not rules.budget_is_left(line, now):
            return ev.StopIntended(
                record.number, attempt.fence, FailureReason.BUDGET_EXCEEDED, line.told(now)
            )
    return None


def _after_gate(
    state: State, record: IssueRecord, attempt: Attempt, run: list[budget.Line], now: datetime
) -> ev.Command | None:
    verdict = state.gates.get(attempt.gate)
    if verdict is None:
        return None
    if rules.candidate_may_queue(verdict):
        if review.is_due(state, record, attempt):
            return review.next_for(state, record, attempt, run, now)
        return ev.CandidateQueued(record.number)
    refusal = (FailureReason.GATE_FAILED, verdict.excerpt, verdict.result is GateResult.RED)
    return _repair_or_stop(state, record.number, attempt, refusal, run, now=now)


def _repair_or_stop(
    state: State,
    number: Number,
    attempt: Attempt,
    refusal: tuple[FailureReason, str, bool],
    run: list[budget.Line],
    *,
    now: datetime,
) -> ev.Command | None:
    """Another round for the same agent while there is one left, else the end of the attempt."""
    reason, detail, repairable = refusal
    if attempt.offered_by:
        return offered.parked(number, attempt, reason, detail)
    round_, pull = attempt.repairs + 1, state.issues[number].pull
    asked_for = attempt.review_rounds + attempt.merge_rounds + (pull.rounds if pull else 0)
    if repairable and round_ - asked_for <= state.rules.repair_rounds:
        if state.interrupted:  # it has not failed: it could still be repaired
            return ev.StopIntended(number, attempt.fence, None, "the run was interrupted")
        for line in budget.all_lines(state, number, run):
            if not rules.budget_is_left(line, now):
                why = f"{line.told(now)}, and what it has made does not pass ({reason.value}):\n{detail}"
                return ev.StopIntended(number, attempt.fence, FailureReason.BUDGET_EXCEEDED, why)
        if not rules.provider_allows(state, attempt.runtime):
            return None
        return ev.RepairIntended(number, attempt.number, round_, detail, _lease(state, now))
    return ev.StopIntended(number, attempt.fence, reason, detail)


# --- landing


def _batch(state: State, now: datetime) -> Iterator[ev.Command]:
    batch = state.landing
    if rules.batch_is_free(batch) and (members := landing.opening(state)):
        yield ev.LandingOpened(state.target, members)
    if batch is None or batch.steps is None:
        return
    onwards = list(_onwards(state, batch, now))
    if onwards or (aside := landing.set_aside(state, batch)) is None:
        yield from onwards
    else:
        yield aside


def _onwards(state: State, batch: Landing, now: datetime) -> Iterator[ev.Command]:
    if batch.sealed is not None:
        if not batch.moving and state.move_blocked is None:
            yield ev.MoveIntended(batch.base, batch.sealed[-1].commit, batch.sealed)
    elif batch.chosen is None:
        yield from _choose(state, batch, batch.conflict, now) if batch.conflict else _judge(state, batch, now)


def _choose(state: State, batch: Landing, conflict: ev.MergeConflict, now: datetime) -> Iterator[ev.Command]:
    found = ways.chosen(state, batch)
    if found is not None:
        yield _seal(state, batch, (found,), now)
    elif (reds := ways.red(state, batch)) is not None:
        yield returning.unmerged(state, conflict, reds)


def _judge(state: State, batch: Landing, now: datetime) -> Iterator[ev.Command]:
    found = landing.diagnose_batch(state, batch)
    if isinstance(found, Probe):
        for part in (*found.parts, *found.early):
            if landing.composed(batch, part) is None and part not in batch.parts:
                yield ev.ProbeIntended(batch.base, part)
    elif isinstance(found, Land):
        chosen = landing.composed(batch, found.part) or ()
        yield _seal(state, batch, chosen, now, found.suspect)
    else:
        yield _eject(state, batch, found.number)


def _eject(
    state: State, batch: Landing, number: Number
) -> ev.CandidateSetApart | ev.CandidateReturned | ev.IssueParked:
    alone = landing.composed(batch, (number,))
    if len(batch.members) > 1 and alone and alone[-1].resolved:
        return ev.CandidateSetApart(number)
    return returning.not_green(state, number, state.gates.get(alone[-1].gate) if alone else None)


def _seal(
    state: State, batch: Landing, chosen: tuple[ev.Step, ...], now: datetime, suspect: Number | None = None
) -> ev.SealIntended:
    record = state.gates[chosen[-1].gate]
    proofs = review.proofs(state, chosen)
    return ev.SealIntended(batch.base, chosen, ev.gate_digest(record), now, suspect, proofs)


def _gates(state: State) -> Iterator[ev.GateIntended]:
    """Gate runs that may start: the batch first, because dependents and slots wait for it; what it may need, last."""
    room = state.rules.gate_slots - len(state.gating)
    if room <= 0:
        return
    needed, early = landing.wanted_gates(state)
    wanted = {intent.gate: intent for intent in (*needed, *pulls.wanted_gates(state))}
    for number in state.active:
        attempt = state.issues[number].attempt
        if attempt is None or attempt.progress is not Progress.IMPORTED:
            continue
        if attempt.gate not in state.gates and attempt.gate not in state.gating:
            wanted.setdefault(attempt.gate, _gate_of(number, attempt))
    for intent in early:
        wanted.setdefault(intent.gate, intent)
    yield from list(wanted.values())[:room]


def _gate_of(number: Number, attempt: Attempt) -> ev.GateIntended:
    tree, commit = attempt.tree or "", attempt.commit or ""
    return ev.GateIntended(tree, commit, f"#{number}", attempt.scopes, attempt.reads)


# --- the end


def _retirement(state: State) -> Iterator[ev.RetireIntended]:
    if state.to_retire:
        yield ev.RetireIntended(state.to_retire)


def _ending(state: State, now: datetime) -> list[ev.Command]:
    """The run ends when every issue is in a terminal state, or when nothing runs and nothing may start any more."""
    may_start = not state.halted and schedule.run_budget(state, now) is None
    over = state.terminal == len(state.issues) or not (may_start or state.interrupted)
    if not (over and state.quiet):
        return []
    if state.landed + state.reverted == len(state.issues):
        return [ev.RunEnded("landed")]
    return [ev.RunEnded("partial" if state.landed else "failed")]
