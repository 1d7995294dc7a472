"""The journal: one writer, a chain that shows every change, durable when `commit` returns."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mawep.core import events as ev
from mawep.errors import JournalError
from mawep.state import journal as journals
from mawep.state.journal import GENESIS, Journal

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "journal.db"


@contextmanager
def opened(journal: Journal) -> Iterator[Journal]:
    try:
        yield journal
    finally:
        journal.close()


def said(number: int) -> ev.AnyEvent:
    return ev.DispatchPaused(f"person {number}")


async def written(path: Path, count: int) -> None:
    with opened(Journal.create(path, "r")) as journal:
        for number in range(count):
            journal.append(said(number), NOW + timedelta(seconds=number))
        await journal.commit()


def execute(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement, values)


async def test_what_is_committed_is_read_back_in_order(path: Path) -> None:
    with opened(Journal.create(path, "r")) as journal:
        first = journal.append(said(1), NOW)
        assert journals.read(path) == [], "not before it is committed"
        await journal.commit()
        second = journal.append(said(2), NOW)
        await journal.commit()
        await journal.commit()
        assert journals.read(path) == [first, second]
        assert journals.read(path, after=1) == [second]
        assert [seq for seq, _ in journals.heads(path)] == [1, 2]
        assert journals.verify(path) == (2, journal.head)
        assert journal.hash_at(2) == journal.head
        with pytest.raises(JournalError, match="no event 3"):
            journal.hash_at(3)


async def test_the_next_process_goes_on_where_the_last_one_ended(path: Path) -> None:
    await written(path, 3)
    with opened(Journal.open(path)) as journal:
        assert journal.append(said(4), NOW).seq == 4
        await journal.commit()
    assert journals.verify(path)[0] == 4


async def test_it_is_readable_for_its_owner_only(path: Path) -> None:
    await written(path, 1)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_one_round_is_one_transaction(path: Path) -> None:
    with opened(Journal.create(path, "r")) as journal:
        await written_round(journal, 50)
        before = wal(path).stat().st_size
        await written_round(journal, 1)
        grown_by_one = wal(path).stat().st_size - before
        await written_round(journal, 20)
        grown_by_twenty = wal(path).stat().st_size - before - grown_by_one
    assert grown_by_twenty < 10 * grown_by_one


async def written_round(journal: Journal, count: int) -> None:
    for number in range(count):
        journal.append(said(number), NOW)
    await journal.commit()


def wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


WRITER = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from mawep.core import events as ev
from mawep.state.journal import Journal

async def main():
    journal = Journal.create(Path(sys.argv[1]), "r")
    journal.append(ev.DispatchPaused("committed"), datetime.now(UTC))
    await journal.commit()
    journal.append(ev.DispatchPaused("not committed"), datetime.now(UTC))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_killed_writer_leaves_what_it_committed_and_no_more(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WRITER, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [recorded.event for recorded in journals.read(path)] == [ev.DispatchPaused("committed")]
    with opened(Journal.open(path)) as journal:
        await written_round(journal, 1)
    assert journals.verify(path)[0] == 2


# --- one writer


async def test_two_writers_are_one_too_many(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "LOCK_SECONDS", 0.05)
    with (
        opened(Journal.create(path, "r")),
        pytest.raises(JournalError, match="Another mawep process writes") as caught,
    ):
        Journal.open(path)
    assert "mawep status" in caught.value.next_step
    with opened(Journal.open(path)):
        pass


async def test_who_looks_whether_a_writer_lives_does_not_keep_one_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mawep status` holds the lock for a moment; a resume that begins just then waits for it."""
    monkeypatch.setattr(journals, "LOCK_SECONDS", 20.0)
    await written(path, 1)
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_SH)
    timer = threading.Timer(0.05, os.close, [lock])
    timer.start()
    try:
        with opened(Journal.open(path)):
            pass
    finally:
        timer.join()


async def test_a_journal_is_never_begun_twice(path: Path) -> None:
    await written(path, 1)
    with pytest.raises(JournalError, match="already"):
        Journal.create(path, "r")


async def test_there_is_nothing_to_open_or_read_where_there_is_no_journal(path: Path) -> None:
    for look in (Journal.open, journals.read, journals.verify):
        with pytest.raises(JournalError, match="no journal"):
            look(path)


# --- readers


async def test_readers_hold_no_transaction(path: Path) -> None:
    """A reader that stays open made the log grow to 91 MB."""
    with opened(Journal.create(path, "r")) as journal:
        for _ in range(300):
            journal.append(ev.DispatchPaused("x" * 40_000), NOW)
            await journal.commit()
            journals.read(path, after=journal.seq - 1)
        assert path.stat().st_size > 8 * 2**20
        assert wal(path).stat().st_size < 6 * 2**20


