"""The envelope around everything that is said on the bus."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, AwareDatetime, Field

from mawep.coordination.payloads import Wire

MAX_BYTES = 2**20
"""Size limit of one envelope on the wire."""


class Envelope(Wire):
    """A signed message. `seq` only grows per sender and channel; `sig` is hex Ed25519."""

    v: Literal[1] = 1
    id: Annotated[
        str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
    ]
    at: Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]
    sender: str = Field(validation_alias=AliasChoices("from", "sender"), serialization_alias="from")
    to: str | None = None
    type: str
    payload: dict[str, Any]
    correlation: str | None = None
    traceparent: str | None = None
    fence: int | None = None
    seq: Annotated[int, Field(gt=0, lt=2**53)]
    sig: str = ""

    def to_bytes(self) -> bytes:
        """The JSON document that travels."""
        return self.model_dump_json(by_alias=True).encode()


def new_id(now: datetime) -> str:
    """A UUIDv7: 48 bits of milliseconds, then random bits."""
    value = int(now.timestamp() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    return str(UUID(int=(value & ~(0xF << 76) | 7 << 76) & ~(0x3 << 62) | 2 << 62))
