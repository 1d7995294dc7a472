"""The tables of docs/configuration.md, made from the model. `python -m tests.config.reference` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from mawep.config.fields import Choice, NotYet, Section, alternatives, as_written
from mawep.config.load import every_key
from mawep.config.model import Config

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
MARKED = re.compile(r"(?<=<!-- keys -->\n).*(?=<!-- /keys -->)", re.DOTALL)
REQUIRED = {("agents", "runtime"), ("verify", "commands")}


def keys() -> dict[tuple[str, ...], FieldInfo]:
    """Every key that holds a value, with its field."""
    return {path: field for path, field in every_key() if not is_section(field)}


def is_section(field: FieldInfo) -> bool:
    """True for a key that holds other keys."""
    return isinstance(field.annotation, type) and issubclass(field.annotation, Section)


def tables() -> str:
    """One table for each section, in order."""
    return "\n".join(_section(name, field) for name, field in Config.model_fields.items()) + "\n"


def _section(name: str, field: FieldInfo) -> str:
    kind = field.annotation
    rows = [_row(path, info) for path, info in keys().items() if path[0] == name]
    title = ["", f"### `{name}`", "", (kind.__doc__ or "").strip(), ""]
    return "\n".join([*title, "| key | default | meaning | example |", "|---|---|---|---|", *rows])


def _row(path: tuple[str, ...], field: FieldInfo) -> str:
    default = "must be written" if path in REQUIRED else f"`{as_written(field.default)}`"
    meaning = " ".join([field.description or "", *_notes(field)])
    examples = "<br>".join(f"`{example}`" for example in field.examples or [as_written(field.default)])
    return f"| `{'.'.join(path)}` | {default} | {meaning} | {examples} |"


def _notes(field: FieldInfo) -> Iterator[str]:
    bounds = {type(mark).__name__: mark for mark in field.metadata}
    if field.annotation is int and "Ge" in bounds and "Le" in bounds:
        yield f"{bounds['Ge'].ge} to {bounds['Le'].le}."
    for mark in field.metadata:
        if isinstance(mark, NotYet):
            yield "*Not available in this version: takes only its default.*"
        elif isinstance(mark, Choice) and len(mark.now) > 1:
            yield f"Takes {alternatives(mark.now)}."


if __name__ == "__main__":
    PAGE.write_text(MARKED.sub(lambda _: tables(), PAGE.read_text()))
