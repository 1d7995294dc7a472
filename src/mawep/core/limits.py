"""How long a provider's limit pauses a runtime: as long as it says, else for longer and longer."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=1)
"""Pauses of ours double up to this."""
LONGEST_STATED = timedelta(days=31)
"""A provider that asks for more is not believed."""
SHORTEST_STATED = timedelta(seconds=1)
"""A moment nearer than this is none to wait for: clocks differ."""


class Limit(msgspec.Struct, frozen=True):
    """A provider's limit on one runtime. `stated`: `until` is the provider's word, else a pause of ours.

    `times` counts pauses of ours in a row; `lifted`: it is over, but nothing has shown yet that the provider agrees.
    """

    until: datetime
    why: str
    stated: bool
    times: int = 0
    lifted: bool = False


def after(before: Limit | None, at: datetime, until: datetime | None, why: str) -> Limit:
    """The limit on a runtime after one of its agents ran into it at `at`.

    Agents that run into the same limit one after another do not lengthen a pause of ours; to run into it again when
    the pause is over does.
    """
    holding = before if before is not None and not before.lifted and before.until > at else None
    if until is not None and until >= at + SHORTEST_STATED:
        until = min(until, at + LONGEST_STATED)
        if holding is not None:
            until = max(until, holding.until)
        return Limit(until, why, stated=True)
    if holding is not None:
        return holding
    times = before.times + 1 if before is not None else 1
    return Limit(
        at + min(FIRST_PAUSE * 2 ** min(times - 1, 10), LONGEST_PAUSE), why, stated=False, times=times
    )


def told(runtime: str, limit: Limit) -> str:
    """A limit in words."""
    whose = (
        "its provider says"
        if limit.stated
        else f"pause {limit.times}, as its provider does not say until when"
    )
    until = f"{limit.until:%Y-%m-%d %H:%M:%S} UTC"
    return f"the provider of `{runtime}` takes nothing more until {until} ({whose}): {limit.why}"
