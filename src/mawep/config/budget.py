"""The `agents.budget` section: how much may be spent, and whether that can be known."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mawep.config.fields import Section
from mawep.core.model import Budget

Dollars = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Tokens = Annotated[int, Field(gt=0, le=10**15)]
Turns = Annotated[int, Field(gt=0, le=10**6)]
Time = Annotated[float, Field(gt=0, le=5_256_000, allow_inf_nan=False)]

SAYS_COST = frozenset({"claude-code", "claude-code-headless", "opencode", "scripted"})
"""Runtimes whose agents say what they cost."""
SAYS_NOTHING = frozenset({"command"})
"""Runtimes whose agents say nothing of what they consume."""


class AgentBudget(Section):
    """How much may be spent by an attempt, on an issue, in a run; null is no limit."""

    attempt_usd: Dollars | None = Field(None, description="US dollars for one attempt.", examples=["5"])
    attempt_tokens: Tokens | None = Field(None, description="Tokens for one attempt.", examples=["2000000"])
    attempt_turns: Turns | None = Field(
        None, description="Turns of one attempt: its prompt and repair rounds.", examples=["2"]
    )
    attempt_minutes: Time | None = Field(
        None, description="Minutes that an agent works on one attempt.", examples=["45"]
    )
    issue_usd: Dollars | None = Field(None, description="US dollars for one issue.", examples=["10"])
    issue_tokens: Tokens | None = Field(None, description="Tokens for one issue.", examples=["5000000"])
    issue_turns: Turns | None = Field(None, description="Turns of all attempts on one issue.", examples=["4"])
    issue_minutes: Time | None = Field(
        None, description="Minutes that agents work on one issue.", examples=["90"]
    )
    run_usd: Dollars | None = Field(None, description="US dollars for the run.", examples=["100"])
    run_tokens: Tokens | None = Field(None, description="Tokens for the run.", examples=["50000000"])
    run_turns: Turns | None = Field(None, description="Turns of the run.", examples=["40"])
    run_minutes: Time | None = Field(
        None, description="Minutes that agents work in the run, all together.", examples=["600"]
    )
    soft_percent: float = Field(
        80,
        gt=0,
        le=100,
        allow_inf_nan=False,
        description="The part of a budget at which people are told.",
        examples=["50"],
    )

    def limits(self) -> Budget:
        """As decisions need it."""
        return Budget(**self.model_dump())

    @property
    def in_usd(self) -> tuple[str, ...]:
        """The keys that limit dollars and are set."""
        return tuple(
            key for key in type(self).model_fields if key.endswith("_usd") and getattr(self, key) is not None
        )

    @property
    def in_tokens(self) -> tuple[str, ...]:
        """The keys that limit tokens and are set."""
        return tuple(
            key
            for key in type(self).model_fields
            if key.endswith("_tokens") and getattr(self, key) is not None
        )
