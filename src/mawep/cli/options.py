"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
RunId = Annotated[str | None, typer.Argument(help="The run; default is the newest.", show_default=False)]
