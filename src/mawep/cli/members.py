"""The repositories that a configuration is about: one without a name, or several, each by its name."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.git import Repository, find_repository
from mawep.cli.context import existing
from mawep.config import RUN_SECTIONS, Config, load_members
from mawep.errors import ProblemsError, UsageError

KEY = "repositories"


@dataclass(frozen=True)
class Member:
    """One of several repositories. `name` is what people write, `key` what it is known by."""

    name: str
    config: Config
    repository: Repository

    @property
    def key(self) -> str:
        """The name in lower case."""
        return self.name.lower()


def about_several(path: Path | None) -> bool:
    """True when the configuration names its repositories; nothing is checked."""
    try:
        chosen = existing(path)
    except UsageError:
        return False
    if KEY not in chosen.read_text(
        encoding="utf-8", errors="replace"
    ):  # most do not, and reading YAML takes 40 ms
        return False
    from mawep.config.written import read

    return KEY in read(chosen, ()).tree


async def open_members(
    path: Path | None, overrides: Sequence[str] | None, uses: Collection[str] | None = None
) -> list[Member]:
    """Every repository of a configuration that names them, in its order, checked whole.

    Raises:
        ProblemsError: everything that is wrong.
    """
    configs = load_members(
        existing(path), overrides or (), os.environ, uses=RUN_SECTIONS if uses is None else uses
    )
    members: list[Member] = []
    problems: list[str] = []
    for name, config in configs.items():
        try:
            repository = await find_repository(config.orchestrator.repo_path)
        except UsageError as error:
            problems.append(f"{name}: {error.what}")
            continue
        same = (one for one in members if one.repository.common_dir == repository.common_dir)
        if twin := next(same, None):
            problems.append(f"{name}: is in the same clone as {twin.name}; each takes one of its own")
        members.append(Member(name, config, repository))
    if problems:
        raise ProblemsError("the repositories cannot be used", problems)
    return members


def member_called(members: Iterable[Member], name: str) -> Member:
    """The member of that name, in any case.

    Raises:
        UsageError: there is none.
    """
    members = list(members)
    found = next((member for member in members if member.key == name.lower()), None)
    if found is None:
        raise UsageError(f"there is no repository `{name}` in the configuration", next_step=known(members))
    return found


def known(members: Iterable[Member]) -> str:
    """Which names there are, as an advice."""
    return f"known are {', '.join(member.name for member in members)}"
