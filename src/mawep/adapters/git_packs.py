"""New objects in a pack that no collection of garbage takes, until a ref holds them.

A person's `git gc --prune=now` looks for refs first and takes what none holds long after: loose objects, and packs
that were there when it began. Whatever we make in between would go, though a ref of ours holds it by then. What git
leaves alone is a pack with a `.keep` beside it, so there is one for as long as the ref is made.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_durable import sync
from mawep.adapters.git_scratch import lives, scratch

OURS = "mawep "
"""How a `.keep` of ours begins; the process that it is for follows."""


@asynccontextmanager
async def kept(repository: Repository, wanted: Sequence[Sha], known: Sequence[Sha]) -> AsyncIterator[None]:
    """What the commits `wanted` have and `known` have not survives a power cut and a `gc` while a ref is made.

    Raises GitError when some of it is gone already.
    """
    store = repository.common_dir / "objects" / "pack"
    # Not named after its content, as git does it: one that lost its `.keep` may be on a collection's list.
    pack = store / f"pack-{secrets.token_hex(20)}"
    with scratch(repository.common_dir) as place:
        revisions = [*wanted, *(f"^{sha}" for sha in known)]
        await repository.run(
            *("pack-objects", "--quiet", "--non-empty", "--threads=1", "--window=0"),
            *("--revs", f"{place}/new"),
            input="".join(f"{revision}\n" for revision in revisions).encode(),
            fsync=True,
        )
        try:
            await asyncio.to_thread(_install, Path(place), pack, len(repository.null) // 2)
            yield
        finally:
            pack.with_suffix(".keep").unlink(missing_ok=True)


def _install(place: Path, pack: Path, width: int) -> None:
    """The `.keep` comes first; the index comes last, as git looks for that."""
    store = pack.parent
    store.mkdir(exist_ok=True)
    pack.with_suffix(".keep").write_text(f"{OURS}{os.getpid()}\n", "ascii")
    for made in sorted(place.iterdir(), key=lambda file: file.suffix == ".idx"):
        made.replace(pack.with_suffix(made.suffix))
    sync(store)
    _forget_loose(store.parent, pack.with_suffix(".idx"), width)


def _forget_loose(objects: Path, index: Path, width: int) -> None:
    """What is in the pack need not lie loose too, where a power cut could leave half of it."""
    if index.exists():
        for name in names_in(index.read_bytes(), width):
            (objects / name[:2] / name[2:]).unlink(missing_ok=True)


def names_in(index: bytes, width: int) -> tuple[Sha, ...]:
    """The object names in a version 2 pack index: an 8 byte header, 256 counts, then the names, sorted."""
    header, counts = 8, 256 * 4
    total = int.from_bytes(index[header + counts - 4 : header + counts], "big")
    names = index[header + counts : header + counts + total * width]
    return tuple(names[at : at + width].hex() for at in range(0, len(names), width))


def forget_dead_keeps(common_dir: Path) -> None:
    """Take away each `.keep` that a process of ours has left behind when it died."""
    for keep in (common_dir / "objects" / "pack").glob("pack-*.keep"):
        pid = _owner(keep)
        if pid is not None and not lives(pid):
            keep.unlink(missing_ok=True)


def _owner(keep: Path) -> int | None:
    """The process that a `.keep` of ours is for; None: it is somebody else's."""
    try:
        said = keep.read_text("ascii", "replace")
    except FileNotFoundError:
        return None
    pid = said.removeprefix(OURS).strip()
    return int(pid) if said.startswith(OURS) and pid.isdecimal() else None
