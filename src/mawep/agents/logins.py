"""Logins: the files by which a CLI is signed in, lent to homes of attempts and brought back when a token was renewed.

An attempt gets copies, because a CLI replaces such a file by renaming another over it, which neither a link nor a
mount survives. A copy that has changed is taken for a renewed token: it goes to the person's file and to every other
home that has one, so that attempts side by side do not sign one another out. What an agent could do with that: write
something else with the same outline into its own copy, and so sign the person out. It is held to that outline.

Accepted race: two copies renewed between two looks; the younger one counts.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from mawep.errors import UsageError

log = structlog.get_logger("mawep.logins")

LARGEST = 1 << 20
"""Bytes of a login file; those of the CLIs known hold a few thousand."""


@dataclass(frozen=True)
class Content:
    """What a file holds and when it was written, in nanoseconds of the epoch."""

    data: bytes
    written: int


@dataclass
class _Loan:
    """The home of an attempt, and what was put into its copies."""

    home: Path
    copies: dict[Path, bytes] = field(default_factory=dict)


@dataclass
class Logins:
    """The files of `person` (a home) that are lent, as paths relative to it, and the attempts that have them now."""

    person: Path
    files: tuple[Path, ...]
    _lent: dict[str, _Loan] = field(default_factory=dict)

    def lend(self, attempt: str, home: Path, wanted: Collection[str] = ()) -> None:
        """Put copies into `home`, which is that attempt's own; those that it has already are brought up to date.

        `wanted` are the login files that its agent knows, so that it gets no other's; without any, it gets all.

        Raises:
            UsageError: a file that was named is not there, or no file of at most LARGEST bytes.
        """
        copies = self._lent.setdefault(attempt, _Loan(home)).copies
        for file in self.files:
            if wanted and str(file) not in wanted:
                continue
            content = _read(self.person / file)
            if content is None:
                raise UsageError(
                    f"the login file {self.person / file} cannot be lent to an agent",
                    cause=f"it is not there, or not a plain file of at most {LARGEST} bytes",
                    next_step="sign in with the agent's own program, or take it out of agents.credentials",
                )
            _write(home / file, content.data, below=home)
            copies[file] = content.data

    def collect(self) -> None:
        """Bring back what was renewed in any home, and pass it on to the others."""
        for file in self.files:
            self._collect(file)

    def retrieve(self, attempt: str) -> None:
        """Bring back what was renewed, then take the copies out of the attempt's home: its agent has ended."""
        if attempt not in self._lent:
            return
        self.collect()
        loan = self._lent.pop(attempt)
        for file in loan.copies:
            if not _leads_elsewhere(loan.home / file, loan.home):
                with suppress(OSError):
                    (loan.home / file).unlink()

    def _collect(self, file: Path) -> None:
        mine = _read(self.person / file)
        if mine is None:  # signed out: nothing is to be signed in again behind the person's back
            return
        newest = max([mine, *self._renewed(file, mine)], key=lambda content: content.written)
        if newest.data != mine.data:
            _write(self.person / file, newest.data)
            log.info("login renewed", file=str(file))
        for loan in self._lent.values():
            if loan.copies.get(file, newest.data) != newest.data:
                with suppress(OSError):
                    _write(loan.home / file, newest.data, below=loan.home)
                loan.copies[file] = newest.data

    def _renewed(self, file: Path, mine: Content) -> Iterator[Content]:
        """Every copy that its attempt has changed into something that may be a login."""
        for loan in self._lent.values():
            content = _read(loan.home / file, below=loan.home) if file in loan.copies else None
            if content is None or content.data == loan.copies[file]:
                continue
            if _same_outline(mine.data, content.data):
                yield content
            else:
                loan.copies[file] = mine.data
                log.warning(
                    "a changed login is left where it is",
                    file=str(loan.home / file),
                    cause="its outline differs",
                )


def _same_outline(old: bytes, new: bytes) -> bool:
    """True when both are JSON objects of which the new one lacks no key, or neither is JSON."""
    try:
        before = json.loads(old)
    except ValueError:
        return bool(new)
    try:
        after = json.loads(new)
    except ValueError:
        return False
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() <= after.keys()
    return type(before) is type(after)


def _read(path: Path, *, below: Path | None = None) -> Content | None:
    """A plain file that is not too large, without following a link; None for anything else.

    `below`: no directory on the way from there may be a link either, because an agent made them.
    """
    if below is not None and _leads_elsewhere(path, below):
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            return None
        return Content(file.read(LARGEST), status.st_mtime_ns)


def _leads_elsewhere(path: Path, below: Path) -> bool:
    """True when a directory on the way from `below`, which an agent makes, is a link."""
    return path.parent.resolve() != below.resolve() / path.parent.relative_to(below)


def _write(path: Path, data: bytes, *, below: Path | None = None) -> None:
    """Replace a file in one step, readable by its owner alone; a link in its place is replaced, not followed."""
    if below is not None and _leads_elsewhere(path, below):
        raise OSError(f"{path.parent} leads elsewhere")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        draft.replace(path)
    except OSError:
        draft.unlink()
        raise
