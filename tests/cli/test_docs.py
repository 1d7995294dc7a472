"""`docs/cli.md` and `docs/json.md` say what the command line is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from mawep.cli.auditing import Findings, Landed, Problem
from mawep.cli.main import application
from mawep.cli.verbs import VERBS

DOCS = Path(__file__).parents[2] / "docs"
APPLICATION: Any = typer.main.get_command(application())


def section(page: str, title: str) -> str:
    """What is below a heading of the second level."""
    text = (DOCS / page).read_text()
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no section {title}"
    return found[1]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_documented_with_its_options_examples_and_exit_codes(verb: str) -> None:
    text, command = section("cli.md", verb), APPLICATION.commands[verb]
    assert command.help.splitlines()[0] in text
    assert "xit code" in text
    for example in VERBS[verb]:
        assert example in text
    for parameter in command.params:
        if parameter.name != "help":
            assert parameter.help in text
            for name in (*parameter.opts, *parameter.secondary_opts):
                if name.startswith("-"):
                    assert f"`{name}`" in text or f"`{name} " in text, f"{verb} {name}"


def test_no_option_is_documented_that_does_not_exist() -> None:
    for verb in VERBS:
        known = {
            name for one in APPLICATION.commands[verb].params for name in (*one.opts, *one.secondary_opts)
        }
        rows = [line for line in section("cli.md", verb).splitlines() if line.startswith("| `-")]
        documented = {name for row in rows for name in re.findall(r"`(--?[a-z-]+)", row.split("|")[1])}
        assert documented <= known, verb


def test_every_verb_with_a_document_is_in_the_table_of_documents() -> None:
    text = (DOCS / "json.md").read_text()
    for verb in VERBS:
        has = any("--json" in parameter.opts for parameter in APPLICATION.commands[verb].params)
        assert has is bool(re.search(rf"`mawep {verb} [^`]*--json`", text)), verb


def test_every_key_of_an_audit_is_documented() -> None:
    text = section("json.md", "Audit")
    document = Findings("run", landed=[Landed(1, "a", "b", "c")], problems=[Problem("gate", "x")]).document()
    for key in (*document, *document["landed"][0], *document["problems"][0]):
        assert f"`{key}`" in text or f'"{key}"' in text, key
