"""What agents are told that ask for leave, as configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mawep.config.fields import Choice, RepositoryPath, Section

ACTIONS = ("allow", "ask", "deny")
KINDS = ("read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other")
"""Kinds of tool calls, as the Agent Client Protocol has them."""


class PermissionRule(Section):
    """One answer to one kind of request."""

    kind: Annotated[str, Choice(KINDS)] | None = Field(
        None, description="The kind of tool call; null: any.", examples=["execute"]
    )
    path: RepositoryPath | None = Field(
        None, description="The path or pattern that it names; null: any.", examples=["docs/**"]
    )
    action: Annotated[str, Choice(ACTIONS)] = Field(description="The answer.", examples=["ask"])


class Permissions(Section):
    """What an agent is told when it asks for leave."""

    default: Annotated[str, Choice(ACTIONS)] = Field(
        "allow", description="The answer to a request that no claim and no rule decides.", examples=["deny"]
    )
    rules: tuple[PermissionRule, ...] = Field(
        (),
        description="Answers by `kind` and `path` of a request, the first that fits; claims go before them.",
        examples=["[{kind: execute, action: ask}]"],
    )

    @property
    def say_something(self) -> bool:
        """True unless everything that no claim forbids is allowed."""
        return self.default != "allow" or bool(self.rules)
