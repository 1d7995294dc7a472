"""Imports and export lists: statements and their names as ordered sets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mawep.merging.offers import Offer
from mawep.merging.ordered import reworded, union
from mawep.merging.threeway import Hunk, Lines, split

_STATEMENT = re.compile(
    r"^(\s*)(from\s+[\w.]+\s+import\s|import\s|export\s+(?:type\s+)?[{*]|(?:const|let|var)\s.*\brequire\()"
)
_PYTHON = re.compile(r"^(?P<head>\s*from\s+[\w.]+\s+import)\s+(?P<names>[^#;]+)$", re.DOTALL)
_SCRIPT = re.compile(
    r"^(?P<head>\s*(?:import|export)\s+(?:type\s+)?(?:[\w$]+\s*,\s*)?)\{(?P<names>[^{}]*)\}(?P<tail>\s*(?:from\s+['\"][^'\"]+['\"])?;?\s*)$",
    re.DOTALL,
)


@dataclass(frozen=True)
class Statement:
    """An import: what it says, and when it names things one by one, what stands around the names."""

    text: str
    head: str = ""
    names: tuple[str, ...] = ()
    tail: str = ""

    @property
    def key(self) -> str:
        """What makes two statements the same one."""
        return re.sub(r"\s+|;", "", f"{self.head}{{}}{self.tail}" if self.names else self.text).replace(
            "'", '"'
        )


def offers(hunk: Hunk, path: str) -> Iterator[Offer]:
    """The union of the statements, and of the names in statements that both sides have."""
    sides = [_statements(lines) for lines in (hunk.base, hunk.ours, hunk.theirs)]
    if any(side is None for side in sides):
        return
    was, mine, other = ({statement.key: statement for statement in side or ()} for side in sides)
    if reworded(tuple(was), tuple(mine), tuple(other)):
        return
    keys = union(tuple(was), tuple(mine), tuple(other), rank=str.casefold)
    text = "".join(_merged(was.get(key), mine.get(key), other.get(key)) for key in keys)
    yield Offer(split(text), "imports are sets")


def _merged(was: Statement | None, mine: Statement | None, other: Statement | None) -> str:
    if mine is None or other is None:
        kept = mine or other
        return kept.text if kept else ""
    names = union(was.names if was else (), mine.names, other.names, rank=str.casefold)
    for side in (mine, other):
        if side.names == names:
            return side.text
    return _written(mine, names)


def _written(like: Statement, names: Sequence[str]) -> str:
    """A statement with other names, laid out as it was."""
    brackets = ("{", "}") if like.tail else ("(", ")")
    rows = [line for line in like.text.split("\n") if line.strip()]
    end = like.tail.rstrip() or ""
    if len(rows) > 1:
        inside = re.match(r"\s*", rows[1])
        outer = re.match(r"\s*", rows[0])
        indent, margin = (found.group() if found else "" for found in (inside, outer))
        body = "".join(f"{indent}{name},\n" for name in names)
        return f"{like.head.rstrip()} {brackets[0]}\n{body}{margin}{brackets[1]}{end}\n"
    row = ", ".join(names)
    if like.tail:
        return (
            f"{like.head.rstrip()} {{ {row} }}{end}\n"
            if "{ " in like.text
            else f"{like.head.rstrip()} {{{row}}}{end}\n"
        )
    return f"{like.head} ({row})\n" if "(" in like.text else f"{like.head} {row}\n"


def _statements(lines: Lines) -> list[Statement] | None:
    """Imports, each with the lines it goes on over; None when something else is there."""
    found: list[Statement] = []
    pending = ""
    for line in lines:
        if not pending and not line.strip():
            continue
        if not pending and not _STATEMENT.match(line):
            return None
        pending += line
        if sum(pending.count(mark) for mark in "({") <= sum(
            pending.count(mark) for mark in ")}"
        ) and not line.rstrip().endswith("\\"):
            found.append(_read(pending))
            pending = ""
    return None if pending else found


def _read(text: str) -> Statement:
    script = _SCRIPT.match(text)
    if script:
        return Statement(text, script["head"], _names(script["names"]), script["tail"] or " ")
    python = _PYTHON.match(text)
    if python:
        return Statement(text, python["head"], _names(python["names"].strip().strip("()\\")))
    return Statement(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(" ".join(name.replace("\\", " ").split()) for name in text.split(",") if name.strip())
