"""Which runs of several repositories belong together: a record that is written before any of them begins.

It holds the first event of each, so that whoever finds it can begin what a dead process did not come to begin. Every
repository has a copy; any of them is enough.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from mawep.core import events as ev
from mawep.errors import JournalError
from mawep.state.runs import RunDirectory, directory_of, home, summarize


class Part(msgspec.Struct, frozen=True):
    """The run of one repository: its git directory, and the first event as it is journalled."""

    repository: str
    common_dir: str
    run: str
    started: msgspec.Raw

    @property
    def key(self) -> str:
        """What the repository is known by: its name in lower case."""
        return self.repository.lower()

    @property
    def directory(self) -> RunDirectory:
        """Where the run keeps its things."""
        return directory_of(Path(self.common_dir), self.run)

    def first_event(self) -> ev.RunStarted:
        """What the run begins with."""
        event = ev.decode(bytes(self.started))
        if not isinstance(event, ev.RunStarted):
            raise JournalError(f"The record of run {self.run} does not hold its beginning")
        return event


class GroupRecord(msgspec.Struct, frozen=True):
    """Runs that belong together and have `agents` between them; `config` is the file that they were started with."""

    group: str
    config: str
    agents: int
    parts: tuple[Part, ...]


def part_of(repository: str, common_dir: Path, started: ev.RunStarted) -> Part:
    """A run that is about to begin, as a part of a record."""
    return Part(repository, str(common_dir), started.run, msgspec.Raw(ev.encode(started)))


def write(record: GroupRecord) -> None:
    """Give every repository its copy. From the first on the group has begun.

    Raises:
        OSError: it cannot be written.
    """
    data = msgspec.json.encode(record)
    for part in record.parts:
        folder = _folder(Path(part.common_dir))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = folder / f".{record.group}.{os.getpid()}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / f"{record.group}.json")
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def groups_of(common_dir: Path) -> list[GroupRecord]:
    """Every group that a repository takes part in, newest first.

    Raises:
        JournalError: a record cannot be read.
    """
    folder = _folder(common_dir)
    found = sorted(folder.glob("*.json"), reverse=True) if folder.is_dir() else []
    return [_read(path) for path in found]


def group_of_run(common_dir: Path, run: str) -> GroupRecord | None:
    """The group that a run belongs to, if it does."""
    groups = groups_of(common_dir)
    return next((one for one in groups if any(part.run == run for part in one.parts)), None)


def has_begun(part: Part) -> bool:
    """True when the run's journal holds its beginning."""
    return summarize(part.directory) is not None


def clear_the_way(part: Part) -> None:
    """Take away the journal of a run that died before its first event was in it."""
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        with contextlib.suppress(FileNotFoundError):
            (part.directory.path / name).unlink()


def _read(path: Path) -> GroupRecord:
    try:
        return msgspec.json.decode(path.read_bytes(), type=GroupRecord)
    except (OSError, msgspec.MsgspecError) as error:
        raise JournalError(f"The record {path} cannot be read", cause=str(error)) from error


def _folder(common_dir: Path) -> Path:
    return home(common_dir) / "groups"
