"""What tests need that pip does not bring: installed once from lock files, into a cache directory named after them."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class NotInstalled(Exception):
    """Something is not there and cannot be installed; the message says why."""


@dataclass(frozen=True)
class Installation:
    """`wanted` are files in it, `fill` makes it, `pinned_by` decides what is in it. The variable names another one."""

    name: str
    variable: str
    pinned_by: tuple[Path, ...]
    wanted: tuple[str, ...]
    fill: Callable[[Path], None]
    command: str

    @property
    def directory(self) -> Path:
        """Where it is, or would be."""
        if named := os.environ.get(self.variable):
            return Path(named)
        digest = hashlib.sha256()
        for path in self.pinned_by:
            digest.update(path.read_bytes())
        # Tests have a home of their own: the cache is the person's.
        cache = os.environ.get("XDG_CACHE_HOME") or Path(pwd.getpwuid(os.getuid()).pw_dir, ".cache")
        return Path(cache, "mawep", f"{self.name}-{digest.hexdigest()[:12]}")

    def installed(self) -> Path:
        """Its directory. Raises NotInstalled."""
        place = self.directory
        if missing := [name for name in self.wanted if not (place / name).is_file()]:
            raise NotInstalled(f"not in {place}: {', '.join(missing)}; install them with: {self.command}")
        return place

    def install(self) -> Path:
        """Its directory, after installing what is not there. Raises NotInstalled."""
        try:
            return self.installed()
        except NotInstalled:
            target = self.directory
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
        try:
            self.fill(made)
            self._put(made, target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return self.installed()

    def print_where(self) -> int:
        """Install it if need be, and print where it is; 1 when it cannot be had."""
        try:
            print(self.install())
        except NotInstalled as error:
            print(f"{self.name} of the end-to-end tests: {error}", file=sys.stderr)
            return 1
        return 0

    def _put(self, made: Path, target: Path) -> None:
        """Give the whole installation its name; another process may have been faster, which is as good."""
        made.chmod(0o755)
        try:
            made.rename(target)
        except OSError:
            self.installed()


def run(command: Sequence[str], where: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a step of an installation. Raises NotInstalled with what it said last."""
    ran = subprocess.run(
        command,
        check=False,
        cwd=where,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        told = " ".join((Path(command[0]).name, *command[1:]))
        said = "\n".join((ran.stderr or ran.stdout).strip().splitlines()[-20:])
        raise NotInstalled(f"`{told}` failed in {where.name} ({ran.returncode}):\n{said}")
