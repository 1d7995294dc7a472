"""opencode, which speaks ACP itself."""

from __future__ import annotations

import json
from typing import Any

from mawep.agents.base import AgentFailed
from mawep.agents.programs import Program
from mawep.agents.quirks import Manners, Quirks, Site, Start

OPENCODE = Program("opencode", "opencode-ai", "1.18.33")

QUIET = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_SHARE": "1",
    "DO_NOT_TRACK": "1",
}

ASKING = {"edit": "ask", "bash": "ask", "external_directory": "ask"}
"""It asks only where its settings say so."""

# Which of the libraries that it brings speaks which API, and where its base URL ends.
_LIBRARY = {"anthropic": "@ai-sdk/anthropic", "openai": "@ai-sdk/openai", "google": "@ai-sdk/google"}
_OTHER = "@ai-sdk/openai-compatible"
_VERSION = {"google": "/v1beta"}


def _settings(site: Site) -> dict[str, Any]:
    chosen: dict[str, Any] = {"autoupdate": False, "share": "disabled", "permission": ASKING}
    if site.model:
        chosen |= {"model": site.model, "small_model": site.model}
    url = site.gateway.url if site.gateway else None
    if url is None and site.env.get("OPENAI_BASE_URL"):
        return chosen | _provider(site, site.env["OPENAI_BASE_URL"])
    if url is None:
        return chosen
    return chosen | _provider(site, url + _VERSION.get((site.model or "").partition("/")[0], "/v1"))


def _provider(site: Site, url: str) -> dict[str, Any]:
    """The one provider that it may use: at `url`, with the key from the environment."""
    name, _, model = (site.model or "").partition("/")
    if not model:
        raise AgentFailed(
            "opencode is not told which model to ask for",
            next_step="write `agents.model`, as `provider/model`",
        )
    provider = {
        "npm": _LIBRARY.get(name, _OTHER),
        "name": name,
        "options": {"baseURL": url, "apiKey": "{env:OPENAI_API_KEY}"},
        "models": {model: {"name": model, "tool_call": True}},
    }
    return {"enabled_providers": [name], "provider": {name: provider}}


def _start(site: Site) -> Start:
    env = {
        "OPENCODE_CONFIG_CONTENT": json.dumps(_settings(site)),
        # Two that make the same database at once make each other fail.
        "OPENCODE_DB": str(site.place / "opencode.db"),
    }
    if site.gateway is not None:
        env["OPENAI_API_KEY"] = site.gateway.token
    return Start((str(site.programs[OPENCODE.name]), "acp"), env)


OPENCODE_ACP = Quirks(
    name="opencode",
    programs=(OPENCODE,),
    api="openai",
    other_apis={"anthropic": "anthropic", "google": "gemini"},
    keys=("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY", "OPENROUTER_API_KEY"),
    logins=(".local/share/opencode/auth.json",),
    quiet=QUIET,
    start=_start,
    manners=Manners(plan_calls=frozenset({"todowrite"}), usage="call", rejection_ends_turn=True),
)
