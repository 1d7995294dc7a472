"""The trackers there are, by the name that `issues.tracker` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from mawep.trackers.base import Tracker
from mawep.trackers.folder import FolderTracker

TRACKERS: Mapping[str, Callable[[Path], Tracker]] = MappingProxyType({"folder": FolderTracker})
"""Each takes what `issues.path` names."""
