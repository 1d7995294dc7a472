"""What git tells about how work is done here: the files of the target, and what changed together in its commits.

One listing and two logs, however many issues there are; all are bounded.
"""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_refs import read_ref
from mawep.core.features import Change
from mawep.core.model import Number
from mawep.core.predict.past import Landing, landing_of

NEWEST_COMMITS = 500
"""Commits of the target's own line whose lines are counted: what was common years ago says little about today."""
MOST_COMMITS = 4000
"""Commits of that line of which subject and files are read."""
_LOG = (
    "log",
    "--first-parent",
    "-m",
    "--no-renames",
    "--no-ext-diff",
    "--no-textconv",
    "--no-show-signature",
)
_HEADER = "=%(trailers:key=Mawep-Issue,valueonly,unfold,separator=%x2C)%x09%(trailers:key=Mawep-Gate,valueonly,unfold)"
_MESSAGE = "%x01%H%x01%s%x01%b"
_BEGINNING = re.compile(r"\x01[0-9a-f]{40,64}\x01[^\x01]*\x01")
_END = "\x01" + "0" * 40 + "\x01\x01"


@dataclass(frozen=True)
class History:
    """The target's files, each by name and size of its content; its newest commits, and what landed, newest first."""

    files: Mapping[str, tuple[Sha, int]] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    landings: tuple[Landing, ...] = ()


async def read_history(repository: Repository, ref: str) -> History:
    """What the target (a ref, fully named) tells; nothing when there is none. Raises GitError."""
    tip = await read_ref(repository, ref)
    return History() if tip is None else await history_of(repository, tip)


async def history_of(repository: Repository, tip: Sha) -> History:
    """What a commit and those before it tell. Raises GitError."""
    lines = (f"--max-count={NEWEST_COMMITS}", "--numstat", f"--format={_HEADER}")
    names = (f"--max-count={MOST_COMMITS}", "--name-only", "-z", f"--format={_MESSAGE}")
    listed, counted, named = await asyncio.gather(
        repository.run("ls-tree", "-r", "-l", "-z", "--full-tree", tip),
        repository.run(*_LOG, *lines, tip, "--"),
        repository.run(*_LOG, *names, tip, "--"),
    )
    return History(
        dict(_files(listed.decode("utf-8", "replace"))),
        tuple(_changes(counted.decode("utf-8", "replace"))),
        tuple(_landings(named.decode("utf-8", "replace"))),
    )


def _files(listing: str) -> Iterator[tuple[str, tuple[Sha, int]]]:
    for line in listing.split("\0")[:-1]:
        what, _, path = line.partition("\t")
        _, kind, sha, size = what.split()
        if kind == "blob":
            yield path, (sha, int(size))


def _landings(log: str) -> Iterator[Landing]:
    """Each commit begins with a field that hardly any path looks like; its files follow."""
    message, files = "", []
    for part in (*log.split("\0"), _END):
        if not _BEGINNING.match(part):
            files.append(part.removeprefix("\n"))
            continue
        if files:
            _, commit, subject, body = message.split("\x01", 3)
            detail = body.strip().partition("\n")[0]
            if landing := landing_of(subject, detail, filter(None, files), commit):
                yield landing
        message, files = part, []


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
