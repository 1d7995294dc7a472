"""Anthropic's Messages API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mawep.gateway.framing import Events, Whole
from mawep.gateway.shapes.base import (
    Asked,
    Call,
    Meter,
    Reader,
    Refused,
    Trouble,
    count,
    decoded,
    encoded,
    limit,
    objects,
    only,
    part,
    words,
)
from mawep.gateway.shapes.tools import local_tools
from mawep.gateway.values import Tokens

FIELDS = words(
    "model messages max_tokens system stream temperature top_p top_k stop_sequences metadata thinking tools "
    "tool_choice output_config output_format context_management cache_control service_tier"
)
REFUSED = {
    "mcp_servers": "the provider would connect to other servers; give the agent its MCP servers in its own settings",
    "container": "code would run at the provider, outside of the attempt's walls",
}
TOOLS = ("bash_", "text_editor_", "computer_", "memory_", "tool_search_tool_")
"""Kinds of tools, by how they begin, which the agent carries out itself."""
SOURCES = frozenset({"base64", "text", "content"})
_THINKS = re.compile(rb'"thinking":\{(?!"type":"disabled")')
"""In a body as it is written here. Such a model is asked to think."""
TIERS = frozenset({"auto", "standard_only"})
ERRORS: dict[Trouble, tuple[int, str]] = {
    "token": (401, "authentication_error"),
    "path": (404, "not_found_error"),
    "request": (400, "invalid_request_error"),
    "budget": (402, "billing_error"),
    "size": (413, "request_too_large"),
    "busy": (503, "api_error"),
    "upstream": (502, "api_error"),
}


class Anthropic:
    """Messages, counting their tokens, and the list of models."""

    tokens_in = ("x-api-key",)

    def call(self, asked: Asked) -> Call:
        beta = {"beta": "true"} if asked.query.get("beta") == "true" else {}
        match asked.method, asked.path.removeprefix("/v1").split("/")[1:]:
            case ("GET", ["models"] | ["models", _]):
                return Call("GET", asked.path)
            case ("POST", ["messages"]):
                return _message(asked, beta, metered=True)
            case ("POST", ["messages", "count_tokens"]):
                return _message(asked, beta, metered=False)
        raise Refused("path", f"{asked.method} {asked.path} is not let through by MAWEP's gateway")

    def meter(self, call: Call, content_type: str) -> Meter:
        return _Reader(
            content_type, thinks=_THINKS.search(call.body) is not None, hidden=b'"omitted"' in call.body
        )

    def refusal(self, trouble: Trouble, why: str) -> tuple[int, bytes]:
        status, kind = ERRORS[trouble]
        return status, encoded({"type": "error", "error": {"type": kind, "message": why}})

    def key_headers(self, key: str) -> Mapping[str, str]:
        return {"x-api-key": key}


def _message(asked: Asked, query: dict[str, str], *, metered: bool) -> Call:
    body = decoded(asked.body)
    taken = [*only(body, FIELDS, REFUSED)]
    taken += local_tools(body, lambda tool: str(tool.get("type") or "custom").startswith(("custom", *TOOLS)))
    for place in (body.get("messages"), body.get("system")):
        _refuse_distant(place)
    if str(body.get("service_tier") or "auto") not in TIERS:
        taken.append(f"service_tier {body.pop('service_tier')}")
    edits = part(body, "context_management").get("edits")
    kept = [edit for edit in objects(edits) if str(edit.get("type")).startswith("clear_")]
    if edits and len(kept) < len(
        edits
    ):  # a summary by the provider is another call, which nobody has reserved
        body["context_management"]["edits"] = kept
        taken.append("context_management other than clearing")
    return Call(
        "POST",
        asked.path,
        query,
        encoded(body),
        model=str(body.get("model") or ""),
        metered=metered,
        max_output=limit(body.get("max_tokens"), "max_tokens"),
        stripped=tuple(taken),
    )


def _refuse_distant(value: object) -> None:
    """Refuse what the provider would have to fetch, or has been given before, in any depth of content."""
    if isinstance(value, list):
        for one in value:
            _refuse_distant(one)
    elif isinstance(value, dict):
        source = value.get("source")
        distant = isinstance(source, dict) and str(source.get("type")) not in SOURCES
        if distant or value.get("type") == "container_upload":
            raise Refused(
                "request",
                "content by address or by file is not let through by MAWEP's gateway, "
                "as the provider would fetch it; put the content itself into the message",
            )
        _refuse_distant(value.get("content"))
        _refuse_distant(source)


class _Reader(Reader):
    def __init__(self, content_type: str, *, thinks: bool, hidden: bool) -> None:
        super().__init__(Events() if "event-stream" in content_type else Whole())
        self._thinks = self._thinking = thinks
        self._hidden = hidden

    def hidden(self) -> bool:
        """What is thought is summed up, later than it is thought."""
        return self._hidden or self._thinking

    def see(self, document: dict[str, Any]) -> None:
        kind = str(document.get("type"))
        if kind == "message_start":
            self.tokens = _tokens(part(part(document, "message"), "usage"), self.tokens)
        elif kind == "content_block_start":
            begun = str(part(document, "content_block").get("type"))
            self._thinking = self._thinks and "thinking" in begun
        elif kind in {"message", "message_delta"} and part(document, "usage"):
            self.tokens = _tokens(part(document, "usage"), self.tokens)
            self.complete = True


def _tokens(usage: dict[str, Any], before: Tokens | None) -> Tokens:
    """A usage as it stands; later ones name only what changed, and count from the beginning of the answer."""
    before = before or Tokens()
    rounds = objects(usage.get("iterations")) or [usage]
    written = sum(count(one.get("cache_creation_input_tokens")) for one in rounds)
    long = sum(count(part(one, "cache_creation").get("ephemeral_1h_input_tokens")) for one in rounds)
    long = min(max(long, before.cache_write_long), max(written, before.cache_write + before.cache_write_long))
    return Tokens(
        input=max(before.input, sum(count(one.get("input_tokens")) for one in rounds)),
        cache_read=max(before.cache_read, sum(count(one.get("cache_read_input_tokens")) for one in rounds)),
        cache_write=max(before.cache_write + before.cache_write_long, written) - long,
        cache_write_long=long,
        output=max(before.output, sum(count(one.get("output_tokens")) for one in rounds)),
        thinking=max(before.thinking, count(part(usage, "output_tokens_details").get("thinking_tokens"))),
    )
