"""Parts of a forge's JSON. Whatever is missing, null or of another kind gets a default: never an error."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Json = Mapping[str, Any]
NOTHING: Json = {}


def thing(value: Any) -> Json:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else NOTHING


def things(value: Any) -> list[Json]:
    """The objects of a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text, or an empty one."""
    return value if isinstance(value, str) else ""


def word(value: Any) -> str | None:
    """A text that says something, or None."""
    return value if isinstance(value, str) and value else None


def whole(value: Any) -> int | None:
    """A whole number, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(value: Any) -> int:
    """A whole number, or 0."""
    return whole(value) or 0


def moment(value: Any) -> datetime | None:
    """A time in UTC, with or without parts of seconds, or None."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
