"""OpenAI's two protocols, told apart by path: chat completions and responses."""

from __future__ import annotations

from collections.abc import Mapping

from mawep.gateway.shapes import openai_chat, openai_responses
from mawep.gateway.shapes.base import Asked, Call, Meter, Refused, Trouble, encoded

ERRORS: dict[Trouble, tuple[int, str, str]] = {
    "token": (401, "invalid_request_error", "invalid_api_key"),
    "path": (404, "invalid_request_error", "unknown_url"),
    "request": (400, "invalid_request_error", "unsupported_parameter"),
    "budget": (400, "invalid_request_error", "billing_hard_limit_reached"),
    "size": (413, "invalid_request_error", "request_too_large"),
    "busy": (503, "server_error", "server_error"),
    "upstream": (502, "server_error", "upstream_unreachable"),
}


class OpenAI:
    """Chat completions, responses, and the list of models."""

    tokens_in = ()

    def call(self, asked: Asked) -> Call:
        path = asked.path.removeprefix("/v1")
        match asked.method, path.split("/")[1:]:
            case ("GET", ["models"] | ["models", _]):
                return Call("GET", path)
            case ("POST", ["chat", "completions"]):
                return openai_chat.call(asked.body, path)
            case ("POST", ["responses"]):
                return openai_responses.call(asked.body, path)
        raise Refused("path", f"{asked.method} {asked.path} is not let through by MAWEP's gateway")

    def meter(self, call: Call, content_type: str) -> Meter:
        responses = call.path == "/responses"
        return openai_responses.Meter(content_type) if responses else openai_chat.Meter(content_type)

    def refusal(self, trouble: Trouble, why: str) -> tuple[int, bytes]:
        status, kind, code = ERRORS[trouble]
        return status, encoded({"error": {"message": why, "type": kind, "param": None, "code": code}})

    def key_headers(self, key: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key}"}
