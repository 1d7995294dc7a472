"""`python -m benchmarks.agent_start`: what MAWEP adds to the start of an agent, beside starting it by hand.

Claude Code, headless, behind the walls of `network: model-only`. MAWEP's side is from the journal's AttemptAssigned to
the arrival of the first request at the model: making the worktree ready, raising the walls, starting the supervisor,
and the agent's own start. The other side is the same command line in the same walls, in the same worktree, with the
same HOME and environment, started by this benchmark while MAWEP's agent is held by the model: from the start of the
process to the arrival of its first request. Both in turn, once for each issue; the medians count.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.clis.crew import PATIENCE, WALLED, Crew, work
from tests.clis.fleet import FLEET
from tests.models.server import ModelServer
from tests.support.waiting import eventually_now
from tests.support.world import Live

from benchmarks.homes import own_home
from mawep.core import events as ev

BAR = 0.100
"""Seconds that MAWEP may add."""


@dataclass(frozen=True)
class Starts:
    """Seconds until the first request, of each start."""

    conducted: tuple[float, ...]
    by_hand: tuple[float, ...]

    @property
    def added(self) -> float:
        """What MAWEP adds, as medians have it."""
        return statistics.median(self.conducted) - statistics.median(self.by_hand)

    def lines(self) -> list[str]:
        """The measures with their bar, for a person."""

        def told(name: str, seconds: tuple[float, ...]) -> str:
            each = ", ".join(f"{1000 * one:.0f}" for one in seconds)
            return f"{name}  median {1000 * statistics.median(seconds):.0f} ms  ({each})"

        return [
            told("through MAWEP", self.conducted),
            told("by hand      ", self.by_hand),
            f"added          {1000 * self.added:.0f} ms (at most {1000 * BAR:.0f})",
        ]


def measure(root: Path, rounds: int) -> Starts:
    """Start so many agents one after another in a repository below `root`, each side by side with one by hand."""
    conducted, by_hand = [], []
    member = next(one for one in FLEET if one.runtime == "claude-code-headless")
    with ModelServer(root / "signs") as model:
        slots = {"max_agents": 1, "worktree_base": "../worktrees"}
        crew = Crew(root / "world", member, model, agents=WALLED, orchestrator=slots)
        numbers = range(101, 102 + rounds)
        for number in numbers:
            steps = work(number)
            crew.piece(number, [{**steps[0], "hold": str(number)}, *steps[1:]])
        live = crew.begin_start()
        for number in numbers:
            live.until(f"#{number} waits", lambda n=str(number): model.waits(n), PATIENCE)  # type: ignore[misc]
            if number > numbers[0]:  # the first warms up
                conducted.append(_first_asked(model, number) - _assigned(crew, number))
                by_hand.append(_by_hand(model, live, number))
            model.release(str(number))
        ended = live.wait(PATIENCE)
        assert ended.code == 0, ended.said
    return Starts(tuple(conducted), tuple(by_hand))


def _first_asked(model: ModelServer, number: int, since: float = 0.0) -> float:
    """When the first request about an issue after `since` arrived."""
    return min(r.at for r in model.ledger.requests if r.scenario == str(number) and r.at > since)


def _assigned(crew: Crew, number: int) -> float:
    return next(
        recorded.at.timestamp()
        for recorded in crew.journal()
        if isinstance(recorded.event, ev.AttemptAssigned) and recorded.event.issue == number
    )


def _by_hand(model: ModelServer, live: Live, number: int) -> float:
    """Start what runs now once more."""
    walls = next(
        process
        for process in psutil.Process(live.process.pid).children(recursive=True)
        if Path((process.cmdline() or ["?"])[0]).name == "bwrap"
    )
    words = _without(walls.cmdline(), "--seccomp")
    began = time.time()
    started = subprocess.Popen(
        words,
        cwd=walls.cwd(),
        env=walls.environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert started.stdin is not None
    started.stdin.write(f"Do piece {number}.\n".encode())
    started.stdin.close()
    try:

        def asked() -> float:
            return next(
                (r.at for r in model.ledger.requests if r.scenario == str(number) and r.at > began), 0.0
            )

        return eventually_now("it asks its model", asked, PATIENCE) - began
    finally:
        started.kill()
        started.wait()


def _without(words: list[str], option: str) -> list[str]:
    """A command line less an option with its value: its file is open in the supervisor alone."""
    at = words.index(option) if option in words else len(words)
    return words[:at] + words[at + 2 :]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0, or 1 when `--check` is given and the bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agent_start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="starts on each side (5)")
    parser.add_argument("--check", action="store_true", help="exit code 1 when the bar is missed")
    options = parser.parse_args(argv)
    with own_home() as root:
        starts = measure(root, options.rounds)
    print("\n".join(starts.lines()))
    return 1 if options.check and starts.added > BAR else 0


if __name__ == "__main__":
    sys.exit(main())
