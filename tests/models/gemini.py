"""Gemini generateContent and streamGenerateContent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.models.speech import Answer, Asked, Json, Said, event, texts

KINDS = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


def read(path: str, body: Json) -> Asked:
    """See Shape.read."""
    contents = body.get("contents") or []
    declared = [tool for group in body.get("tools") or [] for tool in group.get("functionDeclarations") or []]
    named = re.search(r"models/([^:/]+):", path)
    wanted = body.get("generationConfig") or {}
    return Asked(
        model=named[1] if named else "",
        stream=":streamGenerateContent" in path,
        tools={tool["name"]: tool.get("parametersJsonSchema") or tool.get("parameters") for tool in declared},
        said=tuple(_said(content) for content in contents if content.get("role") == "model"),
        prompts=texts(body.get("systemInstruction") or "")
        + texts([content for content in contents if content.get("role") != "model"]),
        structured=wanted.get("responseMimeType") == "application/json",
    )


def _said(content: Json) -> Said:
    return Said(texts(content), any("functionCall" in part for part in content.get("parts") or []))


def whole(asked: Asked, answer: Answer) -> Json:
    """See Shape.whole."""
    parts: list[Json] = [{"text": answer.text}] if answer.text else []
    parts += [{"functionCall": {"name": call.name, "args": call.arguments}} for call in answer.calls]
    content = {"role": "model", "parts": parts}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "modelVersion": asked.model,
        "usageMetadata": {
            "promptTokenCount": answer.input_tokens,
            "candidatesTokenCount": answer.output_tokens,
            "totalTokenCount": answer.total_tokens,
        },
    }


def stream(asked: Asked, answer: Answer) -> Iterator[str]:
    """See Shape.stream."""
    yield event(whole(asked, answer))


def refusal(status: int, message: str) -> Json:
    """See Shape.refusal."""
    return {"error": {"code": status, "message": message, "status": KINDS.get(status, "INTERNAL")}}
