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
    from mawep.cli.context import choose_run, open_repository, watched_run
    from mawep.cli.reading import Reader
    from mawep.cli.showing import console, show_status
    from mawep.observe import tui

    common_dir = (await open_repository(config)).common_dir
    chosen = choose_run(common_dir, run) if run else watched_run(common_dir)
    reader, out = Reader(chosen), console()
    if out.is_terminal:
        await tui.show(lambda: [("", reader.status())], out)
    show_status(reader.status())
