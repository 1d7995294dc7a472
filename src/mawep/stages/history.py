"""What git tells about how work is done here: the files of the target, and what changed together in its newest commits.

One listing and one log, however many issues there are; both are bounded.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from mawep.adapters.git import Repository
from mawep.adapters.git_refs import read_ref
from mawep.core.features import Change
from mawep.core.model import Number

NEWEST_COMMITS = 500
"""Commits of the target's own line that are looked at: what was common years ago says little about today."""
_HEADER = "=%(trailers:key=Mawep-Issue,valueonly,unfold,separator=%x2C)%x09%(trailers:key=Mawep-Gate,valueonly,unfold)"


@dataclass(frozen=True)
class History:
    """The paths of the target's tree, and its newest commits, newest first."""

    paths: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()


async def read_history(repository: Repository, ref: str) -> History:
    """What the target (a ref, fully named) tells; nothing when there is none. Raises GitError."""
    if await read_ref(repository, ref) is None:
        return History()
    listed = await repository.run("ls-tree", "-r", "--name-only", "-z", "--full-tree", ref)
    logged = await repository.run(
        *("log", "--first-parent", "-m", f"--max-count={NEWEST_COMMITS}", "--numstat", "--no-renames"),
        *("--no-ext-diff", "--no-textconv", "--no-show-signature", f"--format={_HEADER}", ref, "--"),
    )
    paths = listed.decode("utf-8", "replace").split("\0")[:-1]
    return History(tuple(paths), tuple(_changes(logged.decode("utf-8", "replace"))))


def _changes(log: str) -> Iterator[Change]:
    """Commits begin with a line that `=` begins; lines of files begin with a number or `-`."""
    landed: Number | None = None
    files: list[str] = []
    lines = 0
    for line in log.splitlines():
        if line.startswith("="):
            if files:
                yield Change(tuple(files), lines, landed)
            landed, files, lines = _landed(line), [], 0
        elif line.count("\t") >= 2:
            added, removed, path = line.split("\t", 2)
            files.append(_path(path))
            lines += sum(int(count) for count in (added, removed) if count.isdecimal())
    if files:
        yield Change(tuple(files), lines, landed)


def _landed(header: str) -> Number | None:
    """Whose landing a commit is: one that names its gate, too."""
    issue, _, gate = header[1:].partition("\t")
    number = issue.partition(",")[0].strip()
    return int(number) if gate and number.isdecimal() else None


def _path(shown: str) -> str:
    """A path as it is; git quotes those with unusual characters as C does."""
    if not (shown.startswith('"') and shown.endswith('"')):
        return shown
    unquoted: bytes = ast.literal_eval(f"b{shown}")
    return unquoted.decode("utf-8", "replace")
