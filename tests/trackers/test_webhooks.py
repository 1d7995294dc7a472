"""Deliveries of webhooks: genuine ones, and what they are about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mawep.trackers.webhooks import genuine, repository_of, signature_of, well_named

SECRET, BODY = "It's a Secret to Everybody", b"Hello, World!"
SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_a_signature_is_githubs() -> None:
    assert signature_of(SECRET, BODY) == SIGNATURE
    assert genuine(SECRET, BODY, SIGNATURE)


@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        (SECRET, BODY, ""),
        (SECRET, BODY, SIGNATURE[:-1]),
        (SECRET, BODY, SIGNATURE.removeprefix("sha256=")),
        (SECRET, BODY, SIGNATURE.upper()),
        (SECRET, BODY, "sha256=" + "é" * 64),
        (SECRET, b"Hello, World", SIGNATURE),
        ("another secret", BODY, SIGNATURE),
        ("", BODY, signature_of("", BODY)),
    ],
)
def test_anything_else_is_not_genuine(secret: str, body: bytes, signature: str) -> None:
    assert not genuine(secret, body, signature)


@given(secret=st.text(min_size=1), body=st.binary(), other=st.binary())
def test_only_the_signed_body_is_genuine(secret: str, body: bytes, other: bytes) -> None:
    secret = secret.encode("utf-8", "replace").decode()
    assert genuine(secret, body, signature_of(secret, body))
    assert genuine(secret, other, signature_of(secret, body)) is (other == body)


@given(body=st.binary())
def test_whatever_comes_is_read_without_breaking(body: bytes) -> None:
    repository_of(body)


def test_the_repository_is_read_and_nothing_else() -> None:
    assert repository_of(b'{"action": 1, "repository": {"full_name": "acme/shop", "id": "x"}}') == "acme/shop"
    assert repository_of(b'{"repository": null}') is None
    assert repository_of(b"[" * 100_000) is None


def test_names_of_deliveries_are_bounded() -> None:
    assert well_named("72d3162e-cc78-11e3-81ab-4c9367dc0958")
    assert not any(map(well_named, ("", "short", "a" * 101, "with space in it", "new\nline-and-more")))
