"""May the agent do what it asks to do? Paths in a tool call, judged by the attempt's policy."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from mawep.agents.base import PathPolicy, ToolCall
from mawep.agents.sdk import schema

READING = frozenset({"read", "search", "think", "fetch", "switch_mode"})
"""Kinds of tool calls that write nothing, as long as they carry no diff."""

YES, NO = "yes", "no"
"""What a person can answer who is asked for leave."""

_SHOWN_PATHS = 5

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PATH_KEY = re.compile(r"(?:^|_)(?:path|paths|file|files|filename|destination)$")


def relative(worktree: Path, path: str) -> str:
    """`path` relative to the worktree, or absolute when it is outside of it. Symlinks are not followed."""
    full = os.path.normpath(worktree / path)
    for root in (os.path.normpath(worktree), os.path.realpath(worktree)):
        if full == root or full.startswith(root + os.sep):
            return os.path.relpath(full, root)
    return full


def paths_of_input(raw: Any) -> tuple[str, ...]:
    """The paths among the arguments of a tool call, told by the names of the arguments."""
    found: list[str] = []
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            if _PATH_KEY.search(_CAMEL.sub("_", str(key)).lower()):
                values = value if isinstance(value, list) else [value]
                found += [item for item in values if isinstance(item, str) and item]
    return tuple(found)


def refusal(policy: PathPolicy, worktree: Path, paths: Iterable[str]) -> str | None:
    """Why one of `paths` may not be written, or None.

    Both the path and what it resolves to are judged. A symlink that changes between this answer and the
    write is caught after the turn, by the check of what really changed.
    """
    for path in paths:
        if "\0" in path:
            return "a path with a NUL in it"
        for name in dict.fromkeys((relative(worktree, path), relative(worktree, _resolved(worktree, path)))):
            if name.startswith(os.sep):
                return f"{path} is outside the worktree"
            if name != "." and (why := policy.verdict(name)) is not None:
                return why
    return None


def question(call: ToolCall, paths: tuple[str, ...]) -> str:
    """What a person is asked."""
    named = ", ".join(paths[:_SHOWN_PATHS])
    more = f" and {len(paths) - _SHOWN_PATHS} more" if len(paths) > _SHOWN_PATHS else ""
    return f"May the agent do this? {call.kind}: {call.title or 'untitled'}" + (
        f" ({named}{more})" if named else ""
    )


def choose(options: Iterable[schema.PermissionOption], *, allow: bool) -> str | None:
    """The id of the option to pick: once before always; None when the agent offers neither."""
    ids = {option.kind: option.option_id for option in reversed(list(options))}
    once: Literal["allow_once", "reject_once"] = "allow_once" if allow else "reject_once"
    always: Literal["allow_always", "reject_always"] = "allow_always" if allow else "reject_always"
    return ids.get(once, ids.get(always))


def _resolved(worktree: Path, path: str) -> str:
    return os.path.realpath(worktree / path)
