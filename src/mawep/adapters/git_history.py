"""Commits between two points, read byte for byte, with their trailers."""

from __future__ import annotations

import re
from asyncio import StreamReader
from dataclasses import dataclass
from functools import partial

from mawep.adapters.git import Door, Sha
from mawep.adapters.git_objects import Identity

_TRAILER = re.compile(r"(?P<key>[A-Za-z0-9][A-Za-z0-9-]*)[ \t]*:[ \t]*(?P<value>.*)")
_OURS = re.compile(r"^[ \t]*mawep-[a-z0-9-]*[ \t]*[:=]", re.IGNORECASE)


@dataclass(frozen=True)
class Commit:
    """One commit. `message` is the exact text; bytes that are not UTF-8 are kept as surrogate escapes."""

    sha: Sha
    tree: Sha
    parents: tuple[Sha, ...]
    author: Identity
    message: str

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.lstrip("\n").partition("\n")[0]

    @property
    def trailers(self) -> tuple[tuple[str, str], ...]:
        """The (key, value) pairs of the message's last paragraph, if that is a block of trailers."""
        return parse_trailers(self.message)

    @property
    def claims_to_be_ours(self) -> bool:
        """True when any line looks like a `Mawep-…` trailer, wherever in the message and however spelt."""
        return any(_OURS.match(line) for line in self.message.splitlines())


async def commits_between(door: Door, base: Sha, head: Sha) -> tuple[Commit, ...]:
    """The commits that `head` contains and `base` does not, parents first. Raises GitError."""
    listed = await door.run("rev-list", "--reverse", "--topo-order", head, f"^{base}", "--")
    # Sizes frame the objects: a separator inside a message cannot forge another commit.
    count = listed.count(b"\n")
    return await door.ask("cat-file", "--batch", question=listed, read=partial(_read_commits, count))


def parse_trailers(message: str) -> tuple[tuple[str, str], ...]:
    """The trailers at the end of a message: every line of the last paragraph is one, or continues one."""
    title, _, body = message.strip().partition("\n")
    paragraphs = re.split(r"\n[ \t]*\n", f"{title}\n{body}")
    if len(paragraphs) < 2:
        return ()
    trailers: list[tuple[str, str]] = []
    for line in paragraphs[-1].splitlines():
        if match := _TRAILER.fullmatch(line):
            trailers.append((match["key"], match["value"].strip()))
        elif line[:1].isspace() and trailers:
            key, value = trailers[-1]
            trailers[-1] = (key, f"{value} {line.strip()}")
        else:
            return ()
    return tuple(trailers)


async def _read_commits(count: int, answers: StreamReader) -> tuple[Commit, ...]:
    """So many commits from the output of `cat-file --batch`."""
    commits = []
    for _ in range(count):
        sha, _, size = (await answers.readuntil(b"\n")).decode().split(" ")
        content = await answers.readexactly(int(size) + 1)
        commits.append(_parsed(sha, content[:-1]))
    return tuple(commits)


def _parsed(sha: Sha, content: bytes) -> Commit:
    head, _, message = content.partition(b"\n\n")
    fields: dict[str, list[str]] = {}
    for line in head.decode("utf-8", "replace").split("\n"):
        key, _, value = line.partition(" ")
        fields.setdefault(key, []).append(value)
    who = fields["author"][0].rpartition("> ")[0]
    name, _, email = who.partition(" <")
    return Commit(
        sha=sha,
        tree=fields["tree"][0],
        parents=tuple(fields.get("parent", ())),
        author=Identity(name, email),
        message=message.decode("utf-8", "surrogateescape"),
    )
