"""What the model says and does: the steps of a scenario.

A step is written as

    {"say": "I will write it.", "do": [{"write": {"path": "a.txt", "text": "a\\n"}}, {"run": "make"}],
     "usage": [1200, 60], "hold": "go-on", "delay": 0.2,
     "refuse": {"status": 429, "times": 1, "headers": {"retry-after": "2"}, "message": "slow down"}}

and everything in it may be left out. Operations are

    write {path, text} · edit {path, old, new} · read PATH · run COMMAND · commit MESSAGE
    plan {TEXT: pending|in_progress|completed} · ask {question, options} · announce {file, change, affects, migration}
    tool {name, arguments}

A step without operations ends the agent's turn; what follows it is said when the agent is prompted again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Op = Mapping[str, Any]
"""One entry: the operation's name with its argument."""


@dataclass(frozen=True)
class Refusal:
    """An HTTP error instead of an answer, so many times in all (None: always)."""

    status: int
    times: int | None = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "scripted error"


@dataclass(frozen=True)
class Step:
    """One answer of the model.

    `usage` is input and output tokens, None: a quarter of the request's bytes and 50. `hold` is the name of a file:
    the answer waits until it exists. `delay` is in seconds.
    """

    say: str = ""
    do: tuple[Op, ...] = ()
    usage: tuple[int, int] | None = None
    hold: str | None = None
    delay: float = 0.0
    refuse: Refusal | None = None

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Step:
        """From the form above. Raises TypeError for keys that it does not have."""
        known = dict(written)
        if "do" in known:
            known["do"] = tuple(known["do"])
        if "usage" in known:
            known["usage"] = (int(known["usage"][0]), int(known["usage"][1]))
        if "refuse" in known:
            known["refuse"] = Refusal(**known["refuse"])
        return cls(**known)


@dataclass(frozen=True)
class Scenario:
    """The steps for every conversation in whose prompts `match` stands; `final` is said when they are through."""

    name: str
    match: str
    steps: tuple[Step, ...]
    final: str = "Done."

    @classmethod
    def of(cls, name: str, match: str, steps: Iterable[Mapping[str, Any]], final: str = "Done.") -> Scenario:
        """From steps as they are written."""
        return cls(name, match, tuple(Step.read(step) for step in steps), final)

    @classmethod
    def load(cls, path: Path) -> Scenario:
        """From a JSON file: `{"match": …, "steps": […], "final": …}`, named after the file."""
        written = json.loads(path.read_text())
        return cls.of(path.stem, written["match"], written["steps"], written.get("final", "Done."))
