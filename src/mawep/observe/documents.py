"""The JSON documents that programs read: what became of a run, why an issue waits, and a plan.

Each always has every key; `docs/status.md` documents them and a snapshot test keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from mawep.core import events as ev
from mawep.core.clashes import Clash, told
from mawep.core.graph import Graph
from mawep.core.model import GateRecord, Issue, IssueState, Number, Routed
from mawep.core.predict.overlap import foundations, shared_files
from mawep.core.schedule import refusals
from mawep.core.state import State
from mawep.core.touched import changed
from mawep.core.verdict import ReviewRecord
from mawep.observe import bill
from mawep.observe.attempts import Try, attempts_of
from mawep.observe.far import far_status
from mawep.observe.figures import figures_of
from mawep.observe.live import Live
from mawep.observe.outlook import expected_of
from mawep.observe.overlaps import overlaps_of
from mawep.observe.pulls import pull_of, reasons
from mawep.observe.sharing import likely_with, shared_of
from mawep.observe.text import named
from mawep.observe.timeline import course_of

Document = dict[str, Any]


def result_document(state: State, records: Iterable[ev.Recorded]) -> Document:
    """What became of a run: the document of `mawep start --json` and `mawep resume --json`."""
    figures = figures_of(course_of(records))
    now = state.ended_at or state.started_at
    document = {
        "run": state.run,
        "outcome": state.ended or "interrupted",
        "target": {"branch": state.target_branch, "before": state.first_target, "after": state.target},
        "issues": [_issue_result(state, number, now) for number in state.graph.order],
        **msgspec.structs.asdict(figures),
    }
    return _plain(document)


def together(documents: Mapping[str, Document]) -> Document:
    """What became of runs of several repositories, by their names, from the documents of each."""
    outcomes = {document["outcome"] for document in documents.values()}
    worst = "interrupted" if "interrupted" in outcomes else "partial"
    return {"outcome": worst if len(outcomes) > 1 else outcomes.pop(), "repositories": dict(documents)}


def _issue_result(state: State, number: Number, now: datetime | None) -> Document:
    record = state.issues[number]
    attempt, usage = record.attempt, bill.of_issue(record)
    return {
        "number": number,
        "title": state.graph.issues[number].title,
        "state": record.state,
        "reason": _reason(state, number, now),
        "attempts": record.runs,
        "branch": attempt.branch if attempt else None,
        "commit": attempt.commit if attempt else None,
        "landed_as": record.landed_as,
        "reverted_as": record.reverted_as,
        "started_at": record.started_at,
        "landed_at": record.ended_at if record.state is IssueState.LANDED else None,
        "files": list(attempt.files) if attempt else [],
        "tokens": usage.tokens,
        "cost_usd": usage.cost_usd,
        "reviews": [_review(one) for one in record.reviews],
        "pull_request": pull_of(record),
    }


def _reason(state: State, number: Number, now: datetime | None) -> str | None:
    """The failure's reason, or in words why the issue has not landed; None when it has."""
    record = state.issues[number]
    if record.state is IssueState.FAILED and record.reason is not None:
        return record.reason.value
    if now is None:
        return None
    return "; ".join(refusal.detail for refusal in refusals(state, number, now)) or None


def explain_document(
    state: State,
    number: Number,
    now: datetime,
    records: Iterable[ev.Recorded] = (),
    live: Live | None = None,
) -> Document:
    """Why an issue is where it is. With the run's `records`, `attempts` tells of all of them, with `live` of blockers.

    Raises:
        KeyError: the issue is not in the run.
    """
    record, issue = state.issues[number], state.graph.issues[number]
    attempts, routed = attempts_of(records).get(number, []), state.routed.get(number)
    return _plain(
        {
            "number": number,
            "title": issue.title,
            "assignees": list(issue.assignees),
            "milestone": issue.milestone,
            "part_of": list(issue.part_of),
            "state": record.state,
            "refusals": list(reasons(state, number, now, live or Live())),
            "runtime": state.runtime_of(number) or None,
            "runtime_why": routed.why if routed else None,
            "reason": record.reason if record.state is IssueState.FAILED else None,
            "detail": record.detail,
            "hunks": record.hunks or (record.returned.hunks if record.returned else "") or None,
            "files": list(record.files),
            "blocked_by": named(record.blocked_by),
            "estimate": _estimate(issue),
            "depends_on": _neighbours(state, state.graph.dependencies[number]),
            "depends_on_far": [msgspec.structs.asdict(one) for one in far_status(state, number)],
            "dependents": _neighbours(state, state.graph.dependents[number]),
            "claims": list(state.claims.held_by(number)),
            "touched": list(changed(state, number)),
            "shared": shared_of(state, number),
            "predicted": list(issue.predicted),
            "likely_overlaps": likely_with(state, number),
            "question": _question(state, number),
            "conflicts": [
                _clash(state, one, number) for one in (live or Live()).clashes if number in one.issues
            ],
            "blockers": _blockers(state, number, live or Live()),
            "salvage": record.salvage,
            "landed_as": record.landed_as,
            "reverted_as": record.reverted_as,
            "reviews": [_review(one) for one in record.reviews],
            "pull_request": pull_of(record),
            "attempts": [_attempt(one) for one in attempts],
        }
    )


