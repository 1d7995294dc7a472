"""`mawep logs`: what the agent on an issue said and did, or what the gate printed."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mawep.cli.options import ConfigFile, IssueNumber, RunOption, issue_of
from mawep.core.model import Far

if TYPE_CHECKING:
    from mawep.cli.transcripts import Told
    from mawep.core.events import Recorded
    from mawep.core.state import State
    from mawep.state.runs import RunSummary

POLL = 0.2


class Form(Enum):
    """How a transcript is shown: told to people, or as it is kept."""

    TOLD = "told"
    JSON = "json"
    RAW = "raw"

    @property
    def file(self) -> str:
        """The name of the file that it is read from."""
        return "raw.jsonl" if self is Form.RAW else "transcript.jsonl"


def logs(
    issue: IssueNumber,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on while the issue is worked on.")
    ] = False,
    attempt: Annotated[
        int | None, typer.Option("--attempt", metavar="N", help="Which attempt; default is the newest.")
    ] = None,
    gate: Annotated[bool, typer.Option("--gate", help="What the gate printed on what it made.")] = False,
    review: Annotated[
        int | None,
        typer.Option("--review", metavar="N", help="What the reviewer said and did in its review N."),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Everything that went in and out, as it was.")] = False,
    run: RunOption = None,
    config: ConfigFile = None,
    json: Annotated[
        bool, typer.Option("--json", help="The transcript itself, one JSON object a line.")
    ] = False,
) -> int:
    """Show what the agent on an issue said and did.

    With --gate: what the gate printed about every tree that its work was in.
    """
    import asyncio

    wanted = issue_of(issue)
    try:
        form = Form.RAW if raw else Form.JSON if json else Form.TOLD
        if review is not None:
            asyncio.run(_review(wanted, config, run, review, form, follow=follow))
        else:
            asyncio.run(_logs(wanted, config, run, follow=follow, attempt=attempt, gate=gate, form=form))
    except KeyboardInterrupt:
        if not follow:
            raise
    return 0


async def _logs(
    issue: Far,
    config: Path | None,
    run: str | None,
    *,
    follow: bool,
    attempt: int | None,
    gate: bool,
    form: Form,
) -> None:
    from mawep.cli.context import choose_run, open_repository
    from mawep.cli.reading import known_issue, read_run
    from mawep.errors import UsageError

    number = issue.number
    chosen = choose_run((await open_repository(config, issue.repository)).common_dir, run)
    state, records = read_run(chosen)
    known_issue(state, number)
    if gate:
        for line in _gate_logs(chosen, state, records, number):
            print(line)
        return
    newest = state.issues[number].runs
    if attempt is not None and not 1 <= attempt <= newest:
        raise UsageError(f"#{number} has had {newest} attempts; there is no attempt {attempt}")
    if not newest and not follow:
        raise UsageError(f"nobody has worked on #{number} yet", next_step=f"`mawep explain {number}`")
    await _transcript(chosen, number, attempt, form, follow=follow)


async def _review(
    issue: Far, config: Path | None, run: str | None, review: int, form: Form, *, follow: bool
) -> None:
    """The transcript of a review; one that is under way is followed to its end, if that is wanted."""
    import asyncio

    from mawep.cli.context import choose_run, open_repository
    from mawep.cli.reading import Reader, known_issue, read_run
    from mawep.errors import UsageError

    number = issue.number
    chosen = choose_run((await open_repository(config, issue.repository)).common_dir, run)
    known_issue(read_run(chosen)[0], number)
    path = chosen.directory.review(number, review) / form.file
    if not path.is_file():
        raise UsageError(f"#{number} has had no review {review}", next_step=f"`mawep explain {number}`")
    reader, shown, position = Reader(chosen), Shown(form), 0
    shown.review(number, review)
    while True:
        status = reader.status()
        now = next(one for one in status.issues if one.number == number)
        over = not status.alive or len(now.reviews) >= review or now.state.terminal
        position, lines = _fresh(path, position)
        shown.lines(lines)
        if not follow or over:
            shown.rest()
            return
        await asyncio.sleep(POLL)


async def _transcript(run: RunSummary, number: int, attempt: int | None, form: Form, *, follow: bool) -> None:
    import asyncio

    from mawep.cli.reading import Reader

    reader, shown = Reader(run), Shown(form)
    current, position = 0, 0
    while True:
        status = reader.status()
        issue = next(one for one in status.issues if one.number == number)
        wanted = attempt or issue.attempts
        if wanted != current:
            shown.attempt(number, wanted, issue.agent if wanted == issue.attempts else None)
            current, position = wanted, 0
        path = run.directory.attempt(number, wanted) / form.file
        position, lines = _fresh(path, position)
        shown.lines(lines)
        over = not status.alive or issue.state.terminal or (attempt is not None and attempt < issue.attempts)
        if not lines or not follow or over:
            shown.rest()
        if not follow or over:
            return
        await asyncio.sleep(POLL)


class Shown:
    """Where the lines of a transcript go: to a person's terminal, plain into a pipe, or to a program as they are."""

    def __init__(self, form: Form) -> None:
        from mawep.cli.showing import console
        from mawep.cli.transcripts import Telling

        self._form = form
        self._console = console()
        self._telling = Telling()

    def attempt(self, number: int, attempt: int, agent: str | None) -> None:
        """Another attempt begins."""
        from mawep.cli.transcripts import Telling

        self.rest()
        self._telling = Telling()
        if attempt and self._form is Form.TOLD:
            by = f", {agent}" if agent else ""
            self._heading(f"#{number}, attempt {attempt}{by}")

    def review(self, number: int, review: int) -> None:
        """A review begins."""
        if self._form is Form.TOLD:
            self._heading(f"#{number}, review {review}")

    def lines(self, lines: list[str]) -> None:
        """Show these lines of the file."""
        for line in lines:
            if self._form is Form.TOLD:
                self._print(list(self._telling.tell(line)))
            else:
                print(line, flush=True)

    def rest(self) -> None:
        """Show what was held back."""
        self._print(list(self._telling.rest()))

    def _heading(self, text: str) -> None:
        from rich.text import Text

        if self._console.is_terminal:
            self._console.print(Text(f" {text} ", "bold reverse"))
        else:
            print(text, flush=True)

    def _print(self, told: list[Told]) -> None:
        if not self._console.is_terminal:
            for one in told:
                print(one.plain(), flush=True)
            return
        from rich.table import Table
        from rich.text import Text

        for one in told:
            row = Table.grid(padding=(0, 1))
            row.add_column(width=8, no_wrap=True, style="bright_black")
            row.add_column(width=1, no_wrap=True)
            row.add_column(overflow="fold")
            text = Text(one.text, one.style)
            if one.sign == "│":  # what a tool answered: the beginning of each line says enough
                text.truncate(self._console.width - len("00:00:00 │ "), overflow="ellipsis")
            row.add_row(one.time, Text(one.sign, one.style), text)
            self._console.print(row)


