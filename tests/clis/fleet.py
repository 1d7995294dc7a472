"""The agents that the suite drives, and what each of them can be expected to show."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Member:
    """One way of driving a real agent.

    `shape` is how it speaks to its model, `key` and `address` the variables with the key for it and its base URL,
    which ends in `suffix`. `plans`: it shows its plan; `files`: it says which files it changes; `asks`: it asks
    before it changes one; `costs`: it says what it cost; `usage`: it says how many tokens, in all; `loads`: a new
    process can continue its conversation.
    """

    runtime: str
    shape: str
    model: str
    key: str
    address: str
    suffix: str = ""
    plans: bool = False
    files: bool = False
    asks: bool = False
    usage: bool = False
    costs: bool = False
    loads: bool = False

    def environment(self, url: str, key: str) -> dict[str, str]:
        """What a person exports to reach their model at `url` with `key`."""
        return {self.key: key, self.address: url + self.suffix}


_ANTHROPIC = Member("", "anthropic", "claude-sonnet-4-5", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
_OPENAI = Member("", "responses", "gpt-5.5", "OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1")
_GEMINI = Member("", "gemini", "gemini-2.5-flash", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL")

FLEET = (
    replace(
        _ANTHROPIC,
        runtime="claude-code",
        plans=True,
        files=True,
        asks=True,
        usage=True,
        costs=True,
        loads=True,
    ),
    replace(
        _ANTHROPIC,
        runtime="claude-code-headless",
        plans=True,
        files=True,
        usage=True,
        costs=True,
        loads=True,
    ),
    replace(_OPENAI, runtime="codex", usage=True, loads=True),
    replace(_OPENAI, runtime="codex-headless", files=True, usage=True, loads=True),
    replace(_GEMINI, runtime="gemini", files=True, asks=True, usage=True, loads=True),
    replace(
        _OPENAI,
        runtime="opencode",
        model="openai/gpt-5",
        plans=True,
        files=True,
        asks=True,
        costs=True,
        loads=True,
    ),
)
"""In the order of the table in docs/agents.md."""
