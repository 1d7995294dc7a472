"""Which words stand in the files of a commit: read from git once, counted, and kept by the name of the content."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from mawep.adapters.git import Repository, Sha
from mawep.adapters.kept import Kept
from mawep.core.predict.likely import Contents
from mawep.core.predict.past import is_book
from mawep.core.predict.words import counted

MOST_FILES = 20_000
"""Files that are read, in the order of their paths."""
LARGEST = 512 * 1024
"""Bytes of a file that is read at all; what is larger is data."""
READ = 60_000
"""Characters of it that are read."""
AT_ONCE = 16 * 2**20
"""Bytes that are asked of git at once, so that memory does not grow with the repository."""


async def read_contents(
    repository: Repository, files: Mapping[str, tuple[Sha, int]], words: Collection[str], kept: Kept
) -> Contents:
    """Which files hold which of these words.

    `files` are the name and size of each file's content. What is read is kept for the next time. Raises GitError.
    """
    read = sorted(path for path, (_, size) in files.items() if size <= LARGEST and not is_book(path))
    chosen = {path: files[path] for path in read[:MOST_FILES]}
    wanted = dict(chosen.values())
    found = _Found({path: sha for path, (sha, _) in chosen.items()}, words)
    known = await asyncio.to_thread(found.take, kept.get(wanted))
    missing = {sha: size for sha, size in wanted.items() if sha not in known}
    for some in _portions(missing):
        output = await repository.run(
            "cat-file", "--batch", input="".join(f"{sha}\n" for sha in some).encode()
        )
        fresh = await asyncio.to_thread(_counted, output)
        found.take(fresh.items())
        await asyncio.to_thread(kept.put, fresh, wanted)
    return Contents(found.holders, found.lengths)


class _Found:
    """The words that are asked for, by the files that hold them."""

    def __init__(self, files: Mapping[str, Sha], words: Collection[str]) -> None:
        self._words = frozenset(words)
        self._paths: dict[Sha, list[str]] = {}
        for path, sha in files.items():
            self._paths.setdefault(sha, []).append(path)
        self.holders: dict[str, dict[str, int]] = {}
        self.lengths: dict[str, int] = {}
        self._counts = msgspec.msgpack.Decoder(dict[str, int])

    def take(self, packed: Iterable[tuple[Sha, bytes]]) -> set[Sha]:
        """Take the counts of some contents; gives back whose they were."""
        taken = set()
        for sha, value in packed:
            try:
                counts = self._counts.decode(value)
            except msgspec.DecodeError:
                continue  # damaged: it is counted again
            taken.add(sha)
            length, held = sum(counts.values()), self._words.intersection(counts)
            for path in self._paths[sha]:
                self.lengths[path] = length
                for word in held:
                    self.holders.setdefault(word, {})[path] = counts[word]
        return taken


def _portions(sizes: Mapping[Sha, int]) -> Iterator[list[Sha]]:
    portion: list[Sha] = []
    total = 0
    for sha, size in sizes.items():
        if portion and total + size > AT_ONCE:
            yield portion
            portion, total = [], 0
        portion.append(sha)
        total += size
    if portion:
        yield portion


def _counted(output: bytes) -> dict[Sha, bytes]:
    """The words of each object in the output of `cat-file --batch`, packed; none for what is not text."""
    found, place = {}, 0
    while place < len(output):
        end = output.index(b"\n", place)
        sha, _, size = output[place:end].decode().split(" ")
        content = output[end + 1 : end + 1 + int(size)]
        place = end + 2 + int(size)
        text = "" if b"\0" in content[:8000] else content.decode("utf-8", "replace")[:READ]
        found[sha] = msgspec.msgpack.encode(counted(text))
    return found
