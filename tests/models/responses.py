"""OpenAI responses."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator

from tests.models import chat
from tests.models.speech import Answer, Asked, Json, Said, event, identifier, texts

CALLS = {"function_call", "custom_tool_call", "local_shell_call"}
ANSWERS = {"function_call_output", "custom_tool_call_output", "local_shell_call_output"}


def read(path: str, body: Json) -> Asked:
    """See Shape.read."""
    given = body.get("input") or []
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    return Asked(
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        tools={
            tool.get("name") or tool["type"]: None
            if tool["type"] == "custom"
            else tool.get("parameters") or {}
            for tool in body.get("tools") or []
        },
        said=tuple(_said(items)),
        prompts=texts([body.get("instructions") or ""])
        + texts([item for item in items if item.get("role") in {"user", "system", "developer"}]),
        structured="format" in (body.get("text") or {}) and body["text"]["format"].get("type") != "text",
    )


def _said(items: list[Json]) -> Iterator[Said]:
    """What the model said is spread over neighbouring items."""
    for ours, group in itertools.groupby((item for item in items if not _silent(item)), _from_the_model):
        if ours:
            spoken = list(group)
            yield Said(texts(spoken), any(item.get("type") in CALLS for item in spoken))


def _silent(item: Json) -> bool:
    return item.get("type") == "reasoning"


def _from_the_model(item: Json) -> bool:
    return item.get("type") in CALLS or item.get("role") == "assistant"


def _output(answer: Answer) -> list[Json]:
    output: list[Json] = []
    if answer.text:
        said = {"type": "output_text", "text": answer.text, "annotations": []}
        output.append(
            {
                "type": "message",
                "id": identifier("msg_"),
                "role": "assistant",
                "status": "completed",
                "content": [said],
            }
        )
    for call in answer.calls:
        naming = {"call_id": identifier("call_"), "name": call.name, "status": "completed"}
        if isinstance(call.arguments, str):
            item = {"type": "custom_tool_call", "id": identifier("ctc_"), "input": call.arguments}
        else:
            item = {"type": "function_call", "id": identifier("fc_"), "arguments": json.dumps(call.arguments)}
        output.append({**item, **naming})
    return output


def whole(asked: Asked, answer: Answer) -> Json:
    """See Shape.whole."""
    return {
        "id": identifier("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "model": asked.model,
        "status": "completed",
        "output": _output(answer),
        "usage": {
            "input_tokens": answer.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": answer.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": answer.total_tokens,
        },
    }


def stream(asked: Asked, answer: Answer) -> Iterator[str]:
    """See Shape.stream."""
    response = whole(asked, answer)
    numbers = itertools.count()

    def told(kind: str, **rest: object) -> str:
        return event({"type": kind, "sequence_number": next(numbers), **rest}, kind)

    begun = {name: part for name, part in response.items() if name != "usage"}
    yield told("response.created", response={**begun, "status": "in_progress", "output": []})
    for index, item in enumerate(response["output"]):
        yield told("response.output_item.added", output_index=index, item={**item, "status": "in_progress"})
        if item["type"] == "message":
            place = {"item_id": item["id"], "output_index": index, "content_index": 0}
            yield told("response.output_text.delta", **place, delta=answer.text)
        yield told("response.output_item.done", output_index=index, item=item)
    yield told("response.completed", response=response)


refusal = chat.refusal
