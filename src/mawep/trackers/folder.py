"""Issues in a folder of Markdown files. File names are free, the `number` inside decides."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mawep.core.model import Issue
from mawep.errors import ProblemsError, UsageError
from mawep.trackers.found import Found, Wanted
from mawep.trackers.issue_file import ALONE, Around, IssueFile, read_issue

MAX_BYTES = 1 << 18
"""No issue file is longer: an assignment carries it whole, in one message."""


class FolderTracker:
    """Every `*.md` below `folder`, but hidden ones and a README without front matter."""

    name = "folder"

    def __init__(self, folder: Path, around: Around = ALONE) -> None:
        self._folder = folder
        self._around = around

    async def find(self, wanted: Wanted, *, with_dependencies: bool = False) -> Found:
        unknown = [name for name in ("milestone", "query", "project") if getattr(wanted, name) is not None]
        if unknown:
            raise UsageError(
                f"issues in a folder have no {unknown[0]}",
                next_step="choose by number or by label, or take them from a forge with `issues.tracker`",
            )
        return Found(tuple(await asyncio.to_thread(self._load)))

    async def with_remarks(self, issues: Sequence[Issue]) -> list[Issue]:
        return list(issues)

    async def close(self) -> None:
        """Nothing is held."""

    def _load(self) -> list[Issue]:
        if not self._folder.is_dir():
            raise UsageError(
                f"there is no folder of issues {self._folder}",
                next_step="make it and write issues in it, or name another with `issues.path`",
            )
        issues: dict[int, Issue] = {}
        problems: list[str] = []
        for relative in sorted(_markdown(self._folder)):
            found = self._read(relative)
            problems += found.problems
            issue = found.issue
            if issue is None or not issue.number:
                continue
            first = issues.setdefault(issue.number, issue)
            if first is not issue:
                place = f"{issue.origin}:{found.number_line}: number"
                problems.append(f"{place}: {issue.number} is also the number of {first.origin}")
        if problems:
            raise ProblemsError("the issues cannot be used", problems)
        return sorted(issues.values(), key=lambda issue: issue.number)

    def _read(self, relative: str) -> IssueFile:
        path = self._folder / relative
        name = f"{self._folder.name}/{relative}"
        if path.is_symlink() and not path.resolve().is_relative_to(self._folder.resolve()):
            return IssueFile(None, (f"{name}: is a link that leads out of the folder",))
        if not path.is_file():
            return IssueFile(None, (f"{name}: is not a file",))
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
            text = data.decode()
        except OSError as error:
            return IssueFile(None, (f"{name}: cannot be read: {error.strerror}",))
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            return IssueFile(None, (f"{name}:{line}: is not UTF-8 text",))
        if len(data) > MAX_BYTES:
            return IssueFile(None, (f"{name}: is longer than {MAX_BYTES} bytes",))
        if path.stem.lower() == "readme" and not text.startswith("---"):
            return IssueFile(None, ())
        return read_issue(text, name, self._around)


def _markdown(folder: Path) -> Iterator[str]:
    """The paths of all issue files, relative to the folder."""
    for directory, subdirectories, names in os.walk(folder):
        subdirectories[:] = [name for name in subdirectories if not name.startswith(".")]
        above = Path(directory).relative_to(folder)
        for name in names:
            if name.lower().endswith(".md") and not name.startswith("."):
                yield f"{above}/{name}".removeprefix("./")
