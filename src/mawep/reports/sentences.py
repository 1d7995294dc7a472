"""Every sentence that MAWEP posts. What others wrote goes through `mawep.reports.markdown` on its way in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mawep.core.model import GateRecord, GateResult, IssueState
from mawep.core.state import TakenBack
from mawep.core.verdict import ReviewRecord, Verdict
from mawep.reports.markdown import bare, code, fenced, inline, quoted
from mawep.reports.views import Landing, Neighbour, Outcome, Proposal, Standing

FOOT = "_MAWEP keeps this comment up to date. Run {run}._"
NAMED_FILES = 30
"""Files that a pull request names."""
NAMED_ENTRIES = 50
"""Lines of a plan that are shown."""

_STATES = {
    IssueState.WAITING: "Waiting for other issues",
    IssueState.READY: "Ready to start",
    IssueState.ASSIGNED: "An agent is starting",
    IssueState.WORKING: "An agent is at work",
    IssueState.NEEDS_INPUT: "An agent waits for an answer",
    IssueState.VERIFYING: "The work is being verified",
    IssueState.QUEUED: "The work passed and waits to land",
    IssueState.LANDING: "The work is landing",
    IssueState.LANDED: "Landed",
    IssueState.FAILED: "Failed",
    IssueState.BLOCKED: "Blocked",
    IssueState.PARKED: "Parked: a person has to decide",
    IssueState.CANCELLED: "Cancelled",
    IssueState.REVERTED: "Reverted",
}
_NEXT = {
    IssueState.WAITING: "It starts when the issues that it depends on have landed.",
    IssueState.READY: "It starts as soon as an agent is free.",
    IssueState.ASSIGNED: "The agent gets a worktree of its own and begins.",
    IssueState.WORKING: "When the agent has finished, its work is verified.",
    IssueState.NEEDS_INPUT: "Somebody answers the agent's question; it waits until then.",
    IssueState.VERIFYING: "If the gate passes, the work lands; otherwise the agent is told what is wrong.",
    IssueState.QUEUED: "It is merged and verified together with what lands beside it.",
    IssueState.LANDING: "The target moves when the merged tree has passed the gate.",
    IssueState.LANDED: "Nothing is left to do.",
    IssueState.FAILED: "Its work is kept. {retry} tries it again.",
    IssueState.BLOCKED: "It goes on when what it depends on is tried again and lands.",
    IssueState.PARKED: "Its branch is kept. {resolve} lets a person merge it, {retry} tries it again.",
    IssueState.CANCELLED: "Its work is kept. {retry} tries it again.",
    IssueState.REVERTED: "What it brought was taken back. {retry} has it done anew.",
}
_REASONS = {
    "agent_error": "the agent broke off with an error",
    "agent_refused": "the agent declined to do it",
    "no_changes": "the agent changed nothing",
    "timeout": "the agent's time was over",
    "stalled": "the agent showed no sign of life or progress",
    "input_timeout": "nobody answered the agent's question in time",
    "budget_exceeded": "its budget was used up",
    "gate_failed": "the work did not pass the gate",
    "workspace_error": "its worktree could not be made or kept",
    "import_refused": "what the agent made could not be taken",
    "lost": "the agent's process was lost",
    "protected_path": "the agent changed a protected path",
    "out_of_scope": "the agent changed files outside of its scope",
    "review": "the reviewer still asked for changes after the last round",
    "claim_conflict": "the agent changed a file that is reserved for another issue",
}


# --- words


def span(seconds: float) -> str:
    """A length of time, about: `less than a minute`, `12 min`, `3 h`, `2 days`."""
    minutes = seconds / 60
    if minutes < 1:
        return "less than a minute"
    if minutes < 90:
        return f"{round(minutes)} min"
    hours = minutes / 60
    return f"{round(hours)} h" if hours < 36 else f"{round(hours / 24)} days"


def spent(tokens: int | None, cost_usd: float | None) -> str:
    """What was consumed, as far as it is known."""
    parts = [f"{tokens:,} tokens"] if tokens is not None else []
    if cost_usd is not None:
        parts.append(f"${cost_usd:.2f}")
    return ", ".join(parts) or "unknown"


def times(number: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


# --- where an issue stands


def headline(of: Standing) -> str:
    """The state in a few words."""
    if of.left_behind:
        return "Interrupted: MAWEP has stopped in the middle of it"
    if of.state is IssueState.FAILED and of.reason:
        return f"Failed: {_REASONS.get(of.reason, inline(of.reason))}"
    if of.state is IssueState.LANDED:
        return f"Landed on {inline(of.target)}"
    if of.pull is not None and of.state in (IssueState.QUEUED, IssueState.LANDING):
        return f"Pull request #{of.pull.number} is open"
    return _STATES[of.state]


def progress(of: Standing) -> str:
    """How far it is and how long it will take, unknown where nobody knows."""
    if of.state.terminal:
        return f"Progress: {'100 %' if of.state is IssueState.LANDED else 'ended'}"
    percent = "unknown" if of.percent is None else f"{of.percent:.0f} %"
    by = " (the agent's own estimate)" if of.claimed and of.percent is not None else ""
    guess = " (estimated)" if of.estimated else ""
    left = "unknown" if of.eta is None else f"about {span(of.eta)}{guess}"
    now = f". Now: {inline(of.activity, 200)}" if of.activity else ""
    return f"Progress: {percent}{by}. Time left: {left}{now}"


def blockers(of: Standing) -> Iterator[str]:
    """What keeps it, newest last."""
    if of.question is not None:
        options = f" ({', '.join(code(option) for option in of.options)})" if of.options else ""
        yield f"The agent asks: {inline(of.question, 1000)}{options}"
    for line in of.blockers[-5:]:
        yield f"The agent says: {inline(line, 500)}"
    for line in of.waiting_for[:5]:
        yield inline(line, 500)
    for on, why in of.late_edges[:5]:
        yield f"It does not wait for #{on}, which is new: {inline(why, 500)}"
    if of.state in (IssueState.FAILED, IssueState.PARKED) and of.detail:
        yield inline(of.detail, 1000)


def next_steps(of: Standing) -> Iterator[str]:
    """What happens next, or what a person can do."""
    if of.left_behind:
        yield f"{code('mawep resume')} goes on with it; nothing is lost."
        return
    retry = f"{code(f'mawep retry {of.number}')}, or {code('/mawep retry')} in a comment,"
    yield _NEXT[of.state].format(retry=retry, resolve=code(f"mawep resolve {of.number}"))
    if of.salvage:
        yield f"What it left uncommitted is kept as {code(of.salvage)}."


def dependency(on: Neighbour) -> str:
    """One line for an issue that it depends on."""
    return f"#{on.number} {inline(on.title, 120)}: {_STATES[on.state].lower()}"


def facts(of: Standing) -> Iterator[str]:
    """Who works on it, where, and what it cost."""
    if of.agent:
        driven = f" ({inline(of.runtime)})" if of.runtime else ""
        again = f", attempt {of.attempts}" if of.attempts > 1 else ""
        repaired = f", repaired {times(of.repairs)}" if of.repairs else ""
        yield f"Agent: {inline(of.agent)}{driven}{again}{repaired}"
    yield f"Consumed: {spent(of.tokens, of.cost_usd)}"
    if of.branch:
        yield f"Branch: {code(of.branch)}"
    if of.reviews:
        again = f" ({times(len(of.reviews))} reviewed)" if len(of.reviews) > 1 else ""
        yield f"Review: {review(of.reviews[-1])}{again}"
    if of.pull is not None:
        yield f"Pull request: #{of.pull.number}"
    if of.taken_back is not None:
        yield taken_back(of, of.taken_back)
    if of.landed_as:
        yield landed(of)
    elif of.commit:
        yield f"Commit: {code(of.commit)}"
    if of.transcript:
        yield f"Transcript: {transcript(of.number, of.transcript)}"


def landed(of: Standing) -> str:
    """As what it landed, and whether the remote has it."""
    said = f"Landed as {code(of.landed_as or '')} on {code(of.target)}"
    if of.exact is False:
        said += " by a merge onto a target that had moved, so that its tree was not gated exactly"
    if of.on_remote is None:
        return said
    if of.on_remote:
        return f"{said}, which the remote has"
    return f"{said} in MAWEP's clone. The remote does not have it yet, so this issue stays open."


def taken_back(of: Standing, back: TakenBack) -> str:
    """What is not on the target any more, by which commit and whose wish, and what that means for its issue."""
    said = f"Landed as {code(back.landed_as)} on {code(of.target)}, and taken back by {code(back.commit)}"
    said += f", as {inline(back.by, 100)} asked."
    if of.open_again:
        return f"{said} So this issue is open again."
    if of.open_again is False:
        return f"{said} This issue was not closed for that landing, as far as MAWEP knows, and stays closed."
    if of.on_remote is False:
        return f"{said} The remote does not have that yet, so this issue stays as it is."
    return said


def transcript(number: int, path: str) -> str:
    """Where what the agent said and did can be read."""
    return f"{code(f'mawep logs {number}')}, kept as {code(path)} in the git directory of MAWEP's clone"


def foot(run: str) -> str:
    """The last line of the comment that is kept up to date."""
    return FOOT.format(run=inline(run))


# --- a pull request


def pull_title(of: Proposal) -> str:
    """What it does, and for which issue."""
    return f"{bare(of.title, 200)} (#{of.number})" if of.closes else bare(of.title, 200)


def pull_text(of: Proposal, sentences: Sequence[str] = ()) -> Iterator[str]:
    """Its parts, to be set off from one another by empty lines."""
    yield (
        f"Closes #{of.number}." if of.closes else f"For issue {of.number} of the tracker, which is not here."
    )
    yield quoted(of.summary, 4000) if of.summary.strip() else "The agent wrote no summary."
    yield f"Made by MAWEP: {', '.join(_made_by(of))}."
    if of.plan:
        yield "#### Plan"
        yield "\n".join(
            f"- [{'x' if entry.status == 'completed' else ' '}] {inline(entry.content)}"
            for entry in of.plan[:NAMED_ENTRIES]
        )
    if of.files:
        yield "#### Files"
        more = len(of.files) - NAMED_FILES
        named = [f"- {code(path)}" for path in of.files[:NAMED_FILES]]
        yield "\n".join([*named, *([f"- and {more} more"] if more > 0 else [])])
    yield "#### Gate"
    yield from gate(of.gate) if of.gate is not None else ["It has not been gated yet."]
    if of.reviews:
        yield "#### Review"
        yield "\n".join(f"- {review(one)}" for one in of.reviews)
    if of.landing is not None:
        yield "#### Landing"
        yield landing(of.landing)
    yield from sentences


def review(of: ReviewRecord) -> str:
    """Who reviewed it, and what came of it."""
    said = {Verdict.APPROVE: "approved it", Verdict.REQUEST_CHANGES: "asked for changes"}
    why = f": {inline(of.summary, 500)}" if of.summary.strip() else ""
    return f"{inline(of.runtime or 'a reviewer')} {said.get(of.verdict, 'came to no verdict')}{why}"


def _made_by(of: Proposal) -> Iterator[str]:
    yield f"{inline(of.agent or 'an agent')}{f' ({inline(of.runtime)})' if of.runtime else ''}"
    yield f"run {code(of.run)}"
    if of.attempts > 1:
        yield f"attempt {of.attempts}"
    if of.repairs:
        yield f"repaired {times(of.repairs)}"
    yield f"consumed: {spent(of.tokens, of.cost_usd)}"
    if of.transcript:
        yield f"transcript: {transcript(of.number, of.transcript)}"


def gate(of: GateRecord) -> Iterator[str]:
    """A verdict with its evidence."""
    said = {GateResult.GREEN: "passed", GateResult.RED: "failed", GateResult.NONE: "ended without a verdict"}
    yield f"The gate {said[of.result]} on tree {code(of.tree)} after {of.seconds:.1f} s."
    if of.commands:
        lines = ["| command | ended | seconds | sha256 of its output |", "| --- | --- | --- | --- |"]
        for one in of.commands[:20]:
            ended = "time limit" if one.timed_out else f"signal {one.signal}" if one.signal else one.exit_code
            told = inline(one.command, 200)
            lines.append(f"| {told} | {ended} | {one.seconds:.1f} | {code(one.log_sha256)} |")
        yield "\n".join(lines)
    if of.result is not GateResult.GREEN and of.excerpt:
        yield fenced(of.excerpt, 6000)


def landing(of: Landing) -> str:
    """What landed, and on what evidence."""
    exact = (
        "The tree that the gate saw is the one on the target."
        if of.exact
        else "It was merged onto a target that had moved: the tree on the target was not gated exactly."
    )
    named = f" Tree {code(of.tree)}." if of.tree else ""
    chain = f" Head of the run's journal: {code(of.journal)}." if of.journal else ""
    return f"Landed as {code(of.commit)} on {code(of.target)}. {exact}{named}{chain}"


# --- answers, questions, the end


def question(of: Standing) -> Iterator[str]:
    """A comment of its own, as editing one tells nobody."""
    yield f"The agent on this issue ({inline(of.agent or 'an agent')}) asks:"
    yield quoted(of.question or "", 4000)
    if of.options:
        yield f"Possible answers: {', '.join(code(option) for option in of.options)}."
    yield f"{code(f'mawep answer {of.number} TEXT')} answers it, where MAWEP runs."


def accepted(by: str, command: str, answer: str) -> str:
    """A command of somebody who may give one was carried out."""
    return f"{code(command)}, said {inline(by)}: {inline(answer, 1000)}"


def refused(by: str, command: str, why: str) -> str:
    """A command of somebody who may give one cannot be carried out."""
    return f"{code(command)}, said {inline(by)}, cannot be done: {inline(why, 1000)}"


def taken_up(commit: str) -> str:
    """What is answered to a remark on a line of a pull request."""
    return f"The agent has been told; what it made of it is in {commit[:12]}."


def remark(agent: str, text: str) -> Iterator[str]:
    """What an agent wants said on its own issue."""
    yield f"{inline(agent)}, the agent on this issue, writes:"
    yield quoted(text, 4000)


def summary(of: Outcome) -> Iterator[str]:
    """What became of a run."""
    done = sum(one.state is IssueState.LANDED for one in of.issues)
    took = f" in {span(of.seconds)}" if of.seconds is not None else ""
    yield f"### Run {inline(of.outcome)}: {done} of {len(of.issues)} issues landed on {inline(of.target)}{took}"
    lines = ["| issue | state | commit | consumed |", "| --- | --- | --- | --- |"]
    for one in of.issues:
        commit = code(one.landed_as[:12]) if one.landed_as else ""
        said = f"#{one.number} {inline(one.title, 100)} | {headline(one)}"
        lines.append(f"| {said} | {commit} | {spent(one.tokens, one.cost_usd)} |")
    yield "\n".join(lines)
    moved = f"{code(of.target)} went from {code(of.before[:12])} to {code(of.after[:12])}."
    yield f"{moved} Consumed in all: {spent(of.tokens, of.cost_usd)}. Run {code(of.run)}."
