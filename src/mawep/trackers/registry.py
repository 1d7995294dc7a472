"""The trackers and forges there are, by the name that `issues.tracker` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from mawep.clock import Clock
from mawep.trackers.base import AllowanceObserver, Forge, ForgeSettings, Tracker
from mawep.trackers.folder import FolderTracker
from mawep.trackers.issue_file import Around

TRACKERS: Mapping[str, Callable[[Path, Around], Tracker]] = MappingProxyType({"folder": FolderTracker})
"""Each takes what `issues.path` names, and which repositories it may refer to."""


def _github(settings: ForgeSettings, clock: Clock, observer: AllowanceObserver | None = None) -> Forge:
    from mawep.trackers.github.client import GitHubForge  # takes a third of a second to import

    return GitHubForge(settings, clock, observer)


def _forgejo(settings: ForgeSettings, clock: Clock, observer: AllowanceObserver | None = None) -> Forge:
    from mawep.trackers.forgejo import ForgejoForge

    return ForgejoForge(settings, clock, observer)


def _gitlab(settings: ForgeSettings, clock: Clock, observer: AllowanceObserver | None = None) -> Forge:
    from mawep.trackers.gitlab import GitLabForge

    return GitLabForge(settings, clock, observer)


FORGES: Mapping[str, Callable[[ForgeSettings, Clock, AllowanceObserver | None], Forge]] = MappingProxyType(
    {"github": _github, "gitlab": _gitlab, "forgejo": _forgejo}
)
"""Each makes a forge that tells its observer what is left of its budgets."""
