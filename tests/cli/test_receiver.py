"""The receiver of webhooks: signed, new, of this repository, and not too large."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from mawep.cli import receiver as receiving
from mawep.cli.receiver import PATH, receiver
from mawep.reports.markers import Markers
from mawep.state.door_book import DoorBook
from mawep.trackers.webhooks import signature_of

SECRET = "a secret of sixteen"
BODY = json.dumps({"action": "created", "repository": {"full_name": "Acme/Shop"}}).encode()


class Door:
    """A receiver that is spoken to without a network."""

    def __init__(self, book: DoorBook, secret: str | None = SECRET) -> None:
        self.rung = 0
        self._named = 0
        application = receiver(
            secret=secret, repository="acme/shop", book=book, ring=self._ring, health=lambda: {"ok": True}
        )
        transport = httpx.ASGITransport(application)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    def _ring(self) -> None:
        self.rung += 1

    async def deliver(
        self,
        body: bytes | AsyncIterator[bytes] = BODY,
        *,
        signature: str | None = None,
        name: str | None = None,
        event: str = "issue_comment",
    ) -> int:
        self._named += 1
        if signature is None and isinstance(body, bytes):
            signature = signature_of(SECRET, body)
        headers = {
            "X-Hub-Signature-256": signature or "",
            "X-GitHub-Delivery": f"delivery-{self._named}" if name is None else name,
            "X-GitHub-Event": event,
        }
        return (await self.client.post(PATH, content=body, headers=headers)).status_code


@pytest.fixture
def book(tmp_path: Path) -> Iterator[DoorBook]:
    book = DoorBook(tmp_path / "book.db")
    yield book
    book.close()


@pytest.fixture
def door(book: DoorBook) -> Door:
    return Door(book)


async def test_a_signed_delivery_rings(door: Door) -> None:
    assert await door.deliver() == 202
    assert door.rung == 1


async def test_what_changes_nothing_for_a_run_does_not_ring(door: Door) -> None:
    assert await door.deliver(event="star") == 200
    assert await door.deliver(b'{"zen": "x"}', event="ping") == 200
    assert door.rung == 0


@pytest.mark.parametrize("event", ["issue_comment", "pull_request_review_comment"])
async def test_what_we_wrote_ourselves_does_not_ring(door: Door, event: str) -> None:
    mark = Markers(b"s" * 32, "acme/shop", "mawep-bot").mark(7, "status", "a-run-of-ours")
    about = {"repository": {"full_name": "acme/shop"}}
    ours = {**about, "comment": {"body": f"{mark}\n\nAn agent is at work."}}
    quoted = {**about, "comment": {"body": f"> {mark}\n\n/mawep stop"}}
    assert await door.deliver(json.dumps(ours).encode(), event=event) == 200
    assert door.rung == 0
    assert await door.deliver(json.dumps(quoted).encode(), event=event) == 202
    assert await door.deliver(json.dumps({**about, "comment": None}).encode(), event=event) == 202
    assert door.rung == 2


@pytest.mark.parametrize("signature", ["", "sha256=00", signature_of("another secret", BODY), "sha1=abc"])
async def test_hazard_a_forged_delivery_is_refused(door: Door, signature: str) -> None:
    assert await door.deliver(signature=signature) == 401
    assert door.rung == 0


async def test_hazard_a_forged_delivery_takes_no_name_from_a_genuine_one(door: Door) -> None:
    assert await door.deliver(signature="sha256=00", name="delivery-x") == 401
    assert await door.deliver(name="delivery-x") == 202


async def test_hazard_a_replayed_delivery_is_refused(door: Door, book: DoorBook) -> None:
    assert await door.deliver(name="delivery-x") == 202
    assert await door.deliver(name="delivery-x") == 409
    assert await Door(book).deliver(name="delivery-x") == 409
    assert door.rung == 1


async def test_hazard_a_delivery_that_is_too_large_is_refused_unread(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "MOST_BYTES", 1000)
    assert await door.deliver(b"x" * 1001) == 413

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100

    assert await door.deliver(endless(), signature="sha256=00") == 413
    assert door.rung == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"repository": {"full_name": "acme/other"}}', 403),
        (b"no json", 403),
        (b"{}", 403),
    ],
)
async def test_another_repository_is_refused(door: Door, body: bytes, status: int) -> None:
    assert await door.deliver(body) == status
    assert door.rung == 0


@pytest.mark.parametrize("name", ["", "short", "a" * 101])
async def test_a_delivery_without_a_fit_name_is_refused(door: Door, name: str) -> None:
    assert await door.deliver(name=name) == 400


async def test_without_a_secret_nothing_is_received(book: DoorBook) -> None:
    door = Door(book, secret=None)
    assert await door.deliver() == 404
    assert (await door.client.get("/healthz")).json() == {"ok": True}
