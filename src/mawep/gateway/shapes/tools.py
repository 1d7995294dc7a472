"""Tools that a request offers to the model: those that the provider would carry out itself are taken out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mawep.gateway.shapes.base import Refused


def local_tools(body: dict[str, Any], is_local: Callable[[dict[str, Any]], bool]) -> list[str]:
    """Take the tools out of `body` that are not local, and name them.

    Raises:
        Refused: nothing would be left of what the request asks for.
    """
    tools = body.get("tools")
    if not isinstance(tools, list):
        body.pop("tools", None)
        return []
    kept = [tool for tool in tools if isinstance(tool, dict) and is_local(tool)]
    taken = [_name(tool) for tool in tools if tool not in kept]
    if not taken:
        return []
    chosen = body.get("tool_choice")
    wanted = {str(chosen.get("name")), str(chosen.get("type"))} if isinstance(chosen, dict) else set()
    if not kept or wanted & set(taken):
        raise Refused(
            "request",
            f"{', '.join(taken)}: MAWEP's gateway does not let tools through that the provider carries out itself "
            "(searching or fetching from the web, running code, MCP servers, files); use your own tools",
        )
    body["tools"] = kept
    return taken


def _name(tool: object) -> str:
    return str(tool.get("name") or tool.get("type") or "a tool") if isinstance(tool, dict) else "a tool"
