"""From a run's state to what every view of it shows: one status for terminal, JSON and report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import msgspec

from mawep.core import events as ev
from mawep.core import slots
from mawep.core.clashes import told
from mawep.core.model import IssueState, Number, Usage
from mawep.core.state import Attempt, IssueRecord, Progress, State
from mawep.core.verdict import ReviewRecord
from mawep.observe import bill
from mawep.observe.far import far_status
from mawep.observe.live import AttemptView, Live, Owed
from mawep.observe.outlook import left_of_issue, left_of_run
from mawep.observe.pulls import pull_of, reasons, silent
from mawep.observe.readmodel import (
    AgentStatus,
    Asked,
    ClaimStatus,
    EventLine,
    GateStatus,
    IssueStatus,
    LandingPhase,
    LandingStatus,
    LimitStatus,
    Phase,
    PlanLine,
    ReviewStatus,
    Status,
    TargetStatus,
)
from mawep.observe.sharing import likely_ahead, shared_warnings
from mawep.observe.text import count, first_line, named
from mawep.observe.timeline import nobody_there
from mawep.observe.words import describe, noteworthy

RECENT = 50
"""Events that a status carries, the newest."""


def status_of(
    state: State,
    now: datetime,
    live: Live | None = None,
    records: Sequence[ev.Recorded] = (),
    *,
    alive: bool = True,
) -> Status:
    """The status of a run at `now`.

    `records` are its events, all of them or the newest; `alive` is False when no process conducts the run.
    """
    live = live if live is not None and alive else Live()
    phase = _phase(state, alive)
    usage = bill.together(bill.of_issue(record, _running(record, live)) for record in state.issues.values())
    return Status(
        at=now,
        run=state.run,
        phase=phase,
        alive=alive and state.ended is None,
        outcome=outcome_of(state, phase),
        why=_why(state, phase),
        target=TargetStatus(state.target_branch, state.first_target, state.target),
        started_at=state.started_at,
        ended_at=state.ended_at,
        elapsed_s=round(_elapsed(state, now, records, alive), 3),
        eta_s=left_of_run(state, now) if alive else None,
        max_agents=state.rules.max_agents,
        counts=_counts(state),
        issues=tuple(issue_status(state, number, now, live) for number in state.graph.order),
        agents_allowed=state.agents,
        agents=tuple(_agent(state, slot, live) for slot in sorted({*state.slots, *slots.free(state)})),
        claims=_claims(state),
        likely_overlaps=tuple(likely_ahead(state)),
        landing=_landing(state),
        limits=_limits(state),
        forge_budgets=tuple(live.forge_budgets[name] for name in sorted(live.forge_budgets)),
        gates=_gates(state),
        tokens=usage.tokens,
        cost_usd=usage.cost_usd,
        blockers=tuple(live.blockers),
        breaking_changes=tuple(live.breaking_changes),
        warnings=tuple(_warnings(state, live)),
        events=tuple(event_lines(records)),
    )


def to_json(status: Status) -> bytes:
    """The JSON document of `mawep status --json`."""
    return msgspec.json.encode(status)


def outcome_of(state: State, phase: Phase) -> str | None:
    """How the run ended: landed, partial, failed or interrupted; None while it goes on."""
    if state.ended is not None:
        return state.ended
    return "interrupted" if phase in (Phase.INTERRUPTED, Phase.STOPPED) else None


def event_lines(records: Sequence[ev.Recorded], most: int = RECENT) -> list[EventLine]:
    """The newest events that matter, in words, oldest first."""
    lines: list[EventLine] = []
    for recorded in reversed(records):
        if len(lines) == most:
            break
        if noteworthy(recorded.event):
            lines.append(line_of(recorded))
    return lines[::-1]


def line_of(recorded: ev.Recorded) -> EventLine:
    """One event in words."""
    event = recorded.event
    return EventLine(
        recorded.seq, recorded.at, type(event).__name__, getattr(event, "issue", None), describe(recorded)
    )


# --- the run


def _phase(state: State, alive: bool) -> Phase:
    if state.ended is not None:
        return Phase.ENDED
    if state.stopped is not None:
        return Phase.STOPPED
    if state.interrupted or not alive:
        return Phase.INTERRUPTED
    return Phase.PAUSED if state.paused else Phase.RUNNING


def _why(state: State, phase: Phase) -> str | None:
    if phase is Phase.STOPPED:
        return state.stopped
    if phase is Phase.INTERRUPTED and not state.interrupted:
        return "no mawep process conducts it; `mawep resume` goes on with it"
    if phase is Phase.PAUSED:
        return f"paused by {state.paused}; `mawep resume` lets new attempts start"
    if phase is Phase.RUNNING and state.halted:
        return "an issue failed and on_failure is halt: nothing new starts"
    return None


def _elapsed(state: State, now: datetime, records: Sequence[ev.Recorded], alive: bool) -> float:
    """Seconds from the start to the end or to now, without the times when no process conducted the run."""
    if state.started_at is None:
        return 0.0
    last = records[-1].at if records else now
    end = state.ended_at or (now if alive and state.stopped is None else last)
    away = sum(
        (after.at - before.at).total_seconds()
        for before, after in pairwise(records)
        if nobody_there(before, after)
    )
    return max(0.0, (end - state.started_at).total_seconds() - away)


def _counts(state: State) -> dict[str, int]:
    counts = {known.value: 0 for known in IssueState}
    for record in state.issues.values():
        counts[record.state.value] += 1
    return counts


def _warnings(state: State, live: Live) -> list[str]:
    warnings = []
    if live.bus_restarts:
        warnings.append(f"the message bus died and was started again {count(live.bus_restarts, 'time')}")
    if live.bus.dead_letters:
        warnings.append(f"{count(live.bus.dead_letters, 'message')} could not be believed (dead letters)")
    if live.bus.dropped:
        warnings.append(f"a reader of the bus fell behind {count(live.bus.dropped, 'time')}")
    if live.owed.reports:
        warnings.append(_owed(live.owed))
    if live.owed.given_up:
        warnings.append(_refused(live.owed))
    if state.late:
        warnings.append(f"{count(state.late, 'report')} came too late and changed nothing")
    if live.silence is not None:
        warnings.append(f"pull requests wait: {silent(live.silence)}")
    warnings += [told(state, clash, clash.issues[0]) for clash in live.clashes]
    if live.forge.trouble:
        again = f"; it is tried again at {live.forge.next_at:%H:%M:%S} UTC" if live.forge.next_at else ""
        warnings.append(f"the forge was not read, the run goes on: {live.forge.trouble}{again}")
    warnings += [
        f"#{conflict.issue} does not wait for #{conflict.on}, which is new: {conflict.why}"
        for conflict in state.outside.refused
    ]
    warnings += [
        f"#{number} reads in a way that the run cannot follow, and goes on without: {first_line(problem)}"
        for number, problems in sorted(state.outside.unclear.items())
        for problem in problems
    ]
    free, floor = live.disk.free, live.disk.floor
    if free is not None and floor is not None and free < 2 * floor:
        warnings.append(
            f"{free / 1e9:.1f} GB of disk are free; under {floor / 1e9:.1f} GB no worktree is made"
        )
    return warnings + shared_warnings(state)


def _owed(owed: Owed) -> str:
    since = f", since {owed.since:%H:%M} UTC" if owed.since else ""
    verb = "waits" if owed.reports == 1 else "wait"
    return f"{count(owed.reports, 'report')} {verb} for {owed.where}{since}: {first_line(owed.why)}"


def _refused(owed: Owed) -> str:
    more = owed.given_up - len(owed.refused)
    named = [*map(first_line, owed.refused), *([f"and {more} more"] if more > 0 else [])]
    verb = "was" if owed.given_up == 1 else "were"
    said = f": {'; '.join(named)}" if owed.refused else ""
    return f"{count(owed.given_up, 'report')} {verb} not accepted by {owed.where}{said}"


# --- issues


def _running(record: IssueRecord, live: Live) -> Usage | None:
    view = _view(record, live)
    return view.usage if view else None


def _view(record: IssueRecord, live: Live) -> AttemptView | None:
    if record.attempt is None or not record.state.holds_slot:
        return None
    return live.of(record.number, record.attempt.number)


def issue_status(state: State, number: Number, now: datetime, live: Live) -> IssueStatus:
    """One issue as it is now."""
    record, attempt = state.issues[number], state.issues[number].attempt
    view = _view(record, live) or AttemptView(number, record.runs)
    usage = bill.of_issue(record, view.usage)
    busy = record.state in (IssueState.WORKING, IssueState.NEEDS_INPUT)
    said, estimated = _eta(view, now) if busy else None, left_of_issue(state, number, now)
    landed = record.state is IssueState.LANDED
    return IssueStatus(
        number=number,
        title=state.graph.issues[number].title,
        state=record.state,
        stage=stage_of(state, record, view),
        reason=record.reason.value if record.reason and record.state is IssueState.FAILED else None,
        detail=record.detail,
        waiting_for=tuple(reasons(state, number, now, live)),
        depends_on=state.graph.dependencies[number],
        depends_on_far=far_status(state, number),
        blocked_by=named(record.blocked_by),
        attempts=record.runs,
        repairs=attempt.repairs if attempt else 0,
        agent=f"agent-{attempt.slot}" if attempt and not attempt.offered_by else None,
        runtime=state.runtime_of(number) or None,
        branch=attempt.branch if attempt else None,
        worktree=(attempt.worktree or None) if attempt else None,
        percent=100.0 if landed else view.percent if busy else None,
        percent_claimed=busy and view.claimed,
        eta_s=said if said is not None else estimated,
        eta_by="agent" if said is not None else "estimate" if estimated is not None else None,
        activity=view.activity if busy else "",
        plan=tuple(PlanLine(entry.content, entry.status) for entry in view.plan),
        question=_asked(record),
        claims=state.claims.held_by(number),
        files=_files(attempt, view),
        commit=attempt.commit if attempt else None,
        landed_as=record.landed_as,
        reverted_as=record.reverted_as,
        salvage=record.salvage,
        started_at=record.started_at,
        landed_at=record.ended_at if landed else None,
        ended_at=record.ended_at,
        tokens=usage.tokens,
        cost_usd=usage.cost_usd,
        reviews=tuple(map(_reviewed, record.reviews)),
        pull_request=pull_of(record),
        context_used=view.usage.context_used if busy else None,
        context_size=view.usage.context_size if busy else None,
    )


def _reviewed(review: ReviewRecord) -> ReviewStatus:
    usage = review.usage
    return ReviewStatus(
        *(review.number, review.attempt, review.runtime, review.verdict.value, review.summary),
        tokens=usage.tokens,
        cost_usd=usage.cost_usd,
    )


def _files(attempt: Attempt | None, view: AttemptView) -> tuple[str, ...]:
    if attempt is None or attempt.files:
        return attempt.files if attempt else view.files
    return tuple(dict.fromkeys((*attempt.touched, *view.files)))


def _eta(view: AttemptView, now: datetime) -> float | None:
    if view.eta_seconds is None or view.progress_at is None:
        return None
    return round(max(0.0, view.eta_seconds - (now - view.progress_at).total_seconds()), 1)


def _asked(record: IssueRecord) -> Asked | None:
    question = record.question
    if question is None:
        return None
    return Asked(question.id, question.text, question.options, question.asked_at)


def stage_of(state: State, record: IssueRecord, view: AttemptView | None = None) -> str:
    """What is done with an issue now, in a word or two: finer than its state."""
    attempt = record.attempt
    if attempt is not None and attempt.progress is Progress.STOPPING and record.state.holds_slot:
        return "stopping"
    if record.limited:
        return "limited"
    match record.state:
        case IssueState.ASSIGNED | IssueState.WORKING if record.returned is not None:
            return "merging"
        case IssueState.WORKING if view is not None and view.stage:
            return view.stage
        case IssueState.ASSIGNED if attempt is not None:
            return "repairing" if attempt.repairs else "starting"
        case IssueState.VERIFYING if attempt is not None:
            if attempt.progress is not Progress.IMPORTED:
                return "checking"
            if state.in_review(record.number):
                return "review" if f"review:{record.number}" in state.effects else "waits for review"
            return "gate" if attempt.gate in state.gating else "waits for gate"
        case IssueState.QUEUED if any(record.number in one.members for one in state.aside):
            return "gating beside"
        case IssueState.LANDING:
            return landing_phase(state) or record.state.value
        case _:
            return record.state.value.replace("_", " ")


# --- agents, claims, landing, gates


def _agent(state: State, slot: int, live: Live) -> AgentStatus:
    name, number = f"agent-{slot}", state.slots.get(slot)
    record = state.issues[number] if number is not None else None
    if record is None or record.attempt is None:
        return AgentStatus(name)
    view = _view(record, live) or AttemptView(record.number, record.attempt.number)
    return AgentStatus(
        name=name,
        issue=record.number,
        state=record.state,
        since=record.attempt.assigned_at,
        pid=view.pid or record.attempt.pid,
        rss_mb=view.rss_mb,
        cpu_percent=view.cpu_percent,
        idle_s=view.idle_seconds,
    )


def _claims(state: State) -> tuple[ClaimStatus, ...]:
    holders = sorted(state.claims.holders.items())
    return tuple(ClaimStatus(n, path, held.until) for n, held in holders for path in held.patterns)


def _landing(state: State) -> LandingStatus:
    blocked = state.move_blocked
    return LandingStatus(
        queue=state.queue,
        batch=state.landing.members if state.landing else (),
        aside=tuple(one.members for one in state.aside),
        phase=landing_phase(state),
        in_the_way=blocked.files if blocked else (),
    )


def landing_phase(state: State) -> LandingPhase | None:
    """What is done with the batch that lands; None when none does."""
    batch = state.landing
    if batch is None:
        return None
    if state.move_blocked is not None:
        return LandingPhase.BLOCKED
    if batch.steps is None:
        return LandingPhase.COMPOSING
    if batch.chosen is None:
        return LandingPhase.SEARCHING if batch.parts else LandingPhase.GATING
    return LandingPhase.SEALING if batch.sealed is None else LandingPhase.MOVING


def _limits(state: State) -> tuple[LimitStatus, ...]:
    held = ((name, limit) for name, limit in sorted(state.limits.items()) if not limit.lifted)
    return tuple(LimitStatus(name, limit.until, limit.stated, limit.why) for name, limit in held)


def _gates(state: State) -> tuple[GateStatus, ...]:
    begun = {name: state.effects.get(f"gate:{name}") for name in state.gating}
    return tuple(
        GateStatus(_tree(name, recorded), state.gating[name], recorded.at if recorded else None)
        for name, recorded in sorted(begun.items())
    )


def _tree(name: str, recorded: ev.Recorded | None) -> str:
    """The tree that is gated, which with lanes is not what the verdict is known by."""
    intent = recorded.event if recorded else None
    return intent.tree if isinstance(intent, ev.GateIntended) else name.partition(":")[0]
