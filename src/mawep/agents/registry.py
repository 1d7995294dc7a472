"""The runtimes by name. A runtime's module is imported when it is asked for: the ACP SDK takes a while."""

from __future__ import annotations

from collections.abc import Callable

from mawep.agents.base import Runtime


def _acp() -> Runtime:
    from mawep.agents.acp import AcpRuntime

    return AcpRuntime()


def _command() -> Runtime:
    from mawep.agents.command import CommandRuntime

    return CommandRuntime()


def _scripted() -> Runtime:
    from mawep.agents.scripted import ScriptedRuntime

    return ScriptedRuntime()


RUNTIMES: dict[str, Callable[[], Runtime]] = {"acp": _acp, "command": _command, "scripted": _scripted}
