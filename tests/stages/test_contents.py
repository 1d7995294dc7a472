"""Words in the files of a commit: read from git once, and kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository
from mawep.adapters.kept import Kept
from mawep.core.predict.likely import Contents
from mawep.stages import contents
from mawep.stages.contents import read_contents
from mawep.stages.history import read_history
from tests.support.repos import commit, make_repository

WORDS = frozenset({"payment", "round", "cent"})


async def read(repository: Repository, kept: Kept) -> Contents:
    history = await read_history(repository, "refs/heads/main")
    return await read_contents(repository, history.files, WORDS, kept)


async def test_the_words_that_are_asked_for_by_file(tmp_path: Path) -> None:
    path = make_repository(
        tmp_path / "r",
        {"pay.py": "payment round payment other\n", "same.py": "payment round payment other\n", "empty": ""},
    )
    found = await read(await find_repository(path), Kept(tmp_path / "words.db"))
    assert found.holders == {"payment": {"pay.py": 2, "same.py": 2}, "round": {"pay.py": 1, "same.py": 1}}
    assert found.lengths["pay.py"] == 4


async def test_what_is_no_text_or_too_large_or_a_book_has_no_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "LARGEST", 1000)
    monkeypatch.setattr(contents, "MOST_FILES", 2)
    path = make_repository(
        tmp_path / "r",
        {
            "binary": "payment\0",
            "big": "payment " * 500,
            "CHANGELOG.md": "payment",
            "b": "payment",
            "c": "payment",
        },
    )
    found = await read(await find_repository(path), Kept(tmp_path / "words.db"))
    assert found.holders == {"payment": {"b": 1}}


async def test_git_is_asked_only_for_what_is_new_and_in_portions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "AT_ONCE", 10)
    path = make_repository(tmp_path / "r", {"a.py": "payment one\n", "b.py": "payment two\n"})
    kept = Kept(tmp_path / "words.db")
    repository = await find_repository(path)
    first = await read(repository, kept)
    commit(path, {"c.py": "round\n"})
    asked: list[bytes | None] = []
    run = repository.run

    async def watched(*args: str, input: bytes | None = None, **rest: object) -> bytes:
        if args[0] == "cat-file":
            asked.append(input)
        return await run(*args, input=input)

    monkeypatch.setattr(repository, "run", watched)
    second = await read(repository, kept)
    assert [question.count(b"\n") for question in asked if question] == [1]
    assert second.holders == {**first.holders, "round": {"c.py": 1}}


async def test_what_was_kept_damaged_is_counted_again(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r", {"a.py": "payment\n"})
    repository, kept = await find_repository(path), Kept(tmp_path / "words.db")
    history = await read_history(repository, "refs/heads/main")
    kept.put({sha: b"\xff" for sha, _ in history.files.values()}, ())
    assert (await read(repository, kept)).holders == {"payment": {"a.py": 1}}
