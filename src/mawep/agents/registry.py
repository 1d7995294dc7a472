"""The runtimes by name. A runtime's module is imported when it is asked for: the ACP SDK takes a while."""

from __future__ import annotations

from typing import Protocol

from mawep.agents.base import Runtime
from mawep.agents.options import Options


class Make(Protocol):
    """Makes a runtime."""

    def __call__(self, options: Options = ..., /) -> Runtime:
        """The runtime, to be driven as `options` say."""
        ...


def _acp(options: Options = Options()) -> Runtime:  # noqa: B008 (frozen)
    from mawep.agents.acp import AcpRuntime

    return AcpRuntime(options)


def _claude_code(options: Options = Options()) -> Runtime:  # noqa: B008
    from mawep.agents.claude_code import CLAUDE_CODE
    from mawep.agents.named import NamedRuntime

    return NamedRuntime(CLAUDE_CODE, options)


def _claude_headless(options: Options = Options()) -> Runtime:  # noqa: B008
    from mawep.agents.claude_headless import CLAUDE_HEADLESS
    from mawep.agents.headless import HeadlessRuntime

    return HeadlessRuntime(CLAUDE_HEADLESS, options)


def _codex(options: Options = Options()) -> Runtime:  # noqa: B008
    from mawep.agents.codex import CODEX_ACP
    from mawep.agents.named import NamedRuntime

    return NamedRuntime(CODEX_ACP, options)


def _codex_headless(options: Options = Options()) -> Runtime:  # noqa: B008
    from mawep.agents.codex_headless import CODEX_HEADLESS
    from mawep.agents.headless import HeadlessRuntime

    return HeadlessRuntime(CODEX_HEADLESS, options)


def _command(options: Options = Options()) -> Runtime:  # noqa: B008
    from mawep.agents.command import CommandRuntime

    return CommandRuntime()


def _gemini(options: Options = Options()) -> Runtime:  # noqa: B008
    from mawep.agents.gemini import GEMINI_CLI
    from mawep.agents.named import NamedRuntime

    return NamedRuntime(GEMINI_CLI, options)


def _opencode(options: Options = Options()) -> Runtime:  # noqa: B008
    from mawep.agents.named import NamedRuntime
    from mawep.agents.opencode import OPENCODE_ACP

    return NamedRuntime(OPENCODE_ACP, options)


def _scripted(options: Options = Options()) -> Runtime:  # noqa: B008
    from mawep.agents.scripted import ScriptedRuntime

    return ScriptedRuntime(options)


RUNTIMES: dict[str, Make] = {
    "acp": _acp,
    "claude-code": _claude_code,
    "claude-code-headless": _claude_headless,
    "codex": _codex,
    "codex-headless": _codex_headless,
    "command": _command,
    "gemini": _gemini,
    "opencode": _opencode,
    "scripted": _scripted,
}

UNASKING = frozenset({"claude-code-headless", "codex", "codex-headless", "command"})
"""Runtimes whose agents never ask for leave, so that no answer to it would hold."""
