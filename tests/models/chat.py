"""OpenAI chat completions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from tests.models.speech import Answer, Asked, Json, Said, event, identifier, texts


def read(path: str, body: Json) -> Asked:
    """See Shape.read."""
    messages = body.get("messages", [])
    functions = [tool["function"] for tool in body.get("tools") or [] if "function" in tool]
    return Asked(
        model=str(body.get("model", "")),
        stream=bool(body.get("stream")),
        tools={function["name"]: function.get("parameters") for function in functions},
        said=tuple(
            Said(texts(message.get("content")), bool(message.get("tool_calls")))
            for message in messages
            if message["role"] == "assistant"
        ),
        prompts=texts([message.get("content") for message in messages if message["role"] != "assistant"]),
        structured=(body.get("response_format") or {}).get("type") in {"json_object", "json_schema"},
    )


def whole(asked: Asked, answer: Answer) -> Json:
    """See Shape.whole."""
    message: Json = {"role": "assistant", "content": answer.text or None}
    if answer.calls:
        message["tool_calls"] = _calls(answer)
    return {
        **_heading(asked),
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": _finish(answer)}],
        "usage": _usage(answer),
    }


def stream(asked: Asked, answer: Answer) -> Iterator[str]:
    """See Shape.stream. The closing chunk with the usage is always sent: who did not ask for it passes over it."""
    heading = {**_heading(asked), "object": "chat.completion.chunk"}
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": answer.text}] if answer.text else []
    deltas += [{"tool_calls": [{**call, "index": index}]} for index, call in enumerate(_calls(answer))]
    for delta in deltas:
        yield event({**heading, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield event({**heading, "choices": [{"index": 0, "delta": {}, "finish_reason": _finish(answer)}]})
    yield event({**heading, "choices": [], "usage": _usage(answer)})
    yield event("[DONE]")


def _heading(asked: Asked) -> Json:
    return {"id": identifier("chatcmpl-"), "created": int(time.time()), "model": asked.model}


def _calls(answer: Answer) -> list[Json]:
    return [
        {
            "id": identifier("call_"),
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for call in answer.calls
    ]


def _finish(answer: Answer) -> str:
    return "tool_calls" if answer.calls else "stop"


def _usage(answer: Answer) -> Json:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.total_tokens,
    }


def refusal(status: int, message: str) -> Json:
    """See Shape.refusal."""
    kind = "rate_limit_exceeded" if status == 429 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}
