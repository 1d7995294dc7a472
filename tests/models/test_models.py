"""The scripted model: every shape tells the same scenario, and the conversation alone says where in it one is."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.models.ledger import fingerprint
from tests.models.scenario import Scenario
from tests.models.server import ModelServer
from tests.support.waiting import eventually_now

STEPS: list[dict[str, Any]] = [
    {"say": "A plan.", "do": [{"plan": {"Write": "pending"}}], "usage": [100, 10]},
    {"say": "Writing.", "do": [{"write": {"path": "a.txt", "text": "a\n"}}], "usage": [200, 20]},
    {"say": "So far.", "usage": [300, 30]},
    {"do": [{"commit": "Add a"}]},
]
SHELL = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command", "why"]}
WRITE = {"type": "object", "properties": {"file_path": {"type": "string"}, "content": {"type": "string"}}}


class Shape:
    """A client of one shape: what it sends, and what of the answer goes into the conversation."""

    def __init__(self, path: str, streamed: str | None = None) -> None:
        self.path, self.streamed = path, streamed or path

    def request(self, talk: list[Any], stream: bool) -> dict[str, Any]:
        raise NotImplementedError

    def heard(self, answer: dict[str, Any]) -> tuple[str, list[str], tuple[int, int], list[Any]]:
        """Text, names of tools used, tokens, and what the conversation goes on with."""
        raise NotImplementedError

    def put_together(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        raise NotImplementedError

    def user(self, text: str) -> Any:
        return {"role": "user", "content": text}


class Anthropic(Shape):
    def request(self, talk: list[Any], stream: bool) -> dict[str, Any]:
        tools = [{"name": "Write", "input_schema": WRITE}, {"name": "Bash", "input_schema": SHELL}]
        return {
            "model": "m", "stream": stream, "messages": talk, "tools": tools,
            "system": [{"type": "text", "text": "Primary working directory: /tree\n"}],
        }  # fmt: skip

    def heard(self, answer: dict[str, Any]) -> tuple[str, list[str], tuple[int, int], list[Any]]:
        blocks = answer["content"]
        results = [{"type": "tool_result", "tool_use_id": b["id"]} for b in blocks if b["type"] == "tool_use"]
        more = [{"role": "assistant", "content": blocks}]
        usage = (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"])
        return (
            "".join(b.get("text", "") for b in blocks),
            [b["name"] for b in blocks if b["type"] == "tool_use"],
            usage,
            [*more, {"role": "user", "content": results}] if results else more,
        )

    def put_together(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        message: dict[str, Any] = {}
        for event in events:
            if event["type"] == "message_start":
                message = event["message"]
            elif event["type"] == "content_block_start":
                message["content"].append(event["content_block"])
            elif event["type"] == "content_block_delta":
                delta, block = event["delta"], message["content"][event["index"]]
                if delta["type"] == "text_delta":
                    block["text"] += delta["text"]
                else:
                    block["input"] = json.loads(delta["partial_json"])
            elif event["type"] == "message_delta":
                message["usage"] = event["usage"]
        return message


class Chat(Shape):
    def request(self, talk: list[Any], stream: bool) -> dict[str, Any]:
        tools = [("write", WRITE), ("bash", SHELL)]
        functions = [{"type": "function", "function": {"name": n, "parameters": p}} for n, p in tools]
        return {"model": "m", "stream": stream, "messages": talk, "tools": functions}

    def heard(self, answer: dict[str, Any]) -> tuple[str, list[str], tuple[int, int], list[Any]]:
        message, usage = answer["choices"][0]["message"], answer["usage"]
        calls = message.get("tool_calls", [])
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in calls]
        names = [call["function"]["name"] for call in calls]
        tokens = (usage["prompt_tokens"], usage["completion_tokens"])
        return message["content"] or "", names, tokens, [message, *results]

    def put_together(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": []}
        for choice in (choice for event in events for choice in event["choices"]):
            message["content"] += choice["delta"].get("content") or ""
            message["tool_calls"] += choice["delta"].get("tool_calls", [])
        return {"choices": [{"message": message}], "usage": events[-1]["usage"]}


class Responses(Shape):
    def request(self, talk: list[Any], stream: bool) -> dict[str, Any]:
        tools = [
            {"type": "custom", "name": "apply_patch"},
            {"type": "function", "name": "shell", "parameters": SHELL},
        ]
        return {"model": "m", "stream": stream, "input": talk, "tools": tools, "instructions": "Be good."}

    def user(self, text: str) -> Any:
        return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}

    def heard(self, answer: dict[str, Any]) -> tuple[str, list[str], tuple[int, int], list[Any]]:
        output, usage = answer["output"], answer["usage"]
        calls = [item for item in output if item["type"] != "message"]
        results = [{"type": f"{call['type']}_output", "call_id": call["call_id"]} for call in calls]
        said = "".join(part["text"] for item in output for part in item.get("content", []))
        tokens = (usage["input_tokens"], usage["output_tokens"])
        return said, [call["name"] for call in calls], tokens, [*output, *results]

    def put_together(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        return dict(events[-1]["response"])


class Gemini(Shape):
    def request(self, talk: list[Any], stream: bool) -> dict[str, Any]:
        tools = [
            {"name": "write_file", "parametersJsonSchema": WRITE},
            {"name": "run_shell_command", "parameters": SHELL},
        ]
        return {"contents": talk, "tools": [{"functionDeclarations": tools}]}

    def user(self, text: str) -> Any:
        return {"role": "user", "parts": [{"text": text}]}

    def heard(self, answer: dict[str, Any]) -> tuple[str, list[str], tuple[int, int], list[Any]]:
        content, usage = answer["candidates"][0]["content"], answer["usageMetadata"]
        names = [part["functionCall"]["name"] for part in content["parts"] if "functionCall" in part]
        results = [{"functionResponse": {"name": name, "response": {}}} for name in names]
        said = "".join(part.get("text", "") for part in content["parts"])
        tokens = (usage["promptTokenCount"], usage["candidatesTokenCount"])
        more = [content, {"role": "user", "parts": results}] if results else [content]
        return said, names, tokens, more

    def put_together(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        return events[-1]


SHAPES: dict[str, Shape] = {
    "anthropic": Anthropic("/v1/messages"),
    "chat": Chat("/v1/chat/completions"),
    "responses": Responses("/v1/responses"),
    "gemini": Gemini("/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent"),
}
TOOLS = {
    "anthropic": ["Write", "Bash"],
    "chat": ["write", "bash"],
    "responses": ["apply_patch", "shell"],
    "gemini": ["write_file", "run_shell_command"],
}


@pytest.fixture
def model(tmp_path: Path) -> Iterator[ModelServer]:
    with ModelServer(tmp_path / "signs", log=tmp_path / "log") as server:
        server.plays(Scenario.of("piece", "Do piece 101.", STEPS))
        yield server


def ask(
    model: ModelServer, shape: Shape, talk: list[Any], stream: bool = False, key: str = ""
) -> httpx.Response:
    path = shape.streamed if stream else shape.path
    return httpx.post(
        model.url + path, json=shape.request(talk, stream), headers={"x-api-key": key}, timeout=20
    )


def events(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_scenario_is_told_in_every_shape(model: ModelServer, name: str, stream: bool) -> None:
    shape, (writes, runs) = SHAPES[name], TOOLS[name]
    talk = [shape.user("Do piece 101.")]
    heard: list[tuple[str, list[str], tuple[int, int] | None]] = []
    for _ in range(4):
        answered = ask(model, shape, talk, stream)
        assert answered.status_code == 200, answered.text
        said, used, tokens, more = shape.heard(
            shape.put_together(events(answered)) if stream else answered.json()
        )
        heard.append((said, used, tokens if len(heard) < 2 else None))
        talk += more
        if said == "So far.":
            talk.append(shape.user("Go on."))
    assert heard == [
        ("Writing.", [writes], (200, 20)),
        ("So far.", [], (300, 30)),
        ("", [runs], None),
        ("Done.", [], None),
    ]  # there is no tool for a plan here, so the first step is passed over
    assert model.ledger.steps("piece") == [0, 1, 2, 3]


def test_a_conversation_that_is_told_again_is_where_it_was(model: ModelServer) -> None:
    shape = SHAPES["anthropic"]
    talk = [shape.user("Do piece 101.")]
    talk += shape.heard(ask(model, shape, talk).json())[3]
    interrupted = [*talk, shape.user("[Request interrupted]"), shape.user("Continue.")]
    answers = [shape.heard(ask(model, shape, told).json())[0] for told in (talk, talk, interrupted)]
    assert answers == ["So far."] * 3


def test_paths_stand_where_the_agent_says_that_it_is(model: ModelServer) -> None:
    shape = SHAPES["anthropic"]
    answer = ask(model, shape, [shape.user("Do piece 101.")]).json()
    assert answer["content"][1]["input"] == {"file_path": "/tree/a.txt", "content": "a\n"}


def test_what_no_scenario_is_about_is_answered_beside(model: ModelServer) -> None:
    shape = SHAPES["chat"]
    assert shape.heard(ask(model, shape, [shape.user("What is this about?")]).json())[:2] == ("scripted", [])
    assert [request.step for request in model.ledger.requests] == [None]


@pytest.mark.parametrize(("name", "kind"), [("anthropic", "overloaded_error"), ("chat", "server_error")])
def test_a_refusal_is_worded_as_the_provider_words_it_and_ends(
    model: ModelServer, name: str, kind: str
) -> None:
    refuse = {"status": 529, "times": 2, "headers": {"retry-after": "7"}, "message": "later"}
    model.plays(Scenario.of("piece", "Do piece 101.", [{"say": "At last.", "refuse": refuse}]))
    shape = SHAPES[name]
    answers = [ask(model, shape, [shape.user("Do piece 101.")]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [529, 529, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert answers[0].json()["error"] == answers[0].json()["error"] | {"type": kind, "message": "later"}


def test_a_held_answer_waits_for_its_sign(model: ModelServer) -> None:
    model.plays(Scenario.of("piece", "Do piece 101.", [{"say": "Now.", "hold": "go"}]))
    shape, got = SHAPES["gemini"], list[str]()
    asking = threading.Thread(
        target=lambda: got.append(shape.heard(ask(model, shape, [shape.user("Do piece 101.")]).json())[0])
    )
    asking.start()
    eventually_now("it is held", lambda: model.waits("piece"))
    assert got == []
    model.release("go")
    asking.join()
    assert got == ["Now."]
    assert not model.waits("piece")


def test_who_hangs_up_is_noticed(model: ModelServer) -> None:
    model.plays(Scenario.of("piece", "Do piece 101.", [{"say": "Now.", "hold": "never"}]))
    shape = SHAPES["responses"]
    line = http.client.HTTPConnection("127.0.0.1", model.port)
    line.request("POST", shape.path, json.dumps(shape.request([shape.user("Do piece 101.")], True)))
    eventually_now("it is held", lambda: model.waits("piece"))
    line.close()
    eventually_now("it is noticed", lambda: model.ledger.requests[0].gone)


def test_secrets_are_seen_but_not_written_down(model: ModelServer, tmp_path: Path) -> None:
    shape = SHAPES["anthropic"]
    ask(model, shape, [shape.user("Do piece 101.")], key="sk-very-secret")
    assert model.ledger.secrets == {"sk-very-secret"}
    written = (tmp_path / "log").read_text()
    assert "sk-very-secret" not in written
    assert json.loads(written)["credential"] == fingerprint("sk-very-secret")


def test_tokens_can_be_counted(model: ModelServer) -> None:
    counted = httpx.post(f"{model.url}/v1/messages/count_tokens", json={"messages": []}, timeout=20)
    assert counted.json()["input_tokens"] > 0
    counted = httpx.post(f"{model.url}/v1beta/models/m:countTokens", json={"contents": []}, timeout=20)
    assert counted.json()["totalTokens"] > 0


def test_it_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "piece.json").write_text(json.dumps({"match": "Do piece 101.", "steps": STEPS}))
    command = [sys.executable, "-m", "tests.models", "0", str(tmp_path)]
    house = Path(__file__).parent.parent.parent
    with subprocess.Popen(command, cwd=house, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            shape = SHAPES["chat"]
            asked = shape.request([shape.user("Do piece 101.")], False)
            answer = httpx.post(url + shape.path, json=asked, timeout=20)
            assert shape.heard(answer.json())[0] == "Writing."
        finally:
            process.terminate()
