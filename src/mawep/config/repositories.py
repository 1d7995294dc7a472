"""`repositories:` of a configuration: one configuration for each, made of what is written for all and in its entry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mawep.adapters.yaml_lines import KeyPath, Tree
from mawep.config.fields import suggestion
from mawep.config.github import forge_wanted
from mawep.config.model import Config
from mawep.config.plain_forge import PLAIN_FORGES
from mawep.config.written import Problem, Written, dotted

KEY = "repositories"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)+")
_OF_ALL = ("message_bus", "monitoring")
"""Sections that hold for a whole process."""
_OF_ALL_KEYS = {
    ("orchestrator", "max_agents"): "holds for all repositories together; write it outside of `repositories`",
    ("orchestrator", "repo_path"): "is what `path` says of each repository",
}


def split(written: Written) -> dict[str, Written]:
    """What is written for each repository, by its name; what is wrong with the list itself goes into `written`."""
    entries = written.tree.get(KEY)
    if not isinstance(entries, list) or not entries:
        _wrong(written, (KEY,), "expected a list of repositories, such as `- {name: acme/api, path: ../api}`")
        return {}
    found: dict[str, Written] = {}
    for place, entry in enumerate(entries):
        above = (KEY, place)
        if not isinstance(entry, dict):
            _wrong(written, above, "expected `name:` and `path:`")
            continue
        name, path = entry.get("name"), entry.get("path")
        problems = list(_problems(entry))
        for key, message in problems:
            _wrong(written, (*above, *key), message)
        if problems or not isinstance(name, str) or not isinstance(path, str):
            continue
        if any(name.casefold() == other.casefold() for other in found):
            _wrong(written, (*above, "name"), f"`{name}` is there already")
            continue
        found[name] = _one(written, above, entry, name, path)
    return found


def _wrong(written: Written, path: KeyPath, message: str) -> None:
    written.problems.append(Problem(written.place_of(path), dotted(path), message))


def _problems(entry: Mapping[str, Tree]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with an entry but for the values of its sections."""
    name, path = entry.get("name"), entry.get("path")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield ("name",), "expected `owner/name`, which issues are named by: `owner/name#5`"
    if not isinstance(path, str) or not path.strip():
        yield ("path",), "expected the path of a clone"
    sections = [section for section in Config.model_fields if section not in _OF_ALL]
    for key in entry:
        if key in _OF_ALL:
            yield (key,), "holds for all repositories; write it outside of `repositories`"
        elif key not in ("name", "path", *sections):
            yield (key,), f"unknown key{suggestion(key, sections)}"
    for keys, message in _OF_ALL_KEYS.items():
        section = entry.get(keys[0])
        if isinstance(section, dict) and keys[1] in section:
            yield keys, message


def _one(written: Written, above: KeyPath, entry: Mapping[str, Tree], name: str, path: str) -> Written:
    """What is written for one: the entry laid over everything else."""
    one = Written(
        written.place_of(above),
        tree={key: _copy(value) for key, value in written.tree.items() if key != KEY},
        places={path: place for path, place in written.places.items() if path[:1] != (KEY,)},
    )
    for key, value in entry.items():
        if key not in ("name", "path"):
            _lay(one, written, (key,), value, above)
    place = int(above[1])
    for keys, value in _its_own(one, name, path, place).items():
        section = one.tree.get(keys[0])
        if section is None:
            section = one.tree[keys[0]] = {}
        if isinstance(section, dict):
            section[keys[1]] = value
    return one


def _lay(one: Written, written: Written, path: KeyPath, value: Tree, above: KeyPath) -> None:
    """Lay a value of an entry over the one at the same place: key by key in a mapping, else whole."""
    *front, last = path
    around = one.tree
    for step in front:
        around = around[step]  # type: ignore[index,assignment]
    if isinstance(value, dict) and isinstance(around.get(str(last)), dict):
        for key, inner in value.items():
            _lay(one, written, (*path, key), inner, above)
        return
    around[str(last)] = _copy(value)
    for stale in [known for known in one.places if known[: len(path)] == path]:
        del one.places[stale]
    whole = (*above, *path)
    for known, place in written.places.items():
        if known[: len(whole)] == whole:
            one.places[known[len(above) :]] = place
            one.inside[known[len(above) :]] = known


def _its_own(one: Written, name: str, path: str, place: int) -> dict[tuple[str, str], Tree]:
    """What differs between repositories although nobody writes it in each entry."""
    found: dict[tuple[str, str], Tree] = {("orchestrator", "repo_path"): path}
    issues = one.value_at(("issues", "path")) or "issues"
    if isinstance(issues, str) and not issues.startswith("~"):
        found["issues", "path"] = str(Path(path) / issues)
    base = one.value_at(("orchestrator", "worktree_base"))
    if isinstance(base, str):
        found["orchestrator", "worktree_base"] = str(Path(base) / name.replace("/", "-"))
    port = one.value_at(("monitoring", "prometheus_port"))
    if isinstance(port, str) and port.isdecimal():
        found["monitoring", "prometheus_port"] = str(int(port) + place)
    tracker = one.value_at(("issues", "tracker"))
    forges = {forge for forge in PLAIN_FORGES if tracker == forge}
    if forge_wanted(one.tree, Config.model_fields):
        forges.add("github")
    for forge in sorted(forges):
        if one.value_at((forge, "repository")) is None:
            found[forge, "repository"] = name
    return found


def _copy(value: Tree) -> Tree:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value
