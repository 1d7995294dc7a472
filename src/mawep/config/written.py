"""What a person wrote: the file and every `--set` as one tree that knows where each value stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mawep.adapters.yaml_lines import KeyPath, Parsed, Tree, parse
from mawep.errors import UsageError

ROOT = "mawep"
"""The one top key of a configuration file."""


@dataclass(frozen=True, order=True)
class Place:
    """Where something was written; places sort in reading order, `--set` after the file."""

    order: int
    text: str


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong. `key` is dotted, or empty when it is not about a key."""

    place: Place
    key: str
    message: str

    def __str__(self) -> str:
        key = "" if self.place.text == f"--set {self.key}" else self.key
        return ": ".join(part for part in (self.place.text, key, self.message) if part)


@dataclass
class Written:
    """The tree below `mawep:`, the place of each value, and what is wrong with the form of it."""

    start: Place
    tree: dict[str, Tree] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    readable: bool = True
    inside: dict[KeyPath, KeyPath] = field(default_factory=dict)
    """Where values really stand that were written in an entry of `repositories`."""

    def name_of(self, path: KeyPath) -> str:
        """The dotted name of a key, as a person finds it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.inside:
                return dotted((*self.inside[path[:length]], *path[length:]))
        return dotted(path)

    def place_of(self, path: KeyPath) -> Place:
        """Where the value at `path` was written, or the nearest thing around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.start

    def value_at(self, path: KeyPath) -> Tree:
        """What was written at `path`; None when nothing was."""
        value: Tree = self.tree
        for step in path:
            if isinstance(value, dict) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value


def dotted(path: KeyPath) -> str:
    """`verify.commands[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def read(path: Path | None, overrides: Sequence[str]) -> Written:
    """Read the file (none: start from nothing) and lay every `key=value` of `overrides` over it.

    Raises:
        UsageError: there is no such file, or it cannot be read.
    """
    written = Written(Place(0, "configuration")) if path is None else _read_file(path)
    for count, text in enumerate(overrides):
        _override(written, text, order=10**9 + count)
    return written


def _read_file(path: Path) -> Written:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(
            f"there is no configuration file {path}",
            next_step="write one with `mawep init`, or name another with `--config FILE`",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"the configuration file {path} cannot be read", cause=str(reason)) from None
    parsed = parse(text)
    written = Written(Place(0, str(path)))
    written.problems += [Problem(_line(path, line), "", message) for line, message in parsed.problems]
    written.readable = parsed.readable
    _take_root(written, path, parsed)
    return written


def _take_root(written: Written, path: Path, parsed: Parsed) -> None:
    root = parsed.tree if parsed.tree is not None else {}
    if not isinstance(root, dict):
        written.problems.append(Problem(_line(path, 1), "", f"expected `{ROOT}:` and sections below it"))
        return
    for key in root.keys() - {ROOT}:
        message = f"unknown key; everything in this file goes below `{ROOT}:`"
        written.problems.append(Problem(_line(path, parsed.lines[key,]), key, message))
    tree = root.get(ROOT)
    if tree is not None and not isinstance(tree, dict):
        written.problems.append(Problem(_line(path, parsed.lines[ROOT,]), ROOT, "expected sections below it"))
        return
    written.tree = tree or {}
    written.places = {
        found[1:]: _line(path, line) for found, line in parsed.lines.items() if found[:1] == (ROOT,)
    }


def _override(written: Written, text: str, order: int) -> None:
    name, equals, value = text.partition("=")
    place = Place(order, f"--set {name}")
    steps = tuple(name.strip().removeprefix(f"{ROOT}.").split("."))
    if not equals or not all(steps):
        written.problems.append(Problem(Place(order, f"--set {text}"), "", "expected `key=value`"))
        return
    parsed = parse(value)
    written.problems += [Problem(place, dotted(steps), message) for _, message in parsed.problems]
    if not parsed.readable:
        return
    section = written.tree
    for count, step in enumerate(steps[:-1], start=1):
        inner = section.get(step)
        if inner is None:
            inner = section[step] = {}
            written.places[steps[:count]] = place
        if not isinstance(inner, dict):
            message = f"`{dotted(steps[:count])}` is a value, not a section"
            written.problems.append(Problem(place, dotted(steps), message))
            return
        section = inner
    section[steps[-1]] = parsed.tree
    for stale in [known for known in written.places if known[: len(steps)] == steps]:
        del written.places[stale]
    written.places[steps] = place


def _line(path: Path, line: int) -> Place:
    return Place(line, f"{path}:{line}")
