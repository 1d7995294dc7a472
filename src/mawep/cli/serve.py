"""`mawep serve`: hear what happens on the forge, tell the run under way, and start runs that people ask for there."""

from __future__ import annotations

from typing import Annotated

import typer

from mawep.cli.options import ConfigFile, Overrides


def serve(
    webhooks: Annotated[
        bool,
        typer.Option("--webhooks", help="Receive webhooks; without it the forge is looked at now and then."),
    ] = False,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port to listen on; 0 takes a free one.")
    ] = 8765,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> int:
    """Hear what happens on the forge, until it is told to end.

    The run under way is told to look. `/mawep start` on an issue, by somebody who may write, starts a run on it.
    """
    import asyncio

    from mawep.cli.serving import serve_repository

    return asyncio.run(serve_repository(config, set_, webhooks=webhooks, host=host, port=port))
