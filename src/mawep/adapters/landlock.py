"""The weaker walls, for where bubblewrap does not run: Landlock limits which files a program may touch, no more.

Nothing is hidden but content, there is no network of its own, no process of its own, and nothing read-only can lie in
a place that may be written.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from mawep.adapters.programs import own_python, with_real
from mawep.adapters.sandbox import SandboxUnusableError, Walls, system_paths

LAUNCHER = Path(__file__).parents[1] / "inside" / "landlock.py"
_ALWAYS_READ = ("/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup", "/etc/gitconfig")
_ALWAYS_WRITTEN = (
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/pts",
)


def launcher(walls: Walls) -> tuple[str, ...]:
    """What to put in front of a command. Of the mounts only the rights on their sources are kept."""
    return (sys.executable, "-I", "-S", str(LAUNCHER), *_rules(walls), "--")


def _rules(walls: Walls) -> Iterator[str]:
    read = (*_ALWAYS_READ, *system_paths(), *with_real((*own_python(), *walls.read_only)))
    yield from (word for path in (*read, *_sources(walls, writable=False)) for word in ("--read", str(path)))
    write = (*_ALWAYS_WRITTEN, *walls.writable, *_sources(walls, writable=True))
    yield from (word for path in write for word in ("--write", str(path)))


def _sources(walls: Walls, *, writable: bool) -> Iterator[Path]:
    return (mount.source for mount in walls.mounts if mount.writable is writable)


def probe_landlock() -> str:
    """Restrict a process as this user and say so. Raises SandboxUnusableError."""
    walls = Walls(cwd=Path("/"))
    done = subprocess.run(
        [*launcher(walls), "cat", str(LAUNCHER.parent / "ports.py"), "/etc/hostname"],
        capture_output=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )
    if not done.stdout or b"/etc/hostname" not in done.stderr:
        raise SandboxUnusableError(
            "Landlock does not work here",
            cause=done.stderr.decode(errors="replace").strip() or "it let a file be read that was not named",
            next_step="use Linux 5.13 or newer with Landlock, or write `agents.sandbox: off`",
        )
    return "Landlock limits which files agents may touch; it limits no network and hides no process"
