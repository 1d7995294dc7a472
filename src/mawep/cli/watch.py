"""`mawep watch`: a run on the whole terminal, as it goes on."""

from __future__ import annotations

from pathlib import Path

from mawep.cli.options import ConfigFile, RunId


def watch(run: RunId = None, config: ConfigFile = None) -> int:
    """Watch a run on the whole terminal.

    It ends with the run; Ctrl-C ends the watching only.
    """
    import asyncio
    from contextlib import suppress

    with suppress(KeyboardInterrupt):
        asyncio.run(_watch(config, run))
    return 0


async def _watch(config: Path | None, run: str | None) -> None:
    from mawep.cli.context import chosen_runs, open_repositories, watched_run
    from mawep.cli.reading import Reader
    from mawep.cli.showing import console, show_name, show_status
    from mawep.observe import tui

    repositories = await open_repositories(config)
    if run is None and len(repositories) == 1:
        readers = [(name, Reader(watched_run(one.common_dir))) for name, one in repositories]
    else:
        readers = [(name, Reader(summary)) for name, _, summary in await chosen_runs(config, run)]
    out = console()
    if out.is_terminal:
        await tui.show(lambda: [(name, reader.status()) for name, reader in readers], out)
    for name, reader in readers:
        if name:
            show_name(name)
        show_status(reader.status())
