"""What work lands on, and by way of what, as the configuration says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from mawep.adapters.git import Repository, Sha
from mawep.adapters.git_refs import read_ref, update_refs
from mawep.adapters.git_remote import Login, Remote, SignIn, nobody, open_remote
from mawep.agents.redaction import Redactor
from mawep.cli.forging import forge_settings, open_forge
from mawep.cli.upkeep import ended
from mawep.clock import SystemClock
from mawep.config import Config
from mawep.config.github import here
from mawep.core.model import Number
from mawep.core.state import State
from mawep.errors import InfrastructureError, MawepError, UsageError
from mawep.observe.live import Live
from mawep.orchestrator.asking import Asking
from mawep.orchestrator.hall import Orchestrator
from mawep.orchestrator.introducing import Introduction
from mawep.orchestrator.proposals import Proposals, Ways
from mawep.stages.acceptance import protected_patterns
from mawep.stages.land import LocalTarget, Target
from mawep.stages.land.branches import FollowedTarget
from mawep.stages.land.landed import landed_issues
from mawep.stages.land.publish import PushedTarget, push_problems
from mawep.stages.land.regenerate import Generated
from mawep.stages.land.resolve import Resolver
from mawep.stages.verify import Gate
from mawep.stages.workspace import SetupError
from mawep.state.clone_key import clone_key
from mawep.state.journal import Journal
from mawep.state.outbox import Outbox
from mawep.trackers.base import Forge
from mawep.trackers.credentials import place_of, same_host
from mawep.trackers.registry import FORGES

log = structlog.get_logger("mawep.landing")


def proposes(config: Config) -> bool:
    """True when work lands by pull requests."""
    return config.landing.mode == "pull_request"


def landing_branch(config: Config, run: str) -> str:
    """The branch that a run lands on; by `branch_only` one of its own, which begins where the target is."""
    return own_branch(run) if config.landing.mode == "branch_only" else config.orchestrator.target_branch


def own_branch(run: str) -> str:
    """The branch that is a run's own."""
    return f"mawep/{run[-8:]}"


async def begin_branch(repository: Repository, state: State) -> None:
    """Have the branch of a run's own, if that is what it lands on, unless something has landed there already."""
    ref = f"refs/heads/{state.target_branch}"
    begins = state.rules.mode == "branch_only" and state.target == state.first_target
    if begins and await read_ref(repository, ref) is None:
        await update_refs(repository, [(ref, state.first_target, None)], message="mawep: begin")


def signs_in(config: Config) -> bool:
    """True when git may sign in as the forge does: work lands by it, or is pushed and it is said as whom."""
    github = config.github
    said = github.token is not None or github.app.id is not None or github.provider is not None
    return proposes(config) or (config.landing.push and said)


def target_ref(config: Config) -> str:
    """The ref that says where the target is, as far as is known here."""
    branch = config.orchestrator.target_branch
    return f"refs/remotes/{config.landing.remote}/{branch}" if proposes(config) else f"refs/heads/{branch}"


async def known_target(config: Config, repository: Repository) -> Sha:
    """Where the target is, as far as is known here.

    Raises:
        UsageError: nothing is known of it.
    """
    found = await read_ref(repository, target_ref(config))
    if found is None and proposes(config):
        found = await first_target(config, repository)
    if found is None:
        raise UsageError(
            f"The target branch {config.orchestrator.target_branch} does not exist",
            next_step="make it, or set `orchestrator.target_branch`",
        )
    return found


async def target_of(
    config: Config, repository: Repository, branch: str, *, forge: Forge | None = None
) -> Target:
    """What a run on this branch lands on.

    Raises:
        UsageError: there is no such remote.
    """
    if proposes(config):
        return FollowedTarget(await remote_of(config, repository, forge), branch)
    if not config.landing.push:
        return LocalTarget(repository, branch)
    return PushedTarget(await remote_of(config, repository, forge), branch)


async def remote_of(config: Config, repository: Repository, forge: Forge | None) -> Remote:
    """The remote that work goes to; git signs in there as the forge does, where that is one server."""
    api_url = (await forge_settings(config, repository, os.environ))[0].api_url if forge else ""

    def sign_in(url: str) -> SignIn:
        place = place_of(url)
        if forge is None or place is None or not same_host(api_url, place[0]):
            return nobody
        in_clear = url.startswith("http://") and not here(place[0].partition(":")[0])
        return nobody if in_clear else _by(forge)

    return await open_remote(repository, config.landing.remote, sign_in)


