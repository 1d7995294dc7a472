"""A forge is asked again until it answers, and its silence is told while it lasts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from mawep.adapters.git_remote import RemoteUnreachableError
from mawep.clock import VirtualClock
from mawep.errors import InfrastructureError
from mawep.observe.live import Silence
from mawep.orchestrator.asking import AGAIN, Asking
from mawep.trackers.base import Ambiguous, NotAllowed, RateLimited, Refused, Unreachable


def answering(*answers: Exception | str) -> Callable[[], Awaitable[str]]:
    """A forge that gives these answers, one after another."""
    left = list(answers)

    async def act() -> str:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return act


async def test_it_is_asked_until_it_answers_and_its_silence_is_told() -> None:
    clock, told = VirtualClock(), list[Silence | None]()
    begin = clock.now()
    act = answering(Unreachable("no answer"), Ambiguous("perhaps"), RemoteUnreachableError("gone"), "done")
    assert await Asking(clock, told.append).through("open", act) == "done"
    wait = timedelta(seconds=AGAIN)
    assert told == [
        Silence("the forge", begin, "no answer", begin + wait),
        Silence("the forge", begin, "perhaps", begin + 2 * wait),
        Silence("the remote", begin, "gone", begin + 3 * wait),
        None,
    ]


async def test_a_limit_is_waited_for() -> None:
    clock = VirtualClock()
    until = clock.now() + timedelta(hours=1)
    await Asking(clock).through("open", answering(RateLimited("enough", until=until), "done"))
    assert clock.now() == until


async def test_the_longest_silence_is_the_one_that_is_told() -> None:
    clock, told = VirtualClock(), list[Silence | None]()
    asking = Asking(clock, told.append)
    asking.held_up("look", Unreachable("no answer"), 60.0)
    clock.advance(5)
    asking.held_up("open", RemoteUnreachableError("gone"), 15.0)
    assert told[-1] is not None
    assert told[-1].why == "no answer"
    asking.answered("look")
    assert told[-1] is not None
    assert told[-1].why == "gone"
    asking.answered("open")
    asking.answered("open")
    assert (told[-1], len(told)) == (None, 4)


@pytest.mark.parametrize(
    ("error", "kind"), [(NotAllowed("no"), InfrastructureError), (Refused("not so"), Refused)]
)
async def test_what_no_patience_helps_against_is_no_silence(error: Exception, kind: type[Exception]) -> None:
    told = list[Silence | None]()
    with pytest.raises(kind):
        await Asking(VirtualClock(), told.append).through("open", answering(error))
    assert told == []
