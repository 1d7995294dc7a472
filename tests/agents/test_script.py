"""Scripts, read and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mawep.agents.script import FIELDS, VALUES, ScriptError, Step, load, parse, plan_at
from mawep.agents.scripted_steps import Player


def test_reads_yaml_and_json(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "steps:\n  - say: hello\n    title: greet\non_repair:\n  - [{say: again}]\n"
    )
    (tmp_path / "a.json").write_text(
        '{"steps": [{"say": "hello", "title": "greet"}], "on_repair": [[{"say": "again"}]]}'
    )
    script = load(tmp_path / "a.yaml")
    assert script == load(tmp_path / "a.json")
    assert script.steps(0) == (Step("say", "hello", title="greet"),)
    assert script.steps(1) == (Step("say", "again"),)
    assert script.steps(2) == ()


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([], "a script is a mapping"),
        ({"steps": [], "stepz": []}, "unknown key stepz"),
        ({}, "steps: a list of steps is needed"),
        ({"steps": [], "on_repair": {}}, "`on_repair` is a list"),
        ({"steps": [], "on_repair": ["no"]}, "on_repair 1: a list of steps"),
        ({"steps": [{"say": "a"}, {"title": "b"}]}, "steps, step 2: exactly one action"),
        ({"steps": ["say"]}, "exactly one action"),
        ({"steps": [{"say": "a", "run": "b"}]}, "exactly one action"),
        ({"steps": [{"say": "a", "loud": True}]}, "`say` does not go with `loud`"),
        ({"steps": [{"sleep": "long"}]}, "`sleep` takes int or float, not 'long'"),
        ({"steps": [{"write": {"path": "a"}}]}, "`write` takes the fields path, text"),
        ({"steps": [{"ask": "why"}]}, "`ask` takes the fields text, options (optional)"),
    ],
)
def test_says_what_is_wrong_and_where(data: Any, complaint: str) -> None:
    with pytest.raises(ScriptError) as refused:
        parse(data)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(("name", "text"), [("a.yaml", "steps: ["), ("a.json", "{"), ("b.yaml", None)])
def test_names_the_file_that_cannot_be_read(tmp_path: Path, name: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ScriptError, match=name):
        load(tmp_path / name)


def test_every_action_is_carried_out() -> None:
    assert [action for action in (*VALUES, *FIELDS) if not hasattr(Player, f"_do_{action}")] == []


def test_a_plan_is_ticked_off_evenly_over_the_steps_that_follow_it() -> None:
    steps = parse({"steps": [{"say": "?"}, {"plan": ["a", "b"]}, *({"sleep": 0} for _ in range(4))]}).steps(0)
    shown = ["".join(status[0] for _, status in plan_at(steps, current)) for current in range(7)]
    assert shown == ["", "ip", "ip", "ip", "ci", "ci", "cc"]


def test_a_plan_with_nothing_after_it_is_done() -> None:
    steps = parse({"steps": [{"plan": ["a"]}]}).steps(0)
    assert plan_at(steps, 0) == [("a", "completed")]
