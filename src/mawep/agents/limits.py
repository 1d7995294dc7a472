"""Recognises in what an agent says that its provider has had enough of it for now, and until when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from mawep.agents.base import ProviderLimited

SHORT = 600
"""A longer message is one about limits, not the notice of one."""
FARTHEST = timedelta(days=40)
"""No provider's limit lasts longer; a time beyond is misread."""

_LIMITED = re.compile(
    r"""
      (?:usage|session|weekly|daily|monthly|hour|opus|sonnet|rate|request|token|spend(?:ing)?)[ _-]limits?
        [ _](?:is\ |was\ |has\ been\ |been\ )?(?:reached|exceeded|hit|error)
    | (?:hit|reached|exceeded)\ (?:your|the|its)\ [^.\n]{0,40}?(?:limit|quota)
    | (?:usage|rate)_?limit_?(?:reached|exceeded|error)
    | (?<!disk\ )quota\ (?:exceeded|reached|will\ reset)
    | (?:exceeded|exhausted)\ your\ [^.\n]{0,40}(?:quota|capacity)
    | resource_?(?:has\ been\ )?exhausted
    | out\ of\ (?:extra\ |usage\ )?(?:usage|credits)
    | too\ many\ requests
    | overloaded(?:_error)?
    | \b(?:http|status|code|error)\W{0,3}(?:code\W{0,3})?\b(?:429|529)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_NOTICE = re.compile(
    r"""\W*(?:
      claude\ (?:ai\ |code\ )?usage\ limit\ reached
    | you['\u2019]ve\ (?:hit|reached)\ your\ [^.\n]{0,60}limit
    | you['\u2019]re\ out\ of\ (?:extra\ usage|usage\ credits)
    | your\ org\ is\ out\ of\ usage
    | (?:\d+-hour|session|weekly|daily|opus|sonnet|usage)\ limit\ reached
    | api\ error:?\ (?:\(?)(?:429|529)\b
    | (?:exceeded\ retry\ limit,\ last\ status:\ )?429\ too\ many\ requests
    | rate\ limit\ reached\ for
    | exceeded\ retry\ limit,\ last\ status:\ (?:429|529)
    )""",
    re.IGNORECASE | re.VERBOSE,
)

_WHEN = r"(?:resets?(?:[ _-]?at)?|again|until|retry(?:ing)?[ _-]?(?:after|delay|in)?|available|reached\|)"
_EPOCH = re.compile(rf"{_WHEN}\W{{0,6}}(\d{{10}}|\d{{13}})\b", re.IGNORECASE)
_ISO = re.compile(
    r"\b(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(Z|UTC|[+-]\d\d:?\d\d)\b", re.IGNORECASE
)
_UNIT = r"(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
_AMOUNT = re.compile(rf"(\d+(?:\.\d+)?)\s*{_UNIT}(?![a-z])", re.IGNORECASE)
_IN = re.compile(
    rf"(?:again|resets?|reset\ after|retry\w*|after|delay|wait)\W{{0,6}}(?:in|after|for)?\W{{0,3}}"
    rf"((?:\d+(?:\.\d+)?\s*{_UNIT}(?![a-z])[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
_SECONDS = re.compile(r"(?:retry[ _-]?after|resets?_in_seconds)\W{1,6}(\d{1,7})\b(?!\s*[a-z])", re.IGNORECASE)
_CLOCK = re.compile(
    r"(?:resets?|again)\s+(?:at\s+|on\s+)?"
    r"(?:(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?"
    r"(?:,?\s+(?P<year>\d{4}))?,?\s+(?:at\s+)?)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>am|pm)?(?:\s*\((?P<zone>[A-Za-z_/+-]+\d*)\))?",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LENGTH = {"ms": 0.001, "mil": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def limit_in(error: str, now: datetime | None = None) -> ProviderLimited | None:
    """The limit that an error of an agent tells of, if it tells of one."""
    found = _LIMITED.search(error)
    return _limited(error, found.start(), now) if found else None


def limit_said(message: str, now: datetime | None = None) -> ProviderLimited | None:
    """The limit that a message of an agent is the notice of; one that merely talks of limits is none."""
    if len(message) > SHORT or not _NOTICE.match(message):
        return None
    return _limited(message, 0, now)


def _limited(text: str, at: int, now: datetime | None) -> ProviderLimited:
    now = now or datetime.now(UTC)
    why = " ".join(text[max(at - 80, 0) : at + 300].split())
    until = until_in(text, now)
    return ProviderLimited(until if until and now < until < now + FARTHEST else None, why)


def until_in(text: str, now: datetime) -> datetime | None:
    """The moment that a text names for going on, in UTC; None when it names none that can be read."""
    if found := _EPOCH.search(text):
        value = int(found[1])
        return datetime.fromtimestamp(value / 1000 if value > 10**11 else value, UTC)
    if found := _SECONDS.search(text):
        return now + timedelta(seconds=int(found[1]))
    if found := _IN.search(text):
        seconds = sum(float(count) * _seconds(unit) for count, unit in _AMOUNT.findall(found[1]))
        return now + timedelta(seconds=seconds)
    if found := _ISO.search(text):
        zone = found[2].upper().replace("UTC", "+00:00").replace("Z", "+00:00")
        return datetime.fromisoformat(found[1].replace(" ", "T") + zone).astimezone(UTC)
    if found := _CLOCK.search(text):
        return _clock(found, now)
    return None


def _seconds(unit: str) -> float:
    unit = unit.lower()
    return _LENGTH["ms"] if unit.startswith(("ms", "mil")) else _LENGTH[unit[0]]


def _clock(found: re.Match[str], now: datetime) -> datetime | None:
    """A time of day as a person reads it, in the zone that it names or else in that of this machine."""
    half, hour = (found["half"] or "").lower(), int(found["hour"])
    if not half and found["minute"] is None:
        return None
    if half and hour > 12:
        return None
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        here = now.astimezone(ZoneInfo(found["zone"])) if found["zone"] else now.astimezone()
        then = here.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
        if found["month"]:
            month = _MONTHS.index(found["month"].lower()[:3]) + 1
            then = then.replace(year=int(found["year"] or here.year), month=month, day=int(found["day"]))
            if found["year"] is None and then < here - timedelta(days=1):
                then = then.replace(year=here.year + 1)
        elif then <= here:
            then += timedelta(days=1)
    except (ValueError, KeyError, OSError):
        return None
    return then.astimezone(UTC)
