"""What MAWEP asks of a forge: `python -m benchmarks.forge_requests [seconds] [idle] [active]`.

Real `mawep` processes against the servers that stand for GitHub in the end-to-end tests (`make forge-servers`), which
count on their side. First the plan of a repository with 2,000 issues; then a run in which a few agents are at work and
many issues wait, for some minutes, counted as an hour. GitHub counts requests (5,000 an hour; 304 is free) and points
(a read 1, a write 5; 900 a minute).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.forge.emulate import BOT, Emulate
from tests.forge.install import installed
from tests.forge.sprint import configure
from tests.forge.world import ForgeWorld
from tests.support.repos import make_repository
from tests.support.waiting import eventually_now, let_pass_now

from benchmarks.site import own_home

LARGE = 2000
MAWEP = (sys.executable, "-m", "mawep")
SLEEPS = "steps:\n  - say: at work\n  - sleep: 3600\n"


def main(seconds: float = 300.0, idle: int = 50, active: int = 5) -> None:
    """Measure and print."""
    with own_home() as root, Emulate(installed(), root / "emulate") as emulate:
        with ForgeWorld(emulate.url, root / "large") as world:
            plan(root / "plan", world)
        with ForgeWorld(emulate.url, root / "forge") as world:
            run(root / "site", world, seconds, idle, active)


def plan(root: Path, world: ForgeWorld) -> None:
    """A repository with many issues, nearly all with a blocker."""
    world.many_issues(
        [[number // 2] if number > 1 else [] for number in range(1, LARGE + 1)], labels=["sprint"]
    )
    repository = scene(root, world, {})
    for turn in ("first", "again"):
        world.ledger.forget()
        began = time.monotonic()
        command = [*MAWEP, "plan", "--label", "sprint", "--json"]
        subprocess.run(command, cwd=repository, env=environment(world), check=True, stdout=subprocess.DEVNULL)
        took = time.monotonic() - began
        print(f"plan of {LARGE} issues, {turn}: {len(world.requests())} requests, {took:.1f} s")


def run(root: Path, world: ForgeWorld, seconds: float, idle: int, active: int) -> None:
    """Some at work, many waiting for them, and nothing that happens."""
    edges = [[] if number <= active else [1 + number % active] for number in range(1, active + idle + 1)]
    world.many_issues(edges, labels=["sprint"])
    repository = scene(root, world, {"orchestrator": {"max_agents": active}}, active + idle)
    world.push(repository, "main:refs/heads/main")
    log = root / "log"
    mawep = subprocess.Popen(
        [*MAWEP, "start", "--label", "sprint"],
        cwd=repository,
        env=environment(world),
        stdout=subprocess.DEVNULL,
        stderr=log.open("w"),
        start_new_session=True,
    )
    try:
        what = f"{active} agents are at work"
        try:
            eventually_now(what, lambda: log.read_text().count("its agent runs") >= active, timeout=60)
        except AssertionError:
            print(log.read_text()[-2000:])
            raise
        told = f"each of {active + idle} issues has its comment"
        eventually_now(told, lambda: len(world.requests("POST", "comments$")) >= active + idle, timeout=300)
        let_pass_now(20)
        print(f"to begin: {world.spent()} requests that count, {world.ledger.points(BOT)} points")
        world.ledger.forget()
        let_pass_now(seconds)
        tell(world, seconds)
    finally:
        for _ in range(2):
            if mawep.poll() is None:
                mawep.send_signal(signal.SIGINT)
                let_pass_now(1)
        mawep.wait(60)


def tell(world: ForgeWorld, seconds: float) -> None:
    """What was counted, as an hour."""
    hour = 3600 / seconds
    asked = world.requests()
    print(f"in {seconds:.0f} s: {len(asked)} requests, {world.spent()} that count")
    print(f"an hour: {len(asked) * hour:.0f} requests, {world.spent() * hour:.0f} that count")
    print(f"an hour: {world.ledger.points(BOT) * hour:.0f} points")
    kinds = Counter((entry.method, entry.path.removeprefix(f"/repos/{world.repository}/")) for entry in asked)
    for (method, path), count in kinds.most_common(8):
        print(f"  {count:4} {method} {path}")


def scene(root: Path, world: ForgeWorld, more: dict[str, dict[str, object]], scripts: int = 0) -> Path:
    """A clone with a configuration, and agents that sleep."""
    config = configure(world)
    config["agents"] = {"runtime": "scripted", "script_dir": "scripts", "sandbox": "off"}
    config["orchestrator"] = {"worktree_base": "../worktrees"} | more.get("orchestrator", {})
    config |= {name: values for name, values in more.items() if name != "orchestrator"}
    files = {f"scripts/{number}.yaml": SLEEPS for number in range(1, scripts + 1)}
    return make_repository(root / "repo", {"mawep.yaml": json.dumps({"mawep": config}), **files})


def environment(world: ForgeWorld) -> dict[str, str]:
    """Ours, and MAWEP's token."""
    return {**os.environ, "GITHUB_TOKEN": world.token}


if __name__ == "__main__":
    main(*(kind(word) for kind, word in zip((float, int, int), sys.argv[1:], strict=False)))
