"""Gemini's generateContent, whole and streamed, counting of tokens, and the list of models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mawep.gateway.framing import Elements, Events, Whole
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
    one_or_more,
    only,
    part,
)
from mawep.gateway.values import Tokens

PATH = re.compile(r"/(?:v1|v1beta)/models/(?P<model>[\w.-]+):(?P<verb>\w+)")
MODELS = re.compile(r"/(?:v1|v1beta)/models(?:/[\w.-]+)?")
VERBS = frozenset({"generateContent", "streamGenerateContent", "countTokens"})
FIELDS = frozenset(
    {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "labels"}
)
REFUSED = {"cachedContent": "what the provider keeps of earlier calls cannot be metered; send it again"}
TOOLS = frozenset({"functionDeclarations", "computerUse"})
BESIDE_TEXT = frozenset({"responseModalities", "speechConfig", "imageConfig"})
"""Settings that would have the model answer with sound or pictures, whose price is another."""
ERRORS: dict[Trouble, tuple[int, str]] = {
    "token": (401, "UNAUTHENTICATED"),
    "path": (404, "NOT_FOUND"),
    "request": (400, "INVALID_ARGUMENT"),
    "budget": (400, "FAILED_PRECONDITION"),
    "size": (413, "INVALID_ARGUMENT"),
    "busy": (503, "UNAVAILABLE"),
    "upstream": (502, "UNAVAILABLE"),
}


class Gemini:
    """The Gemini API."""

    tokens_in = ("x-goog-api-key",)

    def call(self, asked: Asked) -> Call:
        if asked.method == "GET" and MODELS.fullmatch(asked.path):
            paging = {name: asked.query[name] for name in ("pageSize", "pageToken") if name in asked.query}
            return Call("GET", asked.path, paging)
        found = PATH.fullmatch(asked.path)
        if asked.method != "POST" or not found or found["verb"] not in VERBS:
            raise Refused("path", f"{asked.method} {asked.path} is not let through by MAWEP's gateway")
        body = _camel(decoded(asked.body))
        if found["verb"] == "countTokens":
            return _counted(asked.path, body, found["model"])
        query = {"alt": "sse"} if asked.query.get("alt") == "sse" else {}
        return _generated(asked.path, query, body, found["model"])

    def meter(self, call: Call, content_type: str) -> Meter:
        return _Reader(content_type, streamed=":stream" in call.path)

    def refusal(self, trouble: Trouble, why: str) -> tuple[int, bytes]:
        status, name = ERRORS[trouble]
        return status, encoded({"error": {"code": status, "message": why, "status": name}})

    def key_headers(self, key: str) -> Mapping[str, str]:
        return {"x-goog-api-key": key}


def _generated(path: str, query: dict[str, str], body: dict[str, Any], model: str) -> Call:
    taken = _checked(body)
    config = part(body, "generationConfig")
    return Call(
        "POST",
        path,
        query,
        encoded(body),
        model=model,
        metered=True,
        max_output=limit(config.get("maxOutputTokens"), "maxOutputTokens"),
        answers=limit(config.get("candidateCount"), "candidateCount") or 1,
        stripped=tuple(taken),
    )


def _counted(path: str, body: dict[str, Any], model: str) -> Call:
    inner = part(body, "generateContentRequest")
    taken = only(body, {"contents", "generateContentRequest"}, REFUSED)
    if inner:
        only(inner, FIELDS | {"model"}, REFUSED)
        _local(inner)
        _refuse_distant(inner.get("contents"))
        _refuse_distant(inner.get("systemInstruction"))
    _refuse_distant(body.get("contents"))
    return Call("POST", path, body=encoded(body), model=model, stripped=taken)


def _checked(body: dict[str, Any]) -> list[str]:
    """Take out what is not let through, and name it. Raises Refused."""
    taken = [*only(body, FIELDS, REFUSED), *_local(body)]
    for place in ("contents", "systemInstruction"):
        _refuse_distant(body.get(place))
    config = part(body, "generationConfig")
    for name in BESIDE_TEXT & config.keys():
        taken.append(name)
        del config[name]
    return taken


def _camel(body: dict[str, Any]) -> dict[str, Any]:
    """The body with the names that matter here in one spelling: the provider takes both."""
    fields = {_one_spelling(name): value for name, value in body.items()}
    if len(fields) < len(body):
        raise Refused("request", "a field is written twice, in two spellings")
    config = fields.get("generationConfig")
    if isinstance(config, dict):
        spelt = {_one_spelling(name): value for name, value in config.items()}
        if len(spelt) < len(config):
            raise Refused("request", "a field of `generationConfig` is written twice, in two spellings")
        fields["generationConfig"] = spelt
    inner = fields.get("generateContentRequest")
    if isinstance(inner, dict):
        fields["generateContentRequest"] = _camel(inner)
    return fields


def _one_spelling(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _local(body: dict[str, Any]) -> list[str]:
    """Take out the tools that the provider would carry out itself. Raises Refused when no other is left."""
    kept, taken = [], []
    for tool in objects(body.get("tools")):
        taken += [name for name in tool if _one_spelling(name) not in TOOLS]
        local = {name: value for name, value in tool.items() if _one_spelling(name) in TOOLS}
        kept += [local] if local else []
    if taken and not kept:
        raise Refused(
            "request",
            f"{', '.join(taken)}: MAWEP's gateway does not let tools through that the provider carries out itself "
            "(searching or fetching from the web, running code, files); use your own tools",
        )
    if kept:
        body["tools"] = kept
    else:
        body.pop("tools", None)
    return taken


def _refuse_distant(value: object) -> None:
    """Refuse what the provider would have to fetch, or has been given before."""
    for content in one_or_more(value):
        for piece in one_or_more(content.get("parts")):
            answer = piece.get("functionResponse") or piece.get("function_response")
            _refuse_distant(answer)
            if "fileData" in piece or "file_data" in piece:
                raise Refused(
                    "request",
                    "content by address or by file is not let through by MAWEP's gateway, "
                    "as the provider would fetch it; put the content itself into the message",
                )


class _Reader(Reader):
    def __init__(self, content_type: str, *, streamed: bool) -> None:
        pieces = Elements() if streamed else Whole()
        super().__init__(Events() if "event-stream" in content_type else pieces)

    def hidden(self) -> bool:
        """Thoughts are counted in every piece, but before the first one nothing is known of them."""
        return self.tokens is None

    def see(self, document: dict[str, Any]) -> None:
        usage = part(document, "usageMetadata")
        if usage:
            asked = count(usage.get("promptTokenCount"))
            cached = min(asked, count(usage.get("cachedContentTokenCount")))
            thinking = count(usage.get("thoughtsTokenCount"))
            self.tokens = Tokens(
                input=asked - cached + count(usage.get("toolUsePromptTokenCount")),
                cache_read=cached,
                output=count(usage.get("candidatesTokenCount")) + thinking,
                thinking=thinking,
            )
        ended = any("finishReason" in one for one in objects(document.get("candidates")))
        if ended or part(document, "promptFeedback"):
            self.complete = self.tokens is not None
