"""How a scripted agent calls a tool: it starts the MCP server that its session was given, as any agent would."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any

from mawep.agents.sdk import schema
from mawep.inside.ask import CALL, GoneError, frames

FRAME_LIMIT = 2**22


def stdio_server(servers: list[Any] | None) -> schema.McpServerStdio | None:
    """The first server that is started on stdio, if there is one."""
    return next((one for one in servers or () if isinstance(one, schema.McpServerStdio)), None)


async def call(server: schema.McpServerStdio, name: str, arguments: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the tool did what it was asked, and what it said. Raises GoneError when it does not answer."""
    process = await asyncio.create_subprocess_exec(
        server.command,
        *server.args,
        env={"PATH": os.environ.get("PATH", os.defpath), **{one.name: one.value for one in server.env}},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=FRAME_LIMIT,
    )
    assert process.stdin is not None  # noqa: S101 (both were asked for)
    assert process.stdout is not None  # noqa: S101
    try:
        hello, *rest = frames(name, dict(arguments))
        process.stdin.write(hello)
        await _answer(process.stdout, 1)
        process.stdin.writelines(rest)
        result = await _answer(process.stdout, CALL)
    finally:
        process.stdin.close()
        if process.returncode is None:
            process.terminate()
        await process.wait()
    text = "\n".join(item.get("text", "") for item in result.get("content", []))
    return not result.get("isError"), text


async def _answer(stream: asyncio.StreamReader, number: int) -> dict[str, Any]:
    async for line in stream:
        frame = json.loads(line)
        if frame.get("id") == number:
            return dict(
                frame.get("result") or {"isError": True, "content": [{"text": str(frame.get("error"))}]}
            )
    raise GoneError("the tools are gone")
