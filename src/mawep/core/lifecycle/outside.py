"""What changes on the tracker makes of the state; what is at work is never torn down for it."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core import graph, news, rules
from mawep.core.lifecycle.standing import stand_again
from mawep.core.model import Dependency, Issue, Number
from mawep.core.outside import MOST_COMMANDS, MOST_TAKEN, Command, Conflict
from mawep.core.state import State, replace


def edited(state: State, rec: ev.Recorded, event: ev.IssueEdited) -> State:
    """What is claimed and what a landing is called stay as they were until the issue starts again."""
    number, record = event.issue, state.issues[event.issue]
    if not rules.not_landed_yet(record):
        return state
    known, outside = state.graph.issues[number], state.outside
    now = replace(event.now, number=number, depends_on=known.depends_on, far=known.far)
    untold = tuple(tell for tell in outside.untold if tell[1] != number)
    if not record.active:
        kept = outside.edited.delete(number) if number in outside.edited else outside.edited
        state = replace(state, outside=replace(outside, edited=kept, untold=untold))
        return _with_issue(state, now)
    before = outside.edited.get(number, known)
    if (before.title, before.body) != (now.title, now.body):
        outside = replace(outside, untold=(*untold, (rec.seq, number)))
    outside = replace(outside, edited=outside.edited.set(number, now))
    state = replace(state, outside=outside)
    if not record.state.holds_slot:
        return state
    return _with_issue(state, replace(now, files=known.files))


def dependency_added(state: State, rec: ev.Recorded, event: ev.DependencyAdded) -> State:
    number, on = event.issue, event.on
    record = state.issues[number]
    if on == number or not news.takes_edges(record) or news.known_edge(state, number, on):
        return state
    if news.circle(state, number, on):
        return state
    state, edge = _without_conflict(state, number, on), Dependency(on, event.source)
    if on in state.issues:
        issue = state.graph.issues[number]
        state = _with_issue(state, replace(issue, depends_on=(*issue.depends_on, edge)))
    else:
        blockers = (*state.outside.blockers.get(number, ()), edge)
        state = _with_blockers(state, number, blockers)
    met = on in state.issues and not rules.not_landed_yet(state.issues[on])
    state = replace(state, unmet=state.unmet.set(number, state.unmet[number] + (not met)))
    return stand_again(state, number, rec.at)


def dependency_removed(state: State, rec: ev.Recorded, event: ev.DependencyRemoved) -> State:
    number, on = event.issue, event.on
    state = _without_conflict(state, number, on)
    if not news.known_edge(state, number, on):
        return state
    met = on in state.issues and not rules.not_landed_yet(state.issues[on])
    if on in state.graph.dependencies[number]:
        issue = state.graph.issues[number]
        left = tuple(edge for edge in issue.depends_on if edge.on != on)
        state = _with_issue(state, replace(issue, depends_on=left))
    else:
        kept = tuple(edge for edge in state.outside.blockers[number] if edge.on != on)
        state = _with_blockers(state, number, kept)
    state = replace(state, unmet=state.unmet.set(number, state.unmet[number] - (not met)))
    return stand_again(state, number, rec.at)


def dependency_refused(state: State, rec: ev.Recorded, event: ev.DependencyRefused) -> State:
    if event.on == event.issue or news.known_edge(state, event.issue, event.on):
        return state
    state = _without_conflict(state, event.issue, event.on)
    conflict = Conflict(event.issue, event.on, event.source, event.why)
    return replace(state, outside=replace(state.outside, refused=(*state.outside.refused, conflict)))


def noticed(state: State, rec: ev.Recorded, event: ev.IssueNoticed) -> State:
    return state


def unclear(state: State, rec: ev.Recorded, event: ev.IssueUnclear) -> State:
    known = state.outside.unclear
    if event.problems:
        known = known.set(event.issue, event.problems)
    elif event.issue in known:
        known = known.delete(event.issue)
    return replace(state, outside=replace(state.outside, unclear=known))


def command_taken(state: State, rec: ev.Recorded, event: ev.CommandTaken) -> State:
    outside = state.outside
    taken = tuple(dict.fromkeys((*outside.taken, event.comment)))[-MOST_TAKEN:]
    last = Command(event.comment, event.by, event.command, event.done, event.said, rec.at)
    newest = (*outside.commands.get(event.issue, ()), last)[-MOST_COMMANDS:]
    commands = outside.commands.set(event.issue, newest)
    return replace(state, outside=replace(outside, taken=taken, commands=commands))


def outside_read(state: State, rec: ev.Recorded, event: ev.OutsideRead) -> State:
    return replace(state, outside=replace(state.outside, read_until=event.until))


# --- steps


def _without_conflict(state: State, number: Number, on: Number) -> State:
    left = tuple(c for c in state.outside.refused if (c.issue, c.on) != (number, on))
    if len(left) == len(state.outside.refused):
        return state
    return replace(state, outside=replace(state.outside, refused=left))


def _with_blockers(state: State, number: Number, blockers: tuple[Dependency, ...]) -> State:
    known = state.outside.blockers
    known = known.set(number, blockers) if blockers else known.delete(number)
    return replace(state, outside=replace(state.outside, blockers=known))


def _with_issue(state: State, issue: Issue) -> State:
    """The same issues are ready, by the ranks that they have in the new plan."""
    plan = graph.with_issue(state.graph, issue)
    if plan.rank is state.graph.rank:
        return replace(state, graph=plan)
    ready = sorted(plan.rank[state.graph.by_rank[rank]] for rank in state.ready)
    return replace(state, graph=plan, ready=tuple(ready))
