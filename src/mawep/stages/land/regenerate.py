"""Files that nobody wrote: not merged, but made anew from what was merged, by a command that the user names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mawep.adapters.git import Sha
from mawep.core.claims import covers

Make = Callable[[Sha, str, Sequence[str]], Awaitable[Mapping[str, bytes] | None]]
"""What a command makes of some files of a commit; None when it fails, or one of them is no file afterwards."""


@dataclass(frozen=True)
class Generated:
    """Files, by paths and patterns, and the shell command that makes them."""

    files: tuple[str, ...]
    command: str


def assigned(rules: Iterable[Generated], paths: Sequence[str]) -> dict[str, list[str]]:
    """The paths that commands make anew, by command in the order of the rules; the first rule for a path counts."""
    found: dict[str, list[str]] = {}
    left = list(paths)
    for rule in rules:
        own = [path for path in left if any(covers(pattern, path) for pattern in rule.files)]
        if own:
            found.setdefault(rule.command, []).extend(own)
            left = [path for path in left if path not in own]
    return found
