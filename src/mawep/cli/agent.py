"""`mawep agent`: for agents, inside an attempt; what it takes and does is in `mawep.inside.ask`."""

from __future__ import annotations

import typer


def agent(context: typer.Context) -> int:
    """Talk to MAWEP, inside an attempt.

    Verbs: progress, blocked, claim, breaking-change, messages, ask.
    """
    from mawep.inside.ask import main

    return main(context.args)
