"""The runtimes, and what is not imported for them."""

from __future__ import annotations

import subprocess
import sys

import pydantic

from mawep.agents.registry import RUNTIMES
from mawep.agents.sdk import schema


def test_every_runtime_is_found_under_its_own_name() -> None:
    assert {name: factory().name for name, factory in RUNTIMES.items()} == {
        "acp": "acp",
        "claude-code": "claude-code",
        "claude-code-headless": "claude-code-headless",
        "codex": "codex",
        "codex-headless": "codex-headless",
        "command": "command",
        "gemini": "gemini",
        "opencode": "opencode",
        "scripted": "scripted",
    }


def test_a_command_agent_does_not_cost_the_import_of_the_protocol() -> None:
    use = "from mawep.agents.registry import RUNTIMES; RUNTIMES['command']()"
    program = f"import sys; {use}; print('acp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_sdk_is_imported_frugally_and_nobody_else_notices() -> None:
    assert schema.BaseModel.model_config.get("defer_build") is True

    class Ours(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid")

    assert Ours.model_config == {"extra": "forbid"}
