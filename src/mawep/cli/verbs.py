"""The verbs there are. Each file is light to import; what is heavy is imported when its verb runs."""

from __future__ import annotations

import typer

from mawep.cli import resume, start


def register(app: typer.Typer) -> None:
    """Give the application its verbs, in the order that help shows them."""
    app.command()(start.start)
    app.command()(resume.resume)
