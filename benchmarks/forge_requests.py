"""What MAWEP asks of a forge: `python -m benchmarks.forge_requests [seconds] [idle] [active]`.

Real `mawep` processes against the servers that stand for GitHub in the end-to-end tests (`make forge-servers`), which
count on their side. First the plan of a repository with 2,000 issues; then a run in which a few agents are at work and
many issues wait, for some minutes, counted as an hour, polling and with webhooks that `mawep serve` receives; at last
five issues from their beginning to their end, by pushing and by pull requests. GitHub counts requests (5,000 an hour;
304 is free) and points (a read 1, a write 5; 900 a minute).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.forge.emulate import BOT, Emulate
from tests.forge.install import FORGE
from tests.forge.people import People
from tests.forge.sprint import NUMBERS, REMARK, Sprint, configure
from tests.forge.world import ForgeWorld
from tests.support.ports import unused_port
from tests.support.repos import make_repository
from tests.support.waiting import eventually_now, let_pass_now

from benchmarks.homes import own_home

LARGE = 2000
MAWEP = (sys.executable, "-m", "mawep")
SLEEPS = "steps:\n  - say: at work\n  - sleep: 36000\n"
SECRET = "0123456789abcdef0123456789abcdef"
QUIET = 20.0
"""Seconds without a request after which everything has been told."""


def main(seconds: float = 1200.0, idle: int = 50, active: int = 5) -> None:
    """Measure and print."""
    with own_home() as root, Emulate(FORGE.installed(), root / "emulate") as emulate:
        with ForgeWorld(emulate.url, root / "large") as world:
            plan(root / "plan", world)
        for name in ("polling", "webhooks"):
            with ForgeWorld(emulate.url, root / f"forge-{name}") as world:
                run(root / name, world, seconds, idle, active, hooked=name == "webhooks")
        for mode in ("local", "pull_request"):
            with ForgeWorld(emulate.url, root / f"forge-{mode}") as world:
                lives(root / mode, world, mode)


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
        print(f"plan of {LARGE} issues, {turn}: {len(world.requests())} requests, {took:.1f} s", flush=True)


def run(root: Path, world: ForgeWorld, seconds: float, idle: int, active: int, *, hooked: bool) -> None:
    """Some at work, many waiting for them, and nothing that happens."""
    edges = [[] if number <= active else [1 + number % active] for number in range(1, active + idle + 1)]
    world.many_issues(edges, labels=["sprint"])
    more: dict[str, dict[str, object]] = {"orchestrator": {"max_agents": active}}
    if hooked:
        more["github"] = {"webhook_secret": "${WEBHOOK_SECRET}"}
    repository = scene(root, world, more, active + idle)
    world.push(repository, "main:refs/heads/main")
    with (
        receiver(root, repository, world, there=hooked),
        running(root, repository, world, "start", "--label", "sprint") as log,
    ):
        what = f"{active} agents are at work"
        eventually_now(what, lambda: log.read_text().count("its agent runs") >= active, timeout=120)
        told = f"each of {active + idle} issues has its comment"
        eventually_now(told, lambda: len(world.requests("POST", "comments$")) >= active + idle, timeout=600)
        eventually_now("nothing is written any more", lambda: silent(world), timeout=300)
        how = "with webhooks" if hooked else "polling"
        print(f"{how}: to begin {world.spent()} requests that count, {world.ledger.points(BOT)} points")
        world.ledger.forget()
        let_pass_now(seconds)
        tell(world, seconds, how)


def silent(world: ForgeWorld) -> bool:
    """True when nothing was written for a while."""
    return all(entry.at < time.time() - QUIET for entry in world.requests() if entry.writes)


def lives(root: Path, world: ForgeWorld, mode: str) -> None:
    """Five issues from their beginning to their end; one check is red, one reviewer has a remark."""
    landing: dict[str, Any] = {"push": True} if mode == "local" else {"mode": mode}
    people = People(world, red=2, disputed=3) if mode == "pull_request" else None
    sprint = Sprint(root, world, landing=landing, second={n: [REMARK[n]] for n in REMARK} if people else None)
    world.ledger.forget()
    began = time.monotonic()
    live = sprint.begin_start()
    over = lambda: (people and people.act()) or live.process.poll() is not None  # noqa: E731
    live.until("the run is over", over, timeout=600)
    ended = live.wait()
    if ended.code:
        raise SystemExit(ended.said)
    took, spent, points = time.monotonic() - began, world.spent(), world.ledger.points(BOT)
    print(
        f"{len(NUMBERS)} issues landed, {mode}: {spent} requests that count, {points} points in {took:.0f} s;"
        f" for each {spent / len(NUMBERS):.0f} and {points / len(NUMBERS):.0f}",
        flush=True,
    )


def tell(world: ForgeWorld, seconds: float, how: str) -> None:
    """What was counted, as an hour."""
    hour = 3600 / seconds
    asked = world.requests()
    print(f"{how}, in {seconds:.0f} s: {len(asked)} requests, {world.spent()} that count")
    print(
        f"{how}, an hour: {len(asked) * hour:.0f} requests, {world.spent() * hour:.0f} that count,"
        f" {world.ledger.points(BOT) * hour:.0f} points",
        flush=True,
    )
    kinds = Counter((entry.method, entry.path.removeprefix(f"/repos/{world.repository}/")) for entry in asked)
    for (method, path), count in kinds.most_common(8):
        print(f"  {count:4} {method} {path}")


def scene(root: Path, world: ForgeWorld, more: Mapping[str, Mapping[str, object]], scripts: int = 0) -> Path:
    """A clone with a configuration, and agents that sleep."""
    config = configure(world)
    patience = {f"{what}_timeout_minutes": 600 for what in ("turn", "stall", "progress")}
    config["agents"] = {"runtime": "scripted", "script_dir": "scripts", "sandbox": "off", **patience}
    config["orchestrator"] = {"worktree_base": "../worktrees"}
    for name, values in more.items():
        config[name] = {**config.get(name, {}), **values}
    files = {f"scripts/{number}.yaml": SLEEPS for number in range(1, scripts + 1)}
    return make_repository(root / "repo", {"mawep.yaml": json.dumps({"mawep": config}), **files})


@contextmanager
def receiver(root: Path, repository: Path, world: ForgeWorld, *, there: bool) -> Iterator[None]:
    """`mawep serve`, and the forge tells it everything."""
    if not there:
        yield
        return
    url = f"http://127.0.0.1:{unused_port()}"
    port = url.rpartition(":")[2]
    with running(root, repository, world, "serve", "--webhooks", "--port", port):
        eventually_now("it listens", lambda: answers(f"{url}/healthz"), timeout=60)
        settings = {"url": f"{url}/webhooks", "secret": SECRET, "content_type": "json"}
        events = ["issues", "issue_comment"]
        world.api("POST", "hooks", {"name": "web", "active": True, "events": events, "config": settings})
        yield


def answers(url: str) -> bool:
    """True when somebody listens."""
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


@contextmanager
def running(root: Path, repository: Path, world: ForgeWorld, verb: str, *arguments: str) -> Iterator[Path]:
    """`mawep VERB …`, and where it says what it does; it is ended as a person would end it."""
    log = root / f"{verb}.log"
    with log.open("w") as out:
        mawep = subprocess.Popen(
            [*MAWEP, verb, *arguments],
            cwd=repository,
            env=environment(world),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield log
    except AssertionError:
        print(log.read_text()[-2000:])
        raise
    finally:
        for _ in range(2):
            if mawep.poll() is None:
                mawep.send_signal(signal.SIGINT)
                let_pass_now(1)
        mawep.wait(120)


def environment(world: ForgeWorld) -> dict[str, str]:
    """Ours, MAWEP's token, and what deliveries are signed with."""
    return {**os.environ, "GITHUB_TOKEN": world.token, "WEBHOOK_SECRET": SECRET}


if __name__ == "__main__":
    main(*(kind(word) for kind, word in zip((float, int, int), sys.argv[1:], strict=False)))
