"""What all events share."""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """Base of all events; its JSON form carries the class name as `type`."""
