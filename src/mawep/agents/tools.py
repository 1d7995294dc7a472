"""The tools that MAWEP gives to agents: their names, what they take, and how often they may be called.

What an agent hands over is checked here, before anything is made of it. The words in the descriptions are what a
model reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

INSTRUCTIONS = (
    "These tools connect you with MAWEP, which runs you beside other agents in the same repository. "
    "Call read_messages now and then, and whenever a result says that messages wait. "
    "Call claim_files before you change a file that others may want to change too. "
    "Call announce_breaking_change before you commit a change that breaks code which others write or call."
)

Text = Annotated[str, Field(min_length=1, max_length=4000)]
Line = Annotated[str, Field(min_length=1, max_length=1000)]
Path = Annotated[str, Field(min_length=1, max_length=500)]


class Tool(BaseModel):
    """One tool; its fields are what it takes, its docstring what it is for."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)

    name: ClassVar[str]
    most: ClassVar[int]
    """How many calls an attempt has: what reaches the journal must have an end."""


class ReportProgress(Tool):
    """Say how far you are with your issue. People see it as your own estimate."""

    name: ClassVar[str] = "report_progress"
    most: ClassVar[int] = 5000

    text: Line = Field(description="What you are doing, in a few words")
    percent: float | None = Field(
        None, ge=0, le=100, description="How much of the whole is done; never falls"
    )


class ReportBlocked(Tool):
    """Say what keeps you from going on. People see it; nobody answers. To get an answer, use ask_human."""

    name: ClassVar[str] = "report_blocked"
    most: ClassVar[int] = 200

    text: Text


class ClaimFiles(Tool):
    """Reserve files that you are about to change, so that no other agent changes them while you work.

    All of them or none; the answer names who holds what you cannot have. They are yours until your issue ends.
    """

    name: ClassVar[str] = "claim_files"
    most: ClassVar[int] = 100

    paths: list[Path] = Field(
        min_length=1, max_length=50, description="Files, relative to the repository, without wildcards"
    )


class AnnounceBreakingChange(Tool):
    """Warn the agents whose work a change of yours breaks.

    Who works on what it affects is told, and what it affects and has not started waits until your work has landed.
    """

    name: ClassVar[str] = "announce_breaking_change"
    most: ClassVar[int] = 20

    file: Path = Field(description="The file that you change")
    change: Text = Field(description="What is different now")
    affects: list[Path] = Field(
        default_factory=list,
        max_length=50,
        description="Paths or patterns such as `src/api/**` of what it breaks",
    )
    migration: str = Field("", max_length=4000, description="What others have to do")


class ReadMessages(Tool):
    """Read what people and other agents have told you since you looked last."""

    name: ClassVar[str] = "read_messages"
    most: ClassVar[int] = 5000


class AskHuman(Tool):
    """Ask a person and wait for the answer, which may take hours. Ask only what you cannot find out yourself."""

    name: ClassVar[str] = "ask_human"
    most: ClassVar[int] = 50

    question: Text
    options: list[Line] = Field(
        default_factory=list, max_length=20, description="The possible answers, if there are few"
    )


class CommentOnIssue(Tool):
    """Comment on your own issue, where people read it. Say only what they need to know; nobody answers."""

    name: ClassVar[str] = "comment_on_issue"
    most: ClassVar[int] = 5

    text: Text


class ReadIssue(Tool):
    """Read an issue of this repository as it is now, with its comments."""

    name: ClassVar[str] = "read_issue"
    most: ClassVar[int] = 50

    number: int = Field(ge=1, le=10**9)


TOOLS: dict[str, type[Tool]] = {
    tool.name: tool
    for tool in (ReportProgress, ReportBlocked, ClaimFiles, AnnounceBreakingChange, ReadMessages, AskHuman)
}
"""Every tool that all agents have, by its name."""
FORGE_TOOLS: dict[str, type[Tool]] = {tool.name: tool for tool in (CommentOnIssue, ReadIssue)}
"""Those of agents whose issues are on a forge."""


@dataclass(frozen=True)
class Said:
    """What a tool answers: a text for the model, the same for programs, and whether it did what it was asked."""

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    ok: bool = True


class Refusal(Exception):  # noqa: N818 (an answer to an agent, not a fault)
    """A call that nothing is made of; the sentence goes back to the agent."""


def understood(
    name: str, arguments: Mapping[str, Any] | None, offered: Mapping[str, type[Tool]] = TOOLS
) -> Tool:
    """What a call of one of the tools `offered` asks for. Raises Refusal."""
    tool = offered.get(name)
    if tool is None:
        raise Refusal(f"there is no tool {name[:100]!r}; there are {', '.join(offered)}")
    try:
        return tool.model_validate(dict(arguments or {}))
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the arguments'}: {fault['msg']}"
            for fault in error.errors()[:5]
        )
        raise Refusal(f"{name} was called wrongly: {wrong[:1000]}") from None


class Allowance:
    """How often one attempt may call: a burst, then so many a second, and for each tool an end."""

    def __init__(self, *, burst: float = 30.0, per_second: float = 1.0) -> None:
        self._burst, self._per_second = burst, per_second
        self._left = burst
        self._at: float | None = None
        self._calls: dict[str, int] = {}

    def take(self, name: str, now: float) -> None:
        """Use up one call at `now`, in seconds of a clock that only goes forward. Raises Refusal when there is none."""
        since = 0.0 if self._at is None else max(0.0, now - self._at)
        self._at, self._left = now, min(self._burst, self._left + since * self._per_second)
        if self._left < 1.0:
            raise Refusal("too many calls; wait a few seconds and go on with your work")
        self._left -= 1.0
        calls = self._calls[name] = self._calls.get(name, 0) + 1
        tool = TOOLS.get(name) or FORGE_TOOLS.get(name)
        if tool is not None and calls > tool.most:
            raise Refusal(f"{name} has been called {tool.most} times, which is as often as an attempt may")
