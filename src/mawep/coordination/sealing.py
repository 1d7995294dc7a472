"""Closing and opening envelopes: what exactly is signed, and what is wrong with what arrives.

Signed bytes: the run, the channel, and the envelope's JSON without `sig`, keys sorted, ASCII only, no spaces
between tokens. An envelope copied to another run or channel therefore does not verify there.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from pydantic import ValidationError

from mawep.coordination.channels import recipient
from mawep.coordination.envelopes import MAX_BYTES, Envelope
from mawep.coordination.identity import Identity, Keyring
from mawep.coordination.payloads import PAYLOADS, Payload
from mawep.errors import MawepError, UsageError


class EnvelopeTooLargeError(UsageError):
    """An envelope is over the size limit and was not sent."""


class BadEnvelopeError(MawepError):
    """What arrived is not to be believed. `reason` is one word for counting."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"bad envelope: {reason}", cause=detail)


def seal(envelope: Envelope, *, run: str, channel: str, identity: Identity) -> Envelope:
    """Return `envelope` signed for `channel` of `run`; EnvelopeTooLargeError when it is over `MAX_BYTES`."""
    document = envelope.model_dump(mode="json", by_alias=True, exclude={"sig"})
    signature = identity.sign(_signed_bytes(document, run, channel)).hex()
    sealed = envelope.model_copy(update={"sig": signature})
    size = len(sealed.to_bytes())
    if size > MAX_BYTES:
        raise EnvelopeTooLargeError(
            f"a {envelope.type} for {channel} is too large",
            cause=f"{size} bytes; the limit is {MAX_BYTES}",
            next_step="send a path or a summary instead of the content",
        )
    return sealed


def unseal(raw: bytes, *, run: str, channel: str, keyring: Keyring) -> tuple[Envelope, Payload]:
    """Return what `raw`, found on `channel` of `run`, says; BadEnvelopeError when it cannot be believed."""
    document = _parse(raw)
    try:
        envelope = Envelope.model_validate(document)
    except ValidationError as error:
        raise BadEnvelopeError("malformed", _first(error)) from error
    _check_signature(envelope, document, run, channel, keyring)
    who = recipient(channel)
    if who is not None and envelope.to != who:
        raise BadEnvelopeError("wrong_recipient", f"it is for {envelope.to!r}")
    model = PAYLOADS.get(envelope.type)
    if model is None:
        raise BadEnvelopeError("unknown_type", f"{envelope.type!r}")
    try:
        return envelope, model.model_validate(envelope.payload)
    except ValidationError as error:
        raise BadEnvelopeError("bad_payload", _first(error)) from error


def _check_signature(
    envelope: Envelope, document: dict[str, Any], run: str, channel: str, keyring: Keyring
) -> None:
    if not keyring.knows(envelope.sender):
        raise BadEnvelopeError("unknown_sender", f"nobody called {envelope.sender!r} is trusted")
    signed = {key: value for key, value in document.items() if key != "sig"}
    try:
        signature = bytes.fromhex(envelope.sig)
    except ValueError as error:
        raise BadEnvelopeError("malformed", "sig is not hexadecimal") from error
    if not keyring.verify(envelope.sender, _signed_bytes(signed, run, channel), signature):
        raise BadEnvelopeError("forged", f"not signed by {envelope.sender!r} for this run and channel")


def _parse(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_BYTES:
        raise BadEnvelopeError("oversize", f"{len(raw)} bytes")
    try:
        document = json.loads(raw, parse_constant=_refuse_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise BadEnvelopeError("malformed", str(error)) from error
    if not isinstance(document, dict):
        raise BadEnvelopeError("malformed", "it is not a JSON object")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _signed_bytes(document: dict[str, Any], run: str, channel: str) -> bytes:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "\n".join((run, channel, canonical)).encode("ascii")


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
