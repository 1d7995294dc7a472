"""What a configuration may say about how a runtime drives its agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mawep.core.claims import covers

Action = Literal["allow", "ask", "deny"]

_STRICTEST: tuple[Action, ...] = ("deny", "ask", "allow")


@dataclass(frozen=True)
class Rule:
    """An answer to tool calls of one kind, and to one pattern of paths; an empty one stands for any."""

    action: Action
    kind: str = ""
    path: str = ""

    def fits(self, kind: str, path: str | None) -> bool:
        """True for a call of that kind on that path; None is a call that names no path."""
        if self.kind and self.kind != kind:
            return False
        return not self.path or (path is not None and covers(self.path, path))


@dataclass(frozen=True)
class Permissions:
    """What agents are told that ask for leave, once claims and protected paths have not decided.

    For each path of a call the first rule that fits counts, `default` without any; of several paths the
    strictest answer.
    """

    default: Action = "allow"
    rules: tuple[Rule, ...] = ()

    def action(self, kind: str, paths: tuple[str, ...]) -> Action:
        """The answer to a tool call of this kind on these paths, relative to the worktree."""
        found = {self._on(kind, path) for path in paths or (None,)}
        return next(action for action in _STRICTEST if action in found)

    def _on(self, kind: str, path: str | None) -> Action:
        return next((rule.action for rule in self.rules if rule.fits(kind, path)), self.default)


@dataclass(frozen=True)
class Options:
    """`model` names the model in the words of the agent, None leaves the choice to it."""

    model: str | None = None
    permissions: Permissions = Permissions()
