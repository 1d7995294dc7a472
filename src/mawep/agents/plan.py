"""An agent's plan where it is the input of a tool call instead of an update of its own."""

from __future__ import annotations

from typing import Any

from mawep.core.model import PlanEntry

_LISTS = ("todos", "plan", "entries", "items")
_TEXTS = ("content", "description", "step", "text", "title")
_DONE = {
    "completed": "completed",
    "done": "completed",
    "cancelled": "completed",
    "in_progress": "in_progress",
}


def plan_of(raw: Any) -> tuple[PlanEntry, ...] | None:
    """The plan in the input of a tool call; None when there is none in it.

    A step that was given up counts as completed: nothing more comes of it.
    """
    if not isinstance(raw, dict):
        return None
    listed = next((raw[key] for key in _LISTS if isinstance(raw.get(key), list)), None)
    if listed is None:
        return None
    return tuple(_entry(item) for item in listed if isinstance(item, dict))


def _entry(item: dict[str, Any]) -> PlanEntry:
    text = next((item[key] for key in _TEXTS if isinstance(item.get(key), str)), "")
    status = item.get("status")
    if item.get("completed") is True:
        status = "completed"
    return PlanEntry(text, _DONE.get(status if isinstance(status, str) else "", "pending"))
