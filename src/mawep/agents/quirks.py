"""What sets one agent CLI apart from the next: everything about it that is not in the protocol it speaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mawep.agents.base import ModelEndpoint, ToolEndpoint
from mawep.agents.programs import Program

TOOLS = "mawep"
"""The name under which an agent finds the tools that MAWEP gives it."""

MODEL_KEYS = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CODEX_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENERATIVE_AI_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
)
"""Variables that hold a key to some model: behind a gateway an agent sees none of them, its own or another's."""

UsageScope = Literal["session", "turn", "call"]


@dataclass(frozen=True)
class Manners:
    """How an agent behaves on the wire, where the protocol leaves it a choice or it takes one.

    `mode`: the session mode it works in; None leaves it as it is. `files`, `terminals`: it is offered ours.
    `plan_calls`: titles of tool calls whose input is its plan. `usage`: what the usage at the end of a turn
    counts: the `session`, that `turn`, or only the last `call` of the model, which is no total and is not
    taken for one. `ends_with_input`: it ends when its input does. `rejection_ends_turn`: when it is refused
    something it stops working, and has to be told to go on.
    """

    mode: str | None = None
    files: bool = False
    terminals: bool = False
    plan_calls: frozenset[str] = frozenset()
    usage: UsageScope = "session"
    ends_with_input: bool = True
    rejection_ends_turn: bool = False


@dataclass(frozen=True)
class Endpoint:
    """Where an agent finds its model: a base URL as its API's own SDK takes it, and the variable with its key."""

    url: str
    key: str


@dataclass(frozen=True)
class Site:
    """What one start of a CLI has to go by.

    `place` is a directory for its files: its HOME if that is its own (`own_home`), else one beside the transcript.
    `env` is what it is given; with `gateway`, keys are taken out of it. `session` is the conversation to continue,
    for a CLI that is started for every turn.
    """

    programs: Mapping[str, Path]
    place: Path
    own_home: bool
    env: Mapping[str, str]
    model: str | None
    gateway: ModelEndpoint | None
    tools: ToolEndpoint | None
    session: str | None = None


@dataclass(frozen=True)
class Start:
    """How a CLI is started on one site.

    `files`, names and texts, are written into its place before, `auth` is the method that it is told to log in
    with, `home` where it keeps what it remembers, None for its HOME.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    auth: str | None = None
    home: Path | None = None


@dataclass(frozen=True)
class Quirks:
    """One CLI. `needs` fields as in base.Needs; `quiet` are variables that keep it from everything but its work.

    `before_resume` prepares a home for continuing a conversation.
    `other_apis`: the API by the provider that a model's name begins with, where that is not `api`.
    """

    name: str
    programs: tuple[Program, ...]
    api: str
    keys: tuple[str, ...]
    logins: tuple[str, ...]
    quiet: Mapping[str, str]
    start: Callable[[Site], Start]
    manners: Manners = Manners()
    before_resume: Callable[[Path, str], None] | None = None
    other_apis: Mapping[str, str] = field(default_factory=dict)
