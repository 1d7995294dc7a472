"""How a forge fails: what a missing answer and each status mean, by the names of `mawep.trackers.base`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from mawep.trackers.base import (
    Ambiguous,
    Conflicted,
    ForgeError,
    NotAllowed,
    NotThere,
    Refused,
    Unreachable,
)
from mawep.trackers.json_values import text, thing, things

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
MOST_REFUSALS = 8
"""So often in a row one request is refused for a limit before we give up."""
LONGEST_SAID = 300
"""Characters of what a forge says itself: it goes into errors and logs."""
_BY_STATUS: Mapping[int, type[ForgeError]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotThere,
    409: Conflicted,
    410: NotThere,
    451: NotAllowed,
}


def unanswered(asked: object, error: Exception, *, writes: bool) -> ForgeError:
    """No answer came: of a write that may have left us nobody knows whether it was carried out."""
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if writes and not isinstance(error, NEVER_SENT):
        return Ambiguous(f"no answer to {asked}", cause=reason)
    return Unreachable(f"the forge does not answer {asked}", cause=reason)


def refusal(asked: object, status: int, said: str, *, writes: bool, leave: str) -> ForgeError:
    """An answer that says no; `leave` is how to get the permission that may be missing."""
    cause = f"{status} {said}".strip()
    if status >= 500 and writes:
        return Ambiguous(f"no clear answer to {asked}", cause=cause)
    if status >= 500:
        return Unreachable(f"the forge is in trouble: {asked}", cause=cause)
    kind = _BY_STATUS.get(status, Refused)
    if kind is NotAllowed:
        return NotAllowed(f"{asked} is not allowed", cause=cause, next_step=leave)
    return kind(f"the forge refuses {asked}", cause=cause)


def decoded(asked: object, content: bytes, *, writes: bool) -> Any:
    """The JSON of an answer that says yes; None when there is none.

    Raises:
        ForgeError: it is no JSON, so nobody knows what was done.
    """
    try:
        return msgspec.json.decode(content) if content else None
    except (msgspec.DecodeError, RecursionError):
        kind = Ambiguous if writes else Unreachable
        raise kind(f"the answer to {asked} makes no sense", cause="it is no JSON") from None


def said(response: httpx.Response) -> str:
    """What the forge says itself, short."""
    try:
        data = thing(msgspec.json.decode(response.content))
    except (msgspec.DecodeError, RecursionError):
        return response.reason_phrase
    first = data.get("message") or data.get("error") or ""
    sentence = first if isinstance(first, str) else msgspec.json.encode(first).decode()
    more = [text(one.get("message")) or text(one.get("code")) for one in things(data.get("errors"))]
    parts = ": ".join(part for part in (sentence, "; ".join(filter(None, more))) if part)
    return " ".join(parts.split())[:LONGEST_SAID] or response.reason_phrase
