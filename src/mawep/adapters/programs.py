"""What a sandbox has to show of this machine so that the programs on PATH run in it, and nothing of what people keep.

A directory of programs needs what was installed with it (`…/bin` with `…/lib`), a virtual environment the Python it
was made from, a link the program it leads to. A home, a checkout, or whatever contains one, is never shown as a whole.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_SYSTEM = tuple(
    map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/dev", "/proc"))
)
_PROGRAMS = frozenset({"bin", "sbin", "shims", "libexec"})
_INSTALLED = (
    *("bin", "sbin", "lib", "lib32", "lib64", "libexec", "include", "pyvenv.cfg", "pyvenv.d"),
    *("shims", "versions", "version", "plugins", "pyenv.d", "rbenv.d", "toolchains"),
)
"""What of an installation in a home belongs to its programs; beside it lie tokens and data (`~/.cargo`, `~/.local`)."""

MOST_LINKS = 500
"""More links than this in one directory are not followed."""


def visible_programs(search_path: str, private: Iterable[Path]) -> tuple[Path, ...]:
    """Paths to show read-only, real ones and those by which PATH names them; what the system brings is left out.

    `private` are places that must not become visible as a whole: homes, checkouts, what MAWEP keeps.
    """
    guard = _Guard(private)
    shown: dict[Path, None] = {}
    pending = [place for place in map(Path, search_path.split(os.pathsep)) if place.is_absolute()]
    seen: set[Path] = set()
    while pending:
        place = pending.pop(0)
        if place in seen or not place.is_dir():
            continue
        seen.add(place)
        if not _is_system(place):
            shown.update(dict.fromkeys(guard.installation(place)))
        pending += _elsewhere(place)
    return tuple(path for path in shown if not _is_system(path))


def own_python() -> tuple[Path, ...]:
    """The Python that runs this, with its packages, and MAWEP itself."""
    package = Path(__file__).parents[1]
    return tuple(dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix), package)))


def with_real(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The paths, and where they really are."""
    return tuple(dict.fromkeys(one for path in paths for one in (path, Path(os.path.realpath(path)))))


class _Guard:
    """Knows what must not be shown as a whole."""

    def __init__(self, private: Iterable[Path]) -> None:
        self._private = with_real(private)

    def installation(self, programs: Path) -> tuple[Path, ...]:
        """The directory of programs with what was installed with it."""
        if programs.name not in _PROGRAMS:
            return () if self._holds_private(programs) else with_real((programs,))
        prefix = programs.parent
        if self._holds_private(prefix) or self._is_private(prefix):
            parts = [prefix / part for part in _INSTALLED if (prefix / part).exists()]
            return with_real(part for part in parts if not self._holds_private(part))
        return with_real((prefix,))

    def _holds_private(self, path: Path) -> bool:
        """True when a private place is this path or below it."""
        real = Path(os.path.realpath(path))
        return any(place.is_relative_to(real) for place in self._private)

    def _is_private(self, path: Path) -> bool:
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(place) for place in self._private)


def _is_system(path: Path) -> bool:
    """True when a sandbox shows it anyway, under this very name."""
    real = Path(os.path.realpath(path))
    return all(any(one.is_relative_to(place) for place in _SYSTEM) for one in (path, real))


def _elsewhere(programs: Path) -> Iterator[Path]:
    """Directories of programs that those in this one lead to: by link, or as a virtual environment."""
    if settings := _virtual(programs.parent):
        yield settings
    if _is_system(programs) and programs != Path("/usr/local/bin"):
        return  # links there lead to what the system brings, by its own alternatives
    links = 0
    with os.scandir(programs) as entries:
        for entry in entries:
            if entry.is_symlink():
                links += 1
                if links > MOST_LINKS:
                    return
                target = Path(os.path.realpath(entry.path))
                if target.parent != Path(os.path.realpath(programs)) and target.is_file():
                    yield target.parent


def _virtual(prefix: Path) -> Path | None:
    """The directory of the Python that a virtual environment was made from."""
    try:
        lines = (prefix / "pyvenv.cfg").read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "home":
            return Path(value.strip())
    return None
