"""`mawep pause`: start nothing new until `mawep resume`."""

from __future__ import annotations

from mawep.cli.options import ConfigFile, RunOption


def pause(run: RunOption = None, config: ConfigFile = None) -> int:
    """Let what runs go on, and start nothing new.

    `mawep resume` lets new attempts start again.
    """
    import asyncio

    from mawep.cli.visit import steer
    from mawep.coordination.envelopes import Pause

    return asyncio.run(steer(config, run, Pause()))
