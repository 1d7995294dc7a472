"""A file that only saves time: whatever is wrong with it, nothing is found and nothing fails."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mawep.adapters import kept
from mawep.adapters.kept import Kept

KEYS = [f"k{number}" for number in range(1200)]


def test_what_is_put_is_found_by_another(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "kept.db"
    assert dict(Kept(path).get(KEYS)) == {}
    Kept(path).put({key: key.encode() for key in KEYS}, KEYS)
    assert dict(Kept(path).get([*KEYS, "other"])) == {key: key.encode() for key in KEYS}


def test_what_nobody_wants_goes_when_it_is_most(tmp_path: Path) -> None:
    store = Kept(tmp_path / "kept.db")
    store.put(dict.fromkeys(KEYS, b"x"), KEYS)
    store.put({"new": b"y"}, KEYS[:700])
    assert len(dict(store.get([*KEYS, "new"]))) == 1201
    store.put({"newer": b"z"}, ["new", "newer"])
    assert dict(store.get([*KEYS, "new", "newer"])) == {"new": b"y", "newer": b"z"}


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    path.write_bytes(b"no database " * 1000)
    store = Kept(path)
    assert dict(store.get(["a"])) == {}
    store.put({"a": b"1"}, ["a"])
    store.put({"a": b"1"}, ["a"])
    assert dict(store.get(["a"])) == {"a": b"1"}


def test_a_file_that_another_process_writes_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Kept(tmp_path / "kept.db")
    store.put({"a": b"1"}, ["a"])
    monkeypatch.setattr(kept, "PATIENCE", 0)
    with closing(sqlite3.connect(tmp_path / "kept.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert dict(store.get(["a"])) == {}
        store.put({"b": b"2"}, ["b"])
    assert dict(store.get(["a", "b"])) == {"a": b"1"}


def test_where_no_file_can_be_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Kept(tmp_path / "file" / "kept.db")
    store.put({"a": b"1"}, ["a"])
    assert dict(store.get(["a"])) == {}
