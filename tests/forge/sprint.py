"""The sprint of the demonstration, as issues of a forge, and `mawep` run on it as a person would."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mawep import demo
from tests.forge.world import BOT, ForgeWorld
from tests.support.repos import git
from tests.support.world import MAWEP, Ended, Live, World

FIRST = 101
"""What the issues of the demonstration begin with; on the forge they are 1 to 5."""
EDGES = {2: (1,), 3: (1,), 4: (1,), 5: (1, 4)}
NUMBERS = (1, 2, 3, 4, 5)
WHOLE = 240.0
"""Seconds that a whole sprint may take on a machine that is busy with other things."""
REMARK: dict[int, dict[str, Any]] = {
    number: {"append": {"path": f"payments/providers/{name}.py", "text": f"\n# {said}\n"}}
    for number, name, said in (
        (2, "card", "Declined codes are those of the provider."),
        (3, "wallet", "As asked for."),
    )
}
"""What the agents of two issues do when they are told that something is wrong."""
HEADER = re.compile(r"\A---\n(?P<front>.*?)\n---\n(?P<text>.*)\Z", re.DOTALL)
OTHERS = re.compile(r"#10(\d)\b")


def configure(forge: ForgeWorld) -> dict[str, Any]:
    """The least that a configuration says about a forge, and agents that nobody asks."""
    return {
        "issues": {"tracker": "github"},
        "github": {"repository": forge.repository, "token": "${GITHUB_TOKEN}", "api_url": forge.url},
        "agents": {"runtime": "command", "command": ["true"], "sandbox": "off"},
        "workspace": {"disk_floor_gb": 0.01},
        "verify": {"commands": ["true"]},
    }


class Sprint(World):
    """A clone of the forge's repository at `repo`, five issues with native dependencies, and scripted agents.

    `landing` goes into the configuration; `second` are further steps of the agent of an issue, for the turn in
    which it is told what is wrong.
    """

    def __init__(
        self,
        root: Path,
        forge: ForgeWorld,
        *,
        landing: Mapping[str, Any],
        more: Mapping[str, Mapping[str, Any]] | None = None,
        second: Mapping[int, list[dict[str, Any]]] | None = None,
    ) -> None:
        self.root = root
        self.repo = root / "repo"
        self.forge = forge
        self._processes = 0
        self._written = {number: EDGES.get(number, ()) for number in NUMBERS}
        root.mkdir(parents=True, exist_ok=True)
        demo.create(self.repo)
        self._rewrite(landing, more or {}, second or {})
        url = forge.clone_url.replace("://", f"://{BOT}:{forge.token}@")
        git(self.repo, "remote", "add", "origin", url)
        forge.push(self.repo, "main:refs/heads/main")
        git(self.repo, "fetch", "--quiet", "origin")

    def _rewrite(
        self,
        landing: Mapping[str, Any],
        more: Mapping[str, Mapping[str, Any]],
        second: Mapping[int, list[dict[str, Any]]],
    ) -> None:
        yaml, file = YAML(), self.repo / "mawep.yaml"
        config = yaml.load(file)
        section = config["mawep"]
        section["orchestrator"]["worktree_base"] = "../worktrees"
        section |= {
            name: value for name, value in configure(self.forge).items() if name in {"issues", "github"}
        }
        section["landing"] = dict(landing)
        for name, values in more.items():
            section[name] = {**section.get(name, {}), **values}
        yaml.dump(config, file)
        for number in NUMBERS:
            script = self.repo / "scripts" / f"{FIRST - 1 + number}.yaml"
            document = yaml.load(script)
            if number in second:
                document["on_repair"] = [second[number]] * 2  # who was killed in the first turn has had one
            yaml.dump(document, self.repo / "scripts" / f"{number}.yaml")
            script.unlink()
            (issue,) = (self.repo / "issues").glob(f"{FIRST - 1 + number}-*.md")
            found = HEADER.match(issue.read_text())
            assert found is not None
            front = yaml.load(found["front"])
            labels = [*front.get("labels", ()), f"priority: {front.get('priority', 'medium')}"]
            made = self.forge.issue(front["title"], OTHERS.sub(r"#\1", found["text"]).strip(), labels=labels)
            assert made == number
            self.forge.blocked_by(number, *EDGES.get(number, ()))
        shutil.rmtree(self.repo / "issues")
        git(self.repo, "add", "--all")
        git(self.repo, "commit", "--quiet", "--message", "plan the sprint on the forge")

    def start(self, *arguments: str, timeout: float = WHOLE) -> Ended:
        """`mawep start --issues all --json` to its end; a forge that asks for pauses makes it longer than others."""
        return super().start(*arguments, timeout=timeout)

    def resume(self, *arguments: str, timeout: float = WHOLE) -> Ended:
        """`mawep resume --json` to its end."""
        return super().resume(*arguments, timeout=timeout)

    def begin(self, *arguments: str, program: Any = MAWEP, **environ: str) -> Live:
        """Start `mawep` with its token in the environment."""
        return super().begin(*arguments, program=program, GITHUB_TOKEN=self.forge.token, **environ)
