"""What work lands on, as the configuration says."""

from __future__ import annotations

from collections.abc import AsyncIterator

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_refs import read_ref
from mawep.adapters.git_remote import open_remote
from mawep.config import Config
from mawep.core.model import Number
from mawep.errors import InfrastructureError, UsageError
from mawep.stages.land import LocalTarget, Target, landed_issues
from mawep.stages.land.publish import PushedTarget, push_problems


async def target_of(config: Config, repository: Repository, branch: str) -> Target:
    """What a run on this branch lands on.

    Raises:
        UsageError: there is no such remote.
    """
    if not config.landing.push:
        return LocalTarget(repository, branch)
    return PushedTarget(await open_remote(repository, config.landing.remote), branch)


async def first_target(config: Config, repository: Repository) -> Sha:
    """Where the target is when a run begins; a branch that is behind its remote is brought forward.

    Raises:
        UsageError: it does not exist, or cannot be told; nothing of a run was touched.
    """
    target = await target_of(config, repository, config.orchestrator.target_branch)
    try:
        return await target.now(None)
    except InfrastructureError as error:
        raise UsageError(error.what, cause=error.cause, next_step=error.next_step) from error


async def landing_problems(config: Config, repository: Repository) -> AsyncIterator[str]:
    """Why what a run makes could not land."""
    if config.landing.push:
        try:
            remote = await open_remote(repository, config.landing.remote)
        except UsageError as error:
            yield f"`landing.remote`: {error.what}; {error.next_step}"
            return
        async for problem in push_problems(remote, config.orchestrator.target_branch):
            yield problem


async def landed(config: Config, repository: Repository) -> dict[Number, Sha]:
    """The issues that have landed on the target, here or, as far as is known, on its remote."""
    branch, remote = config.orchestrator.target_branch, config.landing.remote
    refs = [f"refs/heads/{branch}"]
    if config.landing.push:
        refs.append(f"refs/remotes/{remote}/{branch}")
    found: dict[Number, Sha] = {}
    for ref in refs:
        if await read_ref(repository, ref) is not None:
            found |= await landed_issues(repository, ref)
    return found
