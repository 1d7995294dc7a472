"""Codex: through its ACP adapter, and headless."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mawep.agents.programs import Program
from mawep.agents.quirks import Endpoint, Manners, Quirks, Site, Start

CODEX = Program("codex", "@openai/codex", "0.169.0")
ADAPTER = Program("codex-acp", "@agentclientprotocol/codex-acp", "2.6.0")

KEYS = ("OPENAI_API_KEY", "CODEX_API_KEY")
LOGINS = (".codex/auth.json",)

QUIET = {"DO_NOT_TRACK": "1", "NO_BROWSER": "1"}

SETTINGS: Mapping[str, Any] = {
    # Its own sandbox makes `.git` read-only, so that nothing can be committed; MAWEP has walls of its own.
    "approval_policy": "never",
    "sandbox_mode": "danger-full-access",
    "check_for_update_on_startup": False,
    "analytics": {"enabled": False},
    "otel": {"exporter": "none"},
    "feedback": {"enabled": False},
    "features": {"plugins": False, "apps": False, "remote_plugin": False},
    # Its shell is to find `mawep agent`: with the PATH as it is, and the token, but never with a key.
    "allow_login_shell": False,
    "shell_environment_policy": {"ignore_default_excludes": True, "exclude": ["*KEY*", "*SECRET*"]},
}
"""What is said in every start of it: no questions, no sandbox inside ours, no traffic but to the model."""

MODE, SERVER = "agent-full-access", "mawep-codex"
PROVIDER = "mawep"
API = "https://api.openai.com/v1"


def endpoint(site: Site) -> Endpoint | None:
    """Where its model is; None leaves that to its own login."""
    if site.gateway is not None:
        return Endpoint(f"{site.gateway.url}/v1", "OPENAI_API_KEY")
    key = next((name for name in KEYS if site.env.get(name)), None)
    return Endpoint(site.env.get("OPENAI_BASE_URL") or API, key) if key else None


def settings(site: Site) -> dict[str, Any]:
    """Its whole configuration; a key is only ever named."""
    chosen: dict[str, Any] = dict(SETTINGS)
    if site.model:
        chosen["model"] = site.model
    found = endpoint(site)
    if found is not None:
        chosen["model_provider"] = PROVIDER
        chosen["model_providers"] = {
            PROVIDER: {
                "name": PROVIDER,
                "base_url": found.url,
                "env_key": found.key,
                "wire_api": "responses",
                "supports_websockets": False,
            }
        }
    return chosen


def key(site: Site) -> Mapping[str, str]:
    """The variable with the key."""
    return {} if site.gateway is None else {"OPENAI_API_KEY": site.gateway.token}


def flattened(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """`key=value` for `-c`, the values in TOML."""
    words: list[str] = []
    for name, value in values.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            words += flattened(value, f"{path}.")
        else:
            words.append(f"{path}={json.dumps(value, ensure_ascii=False)}")
    return words


def _start(site: Site) -> Start:
    adapter = site.programs[ADAPTER.name]
    env = {"CODEX_CONFIG": json.dumps(settings(site)), "INITIAL_AGENT_MODE": MODE, **key(site)}
    brought = site.env.get("CODEX_PATH") or _brought_by(adapter)
    if brought is None:
        return Start((str(adapter),), env)
    return Start((str(adapter),), {**env, "CODEX_PATH": str(site.place / SERVER)}, {SERVER: _server(brought)})


def _brought_by(adapter: Path) -> str | None:
    """The Codex that belongs to the adapter, where npm put it."""
    places = (folder / "node_modules/@openai/codex/bin/codex.js" for folder in adapter.resolve().parents)
    return next((str(place) for place in places if place.is_file()), None)


def _server(codex: str) -> str:
    """A program that starts the server of Codex with our settings: it looks around before the adapter sets any."""
    words = [word for pair in flattened(SETTINGS) for word in ("-c", pair)]
    return f'#!/bin/sh\nexec {shlex.quote(codex)} "$@" {shlex.join(words)}\n'


CODEX_ACP = Quirks(
    name="codex",
    programs=(ADAPTER,),
    api="openai",
    keys=KEYS,
    logins=LOGINS,
    quiet=QUIET,
    start=_start,
    manners=Manners(mode=MODE, usage="turn", ends_with_input=False),
)