def _fresh(path: Path, position: int) -> tuple[int, list[str]]:
    """The whole lines behind `position`, and where they end."""
    try:
        with path.open("rb") as file:
            file.seek(position)
            data = file.read()
    except FileNotFoundError:
        return position, []
    whole = data[: data.rfind(b"\n") + 1]
    return position + len(whole), whole.decode(errors="replace").splitlines()


def _gate_logs(run: RunSummary, state: State, records: list[Recorded], number: int) -> Iterator[str]:
    from mawep.core import events as ev
    from mawep.observe.text import one_line, short
    from mawep.observe.words import again, in_scopes

    gates: dict[str, str] = {}
    for recorded in records:
        match recorded.event:
            case ev.CandidateImported(issue=issue) as imported if issue == number:
                gates[imported.gate] = f"#{number}"
            case ev.LandingComposed(steps=steps) | ev.ProbeComposed(steps=steps):
                if any(step.issue == number for step in steps):
                    gates.setdefault(
                        steps[-1].gate, "landing " + ", ".join(f"#{step.issue}" for step in steps)
                    )
            case _:
                pass
    gated = [(why, state.gates[name]) for name, why in gates.items() if name in state.gates]
    if not gated:
        yield f"No gate has run on #{number} yet."
    for why, record in gated:
        told = f"{record.seconds:.1f} s{again(record)}{in_scopes(record)}"
        yield f"gate {record.result} on tree {short(record.tree)} ({why}), {told}"
        for place, result in enumerate(record.commands):
            yield f"  $ {one_line(result.command)}"
            log = run.directory.gates / f"{record.log}-{place}.log"
            if log.is_file():
                text = log.read_text(errors="replace")
                yield from (f"    {one_line(line, 2000)}" for line in text.splitlines())
            ended = f"signal {result.signal}" if result.signal else f"exit code {result.exit_code}"
            yield f"    ({'time limit' if result.timed_out else ended})"
