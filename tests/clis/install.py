"""The pinned agents, installed with npm from lock files."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.installation import Installation, NotInstalled, run

HERE = Path(__file__).parent

AGENTS, ADAPTERS = "agents", "adapters"

PROGRAMS = {
    "claude": f"{AGENTS}/node_modules/@anthropic-ai/claude-code/bin/claude.exe",
    "codex": f"{AGENTS}/node_modules/@openai/codex/bin/codex.js",
    "codex-acp": f"{AGENTS}/node_modules/@agentclientprotocol/codex-acp/dist/index.js",
    "gemini": f"{AGENTS}/node_modules/@google/gemini-cli/bundle/gemini.js",
    "opencode": f"{AGENTS}/node_modules/opencode-linux-x64/bin/opencode",
    "claude-agent-acp": f"{ADAPTERS}/node_modules/@agentclientprotocol/claude-agent-acp/dist/index.js",
}
"""What `bin/` of an installation has, and where npm puts it."""

STEPS = (
    # Scripts of packages stay off, but for the one that puts Claude Code's program in its place.
    (AGENTS, ("ci", "--ignore-scripts")),
    (AGENTS, ("rebuild", "@anthropic-ai/claude-code")),
    (ADAPTERS, ("ci", "--ignore-scripts", "--omit=optional")),
)
QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


def _fill(made: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled("npm is not on PATH; on Debian and Ubuntu: apt-get install npm")
    for folder in (AGENTS, ADAPTERS):
        shutil.copytree(HERE / folder, made / folder)
    for folder, arguments in STEPS:
        run([npm, *arguments, *QUIET], made / folder)
    (made / "bin").mkdir()
    for name, place in PROGRAMS.items():
        if not (made / place).is_file():
            raise NotInstalled(f"npm installed no {place}: is there a {name} for this machine?")
        (made / "bin" / name).symlink_to(Path("..", place))


CLIS = Installation(
    name="clis",
    variable="MAWEP_CLIS",
    pinned_by=tuple(HERE / folder / "package-lock.json" for folder in (AGENTS, ADAPTERS)),
    wanted=tuple(f"bin/{name}" for name in PROGRAMS),
    fill=_fill,
    command="make clis",
)
