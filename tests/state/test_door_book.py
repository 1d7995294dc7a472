"""The book of the server: nothing is taken twice, nothing that was asked for is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mawep.errors import InfrastructureError
from mawep.state import door_book
from mawep.state.door_book import Asked, DoorBook

AT = datetime(2026, 1, 1, tzinfo=UTC)
ONE, TWO = Asked(1, 7, "ann"), Asked(2, 8, "bob")


def test_a_delivery_is_taken_once_also_by_the_next_server(tmp_path: Path) -> None:
    book = DoorBook(tmp_path / "book.db")
    assert book.first("a-delivery")
    assert not book.first("a-delivery")
    book.close()
    again = DoorBook(tmp_path / "book.db")
    assert not again.first("a-delivery")
    again.close()


def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_book, "MOST_DELIVERIES", 3)
    book = DoorBook(tmp_path / "book.db")
    assert all(book.first(f"delivery-{n}") for n in range(10))
    assert not book.first("delivery-9")
    assert not book.first("delivery-7")
    assert book.first("delivery-0")
    book.close()


def test_who_asks_waits_in_order_and_once(tmp_path: Path) -> None:
    book = DoorBook(tmp_path / "book.db")
    assert book.ask([ONE, TWO], AT) == [ONE, TWO]
    assert book.ask([TWO], AT) == []
    assert book.next() == ONE
    book.begin(ONE)
    assert (book.begun(), book.next()) == (ONE, TWO)
    book.close()
    again = DoorBook(tmp_path / "book.db")
    assert (again.begun(), again.next(), again.until) == (ONE, TWO, AT)
    again.end(ONE)
    assert again.begun() is None
    again.close()


def test_what_others_heard_is_never_taken(tmp_path: Path) -> None:
    book = DoorBook(tmp_path / "book.db")
    book.ask([], AT, heard=[ONE])
    assert book.ask([ONE], AT) == []
    assert book.next() is None
    book.close()


def test_a_book_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    (tmp_path / "book.db").write_text("this is no database, and long enough to be seen as none")
    with pytest.raises(InfrastructureError, match="cannot be kept"):
        DoorBook(tmp_path / "book.db")
