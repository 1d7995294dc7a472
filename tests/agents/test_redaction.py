"""No secret is kept of an agent, wherever it says it and however it is cut."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mawep.agents.base import AgentFailed, ModelEndpoint, ToolEndpoint
from mawep.agents.recorded import open_recorded
from mawep.agents.redaction import GONE, Lines, Redactor, redactor_of
from mawep.agents.registry import RUNTIMES
from mawep.agents.transcript import HELD, Transcript
from tests.agents.conftest import Stage, events

KEY_BLOCK = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nqqqqqqqqqqqq\n-----END RSA PRIVATE KEY-----"
# Put together here, so that no scanner takes this file for a leak.
SHAPES = [
    "sk-" + "ant-api03-abcdefghijklmnop",
    "gh" + "p_" + "a1B2" * 9,
    "gh" + "s_" + "a1B2" * 9,
    "github_" + "pat_" + "a1B2" * 9,
    "gl" + "pat-" + "a1B2" * 6,
    "AI" + "za" + "Sy" + "a1B2c" * 7,
    "ya" + "29." + "a1B2c" * 7,
    "1/" + "/0" + "a1B2c" * 7,
    "AK" + "IA" + "ABCDEFGHIJKLMNOP",
    "xox" + "b-" + "123456789012",
    "h" + "f_" + "a1B2c" * 7,
    "np" + "m_" + "a1B2" * 9,
    "ey" + "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    KEY_BLOCK,
]
SECRET = "correct horse battery staple"


@pytest.mark.parametrize("secret", SHAPES)
def test_what_has_the_shape_of_a_key_is_taken_out(secret: str) -> None:
    redacted = Redactor().text(f"it is {secret}, they say")
    assert redacted == f"it is {GONE}, they say"


@pytest.mark.parametrize(
    "text",
    [
        "a task-oriented sk-8 disk-based approach",
        "ghp_short and AIza and eyJ",
        "https://example.org:8080/path?x=1",
        "the PRIVATE KEY is not here",
        "bearer of bad news",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor(["short", ""]).text(text) == text


def test_a_password_in_an_address_and_a_bearer_are_taken_out() -> None:
    redactor = Redactor()
    assert redactor.text("https://me:s3cret@host/x") == f"https://{GONE}@host/x"
    assert redactor.text("Authorization: Bearer abcdefghijklmnop1234") == f"Authorization: Bearer {GONE}"


def test_a_known_value_is_taken_out_in_every_spelling() -> None:
    secret = 'pa"ss wörd\nline two of it'
    redactor = Redactor([secret])
    for spelt in (
        secret,
        json.dumps(secret)[1:-1],
        "pa%22ss%20w%C3%B6rd%0Aline%20two%20of%20it",
        "line two of it",
    ):
        assert redactor.text(f"<{spelt}>") == f"<{GONE}>"
    assert redactor.value({"a": [secret, 1, None], secret: True}) == {"a": [GONE, 1, None], GONE: True}


def test_a_value_that_contains_another_goes_as_a_whole() -> None:
    assert Redactor(["abcdefgh", "abcdefgh-12345"]).text("abcdefgh-12345 abcdefgh") == f"{GONE} {GONE}"


def test_a_private_key_is_taken_out_line_by_line() -> None:
    lines = Lines(Redactor())
    text = f"before\n{KEY_BLOCK}\nafter"
    assert [lines.line(line) for line in text.split("\n")] == ["before", GONE, GONE, GONE, GONE, "after"]
    endless = Lines(Redactor())
    endless.line("-----BEGIN PRIVATE KEY-----")
    assert [endless.line("x") for _ in range(300)][-1] == "x", "a key without an end does not hide everything"


# --- the raw record


def chunk(text: str, kind: str = "agent_message_chunk") -> dict[str, Any]:
    content = {"type": "text", "text": text}
    return {
        "method": "session/update",
        "params": {"sessionId": "s", "update": {"sessionUpdate": kind, "content": content}},
    }


def raw_of(tmp_path: Path, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    transcript = Transcript(tmp_path / "raw.jsonl", redactor=Redactor([SECRET]))
    for message in messages:
        transcript.write("in", message)
    transcript.close()
    return [json.loads(line)["msg"] for line in (tmp_path / "raw.jsonl").read_text().splitlines()]


def text_of(frame: dict[str, Any]) -> str:
    return str(frame["params"]["update"]["content"]["text"])


def test_a_secret_that_comes_in_pieces_is_taken_out(tmp_path: Path) -> None:
    pieces = [chunk(letter) for letter in f"it is {SECRET}, really"]
    frames = raw_of(tmp_path, *pieces, chunk("hm", "agent_thought_chunk"), {"method": "other"})
    assert [text_of(frame) for frame in frames[:2]] == [f"it is {GONE}, really", "hm"]
    assert [frame.get("pieces") for frame in frames] == [len(pieces), 1, None]


def test_a_long_message_is_cut_where_no_secret_is(tmp_path: Path) -> None:
    key = SHAPES[0]
    words = ["word "] * (HELD // 5 - 2) + [key[:9], key[9:], " end"]
    frames = raw_of(tmp_path, *(chunk(word) for word in words), chunk(" " + "x" * HELD), chunk("y"))
    assert len(frames) > 1
    whole = "".join(map(text_of, frames))
    assert key[:9] not in whole
    assert whole.count(GONE) == 1


def test_a_secret_with_spaces_at_the_place_of_the_cut_is_taken_out(tmp_path: Path) -> None:
    text = "word " * (HELD // 5 - 3) + SECRET + " word" * 100
    frames = raw_of(tmp_path, *(chunk(text[at : at + 3]) for at in range(0, len(text), 3)))
    assert len(frames) > 1
    whole = "".join(map(text_of, frames))
    assert whole == text.replace(SECRET, GONE)


def test_a_private_key_in_the_middle_of_a_long_message_stays_together(tmp_path: Path) -> None:
    body = "".join(f"{'Q' * 64}\n" for _ in range(30))
    block = f"-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----"
    text = "word " * (HELD // 5 - 100) + block + " end"
    frames = raw_of(tmp_path, *(chunk(text[at : at + 100]) for at in range(0, len(text), 100)))
    whole = "".join(map(text_of, frames))
    assert "QQQQ" not in whole
    assert whole.endswith(f"{GONE} end")


def test_a_frame_of_any_size_is_bounded(tmp_path: Path) -> None:
    (frame,) = raw_of(tmp_path, {"method": "x", "params": {"deep": ["y" * 10**6]}})
    assert len(json.dumps(frame)) < 70_000
    assert "(1000000 characters)" in frame["params"]["deep"][0]


# --- everything together


async def test_no_file_of_an_attempt_holds_a_secret(stage: Stage) -> None:
    """Through every way in which an agent says something, and in everything that is told of its failure."""
    token, tool_token, env = "tok-1234567890", "tool-0987654321", SECRET
    steps = [
        {"plan": [f"use {env}", "b"]},
        {"say": f"I found {env} and {SHAPES[0]}"},
        {"think": f"so {env}"},
        {"run": f"echo {env}; echo {token}"},
        {"write": {"path": "a.txt", "text": f"{env} {tool_token}"}},
        {"announce": {"file": "a.txt", "change": f"says {env}"}},
        {"crash": 3},
    ]
    launch = replace(
        stage.script(steps),
        secrets=(env,),
        model=ModelEndpoint("http://127.0.0.1:1", token),
        tools=ToolEndpoint(("true",), {"MAWEP_TOOLS_TOKEN": tool_token}),
    )
    session = await open_recorded(RUNTIMES["scripted"](), launch, stage.supervisor, stage.policy, resume=None)
    with pytest.raises(AgentFailed) as caught:
        await events(session, f"the prompt with {env}")
    await session.close()
    kept = "".join(path.read_text() for path in launch.transcript.parent.glob("*.jsonl"))
    told = f"{caught.value} {caught.value.detail}"
    for secret in (env, token, tool_token, SHAPES[0]):
        assert secret not in kept
        assert secret not in told
    assert kept.count(GONE) > 10


async def test_what_a_program_prints_is_redacted_before_anybody_hears_of_it(stage: Stage) -> None:
    launch = replace(
        stage.launch("sh", "-c", f"echo '{SECRET}'; echo '{KEY_BLOCK}'; exit 3"), secrets=(SECRET,)
    )
    session = await open_recorded(RUNTIMES["command"](), launch, stage.supervisor, stage.policy, resume=None)
    heard = []
    with pytest.raises(AgentFailed) as caught:
        async for event in session.prompt("go"):
            heard.append(repr(event))
    await session.close()
    everything = "".join(heard) + str(caught.value) + caught.value.detail + launch.transcript.read_text()
    assert SECRET not in everything
    assert "MIIEpAIBAAKCAQEA7" not in everything


async def test_an_agent_that_does_not_start_tells_no_secret(stage: Stage) -> None:
    script = f"echo 'no model with {SECRET}' >&2; exit 3"
    launch = replace(stage.launch("sh", "-c", script), secrets=(SECRET,))
    with pytest.raises(AgentFailed) as caught:
        await open_recorded(RUNTIMES["acp"](), launch, stage.supervisor, stage.policy, resume=None)
    assert SECRET not in f"{caught.value} {caught.value.detail}"
    (line,) = launch.transcript.read_text().splitlines()
    assert json.loads(line)["kind"] == "error"
    assert SECRET not in line


def test_secrets_are_not_shown_with_the_launch(stage: Stage) -> None:
    launch = replace(stage.launch("true"), secrets=(SECRET,))
    assert SECRET not in repr(launch)
    assert redactor_of(launch).text(SECRET) == GONE
