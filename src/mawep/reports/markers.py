"""Marks in texts that MAWEP posts, by which it knows them again: `<!-- mawep:KIND:RUN8:MAC -->`, on the first line.

Anybody can copy a mark. So it counts only in a text by our own login, and only where it was made for: the MAC covers
repository, issue, kind, run and whatever else tells two texts of a kind apart, under a secret of this clone.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

MARK = re.compile(r"<!-- mawep:([a-z][a-z-]{0,30}):([0-9A-Za-z-]{1,8}):([0-9a-f]{32}) -->")
_KIND = re.compile(r"[a-z][a-z-]{0,30}")


class Signed(Protocol):
    """A text on a forge, and who wrote it."""

    @property
    def author(self) -> str | None:
        """The login, if there still is one."""
        ...

    @property
    def body(self) -> str:
        """The text."""
        ...


Text = TypeVar("Text", bound=Signed)


@dataclass(frozen=True)
class Markers:
    """Makes and finds marks of one repository. `login` is ours, `secret` the clone's."""

    secret: bytes
    repository: str
    login: str

    def mark(self, issue: int, kind: str, run: str, key: str = "") -> str:
        """The mark of a text: the first line of it. `key` tells texts of one kind on one issue apart."""
        if not _KIND.fullmatch(kind):
            raise ValueError(f"{kind!r} is no kind of a text")
        run8 = run[-8:]
        return f"<!-- mawep:{kind}:{run8}:{self._mac(issue, kind, run8, key)} -->"

    def bears(self, text: Signed, issue: int, kind: str, key: str = "", *, run: str | None = None) -> bool:
        """Whether this is that text of ours; of any run, or of this one."""
        if not self._is_ours(text):
            return False
        found = MARK.fullmatch(text.body.partition("\n")[0].rstrip())
        if found is None or found[1] != kind or (run is not None and found[2] != run[-8:]):
            return False
        return hmac.compare_digest(found[3], self._mac(issue, kind, found[2], key))

    def find(
        self, texts: Iterable[Text], issue: int, kind: str, key: str = "", *, run: str | None = None
    ) -> Text | None:
        """The first of them that is ours and that one."""
        return next((text for text in texts if self.bears(text, issue, kind, key, run=run)), None)

    def ours(self, text: Signed) -> bool:
        """Whether it looks like one of ours, wherever it was made for: nothing in it is meant for MAWEP."""
        return self._is_ours(text) and MARK.match(text.body) is not None

    def _is_ours(self, text: Signed) -> bool:
        return (text.author or "").casefold() == self.login.casefold()

    def _mac(self, issue: int, kind: str, run8: str, key: str) -> str:
        digest = hmac.new(self.secret, digestmod=hashlib.sha256)
        for part in (self.repository.casefold(), str(issue), kind, run8, key):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.hexdigest()[:32]
