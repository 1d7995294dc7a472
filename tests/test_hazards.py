"""docs/hazards.md names a test for each hazard: it exists, and no test that calls itself one is left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from mawep.config import load_config
from mawep.stages.acceptance import ALWAYS_PROTECTED

HOUSE = Path(__file__).parent.parent
PAGE = (HOUSE / "docs" / "hazards.md").read_text()
ROWS = [
    line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| ---", "| hazard"))
]
NAMED = set(re.findall(r"`(test_\w+)`", PAGE))


def functions() -> Iterator[str]:
    """The name of every test there is."""
    for file in (HOUSE / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield node.name


def test_every_named_test_exists() -> None:
    assert NAMED - set(functions()) == set()


def test_every_row_names_a_test() -> None:
    assert len(ROWS) > 50
    assert [row for row in ROWS if "`test_" not in row] == []


def test_every_test_of_a_hazard_is_named() -> None:
    assert {name for name in functions() if name.startswith("test_hazard_")} - NAMED == set()


def test_what_is_always_protected_is_listed() -> None:
    section = PAGE.partition("## Always protected")[2].partition("##")[0]
    listed = set(re.findall(r"`([^`]+)`", section))
    assert {pattern.removeprefix("**/") for pattern in ALWAYS_PROTECTED} <= listed


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    file = tmp_path / "mawep.yaml"
    file.write_text(f"{example}  agents: {{runtime: command, command: [agent]}}\n")
    assert "**/conftest.py" in load_config(file, (), {}).verify.protected_paths