async def test_a_reader_needs_no_writer_and_leaves_no_lock(path: Path) -> None:
    await written(path, 2)
    assert len(journals.read(path)) == 2
    assert not wal(path).exists() or wal(path).stat().st_size == 0


# --- a journal that cannot be trusted


@pytest.mark.parametrize("what", ["unlinked", "replaced", "directory gone"])
async def test_a_journal_whose_file_is_not_the_one_that_was_opened_is_not_written(
    path: Path, what: str
) -> None:
    """SQLite goes on committing into an unlinked file without an error."""
    with opened(Journal.create(path, "r")) as journal:
        await written_round(journal, 1)
        if what == "replaced":
            shutil.copy(path, path.with_name("copy"))
            path.with_name("copy").replace(path)
        elif what == "unlinked":
            path.unlink()
        else:
            path.parent.rename(path.parent.with_name("moved"))
        journal.append(said(2), NOW)
        with pytest.raises(JournalError):
            await journal.commit()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET json = replace(json, 'person 2', 'person 7') WHERE seq = 3",
        "UPDATE events SET at = '2026-05-04T12:00:09+00:00' WHERE seq = 3",
        "UPDATE events SET type = 'RunEnded' WHERE seq = 3",
        "UPDATE events SET hash = 'f' || substr(hash, 2) WHERE seq = 3",
        "DELETE FROM events WHERE seq = 2",
        "UPDATE events SET seq = 9 WHERE seq = 5",
        "INSERT INTO events SELECT 6, at, type, version, json, prev_hash, hash FROM events WHERE seq = 5",
    ],
)
async def test_a_changed_removed_or_added_event_is_found(path: Path, change: str) -> None:
    await written(path, 5)
    execute(path, change)
    with pytest.raises(JournalError, match="does not fit together at event"):
        journals.verify(path)


async def test_a_copy_without_its_wal_verifies_but_has_an_older_head(path: Path) -> None:
    """Which is why landing commits name the head they were made under: `mawep audit` compares."""
    with opened(Journal.create(path, "r")) as journal:
        await written_round(journal, 2)
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        early = journal.head
        await written_round(journal, 2)
        copy = path.with_name("copy.db")
        shutil.copy(path, copy)
        assert journals.verify(copy) == (2, early)
        assert journals.verify(path) == (4, journal.head)
        assert journal.head not in {hash_ for _, hash_ in journals.heads(copy)}


async def test_another_schema_version_is_refused_by_writer_and_reader(path: Path) -> None:
    await written(path, 1)
    execute(path, "UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    for look in (Journal.open, journals.read, journals.verify):
        with pytest.raises(JournalError, match="schema version 99") as caught:
            look(path)
        assert "version of mawep that wrote it" in caught.value.next_step
    execute(path, "UPDATE meta SET value = '1' WHERE key = 'schema_version'")
    with opened(Journal.open(path)):
        pass


async def test_an_event_of_a_newer_version_is_named(path: Path) -> None:
    await written(path, 1)
    execute(path, """UPDATE events SET type = 'Flown', json = '{"type": "Flown"}'""")
    with pytest.raises(JournalError, match="does not know: Flown"):
        journals.read(path)


@pytest.mark.parametrize("content", [b"", b"this is no database, but long enough to look at it" * 100])
async def test_what_is_no_journal_is_said_to_be_none(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    for look in (Journal.open, journals.read):
        with pytest.raises(JournalError):
            look(path)


# --- a disk that refuses


async def test_after_a_refused_commit_nothing_is_written_without_what_was_refused(path: Path) -> None:
    """A later event, such as why the run stops, must not leave a hole in the chain."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with opened(Journal.create(path, "r")) as journal:
        await written_round(journal, 1)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (wal(path).stat().st_size, hard))
            journal.append(ev.DispatchPaused("x" * 100_000), NOW)
            with pytest.raises(JournalError, match="cannot be written"):
                await journal.commit()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, handler)
        assert journals.verify(path)[0] == 1
        journal.append(ev.RunStopped("the disk was full"), NOW)
        await journal.commit()
        assert journals.verify(path) == (3, journal.head)


async def test_an_empty_chain_has_a_head_too(path: Path) -> None:
    await written(path, 0)
    assert journals.verify(path) == (0, GENESIS)


async def test_text_that_is_not_unicode_is_written_with_replacement_characters(tmp_path: Path) -> None:
    """Git hands over the names of files as bytes, and an agent may choose any."""
    path = tmp_path / "run" / "journal.db"
    journal = Journal.create(path, "run")
    recorded = journal.append(
        ev.CandidateImported(1, 1, "c" * 40, "d" * 40, ("f\udcff.txt", "ä.txt")),
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    await journal.commit()
    journal.close()
    assert recorded.event == ev.CandidateImported(1, 1, "c" * 40, "d" * 40, ("f?.txt", "ä.txt"))
    assert journals.read(path) == [recorded]
