"""Which walls a configuration asks for, what is shown through them, and whether they can stand on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mawep.adapters.fences import LANDLOCK, REQUIRED
from mawep.adapters.git import Repository
from mawep.adapters.landlock import probe_landlock
from mawep.adapters.programs import visible_programs, with_real
from mawep.adapters.sandbox import SandboxUnusableError, probe
from mawep.config import Config
from mawep.stages.workspace import Confinement

_PROBES = {REQUIRED: probe, LANDLOCK: probe_landlock}


def shown(config: Config, repository: Repository) -> tuple[Path, ...]:
    """What everything behind walls may read: programs on PATH, what the user names, what worktrees link to."""
    checkout = repository.work_tree
    private = [Path.home(), repository.common_dir, config.worktree_base(repository.common_dir, os.environ)]
    private += [place for place in (checkout, repository.main_work_tree) if place]
    links = [checkout / path for path in config.workspace.link] if checkout else []
    programs = visible_programs(os.environ.get("PATH", os.defpath), private)
    return tuple(dict.fromkeys((*programs, *with_real((*config.workspace.visible, *links)))))


def confinement(config: Config, repository: Repository) -> Confinement:
    """The walls around set-up and gate."""
    kind = config.agents.walls
    return Confinement(
        kind=kind,
        shown=shown(config, repository) if kind != "off" else (),
        setup_network=config.workspace.setup_network == "full",
    )


def exposed(config: Config, repository: Repository) -> list[str]:
    """What `workspace.visible` would show that walls are there to hide."""
    hidden = {
        "your home": Path.home(),
        "the repository's git directory": repository.common_dir,
        "every worktree": config.worktree_base(repository.common_dir, os.environ),
    }
    return [
        f"`workspace.visible`: {path} shows {name}; name what is needed in it"
        for path in config.workspace.visible
        for name, place in hidden.items()
        if place.resolve().is_relative_to(path.resolve())
    ]


def walls_that_cannot_stand(config: Config, runtimes: Iterable[str]) -> list[str]:
    """Why walls that agents of these runtimes, set-up or gate need cannot be raised on this machine."""
    kinds = {config.agents.walls, *(config.agents.walls_of(runtime) for runtime in runtimes)}
    problems = []
    for kind in sorted(kinds & _PROBES.keys()):
        try:
            _PROBES[kind]()
        except SandboxUnusableError as error:
            told = (error.what, error.cause, error.next_step)
            problems.append(f"`agents.sandbox`: {'; '.join(part for part in told if part)}")
    return problems


def describe_walls(config: Config) -> str:
    """The walls that stand, for people. Raises SandboxUnusableError."""
    kind = config.agents.walls
    return _PROBES[kind]() if kind in _PROBES else "off: agents work with your rights"
