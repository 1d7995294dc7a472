"""Announced breaking changes: whose work they break, who has to be told, and who has to wait.

A change is open from its announcement until the issue of its announcer lands or ends. While it is open, what it affects
does not start, and the agents that it affects are told. An issue is affected through paths only: those that it declares
or holds, against those that the change names. What an issue does not declare is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator

from mawep.core.claims import clean, is_glob, overlap
from mawep.core.model import Change, Number
from mawep.core.paths import confined
from mawep.core.state import State, replace

MOST_OF_AN_ATTEMPT = 20
"""Changes that one attempt may have open."""
MOST_LANDED = 100
"""Landed changes that are kept, to be told to whoever starts after them."""


def pattern_of(path: str) -> str:
    """The one spelling of a path or pattern that a change may name.

    Raises:
        ValueError: it is no path in the repository, or a pattern that could mean everything; says which.
    """
    path = confined(path)
    if is_glob(path.partition("/")[0]):
        raise ValueError("begins with a wildcard; name at least a directory in front of it")
    return path


def touches(state: State, number: Number) -> tuple[str, ...]:
    """The paths that an issue is known to work on."""
    return (*state.graph.issues[number].files, *state.claims.held_by(number))


def affects(change: Change, paths: tuple[str, ...]) -> bool:
    """True when the change breaks work on one of these paths."""
    return any(overlap(clean(path), named) for named in (change.file, *change.affects) for path in paths)


def holding(state: State, number: Number) -> Iterator[Change]:
    """The open changes of others that affect this issue."""
    if state.changes:
        paths = touches(state, number)
        yield from (c for c in state.changes if c.issue != number and affects(c, paths))


def concerning(state: State, number: Number) -> tuple[Change, ...]:
    """Landed changes that whoever starts on this issue should know: of what it depends on, or of what it touches."""
    paths = touches(state, number)
    return tuple(
        change
        for change in state.landed_changes
        if affects(change, paths) or number in state.graph.dependents[change.issue]
    )


def opened(state: State, change: Change) -> State:
    """The change is open, and whoever works on what it affects is to be told.

    What an attempt says of the same file again replaces what it said before.
    """
    others = tuple(c for c in state.changes if (c.issue, c.file) != (change.issue, change.file))
    if sum(c.issue == change.issue for c in others) >= MOST_OF_AN_ATTEMPT:
        return state
    told = tuple(
        (change.seq, number)
        for number in state.active
        if number != change.issue
        and state.issues[number].state.holds_slot
        and affects(change, touches(state, number))
    )
    state = replace(state, changes=(*others, change))
    return replace(state, to_tell=(*_still_open(state), *told))


def widened(state: State, number: Number, paths: tuple[str, ...]) -> State:
    """The issue works on more paths now: what is open and affects those only now is news for it."""
    before = tuple(path for path in touches(state, number) if path not in paths)
    told = tuple(
        (change.seq, number)
        for change in state.changes
        if change.issue != number and affects(change, paths) and not affects(change, before)
    )
    return replace(state, to_tell=(*state.to_tell, *told)) if told else state


def closed(state: State, number: Number, *, landed: bool) -> State:
    """The issue of the announcer has landed or ended: nothing waits for its changes any more."""
    over = tuple(c for c in state.changes if c.issue == number)
    if not over and not state.to_tell:
        return state
    kept = (*state.landed_changes, *over)[-MOST_LANDED:] if landed else state.landed_changes
    state = replace(state, changes=tuple(c for c in state.changes if c.issue != number), landed_changes=kept)
    return replace(state, to_tell=tuple(tell for tell in _still_open(state) if tell[1] != number))


def _still_open(state: State) -> tuple[tuple[int, Number], ...]:
    there = {change.seq for change in state.changes}
    return tuple(tell for tell in state.to_tell if tell[0] in there)


def message_id(seq: int) -> str:
    """The id under which an agent is told of the change with this number."""
    return f"breaking-change-{seq}"


def told_in(change: Change) -> str:
    """What an agent is told of a change; all of it is its announcer's own words, to be fenced."""
    lines = (
        f"file: {change.file}",
        f"what changes: {change.change}",
        f"what it affects: {', '.join(change.affects)}" if change.affects else "",
        f"what to do: {change.migration}" if change.migration else "",
    )
    return "\n".join(filter(None, lines))
