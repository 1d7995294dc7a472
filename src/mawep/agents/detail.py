"""What a tool call is given, answers and changes: from a protocol's loose JSON to bounded values."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from typing import Any

INPUT_LIMIT, OUTPUT_LIMIT = 2000, 4000
"""Characters kept: the beginning of an input, the end of an output."""
COUNTED = 2**20
"""Characters of a file whose lines are counted, before and after."""


def input_text(raw: Any) -> str:
    """The arguments of a tool call as text; two that are cut are the same only if they were so before."""
    if raw is None:
        return ""
    text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, default=str)
    if len(text) <= INPUT_LIMIT:
        return text
    return f"{text[:INPUT_LIMIT]} … ({len(text)} characters, {sha256(text.encode(errors='replace')).hexdigest()[:12]})"


def output_text(parts: list[str], raw: Any = None) -> str:
    """The end of what a tool answered; `raw` is asked where it gave no text."""
    text = "\n".join(parts)
    if not text and raw is not None:
        text = raw if isinstance(raw, str) else json.dumps(raw, ensure_ascii=False, default=str)
    return text[-OUTPUT_LIMIT:]


def changed_lines(old: str | None, new: str) -> tuple[int, int]:
    """How many lines were added and taken away; a line that moved counts as neither."""
    before, after = Counter((old or "")[:COUNTED].splitlines()), Counter(new[:COUNTED].splitlines())
    return (after - before).total(), (before - after).total()
