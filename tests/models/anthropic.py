"""Anthropic Messages."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.models.speech import Answer, Asked, Json, Said, event, identifier, texts

KINDS = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def read(path: str, body: Json) -> Asked:
    """See Shape.read."""
    messages = body.get("messages", [])
    return Asked(
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        tools={tool["name"]: tool.get("input_schema") for tool in body.get("tools") or []},
        said=tuple(_said(message["content"]) for message in messages if message["role"] == "assistant"),
        prompts=texts([body.get("system", "")])
        + texts([message["content"] for message in messages if message["role"] != "assistant"]),
        structured="output_config" in body and "format" in (body["output_config"] or {}),
    )


def _said(content: object) -> Said:
    blocks = content if isinstance(content, list) else []
    return Said(texts(content), any(block.get("type") == "tool_use" for block in blocks))


def whole(asked: Asked, answer: Answer) -> Json:
    """See Shape.whole."""
    blocks: list[Json] = [{"type": "text", "text": answer.text}] if answer.text else []
    blocks += [
        {"type": "tool_use", "id": identifier("toolu_"), "name": call.name, "input": call.arguments}
        for call in answer.calls
    ]
    return {
        "id": identifier("msg_"),
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": blocks,
        "stop_reason": "tool_use" if answer.calls else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": answer.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": answer.output_tokens,
        },
    }


def stream(asked: Asked, answer: Answer) -> Iterator[str]:
    """See Shape.stream."""
    message = whole(asked, answer)
    blocks, usage, stop = message["content"], message["usage"], message["stop_reason"]
    yield _event(
        "message_start",
        message={**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}},
    )
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            start, delta = {**block, "text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield _event("content_block_start", index=index, content_block=start)
        yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    yield _event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=usage)
    yield _event("message_stop")


def _event(kind: str, **rest: object) -> str:
    return event({"type": kind, **rest}, kind)


def refusal(status: int, message: str) -> Json:
    """See Shape.refusal."""
    return {"type": "error", "error": {"type": KINDS.get(status, "api_error"), "message": message}}
