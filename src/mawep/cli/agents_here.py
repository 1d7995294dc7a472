"""Which coding agents this machine has, in which version, and what they could sign in with. Shows no secret."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mawep.agents.clis import CLIS
from mawep.agents.logins import Logins
from mawep.agents.programs import Program
from mawep.agents.quirks import Quirks
from mawep.config import Config

ANSWER_SECONDS = 20.0
"""How long a program may take to say its version; one of those known takes 3 s."""


@dataclass(frozen=True)
class Here:
    """One agent as this machine has it.

    `found` holds versions by program, empty where one cannot be told; `keys` are names of variables that are set,
    `logins` files that are there, relative to the home.
    """

    quirks: Quirks
    found: Mapping[str, str]
    missing: tuple[Program, ...]
    keys: tuple[str, ...]
    logins: tuple[str, ...]

    @property
    def name(self) -> str:
        """As the configuration calls it."""
        return self.quirks.name

    @property
    def usable(self) -> bool:
        """True when all its programs are there."""
        return not self.missing

    @property
    def install(self) -> str:
        """The command that installs what is missing, in the versions that were tried."""
        packages = " ".join(f"{program.package}@{program.tested}" for program in self.missing)
        return f"npm install -g {packages}"


def agents_here(environ: Mapping[str, str]) -> Iterator[Here]:
    """Every agent that is known by name, installed or not."""
    home = Path(environ.get("HOME") or Path.home())
    for quirks in CLIS:
        places = {
            program: shutil.which(program.name, path=environ.get("PATH")) for program in quirks.programs
        }
        yield Here(
            quirks=quirks,
            found={program.name: _version(Path(path)) for program, path in places.items() if path},
            missing=tuple(program for program, path in places.items() if not path),
            keys=tuple(name for name in quirks.keys if environ.get(name)),
            logins=tuple(file for file in quirks.logins if (home / file).is_file()),
        )


def logins(config: Config, environ: Mapping[str, str]) -> Logins:
    """The login files that the configuration lends to attempts."""
    home = Path(environ.get("HOME") or Path.home())
    return Logins(home, tuple(file.relative_to(home) for file in config.agents.credentials))


def unlendable(config: Config) -> list[str]:
    """What is wrong with the login files that the configuration names."""
    return [
        f"agents.credentials: {file} is not there; sign in with the agent's own program, or take it out"
        for file in config.agents.credentials
        if not file.is_file()
    ]


def _version(path: Path) -> str:
    """What the package says that it lies in, else what it says itself."""
    for folder in path.resolve().parents:
        try:
            package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(package, dict) and isinstance(package.get("version"), str):
            return str(package["version"])
    return _said_version(path)


def _said_version(path: Path) -> str:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.devnull, "LANG": "C.UTF-8"}
    try:
        done = subprocess.run(
            (path, "--version"),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = done.stdout.decode(errors="replace").split()
    return next((word.lstrip("v")[:40] for word in words if word.lstrip("v")[:1].isdigit()), "")
