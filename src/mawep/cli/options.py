"""Options and arguments that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mawep.cli.completion import issue_numbers
from mawep.core.far import named
from mawep.core.model import Far
from mawep.errors import UsageError

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The configuration; default ./mawep.yaml.", dir_okay=False),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the configuration."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; logs go to stderr.")]
IssueNumbers = Annotated[
    str | None, typer.Option("--issues", "-i", help="Numbers with commas between them, or `all`.")
]
Label = Annotated[str | None, typer.Option("--label", help="Every issue with this label.")]
Milestone = Annotated[
    str | None, typer.Option("--milestone", metavar="TITLE", help="Every issue of this milestone of a forge.")
]
Query = Annotated[
    str | None, typer.Option("--query", metavar="TEXT", help="Every issue that the forge's own search finds.")
]
Project = Annotated[
    int | None,
    typer.Option("--project", metavar="NUMBER", min=1, help="Every issue on this board of a forge."),
]
WithDependencies = Annotated[
    bool, typer.Option("--with-dependencies", help="Take in what the issues depend on, too.")
]
RunId = Annotated[
    str | None, typer.Argument(metavar="RUN", help="The run; default is the newest.", show_default=False)
]
RunOption = Annotated[
    str | None, typer.Option("--run", metavar="RUN", help="The run; default is the one under way.")
]
IssueNumber = Annotated[
    str,
    typer.Argument(
        metavar="ISSUE",
        help="Its number, or owner/name#5.",
        autocompletion=issue_numbers,
    ),
]


def issue_of(text: str) -> Far:
    """The issue that a person means by `102`, `#102` or, of several repositories, `owner/name#102`.

    Raises:
        UsageError: it is none.
    """
    found = named(text)
    if found is None:
        raise UsageError(
            f"`{text}` is no number of an issue", next_step="write it as 102 or #102, or as owner/name#102"
        )
    return found


def prefix_of(repository: str) -> str:
    """What stands before the number of an issue of the repository; without a name `#`."""
    return f"{repository}#"


def sendable(text: str) -> str:
    """The text, if it can be sent.

    Raises:
        UsageError: it is not text in the encoding of the terminal.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError("this is not text", cause="it holds bytes that are no UTF-8") from None
    return text
