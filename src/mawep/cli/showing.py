"""Read models and documents as a person reads them on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from mawep.core.events import Recorded
from mawep.core.model import IssueState
from mawep.observe.at_work import detail, thousands
from mawep.observe.gantt import gantt
from mawep.observe.look import LOOKS
from mawep.observe.panels import header, issue_table, likely_line
from mawep.observe.readmodel import Status
from mawep.observe.results import outcome_line, reasons, result_table
from mawep.observe.sharing import likely_files
from mawep.observe.text import called, count, duration, one_line, several_lines, short
from mawep.observe.timeline import course_of

NARROWEST = 60
MOST_OVERLAPS = 5
IN_FRONT = frozenset({IssueState.WAITING, IssueState.READY, IssueState.ASSIGNED, IssueState.WORKING})
"""States in which it is still to be seen what an issue changes."""
MOST_BARS = 30
"""Issues in the chart of a run."""
LONGEST_QUOTATION = 20_000
"""Characters of what is quoted at a time."""


def console(*, stderr: bool = False) -> Console:
    """A console that gives plain text of a fixed width to anything but a terminal."""
    found = Console(stderr=stderr, highlight=False)
    return (
        found if found.is_terminal else Console(stderr=stderr, highlight=False, width=120, color_system=None)
    )


def show_name(repository: str) -> None:
    """Print the name of a repository above what is printed of it."""
    out = console()
    out.print()
    out.print(Text(repository, "bold underline" if out.is_terminal else ""))


def show_status(status: Status) -> None:
    """Print how a run stands."""
    out = console()
    width = max(NARROWEST, out.width)
    for line in header(status, width):
        out.print(line)
    out.print(Text(f"run {status.run}", style="bright_black"))
    out.print()
    out.print(issue_table(status, width, len(status.issues)))
    if status.likely_overlaps:
        out.print()
        for pair in status.likely_overlaps:
            out.print(likely_line(pair))
    for issue in status.issues:
        if lines := detail(issue):
            out.print()
            for line in lines:
                line.no_wrap, line.overflow = True, "ellipsis"
                out.print(line)


def show_explanation(document: dict[str, Any], repository: str = "") -> None:
    """Print the document of `mawep explain`; `repository` is the name of it, where there are several."""
    named = called(document["number"], repository)
    out = console()
    look = LOOKS[IssueState(document["state"])]
    state = document["state"].replace("_", " ")
    out.print(Text.assemble((f"#{document['number']} ", "bold"), (one_line(document["title"]), "bold")))
    reason = f" ({document['reason']})" if document["reason"] else ""
    out.print(Text.assemble((f"  {look.sign} {state}{reason}", look.style)))
    for refusal in document["refusals"]:
        _paragraph(out, f"{refusal['kind']}: ", refusal["detail"])
    if document["landed_as"]:
        _paragraph(out, "landed as ", document["landed_as"])
    _pull(out, document["pull_request"])
    if document["question"]:
        choices = " / ".join(document["question"]["options"])
        _paragraph(out, "asks: ", document["question"]["text"] + (f" ({choices})" if choices else ""))
        _paragraph(out, "", f'answer with: mawep answer {named} "…"')
    if document["runtime"]:
        why = f": {document['runtime_why']}" if document["runtime_why"] else ""
        _paragraph(out, "driven as ", f"{document['runtime']}{why}")
    _estimate(out, document["estimate"])
    _troubles(out, document)
    _belonging(out, document)
    _neighbours(out, document)
    if document["claims"]:
        out.print(Text(f"  claims {', '.join(map(one_line, document['claims']))}"))
    _files(out, document)
    for attempt in document["attempts"]:
        _attempt(out, attempt, document["reviews"])
    if document["hunks"]:
        out.print(Text("  in conflict:"))
        _quotation(out, document["hunks"], indent=4)
    if document["salvage"]:
        out.print(Text(f"  unfinished work is kept as {document['salvage']} (see it with git show)"))
    if document["state"] in ("failed", "parked", "cancelled", "reverted"):
        mended = f"`mawep resolve {named}` or " if document["state"] == "parked" else ""
        out.print(Text(f"  next: {mended}`mawep retry {named}`", style="bright_black"))


def _files(out: Console, document: dict[str, Any]) -> None:
    """What it changes; as long as it may change anything, what it is likely to, and with whom it would share that."""
    if document["touched"]:
        out.print(Text(f"  changes {', '.join(map(one_line, document['touched']))}"))
    if document["state"] in IN_FRONT and (said := likely_files(document["predicted"])):
        _paragraph(out, "likely to change ", said)
    for pair in document["likely_overlaps"][:MOST_OVERLAPS]:
        files = ", ".join(map(one_line, pair["files"]))
        _paragraph(out, "", f"{pair['chance']:.0%} likely to share {files} with #{pair['with']}")


def _troubles(out: Console, document: dict[str, Any]) -> None:
    """What its branch does not merge with, what it shares with others, and what its agent says is in its way."""
    for shared in (*document["conflicts"], *document["shared"]):
        _paragraph(out, "", shared["told"])
    for blocker in document["blockers"]:
        _paragraph(out, "its agent is held up: ", blocker["text"])


def _belonging(out: Console, document: dict[str, Any]) -> None:
    """Whose it is on its tracker, and what it is a part of."""
    for words, named in (
        ("assigned to ", document["assignees"]),
        ("milestone ", [document["milestone"]] if document["milestone"] else []),
        ("part of ", [f"#{number}" for number in document["part_of"]]),
    ):
        if named:
            _paragraph(out, words, ", ".join(map(one_line, named)))


def _neighbours(out: Console, document: dict[str, Any]) -> None:
    for key, title in (("depends_on", "depends on"), ("dependents", "waited for by")):
        if document[key]:
            named = ", ".join(f"#{one['number']} ({one['state']})" for one in document[key])
            out.print(Text(f"  {title} {named}"))
    if far := document["depends_on_far"]:
        named = ", ".join(f"{one['issue']} ({one['state'] or 'not known yet'})" for one in far)
        out.print(Text(f"  depends in other repositories on {named}"))


def _pull(out: Console, pull: dict[str, Any] | None) -> None:
    if pull is not None:
        said = "in the merge queue" if pull["queued"] else pull["state"]
        rounds = f", {count(pull['rounds'], 'round')} of changes" if pull["rounds"] else ""
        exact = ", not exactly what was gated" if pull["exact"] is False else ""
        _paragraph(out, "pull request ", f"#{pull['number']} ({said}{rounds}{exact}) {pull['url']}")


def _estimate(out: Console, estimate: dict[str, Any]) -> None:
    if hours := estimate["hours"]:
        lead = f"estimated {hours['low']:g} to {hours['high']:g} hours, risk {estimate['risk']}: "
        _paragraph(out, lead, " ".join(estimate["reasons"]))


def _attempt(out: Console, attempt: dict[str, Any], reviews: Sequence[dict[str, Any]]) -> None:
    reason = f" ({attempt['reason']})" if attempt["reason"] else ""
    commit = f", commit {short(attempt['commit'])}" if attempt["commit"] else ""
    repairs = f", {count(attempt['repairs'], 'repair')}" if attempt["repairs"] else ""
    out.print()
    out.print(
        Text.assemble(
            (f"  attempt {attempt['number']}", "bold"),
            f" by {attempt['agent']} on {attempt['branch']}: {attempt['outcome']}{reason}{commit}{repairs}",
        )
    )
    if attempt["detail"]:
        _paragraph(out, "", attempt["detail"], indent=4)
    use = [f"{thousands(attempt['tokens'])} tokens"] if attempt["tokens"] is not None else []
    use += [f"${attempt['cost_usd']:.2f}"] if attempt["cost_usd"] is not None else []
    if use:
        out.print(Text(f"    used {', '.join(use)}", style="bright_black"))
    for gate in attempt["gates"]:
        limit = ", at its time limit" if gate["timed_out"] else ""
        after = f"after {duration(gate['seconds'])}{limit}"
        out.print(Text(f"    gate {gate['result']} on tree {short(gate['tree'])} {after}"))
        if gate["result"] != "green" and gate["excerpt"] not in ("", attempt["detail"]):
            _quotation(out, gate["excerpt"], indent=6)
    for review in reviews:
        if review["attempt"] == attempt["number"]:
            _review(out, review)


def _review(out: Console, review: dict[str, Any]) -> None:
    verdict = {"approve": "approved", "request_changes": "changes requested"}.get(
        review["verdict"], "no verdict"
    )
    use = f", {thousands(review['tokens'])} tokens" if review["tokens"] is not None else ""
    after = f"after {duration(review['seconds'])}{use}"
    out.print(Text(f"    review {review['number']} by {one_line(review['runtime'])}: {verdict} {after}"))
    said = [review["summary"], *(remark_line(remark) for remark in review["comments"])]
    _paragraph(out, "", "\n".join(filter(None, said)), indent=6)


def remark_line(remark: dict[str, Any]) -> str:
    """A reviewer's comment in a line."""
    line = f":{remark['line']}" if remark["line"] else ""
    return f"{remark['path']}{line}: {remark['text']}" if remark["path"] else str(remark["text"])


def _paragraph(out: Console, lead: str, text: str, indent: int = 2) -> None:
    """Text of several lines that somebody else wrote, each fit to be shown, all indented."""
    lines = [one_line(line) for line in f"{lead}{text}".splitlines()]
    for line in lines:
        out.print(Text(" " * indent + line))


def _quotation(out: Console, text: str, indent: int) -> None:
    """What a program printed or a file holds, fit to be shown, with the indentation that it has."""
    for line in several_lines(text, LONGEST_QUOTATION).splitlines():
        out.print(Text(" " * indent + line))


def show_result(document: dict[str, Any], records: Sequence[Recorded], repository: str = "") -> None:
    """Print the document of a run: how it ended, every issue, the course it took, and why what did not land did not.

    `repository` is the name of its repository, where there are several.
    """
    out = console()
    width = max(NARROWEST, out.width)
    out.print(result_table(document, width))
    out.print(gantt(course_of(records), width, MOST_BARS))
    out.print()
    out.print(outcome_line(document), soft_wrap=not out.is_terminal)
    if document["outcome"] != "interrupted":  # else the reason is the same for all, and is said below
        for reason in reasons(document, repository):
            out.print(reason, soft_wrap=not out.is_terminal)
