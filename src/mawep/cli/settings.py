"""What the rooms of a run are told of its configuration: how agents are driven, how worktrees are made."""

from __future__ import annotations

import os

from mawep.adapters.git import Repository
from mawep.agents.registry import RUNTIMES
from mawep.cli.agents_here import logins
from mawep.cli.confining import confinement, shown
from mawep.cli.driving import options_of, ways_of
from mawep.cli.pricing import price_of
from mawep.cli.watching import has_forge
from mawep.config import Config
from mawep.core.state import State
from mawep.gateway.gateway import Gateway
from mawep.gateway.prices import load_prices
from mawep.orchestrator import WORKER
from mawep.stages.attempt import Limits
from mawep.stages.verify import GateSettings, ScopeGate
from mawep.stages.workspace import WorkspaceSettings
from mawep.state.runs import RunDirectory
from mawep.worker import Driving, WorkerSettings


def worker_settings(
    config: Config, repository: Repository, directory: RunDirectory, state: State, gateway: Gateway | None
) -> WorkerSettings:
    """How the built-in worker drives the agents of a run.

    Raises:
        UsageError: the configuration does not say how some of them are driven.
    """
    agents, prices = config.agents, load_prices(config.agents.prices)
    return WorkerSettings(
        name=WORKER,
        run=directory.run,
        directory=directory.path,
        gateway=gateway,
        forge=has_forge(config),
        runtimes={
            name: Driving(
                RUNTIMES[way.runtime](options_of(agents, way)),
                *(way.command, way.env, way.model),
                sandbox=agents.walls_of(way.runtime),
                network=agents.network,
                price=price_of(way, prices),
            )
            for name, way in ways_of(agents, state).items()
        },
        limits=Limits(
            stall=agents.stall_timeout_minutes * 60,
            turn=agents.turn_timeout_minutes * 60,
            progress=agents.progress_timeout_minutes * 60,
            loop=agents.loop_limit,
            processes=agents.limits.processes,
            memory=agents.limits.memory_gb * 1e9,
            disk=agents.limits.disk_gb * 1e9,
        ),
        shown=shown(config, repository),
        logins=logins(config, os.environ),
    )


def gate_settings(config: Config) -> GateSettings:
    """What the gate of a run runs."""
    verify = config.verify
    return GateSettings(
        *(verify.commands, verify.timeout_minutes * 60, verify.env, config.workspace.setup),
        walls=config.agents.walls,
        scopes=tuple(ScopeGate(scope.name, scope.commands, scope.setup) for scope in verify.scopes),
        reruns=verify.flaky_reruns,
    )


def workspace_settings(config: Config, repository: Repository) -> WorkspaceSettings:
    """How worktrees are made."""
    workspace = config.workspace
    return WorkspaceSettings(
        base=config.worktree_base(repository.common_dir, os.environ),
        spares=min(workspace.spares, config.orchestrator.max_agents),
        setup=workspace.setup,
        setup_inputs=workspace.setup_inputs,
        link=workspace.link,
        copy=workspace.copy_,
        ports_from=workspace.ports_from,
        disk_floor_gb=workspace.disk_floor_gb,
        quota_gb=config.agents.limits.disk_gb,
        env=config.verify.env,
        retention_days=config.cleanup.worktree_retention_days,
        setup_timeout=workspace.setup_timeout_minutes * 60,
        gate_slots=config.verify.slots + (config.review.slots if config.review.runtime else 0),
        confinement=confinement(config, repository),
    )
