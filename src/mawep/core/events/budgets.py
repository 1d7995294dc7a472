"""Events about what is spent."""

from __future__ import annotations

import msgspec

from mawep.core.events.base import Event
from mawep.core.model import Number, Usage


class Consumed(msgspec.Struct, frozen=True):
    """What an attempt has consumed in all, as its agent (or the gateway) says in the middle of a turn."""

    issue: Number
    fence: int
    usage: Usage


class UsageSeen(Event, frozen=True, tag=True):
    """Agents at work have consumed so much: what a process that dies now leaves to the next one."""

    consumed: tuple[Consumed, ...]


class IssueOverBudget(Event, frozen=True, tag=True):
    """No attempt is left to an issue that could start: it fails as `budget_exceeded`."""

    issue: Number
    detail: str


class BudgetWarned(Event, frozen=True, tag=True):
    """So much of a budget is spent that people are told; `key` names it in the run, `text` says it."""

    key: str
    text: str
    issue: Number | None = None
    attempt: int | None = None