def _neighbours(state: State, numbers: Sequence[Number]) -> list[Document]:
    return [{"number": number, "state": state.issues[number].state} for number in numbers]


def _clash(state: State, clash: Clash, number: Number) -> Document:
    with_ = [issue for issue in clash.issues if issue != number]
    return {
        "with": with_,
        "files": list(clash.files),
        "asked": clash.asked,
        "told": told(state, clash, number),
    }


def _blockers(state: State, number: Number, live: Live) -> list[Document]:
    """What keeps the attempt that goes on, by its agent's word."""
    record = state.issues[number]
    attempt = record.attempt.number if record.attempt and not record.state.terminal else None
    return [
        msgspec.structs.asdict(one)
        for one in live.blockers
        if (one.issue, one.attempt) == (number, attempt) and one.kind != "question"
    ]


def _question(state: State, number: Number) -> Document | None:
    question = state.issues[number].question
    if question is None:
        return None
    return {
        "id": question.id,
        "text": question.text,
        "options": list(question.options),
        "asked_at": question.asked_at,
    }


def _attempt(one: Try) -> Document:
    return {
        **{name: getattr(one, name) for name in one.__struct_fields__ if name not in ("usage", "gates")},
        "tokens": one.usage.tokens,
        "cost_usd": one.usage.cost_usd,
        "gates": [_gate(record) for record in one.gates],
    }


def _review(record: ReviewRecord) -> Document:
    return {
        "number": record.number,
        "attempt": record.attempt,
        "runtime": record.runtime,
        "verdict": record.verdict,
        "summary": record.summary,
        "comments": [msgspec.structs.asdict(remark) for remark in record.remarks],
        "commit": record.commit,
        "seconds": record.seconds,
        "transcript": record.transcript,
        "tokens": record.usage.tokens,
        "cost_usd": record.usage.cost_usd,
    }


def _gate(record: GateRecord) -> Document:
    return {
        "tree": record.tree,
        "result": record.result,
        "seconds": record.seconds,
        "timed_out": record.timed_out,
        "log": record.log,
        "excerpt": record.excerpt,
        "scopes": None if record.scopes is None else list(record.scopes),
        "taken_over": list(record.taken_over),
        "reruns": record.reruns,
    }


def plan_document(
    issues: Iterable[Issue],
    graph: Graph,
    agents: int,
    runtime: str | None = None,
    routed: Mapping[Number, Routed] | None = None,
    *,
    apart: Document | None = None,
) -> Document:
    """What a run of these issues would do, for `agents` agents driven as `runtime`, or else as `routed` says.

    `apart` is what it would cost to keep apart what is likely to change the same files.
    """
    found = overlaps_of(issues)
    shared = shared_files(graph)
    return _plain(
        {
            "order": list(graph.order),
            "waves": [list(wave) for wave in graph.waves()],
            "critical_path": list(graph.critical_path()),
            "edges": list(_edges(graph)),
            "overlaps": [msgspec.structs.asdict(pair) for pair in found.pairs],
            "overlaps_complete": found.complete,
            "predicted": [
                {"number": number, "files": list(graph.issues[number].predicted)} for number in graph.order
            ],
            "likely_overlaps": shared,
            "foundations": foundations(graph, shared),
            "apart": apart,
            "lower_bound_hours": _lower_bound(graph, agents),
            "expected_hours": expected_of(graph, agents),
            "estimates": [_estimate(graph.issues[number]) for number in graph.order],
            "runtime": runtime,
            "routed": [
                {"number": number, **msgspec.structs.asdict(routed[number])}
                for number in graph.order
                if routed and number in routed
            ],
        }
    )


def _estimate(issue: Issue) -> Document:
    """What is known beforehand of how long an issue takes; None where nobody has estimated it."""
    found = issue.estimate
    return {
        "number": issue.number,
        "hours": found.hours if found else None,
        "source": found.source if found else None,
        "takes_hours": found.takes if found else None,
        "risk": found.risk if found else None,
        "files": list(found.files) if found else [],
        "reasons": list(found.reasons) if found else [],
    }


def _edges(graph: Graph) -> Iterable[Document]:
    """`to` waits for `from` to land."""
    for number in graph.order:
        sources = {dep.on: dep.source for dep in reversed(graph.issues[number].depends_on)}
        for on in graph.dependencies[number]:
            yield {"from": on, "to": number, "source": sources[on]}


def _lower_bound(graph: Graph, agents: int) -> float | None:
    """No plan is done sooner: its critical path, or all its hours on all agents. None without estimates."""
    hours = [issue.estimate_hours for issue in graph.issues.values() if issue.estimate_hours is not None]
    if not hours or len(hours) < len(graph.issues):
        return None
    longest = max(graph.remaining.values())
    return round(max(longest, sum(hours) / agents), 3)


def _plain(document: Document) -> Document:
    """With JSON types only: times as RFC 3339 text."""
    plain: Document = msgspec.to_builtins(document)
    return plain
