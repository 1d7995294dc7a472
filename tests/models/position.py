"""Where in its scenario a conversation is: read from the conversation alone, so that nothing has to be remembered.

A retried request, a session loaded by a new process and any number of agents at once therefore need no care.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.models.scenario import Scenario, Step
from tests.models.speech import Asked, Call, Said
from tests.models.toolbox import Toolbox


@dataclass(frozen=True)
class Turn:
    """The step that is due: its number among those that these tools can do, and the uses of tools in it."""

    number: int
    step: Step
    calls: tuple[Call, ...]


def matching(scenarios: Mapping[str, Scenario], asked: Asked) -> Scenario | None:
    """The scenario that the prompts of a conversation belong to."""
    return next((scenario for scenario in scenarios.values() if scenario.match in asked.prompts), None)


def due(scenario: Scenario, asked: Asked) -> Turn:
    """The step that comes next; steps whose every operation lacks a tool are passed over."""
    toolbox = Toolbox.of(asked.tools, asked.prompts)
    possible = [(step, toolbox.calls(step.do)) for step in scenario.steps]
    turns = [(step, calls) for step, calls in possible if calls or not step.do]
    number = _reached([bool(calls) for _, calls in turns], [step.say for step, _ in turns], asked.said)
    if number < len(turns):
        return Turn(number, *turns[number])
    return Turn(number, Step(scenario.final), ())


def _reached(acts: list[bool], says: list[str], said: Iterable[Said]) -> int:
    """How many turns the answers so far have gone through.

    An answer without tools counts only if it is the one that was due: agents add words of their own to what the
    model said, about an interruption for one. An answer with tools shows that what ended the turn before was heard.
    """
    at = 0
    for answer in said:
        if answer.calls:
            while at < len(acts) and not acts[at]:
                at += 1
            at += 1
        elif at < len(acts) and not acts[at] and says[at] in answer.text:
            at += 1
    return at
