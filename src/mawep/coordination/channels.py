"""The names of channels, and the server keys of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mawep.coordination.identity import checked_name
from mawep.errors import UsageError

BREAKING_CHANGES = "broadcast:breaking_changes"
DEPENDENCY_UPDATES = "broadcast:dependency_updates"
MERGE_CONFLICTS = "broadcast:merge_conflicts"
SHARED_FILES = "broadcast:shared_files"
PROGRESS_UPDATES = "status:progress_updates"
HEALTH_CHECK = "status:health_check"
BLOCKERS = "status:blockers"
RESULTS = "results"
DEAD_LETTERS = "dead_letters"
ORCHESTRATOR = "orchestrator"

CAPPED = (
    BREAKING_CHANGES,
    DEPENDENCY_UPDATES,
    MERGE_CONFLICTS,
    SHARED_FILES,
    PROGRESS_UPDATES,
    HEALTH_CHECK,
    BLOCKERS,
)
"""Streams that keep about 10,000 entries, read or not."""

_DIRECT = "direct:"
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def direct(who: str) -> str:
    """The mailbox of `who`."""
    return _DIRECT + checked_name(who)


def recipient(channel: str) -> str | None:
    """Whose mailbox `channel` is, or None when it is no mailbox of one participant."""
    return channel.removeprefix(_DIRECT) if channel.startswith(_DIRECT) else None


def is_mailbox(channel: str) -> bool:
    """Whether entries stay until they are acknowledged."""
    return channel == RESULTS or channel.startswith(_DIRECT)


def checked_channel(channel: str) -> str:
    """Return `channel`, or raise UsageError when there is no such channel."""
    who = recipient(channel)
    if who is not None:
        checked_name(who)
    elif channel != RESULTS and channel not in CAPPED:
        raise UsageError(
            f"there is no channel {channel!r}", next_step=f"use direct:<who>, {', '.join(CAPPED)}"
        )
    return channel


@dataclass(frozen=True)
class Keyspace:
    """Where a run's things are on the server; every key holds the run as its hash tag."""

    run: str

    def __post_init__(self) -> None:
        if not _RUN.fullmatch(self.run):
            raise UsageError(f"{self.run!r} cannot name a run", next_step="use letters, digits, '_' and '-'")

    @property
    def prefix(self) -> str:
        """What every key of the run starts with."""
        return f"mawep:{{{self.run}}}:"

    def stream(self, channel: str) -> str:
        """The stream of `channel`; what is published goes to a channel of the same name."""
        return self.prefix + channel

    def of(self, channel: str) -> tuple[str, str, str, str]:
        """Stream; sorted set of envelope ids by arrival; hash of envelope id to entry; meta."""
        stream, meta = self.stream(channel), self.meta(channel)
        return stream, f"{self.prefix}seen:{channel}", f"{self.prefix}entries:{channel}", meta

    def meta(self, channel: str) -> str:
        """Hash: `last` and `acknowledged` entry, `sent:<who>` and `handled:<who>` sequence numbers."""
        return f"{self.prefix}meta:{channel}"

    def lease(self, name: str) -> str:
        """Hash of one lease."""
        return f"{self.prefix}lease:{name}"
