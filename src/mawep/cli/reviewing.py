"""Who reviews whom: the ways of driving reviewers, and how their part of a run is put together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from mawep.adapters.git import Repository
from mawep.adapters.process import Supervisor
from mawep.agents.options import Options, Permissions, Rule
from mawep.agents.registry import RUNTIMES
from mawep.cli.driving import Way, options_of, routing, way_of, ways, ways_taken
from mawep.cli.pricing import price_of
from mawep.clock import Clock
from mawep.config import Config
from mawep.config.agents import Agents
from mawep.config.review import OTHER
from mawep.config.routes import NEED_COMMAND
from mawep.core.model import Issue
from mawep.core.state import State
from mawep.errors import UsageError
from mawep.gateway.prices import load_prices
from mawep.orchestrator import Orchestrator, Reviews
from mawep.stages.workspace import Workspaces
from mawep.state.runs import RunDirectory
from mawep.worker import Driving, Reviewer, WorkerSettings


def reviewers(config: Config, issues: Iterable[Issue]) -> dict[str, str]:
    """The name of the way in which the reviewer is driven, by that of the writer; empty: nobody reviews."""
    if config.review.runtime is None:
        return {}
    agents = config.agents
    writers = dict.fromkeys([agents.runtime, *(to.runtime for to in routing(agents, issues).routed.values())])
    return {writer: _reviewer_of(config, writer) for writer in writers}


def _reviewer_of(config: Config, writer: str) -> str:
    own = _own_way(config)
    if own is not None:
        return own[0]
    way = way_of(config.agents, writer)
    others = (name for name, known in ways(config.agents).items() if way and known.runtime != way.runtime)
    return next(others, writer)


def _own_way(config: Config) -> tuple[str, Way] | None:
    """The way that `review` describes, and its name in a run; None when it describes none."""
    review, agents = config.review, config.agents
    if review.runtime in {None, OTHER} or review.runtime is None:
        return None
    command = review.command or (agents.command if agents.runtime == review.runtime else None) or ()
    if review.runtime == "scripted":
        command = (str(agents.script_dir),)
    env = agents.env if review.env is None else review.env
    key = "review.command" if review.command else "agents.command"
    way = Way(review.runtime, tuple(command), env, review.model, key)
    known = ways(agents)
    same = (name for name, other in known.items() if other == way)
    return next(same, f"{review.runtime}:review" if review.runtime in known else review.runtime), way


def reviewer_ways(config: Config, names: Iterable[str]) -> dict[str, Way]:
    """The ways of these names.

    Raises:
        UsageError: the configuration does not say any more how one of them works.
    """
    own = _own_way(config)
    found = {}
    for name in dict.fromkeys(names):
        way = own[1] if own and own[0] == name else way_of(config.agents, name)
        if way is None:
            raise UsageError(
                f"The run's reviewers are driven as `{name}`, which the configuration does not describe",
                next_step="write it into `review` again, or as a route in `agents.routes`",
            )
        found[name] = way
    return found


def used_ways(config: Config, issues: Iterable[Issue]) -> list[Way]:
    """The ways that writers and reviewers of these issues take."""
    issues = list(issues)
    used = list(ways_taken(config.agents, issues)[0])
    if config.review.runtime is not None:
        found = reviewer_ways(config, reviewers(config, issues).values()).values()
        used += [way for way in found if way not in used]
    return used


def review_problems(config: Config) -> Iterator[str]:
    """What is missing for a reviewer to be started at all."""
    own = _own_way(config)
    if own is None:
        for key in ("command", "env", "model"):
            if getattr(config.review, key) is not None:
                yield f"review.{key}: takes a `review.runtime` that is named; there is nobody to give it to"
        return
    way = own[1]
    if way.runtime in NEED_COMMAND and not way.command:
        yield "review.command: is missing; write the program that is the reviewer, as a list or as one text"
    if way.runtime == "scripted" and config.agents.script_dir is None:
        yield "review.runtime: `scripted` needs `agents.script_dir`, the folder of the scripts"


def reviews_of(
    config: Config,
    repository: Repository,
    directory: RunDirectory,
    hall: Orchestrator,
    *,
    settings: WorkerSettings,
    workspaces: Workspaces,
    supervisor: Supervisor,
    clock: Clock,
) -> Reviews:
    """What has the candidates of a run reviewed; `settings` are those of its worker.

    Raises:
        UsageError: the configuration does not say any more how reviewers are driven.
    """
    state = hall.state
    seconds = config.review.timeout_minutes * 60
    reviewer = Reviewer(
        replace(settings, runtimes=_drivings(config, state)),
        workspaces=workspaces,
        supervisor=supervisor,
        clock=clock,
        limits=replace(settings.limits, turn=seconds),
        ports=config.orchestrator.max_agents,
    )
    reviews = Reviews(
        repository=repository,
        reviewer=reviewer,
        template=json.loads(state.settings)["templates"].get("review"),
        gates=directory.gates,
        state=lambda: hall.state,
    )
    hall.attend(reviews.witness)
    return reviews


def _drivings(config: Config, state: State) -> dict[str, Driving]:
    agents, prices = config.agents, load_prices(config.agents.prices)
    return {
        name: Driving(
            RUNTIMES[way.runtime](unasking(agents, way)),
            *(way.command, way.env, way.model),
            sandbox=agents.walls_of(way.runtime),
            network=agents.network,
            price=price_of(way, prices),
        )
        for name, way in reviewer_ways(config, state.rules.reviewers.values()).items()
    }


def unasking(agents: Agents, way: Way) -> Options:
    """As any agent of that way is driven, but that what a person would be asked is refused: nobody is there."""
    options = options_of(agents, way)
    given = options.permissions
    rules = tuple(
        Rule("deny" if rule.action == "ask" else rule.action, rule.kind, rule.path) for rule in given.rules
    )
    return replace(
        options, permissions=Permissions("deny" if given.default == "ask" else given.default, rules)
    )
