"""Asking a forge, and the remote beside it, again and again until there is an answer; and saying so meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from mawep.adapters.git_remote import RemoteUnreachableError
from mawep.clock import Clock
from mawep.errors import InfrastructureError, MawepError
from mawep.observe.live import Silence
from mawep.trackers.base import Ambiguous, NotAllowed, RateLimited, Unreachable

log = structlog.get_logger("mawep.proposals")

AGAIN = 15.0
"""Seconds until a forge that did not answer is asked again."""

Hush = Callable[[Silence | None], None]
"""Is told what does not answer, and None when all do again; must neither wait nor fail."""

T = TypeVar("T")


class Asking:
    """Asks until there is an answer. `told` hears of the silence that has lasted longest."""

    def __init__(self, clock: Clock, told: Hush = lambda silence: None) -> None:
        self._clock = clock
        self._told = told
        self._silent: dict[str, Silence] = {}

    async def through(self, name: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do it, however long there is no answer; what is done only once looks first whether it is.

        Raises:
            InfrastructureError: we are not let in.
        """
        try:
            while True:
                try:
                    return await act()
                except (Unreachable, Ambiguous, RemoteUnreachableError) as error:
                    await self._clock.sleep(self.held_up(name, error, AGAIN))
                except RateLimited as limited:
                    wait = max(AGAIN, (limited.until - self._clock.now()).total_seconds())
                    await self._clock.sleep(self.held_up(name, limited, wait))
        except NotAllowed as refused:
            raise InfrastructureError(
                refused.what, cause=refused.cause, next_step=refused.next_step
            ) from refused
        finally:
            self.answered(name)

    def held_up(self, name: str, error: MawepError, wait: float) -> float:
        """There was no answer to what is called `name`; the seconds until it is asked again."""
        log.warning("the forge is asked again", cause=str(error), again_in=round(wait))
        now = self._clock.now()
        known = self._silent.get(name)
        why = f"{error.what}{f' ({error.cause})' if error.cause else ''}"
        where = "the remote" if isinstance(error, RemoteUnreachableError) else "the forge"
        self._silent[name] = Silence(where, known.since if known else now, why, now + timedelta(seconds=wait))
        self._tell()
        return wait

    def answered(self, name: str) -> None:
        """There was one, or nobody waits for it any more."""
        if self._silent.pop(name, None) is not None:
            self._tell()

    def _tell(self) -> None:
        self._told(min(self._silent.values(), key=_since, default=None))


def _since(silence: Silence) -> datetime:
    return silence.since
