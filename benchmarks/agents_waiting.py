"""`python -m benchmarks.agents_waiting`: eight Claude Code agents at once, and what MAWEP itself takes meanwhile.

All of them are held by the scripted model in the middle of their work; for some seconds nothing happens but waiting.
What MAWEP takes is the sum over its own processes: the command, the server it brings along, the supervisors, walls and
bridges of attempts, the gateway, the programs it lends to agents; not the agents and what they start. Memory is the
proportional share of each process (PSS), so that pages that they share count once; the plain sum (RSS) is shown beside.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from tests.clis.crew import OPEN, PATIENCE, WALLED, Crew, work
from tests.clis.fleet import FLEET
from tests.models.server import ModelServer
from tests.support.waiting import let_pass_now

import mawep
from benchmarks.homes import own_home

AGENTS = 8
MEMORY_BAR, CPU_BAR = 200.0, 5.0
SETTLING_SECONDS = 2.0
"""After this time, what the agents said last has been told and written down."""

PACKAGE = str(Path(mawep.__file__).parent)
HELPERS = {"valkey-server", "bwrap"}


@dataclass(frozen=True)
class Waiting:
    """What was measured: megabytes (10⁶ bytes), percent of one core, processes of MAWEP and of agents, seconds."""

    landed: int
    memory_mb: float
    resident_mb: float
    cpu_percent: float
    own: int
    others: int
    seconds: float

    def lines(self) -> list[str]:
        """The measures with their bars, for a person."""
        return [
            f"agents that landed                  {self.landed} of {AGENTS}",
            f"memory of MAWEP, shared pages once  {self.memory_mb:.0f} MB (at most {MEMORY_BAR:.0f}),"
            f" resident {self.resident_mb:.0f} MB, in {self.own} processes",
            f"processor time of MAWEP             {self.cpu_percent:.1f} % of one core (at most {CPU_BAR:.0f})"
            f" in {self.seconds:.0f} s of waiting",
            f"processes of the agents             {self.others}",
        ]


def measure(root: Path, agents: Mapping[str, Any], seconds: float) -> Waiting:
    """Run eight agents in a repository below `root`, and look at MAWEP for so many seconds while they wait."""
    with ModelServer(root / "signs") as model:
        crew = Crew(root / "world", FLEET[0], model, agents=agents, orchestrator=_slots())
        numbers = range(101, 101 + AGENTS)
        for number in numbers:
            crew.piece(number, work(number, pause="all wait"))
        live = crew.begin_start()
        live.until(
            "every agent waits for its model",
            lambda: all(model.waits(str(number)) for number in numbers),
            2 * PATIENCE,
        )
        let_pass_now(SETTLING_SECONDS)
        try:
            waiting = _look(psutil.Process(live.process.pid), seconds)
        except BaseException:
            live.kill()
            raise
        model.release("all wait")
        ended = live.wait(2 * PATIENCE)
        assert ended.code == 0, ended.said
        landed = sum(state == "landed" for state in ended.states.values())
    return Waiting(landed, *waiting, seconds)


def _slots() -> dict[str, Any]:
    return {"max_agents": AGENTS, "worktree_base": "../worktrees"}


def _look(main: psutil.Process, seconds: float) -> tuple[float, float, float, int, int]:
    everyone = [main, *main.children(recursive=True)]
    own = [process for process in everyone if _is_own(process)] + _servers(main)
    before = {process: _spent(process) for process in own}
    began = time.monotonic()
    let_pass_now(seconds)
    own = [process for process in own if process.is_running()]
    spent = sum(_spent(process) - before[process] for process in own)
    took = time.monotonic() - began
    proportional = sum(process.memory_full_info().pss for process in own) / 1e6
    resident = sum(process.memory_info().rss for process in own) / 1e6
    return proportional, resident, 100 * spent / took, len(own), len(everyone) - len(own)


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _is_own(process: psutil.Process) -> bool:
    """Judged by the program, and by the script that an interpreter runs."""
    try:
        words = process.cmdline()
    except psutil.Error:  # it has just ended
        return False
    if not words:
        return False
    program = Path(words[0]).name
    if program.startswith("python"):
        return any(word == "mawep" or word.startswith(PACKAGE) for word in words[1:8])
    return program in HELPERS or (program == "git" and _is_own(process.parent() or process))


def _servers(main: psutil.Process) -> list[psutil.Process]:
    """The embedded server, which lives outside of our process tree."""
    home = main.environ().get("XDG_RUNTIME_DIR", "?")
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if home in " ".join(process.info["cmdline"] or ()) and "valkey-server" in process.info["cmdline"][0]
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0, or 1 when `--check` is given and a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agents_waiting", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to look (20)")
    parser.add_argument("--open", action="store_true", help="without walls and gateway")
    parser.add_argument("--check", action="store_true", help="exit code 1 when a bar is missed")
    options = parser.parse_args(argv)
    with own_home() as root:
        waiting = measure(root, OPEN if options.open else WALLED, options.seconds)
    print("\n".join(waiting.lines()))
    met = waiting.landed == AGENTS and waiting.memory_mb <= MEMORY_BAR and waiting.cpu_percent <= CPU_BAR
    return 1 if options.check and not met else 0


if __name__ == "__main__":
    sys.exit(main())
