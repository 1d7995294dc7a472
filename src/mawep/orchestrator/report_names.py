"""What reports are called: in the outbox, where each has a name of its own, and by people."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from mawep.core.model import Number
from mawep.core.outside import Command

SAYING = "say/"
"""Begins the names of remarks."""
WHOLE = "whole"
"""Why an issue was closed that has no work of its own."""
_ABOUT_AN_ISSUE = {
    "close": "the closing of",
    "labels": "the labels of",
    "question": "the question on",
    "reopen": "the opening again of",
    "status": "the comment on",
}
"""What is done on the forge about an issue, by how the name begins; its number follows."""
_OTHERS = {"answer": "the answer to a command", "say": "a remark", "summary": "the summary of the run"}


def asking(number: Number, question: str) -> str:
    """The question of an agent."""
    return f"question/{number}/{question}"


def answering(command: Command) -> str:
    """The answer to a command; several may stand in one comment."""
    return f"answer/{command.comment}/{command.at.isoformat()}/{command.command}"


def closing(number: Number, landed_as: str) -> str:
    """The closing of an issue that has landed."""
    return f"close/{number}/{landed_as}"


def closing_whole(number: Number, landings: Iterable[str]) -> str:
    """The closing of an issue that has no work of its own, once its parts have landed as these."""
    return f"close/{number}/whole/{hashlib.sha256(' '.join(landings).encode()).hexdigest()[:12]}"


def closed(number: Number, why: str) -> str:
    """When an issue was closed for its landing, by the forge's clock; `WHOLE`: for those of its parts."""
    return f"closed/{number}/{why}"


def opening_again(number: Number, reverted_as: str) -> str:
    """The opening of an issue whose landing was taken back."""
    return f"reopen/{number}/{reverted_as}"


def called(name: str) -> str:
    """What people call the report of this name."""
    kind, _, rest = name.partition("/")
    if kind in _ABOUT_AN_ISSUE:
        return f"{_ABOUT_AN_ISSUE[kind]} #{rest.partition('/')[0]}"
    return _OTHERS.get(kind, name)
