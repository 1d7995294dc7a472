"""What nearly every verb needs first: the configuration and the repository it names."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.git import Repository, find_repository
from mawep.config import RUN_SECTIONS, Config, load_config
from mawep.errors import UsageError
from mawep.state.runs import RunSummary, directory_of, list_runs, summarize

DEFAULT_CONFIG = Path("mawep.yaml")


@dataclass(frozen=True)
class Context:
    """A configuration and the repository that it is about."""

    config: Config
    repository: Repository


def read_config(path: Path | None, overrides: Sequence[str], uses: Collection[str] = RUN_SECTIONS) -> Config:
    """The configuration that a person means: `-c FILE`, else ./mawep.yaml."""
    chosen = path or DEFAULT_CONFIG
    if not chosen.exists():
        raise UsageError(
            f"There is no configuration {chosen}", next_step="`mawep init` writes one, or name one with -c"
        )
    return load_config(chosen, overrides, os.environ, uses=uses)


async def open_context(path: Path | None, overrides: Sequence[str] | None) -> Context:
    """The configuration, checked whole, and its repository."""
    config = read_config(path, overrides or ())
    return Context(config, await find_repository(config.orchestrator.repo_path))


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
