"""Claude Code: through its ACP adapter, and headless."""

from __future__ import annotations

from collections.abc import Mapping

from mawep.agents.programs import Program
from mawep.agents.quirks import Manners, Quirks, Site, Start

CLAUDE = Program("claude", "@anthropic-ai/claude-code", "2.1.330")
ADAPTER = Program("claude-agent-acp", "@agentclientprotocol/claude-agent-acp", "0.101.0")

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
LOGINS = (".claude/.credentials.json", ".claude.json")

QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_BUG_COMMAND": "1",
    # What a person might like to type next: asked of the model after every turn, with all that was said in it.
    "CLAUDE_CODE_ENABLE_PROMPT_SUGGESTION": "false",
    # The tools that keep its plan are hidden behind a search for tools otherwise, and it rarely looks.
    "ENABLE_TOOL_SEARCH": "false",
    "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",  # its newest models are not offered them otherwise
}


def model(site: Site) -> Mapping[str, str]:
    """The variables that say which model, where, and with which key."""
    named = {"ANTHROPIC_MODEL": site.model} if site.model else {}
    if site.gateway is None:
        return named
    return {**named, "ANTHROPIC_BASE_URL": site.gateway.url, "ANTHROPIC_API_KEY": site.gateway.token}


def _start(site: Site) -> Start:
    # The adapter brings a copy of the CLI of its own unless it is told to use the one that was looked up.
    executable = {"CLAUDE_CODE_EXECUTABLE": str(site.programs[CLAUDE.name])}
    return Start((str(site.programs[ADAPTER.name]),), {**executable, **model(site)})


CLAUDE_CODE = Quirks(
    name="claude-code",
    programs=(ADAPTER, CLAUDE),
    api="anthropic",
    keys=KEYS,
    logins=LOGINS,
    quiet=QUIET,
    start=_start,
    # In this mode it asks before it edits or runs something, whatever the settings say.
    manners=Manners(mode="default", usage="turn"),
)
