"""What reports are called: in the outbox, where each has a name of its own, and by people."""

from __future__ import annotations

from mawep.core.model import Number
from mawep.core.outside import Command

SAYING = "say/"
"""Begins the names of remarks."""
_ABOUT_AN_ISSUE = {
    "close": "the closing of",
    "labels": "the labels of",
    "question": "the question on",
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


def closing_whole(number: Number, run: str) -> str:
    """The closing of an issue that has no work of its own, once its parts have landed."""
    return f"close/{number}/whole/{run}"


def called(name: str) -> str:
    """What people call the report of this name."""
    kind, _, rest = name.partition("/")
    if kind in _ABOUT_AN_ISSUE:
        return f"{_ABOUT_AN_ISSUE[kind]} #{rest.partition('/')[0]}"
    return _OTHERS.get(kind, name)
