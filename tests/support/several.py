"""Several repositories, each with a world of its own, and `mawep` run on all of them as a person would."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mawep.state.groups import GroupRecord, groups_of
from tests.support.repos import commit
from tests.support.world import MAWEP, PATIENCE, Ended, Live, World

BUSY = 'echo + >> "{root}/busy"\n{script}\necho - >> "{root}/busy"\n'


class Several:
    """Worlds by the name of their repository, and one configuration for all of them in a folder of its own."""

    def __init__(self, root: Path, *names: str, agents: int = 2, **sections: Mapping[str, Any]) -> None:
        self.root = root
        self.worlds = {name: World(root / name.replace("/", "-")) for name in names}
        self._processes = 0
        config = {
            "orchestrator": {"max_agents": agents, "worktree_base": str(root / "trees")},
            "workspace": {"disk_floor_gb": 0.01, "spares": 1},
            "verify": {"commands": ["true"]},
            **sections,
            "repositories": [
                {
                    "name": name,
                    "path": str(world.repo),
                    "agents": {
                        "runtime": "command",
                        "command": ["sh", str(world.root / "agent.sh")],
                        "sandbox": "off",
                    },
                }
                for name, world in self.worlds.items()
            ],
        }
        (root / "mawep.yaml").write_text(json.dumps({"mawep": config}))

    def __getitem__(self, name: str) -> World:
        return self.worlds[name]

    def issues(self, **edges: Mapping[int, list[int | str]]) -> None:
        """Write issues, by the last part of the repository's name, with what each depends on."""
        for short, written in edges.items():
            world = next(world for name, world in self.worlds.items() if name.endswith(f"/{short}"))
            pages = {
                f"issues/{number}.md": f"---\nnumber: {number}\ntitle: Piece {number}\n"
                f"depends_on: {json.dumps(after)}\n---\nDo piece {number}.\n"
                for number, after in written.items()
            }
            commit(world.repo, pages, "write issues")
            for number, after in written.items():
                world.edges[number] = tuple(on for on in after if isinstance(on, int))

    def agent(self, name: str, number: int, script: str) -> None:
        """What the agent on an issue does; `busy` says how many are at work at once."""
        self[name].agent(number, BUSY.format(root=self.root, script=script))

    def begin(self, *arguments: str) -> Live:
        """Start `mawep` with these arguments beside the configuration, and leave it running."""
        self._processes += 1
        output = self.root / f"mawep-{self._processes}"
        with output.with_suffix(".out").open("wb") as out, output.with_suffix(".err").open("wb") as err:
            process = subprocess.Popen(
                [*MAWEP, *arguments],
                cwd=self.root,
                env={**os.environ, "COLUMNS": "120"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        return Live(process, output)

    def run(self, *arguments: str, timeout: float = PATIENCE) -> Ended:
        """Run `mawep` with these arguments to its end."""
        return self.begin(*arguments).wait(timeout)

    def states(self) -> dict[str, str]:
        """How every issue stands, by `name#number`, from the journals."""
        return {
            f"{name}#{number}": str(record.state)
            for name, world in self.worlds.items()
            for number, record in sorted(world.state().issues.items())
        }

    def records(self) -> list[GroupRecord]:
        """The groups that any of the repositories knows of."""
        return [one for world in self.worlds.values() for one in groups_of(world.repo / ".git")]

    def most_at_once(self) -> int:
        """How many agents were at work at once, at most."""
        now = most = 0
        path = self.root / "busy"
        for sign in path.read_text().split() if path.exists() else ():
            now += 1 if sign == "+" else -1
            most = max(most, now)
        return most
