"""OpenAI's responses."""

from __future__ import annotations

from typing import Any

from mawep.gateway.framing import Events, Whole
from mawep.gateway.shapes.base import (
    Call,
    Reader,
    Refused,
    count,
    decoded,
    encoded,
    limit,
    objects,
    only,
    part,
    words,
)
from mawep.gateway.shapes.openai_chat import dearer_tier, refuse_distant
from mawep.gateway.shapes.tools import local_tools
from mawep.gateway.values import Tokens

FIELDS = words(
    "model input instructions max_output_tokens temperature top_p top_logprobs stream stream_options tools "
    "tool_choice max_tool_calls parallel_tool_calls reasoning text include metadata client_metadata user "
    "safety_identifier prompt_cache_key prompt_cache_retention truncation service_tier store"
)
STATEFUL = "what the provider keeps of earlier calls cannot be metered; send the whole conversation"
REFUSED = {
    "background": "an answer must come while the attempt waits for it",
    "previous_response_id": STATEFUL,
    "conversation": STATEFUL,
    "prompt": "what it stands for cannot be seen here; send the text itself",
}
TOOLS = frozenset({"function", "custom", "local_shell", "apply_patch", "computer", "computer_use_preview"})
INCLUDED = frozenset({"reasoning.encrypted_content", "message.output_text.logprobs"})
LAST = frozenset({"response.completed", "response.incomplete", "response.failed"})


def call(body_: bytes, path: str) -> Call:
    """What may be forwarded of a request for a response. Raises Refused."""
    body = decoded(body_)
    taken = [*only(body, FIELDS, REFUSED)]
    taken += local_tools(body, _is_local)
    taken += dearer_tier(body)
    refuse_distant(body.get("input"))
    for item in objects(
        body.get("input")
    ):  # what a search for tools has found is offered to the model as well
        local_tools(item, _is_local)
    if any(item.get("type") == "item_reference" for item in objects(body.get("input"))):
        raise Refused("request", f"`item_reference` is not let through by MAWEP's gateway: {STATEFUL}")
    if body.get("store", True) is not False:
        taken.append("store")
    body["store"] = False  # else the provider keeps it
    if isinstance(body.get("include"), list):
        body["include"] = [name for name in body["include"] if str(name) in INCLUDED]
    return Call(
        "POST",
        path,
        body=encoded(body),
        model=str(body.get("model") or ""),
        metered=True,
        max_output=limit(body.get("max_output_tokens"), "max_output_tokens"),
        stripped=tuple(taken),
    )


def _is_local(tool: dict[str, Any]) -> bool:
    """True for a tool that the agent carries out itself."""
    match tool.get("type"):
        case "shell":
            return part(tool, "environment").get("type") == "local"
        case "tool_search":
            return tool.get("execution") == "client"
        case "namespace":
            return all(_is_local(inner) for inner in objects(tool.get("tools")))
        case kind:
            return str(kind) in TOOLS


class Meter(Reader):
    """Reads responses, whole or as events."""

    def __init__(self, content_type: str) -> None:
        super().__init__(Events() if "event-stream" in content_type else Whole())

    def hidden(self) -> bool:
        """Reasoning is never shown."""
        return True

    def see(self, document: dict[str, Any]) -> None:
        """Take the usage, which comes at the end."""
        whole = document.get("object") == "response"
        usage = part(document if whole else part(document, "response"), "usage")
        if not usage or not (whole or str(document.get("type")) in LAST):
            return
        asked = count(usage.get("input_tokens"))
        cached = min(asked, count(part(usage, "input_tokens_details").get("cached_tokens")))
        self.tokens = Tokens(
            input=asked - cached,
            cache_read=cached,
            output=count(usage.get("output_tokens")),
            thinking=count(part(usage, "output_tokens_details").get("reasoning_tokens")),
        )
        self.complete = True
