"""Whose comments give orders: those of who may write to the repository, as they were posted."""

from __future__ import annotations

import structlog

from mawep.clock import Clock
from mawep.trackers.base import Comment, Forge
from mawep.trackers.commands import as_posted

log = structlog.get_logger("mawep.watcher")

BELIEVED_SECONDS = 300.0
"""How long an answer to who may write is believed."""
MOST_IGNORED = 10_000


class Authority:
    """Asks the forge who may write, and remembers it for a while."""

    def __init__(self, forge: Forge, clock: Clock) -> None:
        self._forge, self._clock = forge, clock
        self._login: str | None = None
        self._may: dict[str, tuple[float, bool]] = {}
        self._ignored: dict[int, None] = {}

    async def counts(self, comment: Comment) -> bool:
        """True when commands in the comment are to be carried out; why not is logged, once.

        Raises:
            ForgeError: it cannot be asked.
        """
        if comment.id in self._ignored:
            return False
        why = await self._why_not(comment)
        if why is None:
            return True
        self._ignored[comment.id] = None
        if len(self._ignored) > MOST_IGNORED:
            self._ignored.pop(next(iter(self._ignored)))
        if why:
            log.warning(
                "a command in a comment is ignored",
                issue=comment.issue,
                by=comment.author,
                comment=comment.id,
                why=why,
            )
        return False

    async def _why_not(self, comment: Comment) -> str | None:
        """None: it counts. Empty: it is our own."""
        if self._login is None:
            self._login = await self._forge.whoami()
        if not comment.author:
            return "nobody knows who wrote it"
        if comment.author == self._login:
            return ""
        if not as_posted(comment):
            return "it was edited after it was posted"
        return None if await self._may_write(comment.author) else "its author may not write here"

    async def _may_write(self, login: str) -> bool:
        now = self._clock.awake()
        known = self._may.get(login)
        if known is None or now - known[0] > BELIEVED_SECONDS:
            known = (now, (await self._forge.permission(login)).may_write)
            self._may[login] = known
        return known[1]
