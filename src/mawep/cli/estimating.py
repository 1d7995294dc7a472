"""Estimates for the issues of a plan, from all that is known here: their texts, git, and the journals of past runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from mawep.adapters.git import Repository
from mawep.cli.landing import target_ref
from mawep.config import Config
from mawep.core.features import Surroundings, with_estimates
from mawep.core.model import Issue
from mawep.stages.history import read_history
from mawep.state.past import past_issues


async def estimated(issues: Iterable[Issue], repository: Repository | None, config: Config) -> list[Issue]:
    """The issues, each with its estimate."""
    return with_estimates(issues, await _surroundings(repository, target_ref(config)))


async def _surroundings(repository: Repository | None, ref: str) -> Surroundings:
    if repository is None:
        return Surroundings()
    history, past = await asyncio.gather(
        read_history(repository, ref), asyncio.to_thread(past_issues, repository.common_dir)
    )
    return Surroundings(history.paths, history.changes, past)
