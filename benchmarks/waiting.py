"""What MAWEP itself takes while agents only wait for their models: `python -m benchmarks.waiting [agents] [seconds]`.

Real runs of `mawep start` with scripted agents that sleep in the middle of their turns. Their own processes are not
counted; the conductor, its fork server and shims, and the message bus are.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

CONFIG = """
mawep:
  orchestrator: {{max_agents: {agents}, worktree_base: {base}}}
  issues: {{tracker: folder, path: issues}}
  agents: {{runtime: scripted, script_dir: scripts, sandbox: "off"}}
  verify: {{commands: ["true"]}}
  monitoring: {{log_level: WARNING}}
"""


def main(agents: int = 8, seconds: float = 30.0) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as place:
        repository = scene(Path(place), agents)
        mawep = subprocess.Popen(
            [sys.executable, "-m", "mawep", "start", "--issues", "all"],
            cwd=repository,
            stdout=subprocess.DEVNULL,
            stderr=(Path(place) / "log").open("w"),
            env={**os.environ, "XDG_STATE_HOME": f"{place}/state", "XDG_RUNTIME_DIR": f"{place}/run"},
            start_new_session=True,
        )
        try:
            wait_until(repository, agents, mawep, Path(place) / "log")
            measure(psutil.Process(mawep.pid), seconds)
        finally:
            for _ in range(2):
                if mawep.poll() is None:
                    mawep.send_signal(signal.SIGINT)
                    time.sleep(1.0)
            mawep.wait(30)


def scene(place: Path, agents: int) -> Path:
    """A repository with as many issues as agents, each of which only waits."""
    repository = place / "repository"
    (place / "run").mkdir(mode=0o700)
    for name in ("issues", "scripts"):
        (repository / name).mkdir(parents=True)
    for number in range(101, 101 + agents):
        (repository / "issues" / f"{number}.md").write_text(
            f"---\nnumber: {number}\ntitle: Wait\n---\n\nWait.\n"
        )
        steps = [{"say": "Let me think."}, {"think": "hm"}, {"sleep": 600}]
        (repository / "scripts" / f"{number}.yaml").write_text(json.dumps({"steps": steps}))
    (repository / "mawep.yaml").write_text(CONFIG.format(agents=agents, base=place / "worktrees"))
    git = ["git", "-C", str(repository), "-c", "user.name=b", "-c", "user.email=b@example.invalid"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "init"], check=True)
    return repository


def wait_until(repository: Path, agents: int, mawep: subprocess.Popen[bytes], log: Path) -> None:
    """Return when every agent works and the start is over."""
    for _ in range(120):
        time.sleep(1.0)
        if mawep.poll() is not None:
            raise SystemExit(f"mawep ended: {log.read_text()[-2000:]}")
        said = subprocess.run(
            [sys.executable, "-m", "mawep", "status", "--json"],
            cwd=repository,
            capture_output=True,
            check=False,
        )
        working = [
            issue for issue in json.loads(said.stdout or b'{"issues": []}')["issues"] if issue["activity"]
        ]
        if len(working) == agents:
            time.sleep(10.0)
            return
    raise SystemExit("the agents do not start")


def measure(mawep: psutil.Process, seconds: float) -> None:
    """Print the share of a core and the memory of each part."""
    parts = {"mawep": [mawep], "message bus": [], "fork server and shims": []}
    agents = []
    for child in mawep.children(recursive=True):
        line = " ".join(child.cmdline())
        kind = (
            "message bus"
            if "valkey-server" in line
            else "fork server and shims"
            if "shim.py" in line
            else None
        )
        (parts[kind] if kind else agents).append(child)
    before = {name: used(found) for name, found in parts.items()}
    time.sleep(seconds)
    total = 0.0
    for name, found in parts.items():
        share = 100 * (used(found) - before[name]) / seconds
        total += share
        memory = sum(one.memory_info().rss for one in found) / 2**20
        print(f"{name:24} {share:5.2f} % of a core  {memory:6.0f} MiB resident")
    print(f"{'together':24} {total:5.2f} % of a core, while {len(agents)} processes of agents wait")


def used(processes: list[psutil.Process]) -> float:
    """Seconds of processor time so far."""
    return sum(sum(one.cpu_times()[:2]) for one in processes)


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
