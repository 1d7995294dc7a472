"""The repositories that a configuration is about: one without a name, or several, each by its name."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.git import Repository, find_repository
from mawep.cli.config_file import existing
from mawep.config import RUN_SECTIONS, Config, load_members
from mawep.errors import ProblemsError, UsageError
from mawep.trackers.issue_file import Around


@dataclass(frozen=True)
class Member:
    """One of several repositories. `name` is what people write, `key` what it is known by, `near` are all of them."""

    name: str
    config: Config
    repository: Repository
    near: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The name in lower case."""
        return self.name.lower()

    @property
    def around(self) -> Around:
        """What its issues may refer to."""
        return Around(self.key, self.near)


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
        members.append(Member(name, config, repository, tuple(map(str.lower, configs))))
    if problems:
        raise ProblemsError("the repositories cannot be used", problems)
    return members


async def the_member(
    path: Path | None, name: str, overrides: Sequence[str] | None, uses: Collection[str]
) -> Member:
    """The repository of that name, in any case, with its configuration.

    Raises:
        UsageError: there is none, or no name was said.
    """
    members = await open_members(path, overrides, uses)
    found = next((member for member in members if name and member.key == name.lower()), None)
    if found is not None:
        return found
    if not members[0].name:
        raise UsageError(
            f"`{name}` is in no configuration", next_step="name it in `repositories`, or leave the name away"
        )
    if not name:
        raise UsageError("which repository?", next_step=f"name the issue as `owner/name#5`; {known(members)}")
    raise UsageError(f"there is no repository `{name}` in the configuration", next_step=known(members))


def known(members: Iterable[Member]) -> str:
    """Which names there are, as an advice."""
    return f"known are {', '.join(member.name for member in members)}"
