"""OpenAI's chat completions, which many other providers speak too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mawep.gateway.framing import Events, Whole
from mawep.gateway.shapes.base import Call, Reader, Refused, count, decoded, encoded, limit, only, part, words
from mawep.gateway.shapes.tools import local_tools
from mawep.gateway.values import Tokens

FIELDS = words(
    "model messages max_tokens max_completion_tokens temperature top_p top_k min_p n stop stream stream_options "
    "presence_penalty frequency_penalty repetition_penalty logit_bias logprobs top_logprobs user safety_identifier "
    "prompt_cache_key prompt_cache_retention tools tool_choice parallel_tool_calls functions function_call "
    "response_format reasoning reasoning_effort thinking enable_thinking verbosity seed service_tier"
)
REFUSED = {
    "web_search_options": "the provider would search the web",
    "audio": "only text is let through",
}
TOOLS = frozenset({"function", "custom"})
TIERS = frozenset({"auto", "default", "flex"})


def call(body_: bytes, path: str) -> Call:
    """What may be forwarded of a request for a chat completion. Raises Refused."""
    body = decoded(body_)
    taken = [*only(body, FIELDS, REFUSED)]
    taken += local_tools(body, lambda tool: str(tool.get("type", "function")) in TOOLS)
    taken += dearer_tier(body)
    refuse_distant(body.get("messages"))
    if body.get("stream"):  # without it nobody says what a streamed answer consumed
        body["stream_options"] = {**part(body, "stream_options"), "include_usage": True}
    limits = [limit(body.get(name), name) for name in ("max_completion_tokens", "max_tokens")]
    return Call(
        "POST",
        path,
        body=encoded(body),
        model=str(body.get("model") or ""),
        metered=True,
        max_output=max((said for said in limits if said is not None), default=None),
        answers=limit(body.get("n"), "n") or 1,
        stripped=tuple(taken),
    )


def dearer_tier(body: dict[str, Any]) -> list[str]:
    """Take out a tier of service whose price nobody agreed to."""
    if str(body.get("service_tier") or "auto") in TIERS:
        return []
    return [f"service_tier {body.pop('service_tier')}"]


def refuse_distant(value: object) -> None:
    """Refuse what the provider would have to fetch, or has been given before, in any depth of content."""
    if isinstance(value, list):
        for one in value:
            refuse_distant(one)
    elif isinstance(value, dict):
        if value.get("file_id") or value.get("file_url") or any(map(_is_distant, _addresses(value))):
            raise Refused(
                "request",
                "content by address or by file is not let through by MAWEP's gateway, "
                "as the provider would fetch it; put the content itself into the message",
            )
        for name in ("content", "output", "file", "image_url"):
            refuse_distant(value.get(name))


def _addresses(value: dict[str, Any]) -> Iterator[object]:
    """What stands in fields such as `image_url` and `video_url`, by itself or as the `url` of an object."""
    for name, found in value.items():
        if name.endswith("_url"):
            yield found.get("url") if isinstance(found, dict) else found


def _is_distant(address: object) -> bool:
    return not str(address or "data:").startswith("data:")


class Meter(Reader):
    """Reads chat completions, whole or in chunks."""

    def __init__(self, content_type: str) -> None:
        super().__init__(Events() if "event-stream" in content_type else Whole())

    def hidden(self) -> bool:
        """Reasoning is never shown."""
        return True

    def see(self, document: dict[str, Any]) -> None:
        """Take the usage, which the last chunk with one has in full."""
        usage = part(document, "usage")
        if not usage:
            return
        asked = count(usage.get("prompt_tokens"))
        cached = min(asked, count(part(usage, "prompt_tokens_details").get("cached_tokens")))
        self.tokens = Tokens(
            input=asked - cached,
            cache_read=cached,
            output=count(usage.get("completion_tokens")),
            thinking=count(part(usage, "completion_tokens_details").get("reasoning_tokens")),
        )
        self.complete = True
