"""`mawep` to which something happens at the point that `MAWEP_CRASH` names; a program, not a module to import.

It ends itself with SIGKILL, or, for `prune`, which is else as `call`, everything that no ref holds is taken away.

A point is four words. `effect NAME before|after N`: around the N-th time that an intent of that name is carried
out. `journal NAME before|after N`: around the N-th commit that holds such an event. `call MODULE:NAME
before|after N`: around the N-th call of a function. `tear PATH written N`: in the middle of a checkout move, when
N files have appeared below PATH; the git process that writes them is killed with it.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from mawep.adapters.git import WorkTree
from mawep.core.events import Recorded
from mawep.orchestrator.effects import Effects
from mawep.state.journal import Journal


def die() -> NoReturn:
    """End here and now."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit("SIGKILL did not end this process")


def prune() -> None:
    """What `git gc --prune=now` does to objects that no ref holds."""
    subprocess.run(["git", "prune", "--expire=now"], check=True)


class Fuse:
    """Does something when the right moment comes for the n-th time."""

    def __init__(self, when: str, count: int, action: Callable[[], object] = die) -> None:
        self._when = when
        self._left = count
        self._action = action

    def begins(self) -> None:
        """The thing is about to happen."""
        self._left -= 1
        self._burn("before")

    def ended(self) -> None:
        """The thing has happened."""
        self._burn("after")

    def _burn(self, when: str) -> None:
        if when == self._when and self._left == 0:
            self._action()


def effect(name: str, fuse: Fuse) -> None:
    """Watch the intents of one type."""
    perform = Effects.perform

    async def watched(self: Effects, recorded: Recorded) -> Any:
        if type(recorded.event).__name__ != name:
            return await perform(self, recorded)
        fuse.begins()
        done = await perform(self, recorded)
        fuse.ended()
        return done

    Effects.perform = watched  # type: ignore[method-assign]


def journal(name: str, fuse: Fuse) -> None:
    """Watch the commits that hold an event of one type."""
    commit = Journal.commit

    async def watched(self: Journal) -> None:
        if name not in {row.type for row in self._pending}:
            return await commit(self)
        fuse.begins()
        await commit(self)
        fuse.ended()
        return None

    Journal.commit = watched  # type: ignore[method-assign]


def call(path: str, fuse: Fuse) -> None:
    """Watch one function or method, plain or asynchronous."""
    module, _, name = path.partition(":")
    *owners, last = name.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    setattr(owner, last, _watched(getattr(owner, last), fuse))


def _watched(function: Callable[..., Any], fuse: Fuse) -> Callable[..., Any]:
    if asyncio.iscoroutinefunction(function):

        async def later(*args: Any, **kwargs: Any) -> Any:
            fuse.begins()
            result = await function(*args, **kwargs)
            fuse.ended()
            return result

        return later

    def at_once(*args: Any, **kwargs: Any) -> Any:
        fuse.begins()
        result = function(*args, **kwargs)
        fuse.ended()
        return result

    return at_once


def tear(place: str, count: int) -> None:
    """Die in the middle of the checkout move that writes `count` files below `place`."""
    run: Callable[..., Awaitable[bytes]] = WorkTree.run

    async def watched(self: WorkTree, *args: Any, **kwargs: Any) -> bytes:
        moving = args[0] == "read-tree" and self.name is None and len(args) == 5
        task = asyncio.ensure_future(run(self, *args, **kwargs))
        while moving and not task.done():
            if _appeared(self.path / place) >= count:
                for pid in _git_children():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                die()
            await asyncio.sleep(0)
        return await task

    WorkTree.run = watched  # type: ignore[assignment, method-assign]


def _appeared(place: Path) -> int:
    return len(os.listdir(place)) if place.is_dir() else 0  # noqa: PTH208 (thousands of times)


def _git_children() -> list[int]:
    threads = Path("/proc/self/task").iterdir()
    children = [int(pid) for thread in threads for pid in _read(thread / "children").split()]
    return [pid for pid in children if _read(Path(f"/proc/{pid}/comm")).strip() == "git"]


def _read(path: Path) -> str:
    """What is told of a thread or process; nothing of one that has ended meanwhile."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def main() -> None:
    """Set the fuse, then do what `mawep` does."""
    kind, name, when, count = os.environ.pop("MAWEP_CRASH").split()
    if kind == "tear":
        tear(name, int(count))
    elif kind == "prune":
        call(name, Fuse(when, int(count), prune))
    else:
        {"effect": effect, "journal": journal, "call": call}[kind](name, Fuse(when, int(count)))
    from mawep.__main__ import main as mawep

    mawep()


if __name__ == "__main__":
    main()
