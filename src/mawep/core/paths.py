"""Paths that people and agents write down: relative to the repository, and never leading out of it."""

from __future__ import annotations

import re

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def confined(path: str) -> str:
    """Give a path (or a pattern of paths) its one spelling: no `.` parts, no `/` at the end.

    Raises:
        ValueError: it is empty, absolute, leads out of the repository, or is not written with `/`; the
            message says which, as the end of a sentence.
    """
    if not path.strip():
        raise ValueError("is empty")
    if _CONTROL.search(path):
        raise ValueError("holds a control character")
    if "\\" in path:
        raise ValueError("holds a `\\`; write `/` between directories")
    if path.startswith(("/", "~")) or _DRIVE.match(path):
        raise ValueError("is absolute; write it relative to the repository")
    parts = [part for part in path.strip().split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ValueError("leads upwards with `..`; paths stay inside the repository")
    if not parts:
        raise ValueError("names the whole repository; name a path in it")
    return "/".join(parts)
