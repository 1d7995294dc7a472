"""Many contents read from a repository at once."""

from __future__ import annotations

from collections.abc import Iterable

from mawep.adapters.git import Repository, Sha


async def read_small_blobs(repository: Repository, names: Iterable[Sha], most: int) -> dict[Sha, bytes]:
    """Those of the objects that are blobs of at most `most` bytes. Raises GitError."""
    wanted = list(dict.fromkeys(names))
    listed = await repository.run("cat-file", "--batch-check", input=_lines(wanted))
    small = [sha for sha, (kind, size) in _heads(listed).items() if kind == "blob" and size <= most]
    output = await repository.run("cat-file", "--batch", input=_lines(small)) if small else b""
    found, place = {}, 0
    for sha in small:
        start = output.index(b"\n", place) + 1
        size = int(output[place : start - 1].rpartition(b" ")[2])
        found[sha], place = output[start : start + size], start + size + 1
    return found


def _lines(names: Iterable[Sha]) -> bytes:
    return "".join(f"{sha}\n" for sha in names).encode()


def _heads(listed: bytes) -> dict[Sha, tuple[str, int]]:
    """What each object is; who is missing has no size."""
    heads = (line.split() for line in listed.decode().splitlines())
    return {head[0]: (head[1], int(head[2])) for head in heads if len(head) == 3}
