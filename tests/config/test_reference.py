"""docs/configuration.md says what the model says, and its examples work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mawep.config import load_config
from mawep.config.load import every_key
from tests.config.reference import MARKED, PAGE, keys, tables
from tests.config.support import ENOUGH, write

EXAMPLES = [(".".join(path), example) for path, field in keys().items() for example in field.examples or ()]
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)

GOES_WITH = {
    "landing.lanes": ("verify.commands=[]", "verify.scopes=[{name: web, paths: [web], commands: [npm test]}]")
}
"""What keys need beside them to mean anything."""


def test_the_tables_are_those_of_the_model() -> None:
    written = MARKED.search(PAGE.read_text())
    assert written is not None
    assert written[0] == tables(), "write them anew with `python -m tests.config.reference`"


def test_every_key_has_a_meaning() -> None:
    assert [path for path, field in every_key() if len(path) > 1 and not field.description] == []


@pytest.mark.parametrize(("key", "example"), EXAMPLES)
def test_examples_of_keys_are_accepted(tmp_path: Path, key: str, example: str) -> None:
    settings = (f"{key}={example}", *GOES_WITH.get(key, ()))
    config = load_config(write(tmp_path), settings, {"HOME": "/home/me"})
    assert config.public() != load_config(write(tmp_path, ENOUGH), (), {}).public() or key.startswith(
        ("github.", "gitlab.", "forgejo.", "agents.sandbox")
    )


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_of_the_page_are_accepted(tmp_path: Path, block: str) -> None:
    load_config(write(tmp_path, block), (), {"HOME": "/home/me", "SCRATCH": "/scratch"})


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 2
