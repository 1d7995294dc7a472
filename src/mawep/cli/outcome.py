"""What became of a run: its document, its report file, its exit code, and what is said at the end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from mawep.core.events import Recorded
from mawep.core.state import State
from mawep.errors import InfrastructureError
from mawep.observe.documents import result_document
from mawep.state.runs import RunDirectory

EXIT_CODES = {"landed": 0, "partial": 1, "failed": 1}
INFRASTRUCTURE, INTERRUPTED = 3, 130


def save_report(directory: RunDirectory, state: State, records: Sequence[Recorded]) -> dict[str, Any]:
    """Write the run's document to its directory and return it. A full disk costs the file, not the answer."""
    document = result_document(state, records)
    fresh = directory.report.with_suffix(".new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(document, file, ensure_ascii=False, indent=2)
        fresh.replace(directory.report)
    except OSError as error:
        print(f"mawep: warning: {directory.report} was not written: {error}", file=sys.stderr)
    return document


def unfinished(state: State, failure: InfrastructureError | None) -> tuple[int, str]:
    """The exit code of a run that can be resumed, and why it is not finished, for people."""
    if failure is not None:
        return failure.exit_code, str(failure)
    blocked = state.move_blocked
    if blocked is not None and not state.interrupted:
        files = "\n".join(f"    {path}" for path in blocked.files)
        return INFRASTRUCTURE, (
            f"What is left waits to land: the checkout {blocked.where} is not clean:\n{files}\n"
            "  next: commit or stash these changes, then `mawep resume` lands it"
        )
    return INTERRUPTED, "The run was interrupted\n  next: `mawep resume` goes on with it"
