"""One connection of an agent to its tools, in the Model Context Protocol.

The SDK is a large import, so this file is imported when the first agent connects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.lowlevel.server import Server
from mcp.shared.message import SessionMessage

from mawep import __version__
from mawep.agents.tools import INSTRUCTIONS, Said, Tool

AT_ONCE = 8
"""Calls of one connection that are carried out at a time."""

Answer = Callable[[str, Mapping[str, Any]], Awaitable[Said]]
Incoming = SessionMessage | Exception


async def serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    answer: Answer,
    tools: Mapping[str, type[Tool]],
) -> None:
    """Serve until the agent's side ends; what it does not wait for any more is cancelled."""
    heard, inbox = anyio.create_memory_object_stream[Incoming](0)
    outbox, said = anyio.create_memory_object_stream[SessionMessage](0)
    server = _server(answer, tools)
    async with anyio.create_task_group() as group:
        group.start_soon(_hear, reader, heard)
        group.start_soon(_say, said, writer)
        await server.run(inbox, outbox, server.create_initialization_options())
        group.cancel_scope.cancel()
    for stream in (heard, inbox, outbox, said):
        stream.close()


def _server(answer: Answer, tools: Mapping[str, type[Tool]]) -> Server[Any]:
    busy = 0

    async def list_tools(_: Any, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=_described(tools))

    async def call_tool(_: Any, call: types.CallToolRequestParams) -> types.CallToolResult:
        nonlocal busy
        if busy >= AT_ONCE:
            return _result(Said("too many calls at once; wait for their answers", ok=False))
        busy += 1
        try:
            return _result(await answer(call.name, call.arguments or {}))
        finally:
            busy -= 1

    return Server(
        "mawep",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _described(tools: Mapping[str, type[Tool]]) -> list[types.Tool]:
    found = []
    for name, tool in tools.items():
        schema = tool.model_json_schema()
        description = " ".join(schema.pop("description").split())
        found.append(types.Tool(name=name, description=description, input_schema=schema))
    return found


def _result(said: Said) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=said.text)],
        structured_content=dict(said.data) or None,
        is_error=not said.ok,
    )


async def _hear(reader: asyncio.StreamReader, heard: MemoryObjectSendStream[Incoming]) -> None:
    """Frames as they come; the end of the stream, or a frame that is too long, ends the talk."""
    async with heard:
        while True:
            try:
                line = await reader.readuntil(b"\n")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
                return
            if line.isspace():
                continue
            try:
                message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError as error:
                await heard.send(error)
            else:
                await heard.send(SessionMessage(message))


async def _say(said: MemoryObjectReceiveStream[SessionMessage], writer: asyncio.StreamWriter) -> None:
    async with said:
        async for message in said:
            writer.write(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            try:
                await writer.drain()
            except OSError:
                return
