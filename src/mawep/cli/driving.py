"""Which ways of driving agents a run has, and which of them each issue gets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from mawep.agents.base import AgentFailed
from mawep.agents.options import Action, Options, Permissions, Rule
from mawep.agents.registry import RUNTIMES, UNASKING
from mawep.config.agents import Agents
from mawep.config.environment import names_in
from mawep.config.routes import NAMED_AGENTS, NEED_COMMAND
from mawep.core.model import Issue, Number, Routed
from mawep.core.state import State
from mawep.errors import UsageError

NEEDS_MORE = NEED_COMMAND | {"scripted"}
"""Runtimes that cannot be used by their name alone."""


@dataclass(frozen=True)
class Way:
    """One way of driving agents; `key` is where its command is configured.

    For `scripted`, `command` is the folder of the scripts.
    """

    runtime: str
    command: tuple[str, ...]
    env: tuple[str, ...]
    model: str | None
    key: str = field(default="agents.command", compare=False)


def ways(agents: Agents) -> dict[str, Way]:
    """Every way that the configuration knows, by its name in a run; the default first.

    A way is called by its runtime, or by runtime and label (`acp:docs`) where another has that name.
    """
    return _named(agents)[0]


def _named(agents: Agents) -> tuple[dict[str, Way], dict[str, str]]:
    """The ways by name, and names by label in lower case."""
    default = Way(agents.runtime, _command(agents, agents.runtime, agents.command), agents.env, agents.model)
    found, by_label = {agents.runtime: default}, {}
    for place, route in enumerate(agents.routes):
        command = route.command or (agents.command if route.runtime == agents.runtime else None)
        env = agents.env if route.env is None else (*route.env, *_read_by_shell(command))
        model = route.model or agents.model
        key = f"agents.routes[{place}].command" if route.command else "agents.command"
        way = Way(route.runtime, _command(agents, route.runtime, command), env, model, key)
        name = next((name for name, known in found.items() if known == way), route.runtime)
        if found.get(name, way) != way:
            name = f"{route.runtime}:{route.label}"
        found.setdefault(name, way)
        by_label[route.label.lower()] = name
    return found, by_label


def _read_by_shell(command: tuple[str, ...] | None) -> list[str]:
    """The variables that a command in one text reads: it gets them, whatever else it gets."""
    return sorted(names_in(command[2])) if command and command[:2] == ("sh", "-c") else []


def _command(agents: Agents, runtime: str, command: tuple[str, ...] | None) -> tuple[str, ...]:
    return (str(agents.script_dir),) if runtime == "scripted" else tuple(command or ())


def way_of(agents: Agents, name: str) -> Way | None:
    """The way of that name: one that is configured, or a runtime that needs no more than its name."""
    configured = ways(agents).get(name)
    if configured is not None or name not in RUNTIMES or name in NEEDS_MORE:
        return configured
    return Way(name, (), agents.env, agents.model)


def usable_ways(agents: Agents, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that are ways which can be taken here and now."""
    found = ((name, way_of(agents, name)) for name in dict.fromkeys(names))
    return tuple(name for name, way in found if way is not None and not unusable(agents, [way]))


@dataclass(frozen=True)
class Routing:
    """Which issues are not driven in the default way, and what is wrong with what issues ask for."""

    routed: dict[Number, Routed]
    problems: tuple[str, ...]


def routing(agents: Agents, issues: Iterable[Issue]) -> Routing:
    """The way of each issue: what it asks for, else what a route for one of its labels says, else what suits it."""
    _, by_label = _named(agents)
    routed: dict[Number, Routed] = {}
    problems = []
    for issue in issues:
        if issue.runtime is not None:
            if way_of(agents, issue.runtime) is None:
                problems.append(_unknown(agents, issue, issue.runtime))
            chosen = Routed(issue.runtime, "the issue says so")
        else:
            labels = {label.lower(): label for label in issue.labels}
            match = next((label for label in by_label if label in labels), None)
            if match is not None:
                chosen = Routed(by_label[match], f"its label `{labels[match]}`")
            elif agents.learns_routes and issue.suited is not None:
                chosen = issue.suited
            else:
                continue
        if chosen.runtime != agents.runtime:
            routed[issue.number] = chosen
    return Routing(routed, tuple(problems))


def _unknown(agents: Agents, issue: Issue, name: str) -> str:
    where = f"{issue.origin}: runtime" if issue.origin else f"#{issue.number}: runtime"
    if name in NEEDS_MORE:
        return f"{where}: `{name}` needs more than its name; write a route with it in `agents.routes`"
    known = ", ".join(f"`{known}`" for known in dict.fromkeys([*ways(agents), *sorted(RUNTIMES)]))
    return f"{where}: there is no `{name}`; known are {known}"


def ways_taken(agents: Agents, issues: Iterable[Issue]) -> tuple[list[Way], tuple[Number, ...]]:
    """The ways that these issues take (without any: all there are), and which issues are driven by scripts."""
    routed = routing(agents, issues).routed
    names = {
        issue.number: routed[issue.number].runtime if issue.number in routed else agents.runtime
        for issue in issues
    }
    found = {name: way_of(agents, name) for name in dict.fromkeys(names.values() or ways(agents))}
    scripted = {name for name, way in found.items() if way and way.runtime == "scripted"}
    used = [way for way in found.values() if way is not None]
    return used, tuple(sorted(number for number, name in names.items() if name in scripted))


def ways_of(agents: Agents, state: State) -> dict[str, Way]:
    """The ways that a run uses, by name.

    Raises:
        UsageError: the configuration does not say any more how one of them works.
    """
    names = dict.fromkeys([state.runtime, *(routed.runtime for routed in state.routed.values())])
    # A journal from before there were routes names none: its agents are driven as the configuration says.
    found = {name: way_of(agents, name or agents.runtime) for name in names}
    missing = [f"`{name}`" for name, way in found.items() if way is None]
    if missing:
        raise UsageError(
            f"The run drives agents as {' and '.join(missing)}, which the configuration does not describe",
            next_step="write it into `agents` again, or as a route in `agents.routes`",
        )
    return {name: way for name, way in found.items() if way is not None}


def options_of(agents: Agents, way: Way) -> Options:
    """How a runtime drives its agents in that way."""
    given = agents.permissions
    rules = tuple(Rule(cast(Action, rule.action), rule.kind or "", rule.path or "") for rule in given.rules)
    return Options(way.model, Permissions(cast(Action, given.default), rules))


def unusable(agents: Agents, used: Iterable[Way]) -> list[str]:
    """Why some of these ways cannot be taken, on this machine or at all."""
    problems = []
    for way in used:
        name = f"runtime `{way.runtime}`"
        if way.command and way.runtime in NAMED_AGENTS:
            problems.append(f"`{way.key}`: {name} knows its program and takes no command; leave it out")
        if way.runtime in UNASKING and agents.permissions.say_something:
            problems.append(f"`agents.permissions` would not hold: agents of {name} never ask for leave")
        try:
            RUNTIMES[way.runtime](options_of(agents, way)).needs(way.command)
        except AgentFailed as failure:
            problems.append(
                "; ".join(part for part in (f"{name}: {failure.what}", failure.next_step) if part)
            )
    return problems
