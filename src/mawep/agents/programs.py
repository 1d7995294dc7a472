"""The programs of agents: where they are on this machine, and what of it they need to see."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mawep.agents.base import AgentFailed

_MODULES = "node_modules"
_SHEBANG_LIMIT = 256


@dataclass(frozen=True)
class Program:
    """A program of an agent, and the npm package and version with which its runtime was tested."""

    name: str
    package: str
    tested: str


def located(programs: Iterable[Program], search_path: str) -> dict[str, Path]:
    """Each program by name, absolute, as PATH leads to it. Raises AgentFailed naming every one that is missing."""
    found = {program: shutil.which(program.name, path=search_path) for program in programs}
    missing = [program for program, path in found.items() if path is None]
    if missing:
        names = " and ".join(f"`{program.name}`" for program in missing)
        packages = " ".join(f"{program.package}@{program.tested}" for program in missing)
        raise AgentFailed(
            f"there is no program {names} on PATH",
            next_step=f"install it, tested with `npm install -g {packages}`, or correct PATH",
        )
    return {program.name: Path(path).absolute() for program, path in found.items() if path is not None}


def visible(program: Path, search_path: str) -> tuple[Path, ...]:
    """What has to be seen for `program` to run: itself, what it links to, its packages, its interpreter."""
    return tuple(dict.fromkeys(_visible(program, search_path)))


def _visible(program: Path, search_path: str) -> Iterator[Path]:
    real = program.resolve()
    yield program
    yield from _links(program)
    yield real
    if _MODULES in real.parts:
        yield Path(*real.parts[: real.parts.index(_MODULES) + 1])
    interpreter = _interpreter(real, search_path)
    if interpreter is not None:
        yield interpreter
        yield from _links(interpreter)
        yield interpreter.resolve()


def _links(path: Path) -> Iterator[Path]:
    """Every step on the way from a link to what it leads to in the end."""
    seen = {path}
    while path.is_symlink():
        path = Path(os.path.normpath(path.parent / path.readlink()))
        if path in seen:
            return
        seen.add(path)
        yield path


def _interpreter(script: Path, search_path: str) -> Path | None:
    """What runs a script; None for a program that needs nobody, or when it cannot be told."""
    try:
        with script.open("rb") as file:
            first = file.readline(_SHEBANG_LIMIT)
    except OSError:
        return None
    if not first.startswith(b"#!"):
        return None
    words = first[2:].decode(errors="replace").split()
    if not words:
        return None
    if Path(words[0]).name != "env":
        return Path(words[0])
    name = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), None)
    found = name and shutil.which(name, path=search_path)
    return Path(found).absolute() if found else None


def without(env: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """`env` less some of its variables."""
    gone = frozenset(names)
    return {name: value for name, value in env.items() if name not in gone}
