"""What the shell offers for an argument; it must be quick and must never fail."""

from __future__ import annotations


def issue_numbers(incomplete: str) -> list[tuple[str, str]]:
    """The issues of the newest run, with their titles."""
    try:
        return [found for found in _of_newest_run() if found[0].startswith(incomplete.removeprefix("#"))]
    except Exception:  # a shell that completes has nowhere to show an error
        return []


def _of_newest_run() -> list[tuple[str, str]]:
    import asyncio

    from mawep.cli.context import choose_run, open_repository
    from mawep.core.events import RunStarted
    from mawep.state import journal

    repository = asyncio.run(open_repository(None))
    records = journal.read(choose_run(repository.common_dir, None).directory.journal)
    started = records[0].event
    if not isinstance(started, RunStarted):
        return []
    return [(str(issue.number), issue.title) for issue in started.issues]
