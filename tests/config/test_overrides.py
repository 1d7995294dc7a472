"""`--set` overrides every key, and its mistakes name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.config import load_config
from tests.config.support import ENOUGH, load, problems, write


def test_an_override_wins_over_the_file_and_the_last_one_over_the_others(tmp_path: Path) -> None:
    path = write(tmp_path, ENOUGH + "  orchestrator: {max_agents: 3, target_branch: dev}\n")
    config = load_config(path, ("orchestrator.max_agents=7", "orchestrator.max_agents=8"), {})
    assert (config.orchestrator.max_agents, config.orchestrator.target_branch) == (8, "dev")


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("verify.commands=[a b, c]", ("a b", "c")),
        ('verify.commands=["a, b"]', ("a, b",)),
        ("mawep.verify.commands=[a]", ("a",)),
        ("verify={commands: [z]}", ("z",)),
    ],
)
def test_lists_and_sections_are_written_in_yaml(override: str, value: tuple[str, ...]) -> None:
    assert load(override).verify.commands == value


def test_a_value_may_hold_an_equals_sign() -> None:
    assert load("verify.commands=[A=1 make]").verify.commands == ("A=1 make",)


def test_mistakes_name_the_override(tmp_path: Path) -> None:
    path = write(tmp_path, ENOUGH)
    assert problems(
        path,
        "orchestrator.max_agents=x",
        "agents.max_retry=1",
        "verify.slots",
        "=1",
        "verify..slots=1",
        "verify.commands[0]=x",
        "verify.commands.first=x",
        "workspace.setup=[",
        "workspace.env=[A]",
    ) == [
        "--set orchestrator.max_agents: expected a whole number, not `x`",
        "--set agents.max_retry: unknown key; did you mean `max_retries`?",
        "--set verify.slots: expected `key=value`",
        "--set =1: expected `key=value`",
        "--set verify..slots=1: expected `key=value`",
        "--set verify.commands[0]: unknown key; did you mean `commands`?",
        "--set verify.commands.first: `verify.commands` is a value, not a section",
        "--set workspace.setup: is not valid YAML: expected the node content, but found '<stream end>'",
        "--set workspace.env: unknown key; did you mean `agents.env`?",
    ]


def test_a_mistake_that_an_override_covers_is_gone(tmp_path: Path) -> None:
    path = write(tmp_path, ENOUGH + "  landing: {batch: lots}\n")
    assert load_config(path, ("landing.batch=2",), {}).landing.batch == 2


def test_a_mistake_inside_an_override_names_its_key(tmp_path: Path) -> None:
    path = write(tmp_path, ENOUGH + "  landing: {batch: 1}\n")
    assert problems(path, "landing={batch: 0}") == [
        "--set landing: landing.batch: expected at least 1, not `0`"
    ]
