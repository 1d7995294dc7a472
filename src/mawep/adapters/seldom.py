"""How often the log tells of something that an agent can make happen as often as it likes: ever more seldom."""

from __future__ import annotations

OFTEN = 20


def worth_telling(times: int) -> bool:
    """True for each of the first times something happens, then for every time that is twice the one told before."""
    return times <= OFTEN or times & (times - 1) == 0
