"""Install the pinned agents with npm into a cache directory named after the lock files, once."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

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


class NotInstalled(Exception):
    """The agents are not there and cannot be installed; the message says why."""


def directory() -> Path:
    """Where the installation of these lock files is, or would be; `$MAWEP_CLIS` names another one."""
    if named := os.environ.get("MAWEP_CLIS"):
        return Path(named)
    # Tests have a home of their own: the cache is the person's.
    cache = os.environ.get("XDG_CACHE_HOME") or Path(pwd.getpwuid(os.getuid()).pw_dir, ".cache")
    return Path(cache, "mawep", f"clis-{_digest()}")


def installed() -> Path:
    """The `bin` directory of the installation. Raises NotInstalled."""
    programs = directory() / "bin"
    if missing := [name for name in PROGRAMS if not (programs / name).exists()]:
        raise NotInstalled(f"not in {programs}: {', '.join(missing)}; install them with: make clis")
    return programs


def install() -> Path:
    """The `bin` directory, after installing what is not there. Raises NotInstalled."""
    try:
        return installed()
    except NotInstalled:
        target = directory()
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled("npm is not on PATH; on Debian and Ubuntu: apt-get install npm")
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    try:
        _fill(made, npm)
        _put(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return installed()


def _fill(made: Path, npm: str) -> None:
    for folder in (AGENTS, ADAPTERS):
        shutil.copytree(HERE / folder, made / folder)
    for folder, arguments in STEPS:
        ran = subprocess.run(
            [npm, *arguments, *QUIET],
            check=False,
            cwd=made / folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if ran.returncode:
            said = "\n".join((ran.stderr or ran.stdout).strip().splitlines()[-20:])
            raise NotInstalled(f"`npm {' '.join(arguments)}` failed in {folder} ({ran.returncode}):\n{said}")
    (made / "bin").mkdir()
    for name, place in PROGRAMS.items():
        if not (made / place).is_file():
            raise NotInstalled(f"npm installed no {place}: is there a {name} for this machine?")
        (made / "bin" / name).symlink_to(Path("..", place))


def _put(made: Path, target: Path) -> None:
    """Give the whole installation its name; another process may have been faster, which is as good."""
    made.chmod(0o755)
    try:
        made.rename(target)
    except OSError:
        installed()


def _digest() -> str:
    digest = hashlib.sha256()
    for folder in (AGENTS, ADAPTERS):
        digest.update((HERE / folder / "package-lock.json").read_bytes())
    return digest.hexdigest()[:12]
