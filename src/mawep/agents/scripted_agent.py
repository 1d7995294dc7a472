"""An agent that does what a script says: `python -m mawep.agents.scripted_agent --script FILE`.

It speaks the Agent Client Protocol on its stdio like any other, and really edits, runs and commits.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any, cast

from mawep.agents.script import Script, ScriptError, load
from mawep.agents.scripted_session import STATE, Session, Sessions
from mawep.agents.scripted_steps import Player
from mawep.agents.scripted_tools import stdio_server
from mawep.agents.sdk import acp, schema


class ScriptedAgent:
    """The agent's half of a connection."""

    def __init__(self, script: Script, sessions: Sessions, attempt: int | None) -> None:
        self._script = script
        self._sessions = sessions
        self._attempt = attempt
        self._live: dict[str, Session] = {}
        self._tools: dict[str, schema.McpServerStdio | None] = {}
        self._cancelled = asyncio.Event()

    def on_connect(self, client: acp.Client) -> None:
        """Learn whom to tell."""
        self._client = client

    async def initialize(self, protocol_version: int, **_: Any) -> schema.InitializeResponse:
        """Say what it can do: everything here, and continue sessions."""
        return schema.InitializeResponse(
            protocol_version=acp.PROTOCOL_VERSION,
            agent_info=schema.Implementation(name="mawep-scripted", version="1"),
            agent_capabilities=schema.AgentCapabilities(load_session=True),
        )

    async def new_session(
        self, cwd: str, mcp_servers: list[Any] | None = None, **_: Any
    ) -> schema.NewSessionResponse:
        """Begin."""
        session = self._sessions.new(cwd)
        self._live[session.id] = session
        self._tools[session.id] = stdio_server(mcp_servers)
        return schema.NewSessionResponse(session_id=session.id)

    async def load_session(
        self, cwd: str, session_id: str, mcp_servers: list[Any] | None = None, **_: Any
    ) -> schema.LoadSessionResponse:
        """Go on where another process stopped; tells what was done, as the protocol wants."""
        session = self._sessions.load(session_id, cwd)
        if session is None:
            raise acp.RequestError.resource_not_found(session_id)
        self._live[session.id] = session
        self._tools[session.id] = stdio_server(mcp_servers)
        past = f"{session.done} steps of turn {session.turn + 1} are done"
        await self._client.session_update(
            session_id=session_id, update=acp.update_agent_message(acp.text_block(past))
        )
        return schema.LoadSessionResponse()

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> schema.PromptResponse:
        """Play the script's next turn, or the rest of one that was interrupted."""
        session = self._live.get(session_id)
        if session is None:
            raise acp.RequestError.resource_not_found(session_id)
        session.begin()
        self._sessions.save(session)
        self._cancelled.clear()
        player = Player(
            self._client,
            session,
            lambda: self._sessions.save(session),
            self._cancelled,
            self._attempt,
            tools=self._tools.get(session_id),
        )
        ending = await player.play(self._script.steps(session.turn))
        return schema.PromptResponse(stop_reason=cast(Any, ending), usage=_usage(session))

    async def cancel(self, session_id: str, **_: Any) -> None:
        """End the turn."""
        self._cancelled.set()


def _usage(session: Session) -> schema.Usage | None:
    total = session.input_tokens + session.output_tokens
    if not total:
        return None
    return schema.Usage(
        input_tokens=session.input_tokens, output_tokens=session.output_tokens, total_tokens=total
    )


def main() -> int:
    """Read the script and serve until end of input."""
    parser = argparse.ArgumentParser(prog="mawep.agents.scripted_agent")
    parser.add_argument("--script", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        script = load(arguments.script)
    except ScriptError as error:
        print(error, file=sys.stderr)
        return 2
    sessions = Sessions(Path(os.environ.get(STATE) or Path.home() / ".mawep-scripted"))
    attempt = os.environ.get("MAWEP_ATTEMPT", "")
    if (review := os.environ.get("MAWEP_REVIEW", "")).isdigit():
        script = script.of_review(int(review))
    agent = ScriptedAgent(script, sessions, int(attempt) if attempt.isdigit() else None)
    asyncio.run(acp.run_agent(cast(acp.Agent, agent)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
