"""What labels, fields and the text of an issue say about its priority and its size.

A label is read when all of it says so (`P1`, `priority: high`, `estimate/3h`); a word inside another label
(`high-availability`) says nothing. What cannot be read is nothing at all: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from mawep.core.model import Priority
from mawep.trackers.markdown import Markdown, heading

PRIORITIES: Mapping[str, Priority] = {
    **dict.fromkeys(("critical", "urgent", "blocker", "highest"), Priority.CRITICAL),
    **dict.fromkeys(("high", "important"), Priority.HIGH),
    **dict.fromkeys(("normal", "medium", "moderate"), Priority.NORMAL),
    **dict.fromkeys(("low", "lowest", "minor", "trivial"), Priority.LOW),
}
"""Words for a class of priority, when the label says that it is one."""
_ALONE = frozenset({"critical", "urgent"})
"""Words that are enough as a whole label."""
_PRIORITY = re.compile(r"(?:priority|prio)[ \t]*[:/=_. -]+[ \t]*(?P<level>[a-z]+|p?[0-3])")
_TURNED_ROUND = re.compile(r"(?P<level>[a-z]+)[ _-]+(?:priority|prio)")
_CLASS = re.compile(r"p(?P<class>[0-3])")

_UNITS = {"m": 1 / 60, "h": 1.0, "d": 8.0, "w": 40.0}
_AMOUNT = re.compile(
    r"(?P<number>[0-9]+(?:\.[0-9]+)?)[ \t]*"
    r"(?P<unit>m|h|d|w)(?:in|ins|inutes?|rs?|ours?|ays?|eeks?)?(?![a-z0-9])",
    re.IGNORECASE,
)
_KEY = r"(?:time[ \t-]+)?(?:estimate|estimated|estimation|effort)(?P<hours>[ \t_-]+hours|[ \t]*\(hours\))?"
_LABEL = re.compile(rf"{_KEY}[ \t]*[:/=_. -]+[ \t]*(?P<amount>.+)", re.IGNORECASE)
_LINE = re.compile(
    rf"[ \t]*(?:[-*+][ \t]+)?(?:\*\*?|__?)?{_KEY}(?:\*\*?|__?)?[ \t]*:(?:\*\*?|__?)?[ \t]*(?P<amount>.+)",
    re.IGNORECASE,
)
_TITLE = re.compile(rf"{_KEY}[ \t]*:?", re.IGNORECASE)


def priority_of(labels: Iterable[str], fields: Mapping[str, str] | None = None) -> Priority:
    """The most urgent class that a field or a label names; normal when none does."""
    said = [_class_of_field(fields), *map(_class_of, labels)]
    return min((one for one in said if one is not None), default=Priority.NORMAL)


def hours_of(labels: Iterable[str], body: Markdown, fields: Mapping[str, str] | None = None) -> float | None:
    """How many hours it takes by a field, a label or the text, in that order; a day has 8, a week 40."""
    for name, text in (fields or {}).items():
        if (key := _TITLE.fullmatch(name.strip())) and (found := _hours(text, bare=True)):
            return found
        if key is None and name.strip().lower() == "hours" and (found := _hours(text, bare=True)):
            return found
    for label in labels:
        if (said := _LABEL.fullmatch(label.strip())) and (
            found := _hours(said["amount"], bool(said["hours"]))
        ):
            return found
    return next(_in_text(body), None)


def _class_of(label: str) -> Priority | None:
    text = label.strip().lower()
    if text in _ALONE:
        return PRIORITIES[text]
    if found := _CLASS.fullmatch(text):
        return Priority(int(found["class"]))
    if found := _PRIORITY.fullmatch(text) or _TURNED_ROUND.fullmatch(text):
        level = found["level"]
        return Priority(int(level[-1])) if level[-1].isdecimal() else PRIORITIES.get(level)
    return None


def _class_of_field(fields: Mapping[str, str] | None) -> Priority | None:
    text = next((text for name, text in (fields or {}).items() if name.strip().lower() == "priority"), None)
    return None if text is None else _class_of(text) or PRIORITIES.get(text.strip().lower())


def _in_text(body: Markdown) -> Iterator[float]:
    """What lines `Estimate: 3h` and the first line below a heading `Estimate` say."""
    lowered = body.text.lower()
    if "estimat" not in lowered and "effort" not in lowered:
        return
    below: re.Match[str] | None = None
    for line in body.visible:
        title = heading(line)
        if title is not None:
            below = _TITLE.fullmatch(title)
        elif said := _LINE.fullmatch(line):
            if found := _hours(said["amount"], bool(said["hours"])):
                yield found
        elif below and line.strip():
            if found := _hours(line.strip(), bool(below["hours"])):
                yield found
            below = None


def _hours(text: str, bare: bool) -> float | None:
    """`3h`, `1d 4h`, `90 minutes`; a bare number where hours are meant. None for anything else."""
    parts = list(_AMOUNT.finditer(text))
    if parts and text.strip().lower().startswith(parts[0][0].lower()):
        hours = sum(float(part["number"]) * _UNITS[part["unit"].lower()] for part in parts)
    else:
        try:
            hours = float(text) if bare else 0.0
        except ValueError:
            return None
    return round(hours, 4) if 0 < hours < 10_000 else None
