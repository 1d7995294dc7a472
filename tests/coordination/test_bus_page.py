"""The page about the bus says what the models say."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from mawep.coordination import channels
from mawep.coordination.bus import MAILBOX_QUOTA
from mawep.coordination.envelopes import MAX_BYTES, Envelope
from mawep.coordination.payloads import PAYLOADS, AttemptHealth, Consumption, Landed, PlanLine

PAGE = (Path(__file__).parents[2] / "docs" / "bus.md").read_text()
WORDS = {
    "integer": "integer",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}
PARTS: dict[str, type[BaseModel]] = {
    "plan line": PlanLine,
    "consumption": Consumption,
    "attempt health": AttemptHealth,
    "landing": Landed,
}
NAMES = {model.__name__: name for name, model in PARTS.items()} | {
    model.__name__: f"`{name}`" for name, model in PAYLOADS.items()
}


def words(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "anyOf" in schema:
        return " or ".join(words(choice) for choice in schema["anyOf"])
    if "$ref" in schema:
        return NAMES[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return " or ".join(f"`{choice}`" for choice in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema["type"] == "array":
        return f"list of {words(schema['items'])}"
    if schema["type"] == "object":
        return "object"
    return "time" if schema.get("format") == "date-time" else WORDS[schema["type"]]


def row(name: str, model: type[BaseModel]) -> str:
    """The line of a model in a table of the page."""
    properties = model.model_json_schema(by_alias=True, mode="serialization").get("properties", {})
    fields = ", ".join(f"`{field}` {words(schema)}" for field, schema in properties.items())
    meaning = " ".join((inspect.getdoc(model) or "").split())
    return f"| {name} | {meaning} | {fields or 'none'} |"


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_payload_type_has_its_line(name: str) -> None:
    assert row(f"`{name}`", PAYLOADS[name]) in PAGE.splitlines()


@pytest.mark.parametrize("name", PARTS)
def test_every_part_has_its_line(name: str) -> None:
    assert row(name, PARTS[name]) in PAGE.splitlines()


def test_the_page_names_no_payload_type_that_there_is_not() -> None:
    section = PAGE.partition("## Payload types")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(PAYLOADS)


def test_every_envelope_field_has_its_line() -> None:
    section = PAGE.partition("## The envelope")[2].partition("\n## ")[0]
    fields = Envelope.model_json_schema(by_alias=True, mode="serialization")["properties"]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(fields)


def test_every_channel_has_its_line() -> None:
    section = PAGE.partition("## Channels")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `([\w:<>]+)` \|", section, re.MULTILINE))
    assert named == {*channels.CAPPED, "direct:<who>", channels.RESULTS, channels.DEAD_LETTERS}


def test_the_limits_are_the_ones_in_force() -> None:
    assert MAX_BYTES == 2**20
    assert "1 MiB" in PAGE
    assert f"{MAILBOX_QUOTA:,}" in PAGE
