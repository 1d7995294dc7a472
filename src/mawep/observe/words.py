"""Events in words: one sentence an event, for people who watch a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mawep.core import events as ev
from mawep.core.far import FarRecord
from mawep.core.model import GateRecord, GateResult
from mawep.core.verdict import Verdict
from mawep.observe.text import count, duration, first_line, numbers, one_line, short

ROUTINE = frozenset(
    {
        ev.LeasesExtended,
        ev.FilesTouched,
        ev.SessionOpened,
        ev.ImportIntended,
        ev.RevertIntended,
        ev.ProbeIntended,
        ev.ProbeComposed,
        ev.SealIntended,
        ev.LandingSealed,
        ev.MoveIntended,
        ev.PullRequestIntended,
        ev.UpdateIntended,
        ev.MergeIntended,
        ev.RetireIntended,
        ev.WorkspacesRetired,
        ev.MessageDelivered,
        ev.UsageSeen,
        ev.OutsideRead,
        ev.AgentsAllowed,
    }
)
"""Events that say nothing new to somebody who watches: each is a step between two others."""


def describe(recorded: ev.Recorded) -> str:
    """One sentence that says what happened, on one line, safe to print."""
    return one_line(_SAID[type(recorded.event)](recorded.event))


def noteworthy(event: ev.AnyEvent) -> bool:
    """False for the routine between two events that matter."""
    if isinstance(event, ev.FarSeen):
        return event.over or event.state.terminal
    return type(event) not in ROUTINE


def _because(detail: str) -> str:
    shown = first_line(detail)
    return f": {shown}" if shown else ""


def _members(steps: tuple[ev.Step, ...]) -> str:
    return numbers([step.issue for step in steps])


def _gate(event: ev.GateFinished) -> str:
    record = event.record
    said = {GateResult.GREEN: "passed", GateResult.RED: "failed", GateResult.NONE: "ended without a verdict"}
    told = f"The gate {said[record.result]} on tree {short(record.tree)} after {duration(record.seconds)}"
    if record.timed_out:
        told += ", at its time limit"
    return told + again(record) + in_scopes(record)


def again(record: GateRecord) -> str:
    """That a gate was run again, for the end of a sentence; nothing where it was not."""
    if not record.reruns:
        return ""
    times = "once" if record.reruns == 1 else f"{record.reruns} times"
    return f", run again {times}: it is flaky" if record.flaky else f", also when run again {times}"


def in_scopes(record: GateRecord) -> str:
    """Which parts of a mono-repo were gated, for the end of a sentence; nothing where that is the whole."""
    if record.scopes is None:
        return ""
    gated = ", ".join(record.scopes) or "what runs for every tree"
    return f", gated: {gated}; taken over: {', '.join(record.taken_over)}"


def _reviewed(event: ev.ReviewFinished) -> str:
    said = {
        Verdict.APPROVE: "is approved",
        Verdict.REQUEST_CHANGES: "needs changes, says its reviewer",
        Verdict.NONE: "has no verdict of its reviewer",
    }[event.record.verdict]
    return f"#{event.issue} {said}{_because(event.record.summary)}"


def _failed(event: ev.AttemptFailed) -> str:
    kept = " (work kept)" if event.salvage else ""
    return f"#{event.issue} failed as {event.reason}{kept}{_because(event.detail)}"


def _stop(event: ev.StopIntended) -> str:
    why = event.reason.value if event.reason else "no failure"
    return f"#{event.issue} is stopped, {why}{_because(event.detail)}"


def _until(event: ev.ProviderLimitHit) -> str:
    until = f"until {event.until:%Y-%m-%d %H:%M:%S} UTC" if event.until else "for now"
    return f"its agent's provider takes nothing more {until}"


def _composed(event: ev.LandingComposed) -> str:
    if event.ways:
        found = count(len(event.ways), "way")
        return f"{_members(event.ways[:1])} in conflict; {found} to merge by rule found"
    together = f"{_members(event.steps)} merged on {short(event.base)}" if event.steps else "Nothing merged"
    apart = [conflict.issue for conflict in event.conflicts]
    mended = [step.issue for step in event.steps if step.resolved]
    by_rule = f"; conflicts of {numbers(mended)} resolved by rule" if mended else ""
    return f"{together}{by_rule}; {numbers(apart)} in conflict" if apart else f"{together}{by_rule}"


def _moved(event: ev.TargetMoved) -> str:
    landed = "has" if len(event.steps) == 1 else "have"
    back = [number for step in event.steps for number in step.reverts]
    if back:
        return f"What {numbers(back)} brought is taken back: the target is at {short(event.new)}"
    return f"{_members(event.steps)} {landed} landed: the target is at {short(event.new)}"


def _seen(event: ev.PullRequestSeen) -> str:
    if event.state is not ev.PullState.OPEN:
        by = f" by {event.by}" if event.by else ""
        return f"#{event.issue}: its pull request #{event.number} was {event.state}{by}"
    waits = f"waits for {event.waits_for}" if event.waits_for else "is ready"
    return f"#{event.issue}: its pull request #{event.number} {waits}"


def _started(event: ev.RunStarted) -> str:
    return f"The run starts: {count(len(event.issues), 'issue')} for {event.target_branch} at {short(event.target)}"


def _assigned(event: ev.AttemptAssigned) -> str:
    again = f", attempt {event.attempt}" if event.attempt > 1 else ""
    return f"agent-{event.slot} takes #{event.issue}{again} on {event.branch}"


_SAID: dict[type, Callable[[Any], str]] = {
    ev.RunStarted: _started,
    ev.RunResumed: lambda e: f"The run goes on under {e.owner}",
    ev.DispatchPaused: lambda e: f"Paused by {e.by}: what runs goes on, nothing new starts",
    ev.DispatchUnpaused: lambda e: f"Resumed by {e.by}",
    ev.Interrupted: lambda e: (
        "Interrupted: " + ("agents are stopped" if e.level > 1 else "nothing new starts")
    ),
    ev.RunStopped: lambda e: f"The run stopped{_because(e.what)}",
    ev.RunEnded: lambda e: f"The run ended: {e.outcome}",
    ev.TargetAdvanced: lambda e: f"Somebody moved the target forward to {short(e.sha)}",
    ev.AttemptAssigned: _assigned,
    ev.AttemptReclaimed: lambda e: f"#{e.issue}: attempt {e.attempt} died with MAWEP and is looked after",
    ev.AttemptStarted: lambda e: f"#{e.issue}: its agent runs as process {e.pid}",
    ev.SessionOpened: lambda e: f"#{e.issue}: its agent has a session",
    ev.QuestionAsked: lambda e: f"#{e.issue} asks: {one_line(e.question.text, 200)}",
    ev.QuestionAnswered: lambda e: f"{e.by} answers #{e.issue}{_because(e.text)}",
    ev.MessageSent: lambda e: f"{e.by} tells #{e.issue}{_because(e.text)}",
    ev.MessageDelivered: lambda e: f"#{e.issue}: its agent has the message",
    ev.ClaimsTaken: lambda e: (
        f"#{e.issue} claims {', '.join(e.paths[:5])}" + (", …" if len(e.paths) > 5 else "")
    ),
    ev.FilesTouched: lambda e: (
        f"#{e.issue} changes {', '.join(e.paths[:5])}" + (", …" if len(e.paths) > 5 else "")
    ),
    ev.BreakingChangeAnnounced: lambda e: (
        f"#{e.issue} announces a breaking change to {e.file}{_because(e.change)}"
    ),
    ev.BreaksSought: lambda e: f"What {short(e.new)} breaks of the work of {numbers(e.issues)} is looked for",
    ev.BreaksFound: lambda e: (
        f"{short(e.new)} breaks work of {numbers([one.issue for one in e.found])}"
        if e.found
        else f"{short(e.new)} breaks nothing that is under way"
    ),
    ev.LeasesExtended: lambda e: f"{count(len(e.fences), 'lease')} extended",
    ev.TurnEnded: lambda e: f"#{e.issue}: its agent says it has finished",
    ev.AttemptFailed: _failed,
    ev.AttemptInterrupted: lambda e: f"#{e.issue} was stopped" + (" (work kept)" if e.salvage else ""),
    ev.StopIntended: _stop,
    ev.ProviderLimitHit: lambda e: f"#{e.issue}: {_until(e)}{_because(e.why)}",
    ev.UsageSeen: lambda e: f"Usage of {numbers([one.issue for one in e.consumed])} is noted",
    ev.IssueOverBudget: lambda e: f"#{e.issue} cannot start{_because(e.detail)}",
    ev.BudgetWarned: lambda e: e.text,
    ev.LimitLifted: lambda e: f"{e.runtime} may go on" + (f", says {e.by}" if e.by else ""),
    ev.AttemptContinued: lambda e: f"#{e.issue}: its agent goes on where its provider had stopped it",
    ev.ImportIntended: lambda e: f"#{e.issue}: what it made is checked",
    ev.CandidateImported: lambda e: (
        f"#{e.issue} is candidate {short(e.commit)}: {count(len(e.files), 'file')} changed"
        + "".join(f"; {told}" for told in e.resolved)
    ),
    ev.ImportRefused: lambda e: f"#{e.issue} is refused as {e.reason}{_because(e.detail)}",
    ev.GateIntended: lambda e: f"The gate runs on tree {short(e.tree)} for {e.why}",
    ev.GateFinished: _gate,
    ev.ReviewIntended: lambda e: (
        f"#{e.issue} is reviewed by {e.runtime or 'another agent'}, review {e.number}"
    ),
    ev.ReviewFinished: _reviewed,
    ev.RepairIntended: lambda e: (
        f"#{e.issue}: its agent is asked to {'merge the target' if e.merge else 'repair it'}, round {e.round}"
    ),
    ev.CandidateQueued: lambda e: f"#{e.issue} waits to land",
    ev.CandidateSetApart: lambda e: (
        f"#{e.issue} is red as it was merged by rule: it is tried alone in other ways"
    ),
    ev.LandingSetAside: lambda e: f"{numbers(e.members)} wait for their gate beside another lane",
    ev.CandidateReturned: lambda e: f"#{e.issue} goes back to its agent{_because(e.why)}",
    ev.LandingOpened: lambda e: f"Landing {numbers(e.members)} on {short(e.base)}",
    ev.LandingComposed: _composed,
    ev.ProbeIntended: lambda e: f"Looking for who makes the batch red: {numbers(e.members)}",
    ev.ProbeComposed: lambda e: (
        f"{numbers(e.members)} merged for a look" if e.steps else f"{numbers(e.members)} do not merge alone"
    ),
    ev.SealIntended: lambda e: f"{_members(e.steps)} passed together and are about to land",
    ev.LandingSealed: lambda e: f"The merge commits of {_members(e.steps)} are made",
    ev.MoveIntended: lambda e: f"The target goes from {short(e.old)} to {short(e.new)}",
    ev.TargetMoved: _moved,
    ev.PullRequestIntended: lambda e: f"#{e.issue} is to be proposed as {short(e.head)}",
    ev.PullRequestOpened: lambda e: (
        f"#{e.issue}: its pull request #{e.number} is at {short(e.head)}, {e.url}"
    ),
    ev.PullRequestSeen: _seen,
    ev.UpdateIntended: lambda e: f"#{e.issue}: its branch is brought up to date",
    ev.BranchUpdated: lambda e: f"#{e.issue}: its branch is to be at {short(e.commit)}",
    ev.MergeIntended: lambda e: f"#{e.issue}: its pull request #{e.number} is merged at {short(e.head)}",
    ev.PullRequestQueued: lambda e: f"#{e.issue}: its pull request is in the merge queue",
    ev.MergeDeferred: lambda e: f"#{e.issue}: its pull request was not merged{_because(e.why)}",
    ev.PullRequestMerged: lambda e: (
        f"#{e.issue} has landed as {short(e.commit)}{'' if e.exact else ', not gated exactly'}: "
        f"the target is at {short(e.target)}"
    ),
    ev.MoveBlocked: lambda e: f"Landing waits: {e.where} is not clean ({', '.join(e.files[:5])})",
    ev.MoveUnblocked: lambda e: "The checkout is clean again; landing goes on",
    ev.MoveLost: lambda e: f"The batch is composed again, on {short(e.actual)}, where the target is",
    ev.IssueParked: lambda e: f"#{e.issue} is parked{_because(e.why)}",
    ev.CandidateOffered: lambda e: f"{e.by} has resolved what kept #{e.issue} from landing",
    ev.RevertAsked: lambda e: f"{e.by} wants {numbers([one.issue for one in e.landings])} reverted",
    ev.RevertIntended: lambda e: f"The revert of #{e.issue} is made on {short(e.base)}",
    ev.IssueReopened: lambda e: f"{e.by} wants #{e.issue} tried again",
    ev.IssueCancelled: lambda e: f"{e.by} cancels #{e.issue}",
    ev.IssueEdited: lambda e: f"#{e.issue} was edited: {one_line(e.now.title, 120)}",
    ev.DependencyAdded: lambda e: f"#{e.issue} waits for #{e.on} as well ({e.source})",
    ev.DependencyRemoved: lambda e: f"#{e.issue} does not wait for #{e.on} any more{_because(e.why)}",
    ev.DependencyRefused: lambda e: (
        f"#{e.issue} does not wait for #{e.on}, which is new ({e.source}){_because(e.why)}"
    ),
    ev.IssueNoticed: lambda e: f"#{e.issue} {e.what}",
    ev.IssueUnclear: lambda e: (
        f"#{e.issue} reads in a way that the run cannot follow: {'; '.join(e.problems)}"
        if e.problems
        else f"#{e.issue} can be followed again"
    ),
    ev.CommandTaken: lambda e: (
        f"{e.by} says `/mawep {one_line(e.command, 80)}` on #{e.issue}{_because(e.said)}"
    ),
    ev.FarSeen: lambda e: f"{e.on} is {FarRecord(e.state, e.why).told}",
    ev.AgentsAllowed: lambda e: f"{count(e.agents, 'agent')} of those of all repositories may work here",
    ev.OutsideRead: lambda e: f"The tracker is read until {e.until:%Y-%m-%d %H:%M:%S} UTC",
    ev.RetireIntended: lambda e: f"The worktrees of {numbers(e.issues)} are given back",
    ev.WorkspacesRetired: lambda e: f"The worktrees of {numbers(e.issues)} are gone",
}