def _by(forge: Forge) -> SignIn:
    async def sign_in() -> Login | None:
        given = await forge.git_credentials()
        return Login(given.username, given.password) if given else None

    return sign_in


@asynccontextmanager
async def forge_to_land_on(config: Config, repository: Repository) -> AsyncIterator[Forge | None]:
    """The forge that work is proposed on, or whose credentials git signs in with; None: it lands without one.

    Raises:
        UsageError: it cannot be told which repository is meant, or how to sign in.
    """
    if not signs_in(config):
        yield None
        return
    forge = await open_forge(config, repository, SystemClock(), patient=True)
    try:
        yield forge
    finally:
        await forge.close()


async def first_target(config: Config, repository: Repository) -> Sha:
    """Where the target is when a run begins; a branch that is behind its remote is brought forward.

    Raises:
        UsageError: it does not exist, or cannot be told; nothing of a run was touched.
    """
    async with forge_to_land_on(config, repository) as forge:
        target = await target_of(config, repository, config.orchestrator.target_branch, forge=forge)
        try:
            return await target.now(None)
        except InfrastructureError as error:
            raise UsageError(error.what, cause=error.cause, next_step=error.next_step) from error


async def landing_problems(config: Config, repository: Repository) -> AsyncIterator[str]:
    """Why what a run makes could not land."""
    if not (config.landing.push or proposes(config)):
        return
    try:
        async with forge_to_land_on(config, repository) as forge:
            if forge is not None and not (await forge.about()).permission.may_write:
                yield f"`landing.mode`: whoever the token is may not write to {forge.repository}"
            remote = await remote_of(config, repository, forge)
            branch = config.orchestrator.target_branch
            here = await remote.fetch(branch) if proposes(config) else f"refs/heads/{branch}"
            if here is None:
                yield f"`landing.remote`: {remote.name} has no branch `{branch}`; push it there"
                return
            async for problem in push_problems(remote, here, branch):
                yield problem
    except UsageError as error:
        yield f"`landing.remote`: {error.what}; {error.next_step}"
    except MawepError as error:
        yield f"`landing.mode`: {error.what}; {error.cause}"


def landing_warnings(config: Config) -> Iterator[str]:
    """What a person should be told of how work lands."""
    if config.landing.mode == "branch_only":
        yield (
            f"nothing lands on {config.orchestrator.target_branch}: by `landing.mode: branch_only` it lands on a "
            "branch of the run, where what depends on it begins"
        )


async def landed(config: Config, repository: Repository) -> dict[Number, Sha]:
    """The issues that have landed on the target, here or, as far as is known, on its remote."""
    branch, remote = config.orchestrator.target_branch, config.landing.remote
    refs = [f"refs/heads/{branch}"]
    if config.landing.push or proposes(config):
        refs.append(f"refs/remotes/{remote}/{branch}")
    found: dict[Number, Sha] = {}
    for ref in refs:
        if await read_ref(repository, ref) is not None:
            found |= await landed_issues(repository, ref)
    return found


async def proposals_of(
    stack: AsyncExitStack,
    config: Config,
    remote: Remote,
    forge: Forge,
    outbox: Outbox,
    *,
    journal: Journal,
    hall: Orchestrator,
    asking: Asking,
    live: Live,
) -> Proposals:
    """How the run proposes what it makes; it looks at what it has proposed until the stack ends."""
    github, protected = config.github, protected_patterns(config.verify.protected_paths)
    closes = config.issues.tracker in FORGES
    ways = Ways(config.landing.merge_method, github.poll_seconds, protected, closes=closes)
    proposals = Proposals(
        *(forge, remote, outbox, ways),
        secret=clone_key(remote.repository.common_dir),
        state=lambda: hall.state,
        chain=journal.hash_at,
        asking=asking,
        introduction=Introduction(
            remote.repository, live, Redactor(config.secrets(os.environ)).text, ways.closes
        ),
    )
    hall.attend(proposals.witness)
    stack.push_async_callback(ended, asyncio.create_task(hall.guard(proposals.watch(hall.tell))))
    return proposals


def resolver_of(config: Config, gate: Gate) -> Resolver | None:
    """What resolves conflicts by rule in a run; None where nothing does."""

    async def make(commit: Sha, command: str, files: Sequence[str]) -> Mapping[str, bytes] | None:
        try:
            return await gate.make(commit, command, files)
        except SetupError as error:
            log.warning("not made anew", command=command, files=files, cause=str(error))
            return None

    rules = config.conflict_resolution
    generated = tuple(Generated(rule.files, rule.command) for rule in rules.regenerate)
    return Resolver(rules.max_candidates, generated, make) if rules.auto_merge else None
