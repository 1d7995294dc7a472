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
import re
import secrets
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from mawep.errors import UsageError

log = structlog.get_logger("mawep.logins")

LARGEST = 1 << 20
"""Bytes of a login file; those of the CLIs known hold a few thousand."""

_WORD = re.compile(r"[^\s\"',:{}\[\]\\]{20,}")
"""Tokens are longer than names and settings."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TO_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


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

    def lend(self, attempt: str, home: Path, wanted: Collection[str] = ()) -> tuple[str, ...]:
        """Put copies into `home`, which is that attempt's own; those that it has already are brought up to date.

        `wanted` are the login files that its agent knows, so that it gets no other's; without any, it gets all.
        Returned is what must not be kept of whatever the agent says: the long words of the files.

        Raises:
            UsageError: a file that was named is not there, or no file of at most LARGEST bytes.
        """
        copies, words = self._lent.setdefault(attempt, _Loan(home)).copies, list[str]()
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
            words += _WORD.findall(content.data.decode(errors="replace"))
        return tuple(words)

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
            _remove(loan.home / file, below=loan.home)

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
    except (ValueError, RecursionError):  # brackets upon brackets
        return False
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() <= after.keys()
    return type(before) is type(after)


def _read(path: Path, *, below: Path | None = None) -> Content | None:
    """A plain file that is not too large, without following a link; None for anything else."""
    try:
        with (
            _directory_of(path, below) as directory,
            os.fdopen(os.open(path.name, _TO_READ, dir_fd=directory), "rb") as file,
        ):
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                return None
            return Content(file.read(LARGEST), status.st_mtime_ns)
    except OSError:
        return None


def _write(path: Path, data: bytes, *, below: Path | None = None) -> None:
    """Replace a file in one step, readable by its owner alone; a link in its place is replaced, not followed."""
    draft = f".{path.name}.{secrets.token_hex(4)}"
    with _directory_of(path, below, make=True) as directory:
        descriptor = os.open(draft, _TO_MAKE, 0o600, dir_fd=directory)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.replace(draft, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            os.unlink(draft, dir_fd=directory)
            raise


def _remove(path: Path, *, below: Path) -> None:
    """Take a file away, if it is there."""
    with suppress(OSError), _directory_of(path, below) as directory:
        os.unlink(path.name, dir_fd=directory)


@contextmanager
def _directory_of(path: Path, below: Path | None, *, make: bool = False) -> Iterator[int]:
    """A descriptor of the directory that `path` lies in.

    `below`: no directory on the way from there may be a link, because an agent makes them, and may put one there
    between any look and what is done after it. So each is opened in the one before. Raises OSError.
    """
    if below is None:
        descriptor = os.open(path.parent, _DIRECTORY)
    else:
        descriptor = os.open(below, _DIRECTORY)
        for part in path.parent.relative_to(below).parts:
            outer = descriptor
            try:
                descriptor = _entered(outer, part, make=make)
            except OSError as error:
                raise OSError(error.errno, f"{path.parent} leads elsewhere, or is not there") from error
            finally:
                os.close(outer)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _entered(outer: int, name: str, *, make: bool) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=outer)
    return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=outer)
