"""`mawep pause`: start nothing new until `mawep resume`."""

from __future__ import annotations

from pathlib import Path

from mawep.cli.options import ConfigFile, RunOption


def pause(run: RunOption = None, config: ConfigFile = None) -> int:
    """Let what runs go on, and start nothing new.

    `mawep resume` lets new attempts start again.
    """
    import asyncio

    return asyncio.run(_pause(config, run))


async def _pause(config: Path | None, run: str | None) -> int:
    from mawep.cli.context import open_repositories, run_to_steer
    from mawep.cli.visit import ask
    from mawep.coordination.payloads import Pause
    from mawep.state.runs import list_runs

    repositories = await open_repositories(config)
    if len(repositories) > 1:  # those whose runs have ended have nothing to pause
        living = [one for one in repositories if any(run.alive for run in list_runs(one[1].common_dir))]
        repositories = living or repositories[:1]
    for name, repository in repositories:
        said = await ask(repository.common_dir, run_to_steer(repository.common_dir, run), Pause())
        print(f"{name}: {said}" if name else said)
    return 0
