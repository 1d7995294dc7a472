"""A reviewer's answer: found in what it said, and read strictly.

It is a JSON object that stands alone on its lines, in a fence or not. What only stands in the middle of a sentence is
no answer, and two objects with different verdicts are none: nobody guesses which one was meant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from mawep.core.verdict import Remark, Verdict

LONGEST = 200_000
"""Characters from the end of what was said that are looked at."""
MOST_TRIED = 2000
"""Opening braces from which an object is looked for."""
MOST_REMARKS = 100
TEXT_LIMIT = 8000
"""Characters of a summary or of a comment that are kept."""

_BEFORE = re.compile(r"(?:^|\n)[^\S\n]*(?:.*?(?:```|~~~)[^\S\n]*\w*[^\S\n]*)?\Z")
_AFTER = re.compile(r"[^\S\n]*(?:```|~~~|\n|\Z)")


class NoAnswerError(ValueError):
    """What was said is no verdict; the message says why, as the end of a sentence about the reviewer."""


class NothingSaidError(NoAnswerError):
    """There is nothing that could be one."""


def read_answer(said: str, told: str = "") -> tuple[Verdict, str, tuple[Remark, ...]]:
    """The verdict, its summary and its comments. What stands like that in what it was `told` is not its own word.

    Raises:
        NothingSaidError: there is none.
        NoAnswerError: there is more than one, or it is not as it has to be.
    """
    found = list(_objects(said[-LONGEST:], told))
    if not found:
        raise NothingSaidError("has not answered with a verdict in a fenced JSON object")
    answers = list(dict.fromkeys(map(_checked, found)))
    if len({verdict for verdict, _, _ in answers}) > 1:
        raise NoAnswerError("has answered with verdicts that contradict each other")
    return answers[-1]


def _objects(said: str, told: str) -> Iterator[dict[str, Any]]:
    """Every JSON object with a verdict that stands alone on its lines, and is none that it only repeats."""
    decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)
    place = 0
    for _ in range(MOST_TRIED):
        place = said.find("{", place)
        if place < 0:
            return
        try:
            value, end = decoder.raw_decode(said, place)
        except (ValueError, RecursionError):
            place += 1
            continue
        begins = said.rfind("\n", 0, place) + 1
        alone = _BEFORE.search(said[begins:place]) and _AFTER.match(said, end)
        own = said[place:end] not in told
        if alone and own and isinstance(value, dict) and "verdict" in value:
            yield value
        place = end


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as JSON means it: of two values under one name nobody knows which one holds."""
    made = dict(pairs)
    if len(made) < len(pairs):
        return {**made, "verdict": None} if "verdict" in made else made
    return made


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _checked(answer: dict[str, Any]) -> tuple[Verdict, str, tuple[Remark, ...]]:
    said, summary, comments = answer["verdict"], answer.get("summary", ""), answer.get("comments", [])
    if said not in ("approve", "request_changes"):
        raise NoAnswerError("has answered with a verdict that is neither `approve` nor `request_changes`")
    if not isinstance(summary, str) or not isinstance(comments, list):
        raise NoAnswerError("has answered with a summary that is no text, or comments that are no list")
    remarks = tuple(map(_remark, comments[:MOST_REMARKS]))
    verdict = Verdict(said)
    if verdict is Verdict.REQUEST_CHANGES and not (summary.strip() or remarks):
        raise NoAnswerError("asks for changes without saying which")
    return verdict, summary.strip()[:TEXT_LIMIT], remarks


def _remark(comment: Any) -> Remark:
    if not isinstance(comment, dict):
        raise NoAnswerError("has answered with a comment that is no object")
    path, line, text = comment.get("path") or "", comment.get("line"), comment.get("text")
    whole = line is None or (isinstance(line, int) and not isinstance(line, bool) and line >= 0)
    if not isinstance(path, str) or not isinstance(text, str) or not whole:
        raise NoAnswerError("has answered with a comment that is not made of `path`, `line` and `text`")
    return Remark(text.strip()[:TEXT_LIMIT], path[:TEXT_LIMIT], line)
