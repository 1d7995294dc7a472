"""The examples of docs/agents.md, executed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mawep.agents.base import BreakingChange, QuestionAsked, TurnEnded
from mawep.agents.registry import RUNTIMES
from mawep.agents.script import FIELDS, MODIFIERS, VALUES
from tests.agents.conftest import Stage, events

PAGE = (Path(__file__).parents[2] / "docs" / "agents.md").read_text()


def example(name: str) -> str:
    found = re.search(rf"<!-- executed: {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


async def test_the_example_of_a_command(stage: Stage) -> None:
    session = await stage.shell(example("command"))
    await events(session, "Fix it")
    assert (stage.worktree / "answer.txt").read_text() == "what was worng\n"
    await events(session, "a spelling mistake")
    await session.close()
    assert (stage.worktree / "answer.txt").read_text() == "what was wrong\n"


async def test_the_example_of_a_script(stage: Stage) -> None:
    launch = stage.script([])
    (stage.root / "scripts" / "101.yaml").write_text(example("scripted"))
    session = await RUNTIMES["scripted"]().open(launch, stage.supervisor, stage.policy, resume=None)
    seen = []
    async for event in session.prompt("greet"):
        seen.append(event)
        if isinstance(event, QuestionAsked):
            await session.answer(event.question.id, "French")
    assert (stage.worktree / "greeting.txt").read_text() == "A greeting in French.\nEver yours faithfully\n"
    assert any(isinstance(event, BreakingChange) for event in seen)
    assert (await events(session))[-1] == TurnEnded("end_turn", "I forgot the date.")
    await session.close()
    assert (stage.worktree / "greeting.txt").read_text().endswith("faithfully\nToday\n")


@pytest.mark.parametrize("word", [*VALUES, *FIELDS, *sorted(MODIFIERS)])
def test_every_word_of_a_script_is_explained(word: str) -> None:
    assert f"`{word}" in PAGE
