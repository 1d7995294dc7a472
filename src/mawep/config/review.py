"""The `review` section: who looks at work before it is queued."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from mawep.config.fields import Choice, Minutes, Section, Text, VariableName, shell_command
from mawep.config.routes import RUNTIMES

OTHER = "other"


class Review(Section):
    """Agents that review agents."""

    runtime: Annotated[str, Choice((*RUNTIMES, OTHER))] | None = Field(
        None,
        description="How the agent is driven that reviews every candidate before it is queued; `other`: as `agents` or "
        "one of its routes is, by another runtime than the writer's if there is one; null: nobody reviews.",
        examples=["codex", "other"],
    )
    command: tuple[Text, ...] | None = Field(
        None,
        description="The reviewer's program; null: `agents.command`, if that is of the same runtime.",
        examples=['["./review.sh"]'],
    )
    env: tuple[VariableName, ...] | None = Field(
        None,
        description="Environment variables passed on to reviewers; null: as `agents.env` says.",
        examples=["[OPENAI_API_KEY]"],
    )
    model: Text | None = Field(
        None, description="The model that reviewers are told to use.", examples=["gpt-5.1"]
    )
    max_rounds: int = Field(
        2,
        ge=0,
        le=100,
        description="How often a reviewer's request for changes goes back to the writer; the next one parks the issue.",
        examples=["1"],
    )
    slots: int = Field(1, ge=1, le=1000, description="Reviews at work at once.", examples=["2"])
    timeout_minutes: Minutes = Field(20, description="How long one review may take.", examples=["5"])

    @field_validator("command", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return shell_command(value)
