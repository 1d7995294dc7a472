"""Runs: where they keep their things, which there are, who holds a target."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mawep.core import events as ev
from mawep.core.model import Rules
from mawep.errors import JournalError, UsageError
from mawep.state.journal import Journal, read
from mawep.state.runs import RunDirectory, directory_of, home, is_alive, list_runs, summarize, target_claimed
from tests.support.repos import git, make_repository

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@contextmanager
def journal_of(directory: RunDirectory, *events: ev.AnyEvent) -> Iterator[Journal]:
    directory.make()
    journal = Journal.create(directory.journal, directory.run)
    try:
        for event in events:
            journal.append(event, NOW)
        yield journal
    finally:
        journal.close()


def started(run: str) -> ev.AnyEvent:
    return ev.RunStarted(run=run, trace="t", target_branch="main", target="0" * 40, issues=(), rules=Rules())


async def test_a_run_lies_under_the_git_directory_where_clean_does_not_take_it(tmp_path: Path) -> None:
    """`git clean -fdx` deleted a journal in the work tree."""
    checkout = make_repository(tmp_path / "repo")
    directory = directory_of(checkout / ".git", "r1")
    with journal_of(directory, started("r1")) as journal:
        await journal.commit()
        git(checkout, "clean", "-ffdxq")
        assert [summary.directory for summary in list_runs(checkout / ".git")] == [directory]
    assert home(checkout / ".git") in directory.journal.parents


async def test_every_file_of_a_run_lies_in_its_own_directory(tmp_path: Path) -> None:
    directory = directory_of(tmp_path, "r1")
    assert directory.run == "r1"
    files = [
        directory.journal,
        directory.keys,
        directory.gates,
        directory.log,
        directory.live,
        directory.report,
    ]
    for file in [*files, directory.attempt(7, 2)]:
        assert directory.path in file.parents
    assert len({*files}) == len(files)
    assert directory.attempt(7, 2) != directory.attempt(72, 2)


async def test_runs_are_listed_newest_first_with_what_became_of_them(tmp_path: Path) -> None:
    for run in ("r1", "r2", "r3"):
        events = [started(run)]
        if run != "r3":
            events.append(ev.RunEnded("landed"))
        if run == "r2":
            events.append(ev.IssueReopened(1, "a person"))
        with journal_of(directory_of(tmp_path, run), *events) as journal:
            await journal.commit()
    found = [(each.directory.run, each.target_branch, each.ended) for each in list_runs(tmp_path)]
    assert found == [("r3", "main", False), ("r2", "main", False), ("r1", "main", True)]
    assert list_runs(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("stage", ["no journal", "an empty file", "no table", "no event"])
async def test_a_run_that_died_before_its_first_commit_is_none(tmp_path: Path, stage: str) -> None:
    directory = directory_of(tmp_path, "r1")
    directory.make()
    if stage == "an empty file":
        directory.journal.touch()
    elif stage == "no table":
        with closing(sqlite3.connect(directory.journal)) as db:
            db.execute("PRAGMA journal_mode=WAL")
    elif stage == "no event":
        with journal_of(directory):
            pass
    assert summarize(directory) is None
    assert list_runs(tmp_path) == []


async def test_a_journal_that_is_none_is_said_so(tmp_path: Path) -> None:
    directory = directory_of(tmp_path, "r1")
    directory.make()
    directory.journal.write_text("no database at all\n" * 100)
    with pytest.raises(JournalError, match="cannot be read"):
        list_runs(tmp_path)


async def test_a_run_is_alive_while_somebody_writes_its_journal(tmp_path: Path) -> None:
    directory = directory_of(tmp_path, "r1")
    assert not is_alive(directory)
    with journal_of(directory, started("r1")) as journal:
        await journal.commit()
        assert is_alive(directory)
        summary = summarize(directory)
        assert summary is not None and summary.alive
    assert not is_alive(directory)
    summary = summarize(directory)
    assert summary is not None and not summary.alive


async def test_a_target_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    with target_claimed(tmp_path, "main"):
        with pytest.raises(UsageError, match="works on main"), target_claimed(tmp_path, "main"):
            pass
        with target_claimed(tmp_path, "release/1.0"):
            pass
    with target_claimed(tmp_path, "main"):
        pass


@pytest.mark.parametrize("name", ["who?mode=rw", "half#way", "100%41", "a:b&c", "ü 漢"])
def test_a_run_is_read_wherever_it_lies(name: str, tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / name / "run")
    with journal_of(directory, started("run")) as journal:
        asyncio.run(journal.commit())
    summary = summarize(directory)
    assert summary is not None
    assert len(read(directory.journal)) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
