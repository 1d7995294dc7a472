"""What nearly every verb needs first: the configuration, the repository it names, and one of its runs."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mawep.adapters.git import Repository, find_repository
from mawep.cli.config_file import DEFAULT_CONFIG, about_several, existing
from mawep.errors import UsageError
from mawep.state.runs import RunSummary, directory_of, list_runs, summarize

if TYPE_CHECKING:
    from mawep.config import Config


@dataclass(frozen=True)
class Context:
    """A configuration and the repository that it is about."""

    config: Config
    repository: Repository


def read_config(path: Path | None, overrides: Sequence[str], uses: Collection[str] | None = None) -> Config:
    """The configuration that a person means: `-c FILE`, else ./mawep.yaml.

    `uses` names the sections that are needed; None: all that a run needs.
    """
    from mawep.config import RUN_SECTIONS, load_config

    chosen = existing(path)
    return load_config(chosen, overrides, os.environ, uses=RUN_SECTIONS if uses is None else uses)


def read_configs(path: Path | None, overrides: Sequence[str]) -> dict[str, Config]:
    """The configuration of every repository that it is about, by name; the only one has none.

    Raises:
        ProblemsError: everything that is wrong.
    """
    from mawep.config import load_members

    return load_members(existing(path), overrides, os.environ)


async def open_context(
    path: Path | None, overrides: Sequence[str] | None, uses: Collection[str] | None = None
) -> Context:
    """The configuration, checked whole, and its repository."""
    config = read_config(path, overrides or (), uses)
    return Context(config, await find_repository(config.orchestrator.repo_path))


async def open_repositories(path: Path | None) -> list[tuple[str, Repository]]:
    """Every repository that a configuration is about, with its name; the only one has none."""
    if not about_several(path):
        return [("", await open_repository(path))]
    from mawep.cli.members import open_members

    members = await open_members(path, (), uses=("orchestrator",))
    return [(member.name, member.repository) for member in members]


async def chosen_runs(path: Path | None, run: str | None) -> list[tuple[str, Repository, RunSummary]]:
    """The run that a person means (see `choose_run`) in every repository that has one.

    Raises:
        UsageError: there is none.
    """
    repositories = await open_repositories(path)
    if len(repositories) == 1:
        return [(name, one, choose_run(one.common_dir, run)) for name, one in repositories]
    found = []
    for name, one in repositories:
        runs = list_runs(one.common_dir)
        if run is not None:
            runs = [summary for summary in runs if summary.directory.run.endswith(run)]
        found += [(name, one, summary) for summary in runs[:1]]
    if not found:
        raise UsageError(
            f"No run is called {run}" if run else "There is no run in these repositories",
            next_step="`mawep status --all` lists them" if run else "`mawep start` begins one",
        )
    return found


async def open_repository(path: Path | None, called: str = "") -> Repository:
    """The repository that a person means, for verbs that only look at runs or steer them.

    `called` is its name, where the configuration is about several.

    A configuration that has become unusable must not keep anybody from seeing or stopping a run, so nothing is
    read from it but where the repository is.
    """
    if called or about_several(path):
        from mawep.cli.members import the_member

        return (await the_member(path, called, (), uses=("orchestrator",))).repository
    if path is None and not DEFAULT_CONFIG.exists():
        return await find_repository(Path())
    chosen = existing(path)
    text = chosen.read_text(encoding="utf-8", errors="replace")
    if "repo_path" not in text:  # most do not name it, and reading YAML takes 40 ms
        return await find_repository(chosen.absolute().parent)
    from mawep.config import load_config

    config = load_config(chosen, (), os.environ, uses=("orchestrator",))
    return await find_repository(config.orchestrator.repo_path)


def choose_run(common_dir: Path, run: str | None) -> RunSummary:
    """The run that a person means: by id or the end of it, else the newest.

    Raises:
        UsageError: there is none, or the name fits several.
    """
    if run is None:
        runs = list_runs(common_dir)
        if not runs:
            raise UsageError("There is no run in this repository", next_step="`mawep start` begins one")
        return runs[0]
    exact = summarize(directory_of(common_dir, run)) if "/" not in run else None
    if exact is not None:
        return exact
    found = [summary for summary in list_runs(common_dir) if summary.directory.run.endswith(run)]
    if len(found) != 1:
        raise UsageError(
            f"{'No run' if not found else 'More than one run'} is called {run}",
            next_step="`mawep status --all` lists them",
        )
    return found[0]


def watched_run(common_dir: Path) -> RunSummary:
    """The run that goes on now, else the newest.

    Raises:
        UsageError: there is none.
    """
    living = (summary for summary in list_runs(common_dir) if summary.alive)
    return next(living, None) or choose_run(common_dir, None)


def run_to_steer(common_dir: Path, run: str | None) -> RunSummary:
    """The run that a person wants to act on: the named one, else the newest that lives, else the newest not ended.

    Raises:
        UsageError: there is none.
    """
    if run is not None:
        return choose_run(common_dir, run)
    unfinished = [summary for summary in list_runs(common_dir) if not summary.ended]
    if not unfinished:
        raise UsageError(
            "No run is under way",
            next_step="`mawep start` begins one, `mawep status` shows how the last one ended",
        )
    return next((summary for summary in unfinished if summary.alive), unfinished[0])


def not_running(run: RunSummary) -> UsageError:
    """What is said when a run has no process that could carry something out."""
    if run.ended:
        return UsageError(
            f"Run {run.directory.run} has ended", next_step="`mawep retry ISSUE` reopens an issue of it"
        )
    return UsageError(
        f"Run {run.directory.run} is not running: its process was interrupted or killed",
        next_step="`mawep resume` goes on with it",
    )
