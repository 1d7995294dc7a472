"""What a provider says of its limits: until when, and why, it takes no more requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

LIMITED = frozenset({429, 529})
LONGEST = timedelta(days=31)
"""A provider that asks for more is not believed."""
MOST_SAID = 300

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")


@dataclass(frozen=True, slots=True)
class Limited:
    """A provider takes no requests from us until `until`; None when it does not say."""

    api: str
    until: datetime | None
    why: str


def limited(api: str, status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Limited | None:
    """What an answer says of a limit; None when it is about none. Names of headers are in lower case."""
    if status not in LIMITED:
        return None
    said = _object(body)
    moments = [moment for moment in _moments(headers, said, now) if moment > now]
    until = min(max(moments), now + LONGEST) if moments else None
    return Limited(api, until, f"{status}: {_why(said)}" if said else str(status))


def _moments(headers: Mapping[str, str], said: dict[str, Any], now: datetime) -> Iterator[datetime]:
    """Every moment that is named as an end of it: how long to wait, else when what is used up comes back."""
    waits = [
        _after(headers.get("retry-after-ms"), now, unit=0.001),
        _after(headers.get("retry-after"), now),
        *(_lasting(text, now) for text in _retry_delays(said)),
    ]
    if headers.get("anthropic-ratelimit-unified-status") == "rejected":
        waits.append(_at(headers.get("anthropic-ratelimit-unified-reset"), now))
    known = [wait for wait in waits if wait is not None]
    if known:
        yield from known
        return
    for name, value in headers.items():
        parts = name.split("-")
        if "ratelimit" in parts and "remaining" in parts and value.strip() == "0":
            reset = headers.get("-".join("reset" if part == "remaining" else part for part in parts))
            moment = _at(reset, now) or _lasting(reset, now)
            if moment is not None:
                yield moment


def _after(text: str | None, now: datetime, unit: float = 1.0) -> datetime | None:
    """A wait in seconds, or a date as HTTP spells it."""
    if text is None:
        return None
    try:
        return now + timedelta(seconds=min(max(0.0, float(text)) * unit, LONGEST.total_seconds()))
    except (ValueError, OverflowError):
        pass
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _at(text: str | None, now: datetime) -> datetime | None:
    """A moment, as RFC 3339 or as seconds of Unix time."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        seconds = float(text)
        return datetime.fromtimestamp(seconds, UTC) if seconds > 1e9 else None
    except (ValueError, OverflowError, OSError):
        return None


def _lasting(text: str | None, now: datetime) -> datetime | None:
    """A duration as OpenAI and Gemini spell it: `1h2m3.5s`, `20ms`."""
    found = _DURATION.fullmatch(text or "")
    if not text or found is None:
        return None
    try:
        hours, minutes, seconds, milliseconds = [float(part or 0) for part in found.groups()]
        length = timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
    except (ValueError, OverflowError):
        return None
    return now + min(length, LONGEST)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    if isinstance(found, list) and found:  # Gemini's way to fail a stream
        found = found[0]
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {}


def _retry_delays(error: dict[str, Any]) -> Iterator[str]:
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str):
            yield delay


def _why(error: dict[str, Any]) -> str:
    kind = (
        error.get("code") if isinstance(error.get("code"), str) else error.get("type") or error.get("status")
    )
    return " ".join(f"{kind or ''} {error.get('message') or ''}".split())[:MOST_SAID]
