"""What the four shapes have in common: a request as it was meant, an answer before it is put into words."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """One answer of the model that the conversation holds already."""

    text: str
    calls: bool


@dataclass(frozen=True)
class Asked:
    """A request: the tools offered (name to parameters, None for a tool that takes free text) and the talk so far.

    `prompts` is all text that did not come from the model, instructions included. `structured` is true when the
    answer must be JSON rather than text.
    """

    model: str
    stream: bool
    tools: Mapping[str, Json | None]
    said: tuple[Said, ...]
    prompts: str
    structured: bool = False


@dataclass(frozen=True)
class Call:
    """A use of a tool: arguments by name, or free text."""

    name: str
    arguments: Json | str


@dataclass(frozen=True)
class Answer:
    """What the model says, the tools it uses, and what that cost in tokens."""

    text: str
    calls: tuple[Call, ...]
    input_tokens: int
    output_tokens: int

    @property
    def total_tokens(self) -> int:
        """Both together."""
        return self.input_tokens + self.output_tokens


class Shape(Protocol):
    """One way of speaking over HTTP; a module of this package each."""

    def read(self, path: str, body: Json) -> Asked:
        """What a request means."""
        ...

    def whole(self, asked: Asked, answer: Answer) -> Json:
        """The answer as one document."""
        ...

    def stream(self, asked: Asked, answer: Answer) -> Iterator[str]:
        """The answer as server-sent events."""
        ...

    def refusal(self, status: int, message: str) -> Json:
        """An error as the provider words it."""
        ...


def identifier(prefix: str) -> str:
    """A name for a part of an answer, in the way of the shape."""
    return f"{prefix}{uuid.uuid4().hex[:20]}"


def event(data: Json | str, name: str = "") -> str:
    """One server-sent event."""
    told = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "") + f"data: {told}\n\n"


def texts(content: object) -> str:
    """All text in a piece of a conversation, however deep it stands."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return "\n".join(texts(content[key]) for key in ("text", "content", "parts") if key in content)
    if isinstance(content, Sequence):
        return "\n".join(texts(part) for part in content)
    return ""
