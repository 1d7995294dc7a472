"""What may fail without harm to anything else is written down, and work goes on."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

log = structlog.get_logger("mawep.worker")

T = TypeVar("T")


async def logged(trouble: str, work: Coroutine[Any, Any, T]) -> T | None:
    """Do the work; if it fails, that is written down, and None returned."""
    try:
        return await work
    except Exception:
        log.exception(trouble)
        return None
