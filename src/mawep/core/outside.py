"""What a run knows of the world outside of it: a value that is part of its state."""

from __future__ import annotations

from datetime import datetime

import msgspec
from immutables import Map

from mawep.core.model import Dependency, Issue, Number

MOST_COMMANDS = 50
"""Of an issue, the newest, whose answers are kept until the forge has them."""
MOST_TAKEN = 1000
"""Comments that are remembered as taken; the tracker is asked for changes since a moment, so old ones do not return."""

DONE = "closed as completed on the tracker"
"""How `cancelled_by` begins; what waits for an issue that a person completed does not wait any longer."""

EDITED = (
    "The text of your issue was edited on its tracker while you work on it. This is how it reads now; "
    "finish what it asks for now, as far as it differs from what you were told."
)
"""What an agent is told before the new text, which is fenced."""


class Conflict(msgspec.Struct, frozen=True):
    """A dependency that came too late, or closes a circle: `issue` does not wait for `on`, and why."""

    issue: Number
    on: Number
    source: str
    why: str


class Command(msgspec.Struct, frozen=True):
    """A command that was given in a comment, and what was said to it."""

    comment: int
    by: str
    command: str
    done: bool
    said: str
    at: datetime


class Outside(msgspec.Struct, frozen=True):
    """What is known of the outside.

    `blockers` are open issues, not of this run, that an issue waits for. `edited` are the newest texts of issues at
    work, which count as a whole when they start again; `untold` says of which (by the number of its event) the
    agent has to be told yet. `refused` are dependencies that the run goes on without, `unclear` is what else of
    issues it cannot follow, in words. `taken` are comments whose
    commands were carried out or refused; `commands` are the newest of each issue, oldest first.
    """

    blockers: Map[Number, tuple[Dependency, ...]] = Map()
    edited: Map[Number, Issue] = Map()
    untold: tuple[tuple[int, Number], ...] = ()
    refused: tuple[Conflict, ...] = ()
    unclear: Map[Number, tuple[str, ...]] = Map()
    taken: tuple[int, ...] = ()
    commands: Map[Number, tuple[Command, ...]] = Map()
    read_until: datetime | None = None


def edit_id(seq: int) -> str:
    """The id under which an agent is told of the edit with this number."""
    return f"issue-edited-{seq}"


def told(outside: Outside, message: str, number: Number) -> Outside:
    """The same, when a message has gone to the agent of an issue."""
    left = tuple(tell for tell in outside.untold if (edit_id(tell[0]), tell[1]) != (message, number))
    return outside if len(left) == len(outside.untold) else msgspec.structs.replace(outside, untold=left)


def shown(issue: Issue) -> str:
    """An issue as its agent is shown it; all of it is others' words, to be fenced."""
    labels = f"\nLabels: {', '.join(issue.labels)}" if issue.labels else ""
    return f"# {issue.title}{labels}\n\n{issue.body}".rstrip()
