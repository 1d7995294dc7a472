"""Files that agents were seen to change: who shares one is told while the change is small, nobody is kept from it.

Most pairs that share a file merge without a conflict, so a file that was only changed reserves nothing. What was seen
is an attempt's own and ends with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mawep.core import events as ev
from mawep.core.model import Number
from mawep.core.paths import confined
from mawep.core.state import Attempt, State

MOST_TOUCHED = 200
"""Files that are written down of one attempt."""
SHARED = (
    "You and another agent work on the same files, shown below. Nobody is kept from them: change as little there as "
    "you can, so that both changes fit. Do not make the other change yourself."
)
RESERVED = (
    "You have changed files that are reserved for another issue, shown below. Work that changes them is turned down: "
    "take those changes back and find a way around."
)

Seen = ev.FilesTouched | ev.MessageSent


def seen(state: State, number: Number, fence: int, paths: Iterable[str]) -> list[Seen]:
    """What follows when a worker says which files an attempt has changed: nothing unless some of it is new.

    Who was asked to merge the target writes what others have landed, which says nothing of its own work.
    """
    record = state.issues.get(number)
    attempt = record.attempt if record is not None and number in state.active else None
    if attempt is None or attempt.fence != fence or attempt.merge_rounds:
        return []
    new = fresh(attempt, _inside(paths))
    if not new:
        return []
    touched = ev.FilesTouched(number, fence, new)
    return [touched, *_told(state, touched, f"touched-{number}-{fence}-{len(attempt.touched)}")]


def fresh(attempt: Attempt, paths: Iterable[str]) -> tuple[str, ...]:
    """Those of the paths that are not written down of the attempt yet, as far as there is room."""
    known = frozenset(attempt.touched)
    return tuple(dict.fromkeys(path for path in paths if path not in known))[: MOST_TOUCHED - len(known)]


def shared(state: State, number: Number, paths: Iterable[str]) -> dict[Number, tuple[str, ...]]:
    """Which of the paths other live attempts have changed or claimed, by issue."""
    found: dict[Number, tuple[str, ...]] = {}
    for path in paths:
        changing = {n for n in state.active if path in changed(state, n)}
        for other in sorted((changing | set(state.claims.holding(path))) - {number}):
            found[other] = (*found.get(other, ()), path)
    return found


def changed(state: State, number: Number) -> tuple[str, ...]:
    """What an issue's attempt changes, as far as it is known: all of it as soon as its work is imported."""
    attempt = state.issues[number].attempt
    return (attempt.files or attempt.touched) if attempt is not None else ()


def sharers(state: State) -> dict[str, tuple[Number, ...]]:
    """The files that several live attempts change, one of them still at work, and the issues of all of them."""
    found: dict[str, tuple[Number, ...]] = {}
    for number in sorted(state.active):
        for path in changed(state, number):
            found[path] = (*found.get(path, ()), number)
    return {
        path: numbers
        for path, numbers in found.items()
        if len(numbers) > 1 and any(state.issues[n].state.holds_slot for n in numbers)
    }


def _told(state: State, touched: ev.FilesTouched, message: str) -> Iterator[ev.MessageSent]:
    """Of a file that is reserved only who may not change it is told; of a file that two share, both are."""
    number, claims = touched.issue, state.claims
    for other, files in shared(state, number, touched.paths).items():
        kept = [path for path in files if other in claims.keepers(path)]
        both = [path for path in files if not claims.keepers(path)]
        for to, about, lead, listed in (
            (number, other, RESERVED, kept),
            (number, other, SHARED, both),
            (other, number, SHARED, both),
        ):
            if listed and state.issues[to].state.holds_slot:
                told = (
                    "{path} is reserved for #{about}" if lead is RESERVED else "#{about} changes {path}, too"
                )
                text = "\n".join(told.format(path=path, about=about) for path in listed)
                name = f"{message}-{other}" if lead is SHARED else f"{message}-{other}-reserved"
                yield ev.MessageSent(to, name, text, "MAWEP", foreign=True, lead=lead)


def _inside(paths: Iterable[str]) -> Iterator[str]:
    """An agent names what it likes; what is no path in the repository is no news."""
    for path in paths:
        try:
            yield confined(path)
        except ValueError:
            continue
