"""Routes: which way of driving agents the issues with a label get."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from mawep.config.fields import Choice, Section, Text, VariableName, refused, shell_command, surroundings

NAMED_AGENTS = (
    "claude-code",
    "codex",
    "gemini",
    "opencode",
    "claude-code-headless",
    "codex-headless",
)
"""Runtimes that know their programs themselves."""
RUNTIMES = (*NAMED_AGENTS, "acp", "command", "scripted")
"""Every runtime; `mawep.agents.registry` makes them."""
RuntimeName = Annotated[str, Choice(RUNTIMES)]
AUTO = "auto"
"""Stands for routes that are learnt."""
NEED_COMMAND = frozenset({"acp", "command"})
"""Runtimes that drive whatever program they are told."""


class Route(Section):
    """Issues with a label get another way of driving their agents."""

    label: Text = Field(description="The label, in any case.")
    runtime: RuntimeName = Field(description="How their agents are driven.")
    command: tuple[Text, ...] | None = Field(
        None, description="The agent's program; null: `agents.command`, if that is of the same runtime."
    )
    env: tuple[VariableName, ...] | None = Field(
        None, description="Environment variables passed on; null: as `agents.env` says."
    )
    model: Text | None = Field(None, description="The model; null: as `agents.model` says.")

    @field_validator("command", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return shell_command(value)


class LearntRoutes(tuple[Route, ...]):
    """Routes after which, for what none of their labels decides, past runs do."""

    __slots__ = ()


def without_auto(value: object) -> tuple[object, bool]:
    """What is written besides `auto`, and whether that is written: by itself, or in the list of routes."""
    entries = [value] if value == AUTO else value
    if not isinstance(entries, list | tuple) or AUTO not in entries:
        return value, False
    return [entry for entry in entries if entry != AUTO], True


def checked(routes: tuple[Route, ...], info: ValidationInfo) -> tuple[Route, ...]:
    """The routes, if each can ever be taken and says what its runtime needs."""
    seen: set[str] = set()
    for route in routes:
        label = route.label.lower()
        if label in seen:
            raise refused(f"a route above has the label `{route.label}` already; the first one counts")
        seen.add(label)
        if "agents" not in surroundings(info).uses:
            continue
        same = route.runtime == info.data.get("runtime")
        if route.runtime in NEED_COMMAND and not (route.command or (same and info.data.get("command"))):
            raise refused(
                f"the route of `{route.label}` needs a `command`: the program that is the agent, "
                "as a list or as one text"
            )
        if route.runtime == "scripted" and not info.data.get("script_dir"):
            raise refused(
                f"the route of `{route.label}` needs `agents.script_dir`, the folder of the scripts"
            )
    return routes
