"""What a scripted agent is told to do: the script file, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

VALUES: Mapping[str, tuple[type, ...]] = {
    "plan": (list,),
    "say": (str,),
    "think": (str,),
    "run": (str,),
    "commit": (str,),
    "sleep": (int, float),
    "crash": (int, str),
    "hang": (bool,),
    "refuse": (bool,),
    "leave": (str,),
    "garbage": (bool,),
}
"""Actions that take one value, with its types."""

FIELDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    action: (frozenset(required.split()), frozenset(optional.split()))
    for action, required, optional in (
        ("write", "path text", ""),
        ("append", "path text", ""),
        ("replace", "path old new", ""),
        ("ask", "text", "options"),
        ("announce", "file change", "affects migration"),
        ("usage", "", "input output cost_usd"),
        ("tool", "name", "arguments"),
        ("limit", "", "seconds why"),
        ("review", "verdict", "summary comments"),
    )
}
"""Actions that take fields: the required ones and the optional ones."""

MODIFIERS = frozenset({"title", "only_attempt", "on_reject", "stubborn"})


PlanStatus = Literal["pending", "in_progress", "completed"]


class ScriptError(Exception):
    """A script says something that no agent can do."""


@dataclass(frozen=True)
class Step:
    """One thing to do. `title` makes it an entry of the plan; `only_attempt` leaves it out of other attempts.

    `stop_on_reject` ends the turn when an edit is not allowed; `stubborn` makes a hang ignore everything.
    """

    action: str
    value: Any
    title: str | None = None
    only_attempt: int | None = None
    stop_on_reject: bool = False
    stubborn: bool = False


@dataclass(frozen=True)
class Script:
    """The steps of each turn: the first prompt's, then those of every repair; and those of each review of the issue."""

    turns: tuple[tuple[Step, ...], ...]
    reviews: tuple[tuple[Step, ...], ...] = ()

    def of_review(self, number: int) -> Script:
        """What whoever makes that review does, from 1; nothing when the script does not go that far."""
        return Script(self.reviews[number - 1 : number])

    def steps(self, turn: int) -> tuple[Step, ...]:
        """What to do in turn `turn`, from 0; nothing when the script does not go that far."""
        return self.turns[turn] if turn < len(self.turns) else ()


def load(path: Path) -> Script:
    """Read a script in YAML or JSON. Raises ScriptError naming the file and the step."""
    try:
        return parse(_read(path))
    except ScriptError as error:
        raise ScriptError(f"{path}: {error}") from error


def parse(data: Any) -> Script:
    """Check a script that was read. Raises ScriptError naming the step."""
    if not isinstance(data, Mapping):
        raise ScriptError("a script is a mapping with `steps`")
    if unknown := data.keys() - {"steps", "on_repair", "reviews"}:
        known = "a script has `steps`, `on_repair` and `reviews`"
        raise ScriptError(f"unknown key {sorted(map(str, unknown))[0]}; {known}")
    repairs, reviews = _rounds(data, "on_repair", "repair"), _rounds(data, "reviews", "review")
    return Script((_steps(data.get("steps"), "steps"), *repairs), reviews)


def _rounds(data: Mapping[str, Any], key: str, what: str) -> tuple[tuple[Step, ...], ...]:
    rounds = data.get(key, [])
    if not isinstance(rounds, list):
        raise ScriptError(f"`{key}` is a list with a list of steps for each {what}")
    return tuple(_steps(steps, f"{key} {index}") for index, steps in enumerate(rounds, 1))


def _read(path: Path) -> Any:
    try:
        text = path.read_text()
        if path.suffix == ".json":
            return json.loads(text)
        # a JSON script does without, and its agent starts sooner
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError
    except (OSError, ValueError) as error:
        raise ScriptError(str(error)) from error
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ScriptError(str(error)) from error


def _steps(data: Any, where: str) -> tuple[Step, ...]:
    if not isinstance(data, Sequence) or isinstance(data, str):
        raise ScriptError(f"{where}: a list of steps is needed, [] for none")
    return tuple(_step(item, f"{where}, step {index}") for index, item in enumerate(data, 1))


def _step(data: Any, where: str) -> Step:
    known = VALUES.keys() | FIELDS.keys()
    actions = sorted(known & data.keys()) if isinstance(data, Mapping) else []
    if len(actions) != 1:
        raise ScriptError(f"{where}: exactly one action is needed, of {', '.join(sorted(known))}")
    action = actions[0]
    if unknown := data.keys() - MODIFIERS - {action}:
        raise ScriptError(f"{where}: `{action}` does not go with `{min(map(str, unknown))}`")
    _check(action, data[action], where)
    return Step(
        action,
        data[action],
        title=data.get("title"),
        only_attempt=data.get("only_attempt"),
        stop_on_reject=data.get("on_reject") == "stop",
        stubborn=bool(data.get("stubborn")),
    )


def _check(action: str, value: Any, where: str) -> None:
    if action in VALUES:
        if not isinstance(value, VALUES[action]):
            names = " or ".join(kind.__name__ for kind in VALUES[action])
            raise ScriptError(f"{where}: `{action}` takes {names}, not {value!r}")
        return
    required, optional = FIELDS[action]
    given = value.keys() if isinstance(value, Mapping) else set()
    if not required <= given <= required | optional:
        fields = ", ".join(sorted(required) + [f"{name} (optional)" for name in sorted(optional)])
        raise ScriptError(f"{where}: `{action}` takes the fields {fields}")


def plan_at(steps: Sequence[Step], current: int) -> list[tuple[str, PlanStatus]]:
    """The plan while step `current` is being done, from 0; all is completed at the end of the steps.

    It is the last `plan` step up to there, its entries ticked off evenly over the steps that follow it, or
    else the titles of the steps. Empty without either.
    """
    plans = [index for index, step in enumerate(steps[: current + 1]) if step.action == "plan"]
    if not plans:
        titled = [(index, step.title) for index, step in enumerate(steps) if step.title]
        return [(title, _status(index, current)) for index, title in titled]
    entries = [str(entry) for entry in steps[plans[-1]].value]
    following, passed = len(steps) - plans[-1] - 1, max(current - plans[-1] - 1, 0)
    done = passed * len(entries) // following if passed < following else len(entries)
    return [(entry, _status(index, done)) for index, entry in enumerate(entries)]


def _status(index: int, current: int) -> PlanStatus:
    if index == current:
        return "in_progress"
    return "completed" if index < current else "pending"
