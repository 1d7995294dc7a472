"""What each provider's protocol lets through, refuses and counts: without a network."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mawep.gateway.prices import load_prices
from mawep.gateway.shapes import SHAPES
from mawep.gateway.shapes.base import Asked, Call, Refused
from mawep.gateway.values import Tokens
from tests.gateway.provider import CLAUDE, event

USED = {"input_tokens": 90, "input_tokens_details": {"cached_tokens": 30}, "output_tokens": 12}
RESPONSES = [
    event({"type": "response.created", "response": {"status": "in_progress", "usage": None}}),
    event({"type": "response.output_text.delta", "delta": "né\u2028"}),
    event(
        {
            "type": "response.completed",
            "response": {"usage": {**USED, "output_tokens_details": {"reasoning_tokens": 7}}},
        }
    ),
]
CHAT = [
    event({"choices": [{"delta": {"content": "é"}}]}),
    event(
        {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": None}}
    ),
    b"data: [DONE]\n\n",
]
GEMINI = [
    {
        "candidates": [{"content": {"parts": [{"text": '{"a\\": [}'}]}}],
        "usageMetadata": {"promptTokenCount": 50, "cachedContentTokenCount": 20},
    },
    {
        "candidates": [{"finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": 50,
            "cachedContentTokenCount": 20,
            "candidatesTokenCount": 8,
            "thoughtsTokenCount": 4,
        },
    },
]
ARRAY = json.dumps(GEMINI, indent=1).encode()

ANSWERS = [
    pytest.param(
        "anthropic", "/v1/messages", "text/event-stream", b"".join(CLAUDE), Tokens(100, 1000, 40, 10, 20)
    ),
    pytest.param(
        "anthropic",
        "/v1/messages",
        "text/event-stream; charset=utf-8",
        b"".join(CLAUDE).replace(b"\n", b"\r\n"),
        Tokens(100, 1000, 40, 10, 20),
    ),
    pytest.param(
        "anthropic",
        "/v1/messages",
        "application/json",
        b'{"type": "message", "usage": {"input_tokens": 3, "output_tokens": 4}}',
        Tokens(3, output=4),
    ),
    pytest.param("openai", "/v1/chat/completions", "text/event-stream", b"".join(CHAT), Tokens(5, output=3)),
    pytest.param(
        "openai",
        "/v1/responses",
        "text/event-stream",
        b"".join(RESPONSES),
        Tokens(60, 30, output=12, thinking=7),
    ),
    pytest.param(
        "gemini",
        "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
        "text/event-stream",
        b"".join(map(event, GEMINI)),
        Tokens(30, 20, output=12, thinking=4),
    ),
    pytest.param(
        "gemini",
        "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
        "application/json",
        ARRAY,
        Tokens(30, 20, output=12, thinking=4),
    ),
]


def asked(api: str, path: str, body: object, **query: str) -> Call:
    return SHAPES[api].call(Asked("POST", path, query, json.dumps(body).encode()))


@pytest.mark.parametrize(("api", "path", "kind", "answer", "tokens"), ANSWERS)
@given(cuts=st.lists(st.integers(0, 2000), max_size=40))
def test_what_is_counted_does_not_depend_on_where_an_answer_is_cut(
    api: str, path: str, kind: str, answer: bytes, tokens: Tokens, cuts: list[int]
) -> None:
    meter = SHAPES[api].meter(Call("POST", path.removeprefix("/v1") if api == "openai" else path), kind)
    edges = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts)})
    for begin, end in pairwise(edges):
        meter.feed(answer[begin:end])
    assert meter.used() == tokens


@pytest.mark.parametrize(("api", "path", "kind", "answer", "tokens"), ANSWERS)
def test_an_answer_that_breaks_off_is_bounded_from_above(
    api: str, path: str, kind: str, answer: bytes, tokens: Tokens
) -> None:
    worst = Tokens(input=5000, output=3000)
    for end in range(0, len(answer), 7):
        meter = SHAPES[api].meter(Call("POST", path.removeprefix("/v1") if api == "openai" else path), kind)
        meter.feed(answer[:end])
        said = meter.used()
        bound = said or meter.at_most(worst)
        assert bound.read >= min(tokens.read, bound.read) and bound.read <= max(worst.read, tokens.read)
        if said is None:
            assert bound.output <= worst.output
    meter = SHAPES[api].meter(Call("POST", path), kind)
    assert meter.at_most(worst).read == 5000


@given(st.binary(max_size=300), st.sampled_from(["text/event-stream", "application/json"]))
def test_no_answer_breaks_a_meter(answer: bytes, kind: str) -> None:
    for shape in SHAPES.values():
        for path in ("/x:streamGenerateContent", "/responses", "/chat/completions"):
            meter = shape.meter(Call("POST", path), kind)
            meter.feed(answer)
            meter.used()
            assert meter.at_most(Tokens(10, output=10)).total <= 10 + 10 + 600


WORDS = (
    "type",
    "role",
    "content",
    "parts",
    "tools",
    "name",
    "source",
    "image_url",
    "usage",
    "function",
    "x",
    "",
)
LEAVES = st.sampled_from([None, True, -1, 0, 5, 1.5, *WORDS])
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=2),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [
        *("messages", "model", "tools", "tool_choice", "system", "input", "contents", "generationConfig"),
        *("max_tokens", "n", "stream", "include", "context_management", "toolConfig", "service_tier"),
    ]
)


@given(st.dictionaries(FIELDS, JSON, max_size=5))
def test_no_request_breaks_a_shape(body: dict[str, Any]) -> None:
    for api, path in (
        ("anthropic", "/v1/messages"),
        ("openai", "/v1/chat/completions"),
        ("openai", "/v1/responses"),
        ("gemini", "/v1beta/models/m:generateContent"),
        ("gemini", "/v1beta/models/m:countTokens"),
    ):
        try:
            call = asked(api, path, body)
        except Refused as refusal:
            status, said = SHAPES[api].refusal(refusal.trouble, refusal.why)
            assert 400 <= status < 500 and json.loads(said)
        else:
            assert json.loads(call.body) is not None


URL = {"type": "url", "url": "https://evil.example/x"}
TURN = [{"role": "user", "content": "x"}]


@pytest.mark.parametrize(
    ("api", "path", "body"),
    [
        ("anthropic", "/v1/messages", {"messages": TURN, "mcp_servers": [{"url": "https://evil.example"}]}),
        ("anthropic", "/v1/messages", {"messages": TURN, "container": "c"}),
        ("anthropic", "/v1/messages", {"messages": [{"content": [{"type": "image", "source": URL}]}]}),
        (
            "anthropic",
            "/v1/messages",
            {
                "messages": [
                    {"content": [{"type": "tool_result", "content": [{"type": "document", "source": URL}]}]}
                ]
            },
        ),
        (
            "anthropic",
            "/v1/messages",
            {"messages": TURN, "tools": [{"type": "code_execution_20250825", "name": "c"}]},
        ),
        ("openai", "/v1/chat/completions", {"messages": TURN, "web_search_options": {"x": 1}}),
        (
            "openai",
            "/v1/chat/completions",
            {
                "messages": [
                    {"content": [{"type": "image_url", "image_url": {"url": "https://evil.example"}}]}
                ]
            },
        ),
        (
            "openai",
            "/v1/chat/completions",
            {"messages": [{"content": [{"type": "file", "file": {"file_id": "f"}}]}]},
        ),
        ("openai", "/v1/responses", {"input": "x", "background": True}),
        ("openai", "/v1/responses", {"input": "x", "previous_response_id": "r"}),
        ("openai", "/v1/responses", {"input": [{"type": "item_reference", "id": "i"}]}),
        (
            "openai",
            "/v1/responses",
            {"input": "x", "tools": [{"type": "mcp", "server_url": "https://evil.example"}]},
        ),
        (
            "openai",
            "/v1/responses",
            {"input": [{"content": [{"type": "input_file", "file_url": "https://e"}]}]},
        ),
        ("gemini", "/v1beta/models/m:generateContent", {"contents": [], "cachedContent": "c"}),
        ("gemini", "/v1beta/models/m:generateContent", {"contents": [], "cached_content": "c"}),
        ("gemini", "/v1beta/models/m:generateContent", {"contents": [], "tools": [{"google_search": {}}]}),
        (
            "gemini",
            "/v1beta/models/m:generateContent",
            {"contents": [{"parts": [{"file_data": {"file_uri": "https://evil.example"}}]}]},
        ),
        (
            "gemini",
            "/v1beta/models/m:generateContent",
            {"contents": {"parts": {"fileData": {"fileUri": "https://evil.example"}}}},
        ),
        (
            "gemini",
            "/v1beta/models/m:countTokens",
            {
                "generateContentRequest": {
                    "systemInstruction": {"parts": {"fileData": {"fileUri": "https://e"}}}
                }
            },
        ),
        (
            "openai",
            "/v1/chat/completions",
            {"messages": [{"content": [{"type": "video_url", "video_url": {"url": "https://e"}}]}]},
        ),
        (
            "openai",
            "/v1/responses",
            {
                "input": [
                    {
                        "type": "tool_search_output",
                        "tools": [{"type": "mcp", "server_url": "https://evil.example"}],
                    }
                ]
            },
        ),
        ("openai", "/v1/chat/completions", {"messages": [[]] * 1_100_000}),
        ("gemini", "/v1beta/models/m:embedContent", {"content": {}}),
        ("gemini", "/upload/v1beta/files", {}),
        ("openai", "/v1/batches", {}),
    ],
)
def test_what_the_provider_would_do_itself_is_refused(api: str, path: str, body: object) -> None:
    with pytest.raises(Refused):
        asked(api, path, body)


def test_what_is_beside_other_tools_is_taken_out() -> None:
    tools = [{"type": "function", "name": "sh"}, {"type": "web_search"}, {"type": "image_generation"}]
    call = asked(
        "openai", "/v1/responses", {"model": "gpt-5", "input": "x", "tools": tools, "store": True, "odd": 1}
    )
    body = json.loads(call.body)
    assert [tool["type"] for tool in body["tools"]] == ["function"]
    assert body["store"] is False and "odd" not in body
    assert {"web_search", "image_generation", "store", "odd"} <= set(call.stripped)
    hidden = [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}, {"type": "custom", "name": "p"}]
    call = asked("openai", "/v1/responses", {"input": "x", "tools": hidden})
    assert [tool["type"] for tool in json.loads(call.body)["tools"]] == ["custom"]
    both = [{"functionDeclarations": [{"name": "f"}], "codeExecution": {}}, {"urlContext": {}}]
    call = asked("gemini", "/v1beta/models/m:generateContent", {"contents": [], "tools": both})
    assert json.loads(call.body)["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    tier = asked("anthropic", "/v1/messages", {"messages": TURN, "service_tier": "priority"})
    assert "service_tier" not in json.loads(tier.body)


@pytest.mark.parametrize("choice", [{"type": "tool", "name": "web_search"}, {"type": "web_search"}])
def test_a_tool_that_is_asked_for_and_taken_out_is_refused(choice: dict[str, str]) -> None:
    tools = [{"name": "Bash"}, {"type": "web_search_20250305", "name": "web_search"}]
    with pytest.raises(Refused, match="your own tools"):
        asked("anthropic", "/v1/messages", {"messages": TURN, "tools": tools, "tool_choice": choice})


def test_the_worst_case_bounds_what_a_call_can_consume() -> None:
    prices = load_prices(None)
    call = asked(
        "anthropic", "/v1/messages", {"model": "claude-opus-4-1", "max_tokens": 100, "messages": TURN}
    )
    worst = prices.worst(call)
    assert worst.output == 100 and worst.read >= len(call.body)
    long = asked(
        "anthropic",
        "/v1/messages",
        {"model": "claude-opus-4-1", "system": [{"cache_control": {"ttl": "1h"}, "text": "x" * 900_000}]},
    )
    worst = prices.worst(long)
    assert worst == Tokens(
        cache_write_long=200_000, output=32_000
    )  # its context, at what costs most; its answer
    assert prices.usd("claude-opus-4-1", worst) == pytest.approx((200_000 * 30 + 32_000 * 75) / 1e6)
    many = asked(
        "openai", "/v1/chat/completions", {"model": "gpt-4.1", "messages": TURN, "n": 3, "max_tokens": 10}
    )
    assert prices.worst(many).output == 30
    nobody = asked("openai", "/v1/responses", {"model": "who", "input": "x"})
    assert prices.worst(nobody).output == 128_000 and prices.usd("who", Tokens(1)) is None
    picture = {"type": "image", "source": {"type": "base64", "data": ""}}
    shown = asked("anthropic", "/v1/messages", {"model": "who", "messages": [{"content": [picture]}]})
    assert prices.worst(shown).read > 10_000
    paged = asked("gemini", "/v1beta/models/gemini-2.5-pro:generateContent", {"contents": []})
    assert prices.worst(paged).output == 65_536


def test_a_call_that_reads_much_costs_what_the_table_says() -> None:
    price = load_prices(None).of("gemini-2.5-pro")
    assert price is not None
    assert price.usd(Tokens(input=200_000)) == pytest.approx(0.25)
    assert price.usd(Tokens(input=300_000)) == pytest.approx(0.75)


@given(JSON)
def test_no_document_breaks_a_meter(document: object) -> None:
    for kind in ("message", "message_start", "message_delta", "response.completed", document):
        told = event({"type": kind, "usage": document, "message": document, "response": document})
        for api, path in (
            ("anthropic", "/v1/messages"),
            ("openai", "/responses"),
            ("openai", "/chat/completions"),
        ):
            meter = SHAPES[api].meter(Call("POST", path), "text/event-stream")
            meter.feed(told + event({"usageMetadata": document, "candidates": document}))
            meter.used()
