"""Requests at the gateway's door: who is let in, what goes through, what is counted."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import sqlite3
import stat
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from mawep.gateway import connections, door
from mawep.gateway.budget import Limits
from mawep.gateway.values import Tokens
from tests.gateway.provider import BREAK, CLAUDE, STREAM, Says, event
from tests.gateway.site import KEY, site
from tests.support.waiting import eventually


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


async def test_an_answer_streams_through_piece_by_piece_and_is_metered(place: Path) -> None:
    async with site(place) as here:
        gates = [asyncio.Event() for _ in CLAUDE]
        pieces = [one for pair in zip(gates, CLAUDE, strict=True) for one in pair]
        here.provider.answers = [Says(pieces, headers={**STREAM, "request-id": "r1", "set-cookie": "a=b"})]
        gates[0].set()
        request = here.client.build_request(
            "POST",
            "/v1/messages?beta=true",
            json={"model": "claude-sonnet-4-5", "max_tokens": 10, "messages": [], "stream": True},
            headers={"x-api-key": here.token},
        )
        answer = await here.client.send(request, stream=True)
        seen = []
        async for piece in answer.aiter_raw():
            seen.append(piece)
            if len(seen) < len(CLAUDE):
                assert not gates[len(seen)].is_set()  # nothing was kept back until more had come
                gates[len(seen)].set()
        assert seen == CLAUDE
        assert answer.headers["request-id"] == "r1"
        assert "set-cookie" not in answer.headers
        await eventually("it is settled", lambda: here.spent.calls)
        assert here.spent.tokens == Tokens(100, 1000, 40, 10, 20)
        assert here.spent.usd == pytest.approx((100 * 3 + 1000 * 0.3 + 40 * 3.75 + 10 * 6 + 20 * 15) / 1e6)
        assert here.ears.totals[-1] == here.spent
        assert [call.outcome for call in here.ears.calls] == ["answered"]
        assert here.provider.heard[0].target == "/v1/messages?beta=true"


async def test_hazard_keys_reach_neither_agent_nor_ledger_nor_log(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with site(place) as here:
        here.provider.answers = [
            Says([json.dumps({"error": f"the key {KEY} is wrong"}).encode()], 401),
            Says([b'{"type": "message", "usage": {"input_tokens": 1, "output_tokens": 1}}']),
        ]
        refused = await here.claude()
        assert refused.status_code == 401
        assert KEY not in refused.text and "[key]" in refused.text
        assert (await here.claude()).status_code == 200
        for heard in here.provider.heard:
            assert heard.headers["x-api-key"] == KEY
            assert here.token not in json.dumps(heard.headers) + heard.target
        assert here.token not in repr(here.gateway.visitor(here.token))
        assert KEY not in repr(here.gateway.upstreams)
    printed = capsys.readouterr()
    assert KEY not in printed.out + printed.err
    assert KEY.encode() not in (place / "gateway.db").read_bytes()


@pytest.mark.parametrize(
    "send",
    [
        {"x-api-key": "T"},
        {"authorization": "Bearer T"},
        {"x-goog-api-key": "T"},
        {"authorization": "bearer  T"},
    ],
)
async def test_a_token_is_taken_from_where_clients_put_their_key(place: Path, send: dict[str, str]) -> None:
    async with site(place) as here:
        headers = {name: value.replace("T", here.token) for name, value in send.items()}
        answer = await here.client.get("/v1/models", headers=headers)
        assert answer.status_code == 200
    async with site(place, api="gemini") as here:
        answer = await here.client.get("/v1beta/models", params={"key": here.token, "pageSize": "5"})
        assert answer.status_code == 200
        assert here.provider.heard[0].target == "/v1beta/models?pageSize=5"
        assert here.provider.heard[0].headers["x-goog-api-key"] == KEY


async def test_hazard_an_unknown_forged_or_dismissed_token_is_told_so_in_the_providers_words(
    place: Path,
) -> None:
    async with site(place) as here:
        other = here.gateway.admit(8, 1, "claude-code", "anthropic").token
        here.gateway.dismiss(other)
        for token in ("", "mawep-x", here.token[:-1], here.token + "x", other, KEY):
            answer = await here.claude(token=token or "none")
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "authentication_error"
        chat = await here.client.post("/v1/chat/completions", json={}, headers={"authorization": "Bearer no"})
        assert chat.json()["error"]["code"] == "invalid_api_key"
        gemini = await here.client.post("/v1beta/models/g:generateContent", params={"key": "no"}, json={})
        assert gemini.json()["error"]["status"] == "UNAUTHENTICATED"
        assert here.provider.heard == []
        assert (await here.claude()).status_code == 200


async def test_a_token_is_good_for_its_own_provider_and_account_only(place: Path) -> None:
    async with site(place) as here:
        usage = b'{"type": "message", "usage": {"input_tokens": 5, "output_tokens": 5}}'
        here.provider.answers = [Says([usage])]
        second = here.gateway.admit(8, 2, "claude-code", "anthropic").token
        chat = await here.client.post("/v1/chat/completions", json={}, headers={"x-api-key": here.token})
        assert chat.status_code == 404
        assert chat.json()["type"] == "error"
        await here.claude(token=second)
        assert here.gateway.total(8, 2).tokens.total == 10
        assert here.gateway.total(7, 1).tokens.total == 0


async def test_dismissing_ends_calls_that_are_under_way(place: Path) -> None:
    async with site(place) as here:
        here.provider.answers = [Says([asyncio.Event()])]
        asking = asyncio.create_task(here.claude())
        await eventually("the call is under way", lambda: here.provider.heard)
        here.gateway.dismiss(here.token)
        with pytest.raises(httpx.HTTPError):
            (await asking).raise_for_status()
        await eventually("the provider sees it", lambda: here.provider.heard[0].gone)
        await eventually("it is settled", lambda: here.spent.calls)
        worst = here.spent
        assert worst.tokens.output == 1000  # no answer came, so it may have been as much as was allowed
        assert here.ledger.of_run().reserved.calls == 0


async def test_whoever_goes_away_ends_the_call_and_what_was_seen_is_counted(place: Path) -> None:
    async with site(place) as here:
        here.provider.answers = [Says([*CLAUDE[:3], asyncio.Event()], headers=STREAM)]
        request = here.client.build_request(
            "POST",
            "/v1/messages",
            json={"model": "claude-sonnet-4-5", "max_tokens": 100_000, "messages": [], "stream": True},
            headers={"x-api-key": here.token},
        )
        answer = await here.client.send(request, stream=True)
        pieces = answer.aiter_raw()
        for _ in range(3):
            await anext(pieces)
        await answer.aclose()
        await eventually("the provider sees it", lambda: here.provider.heard[0].gone)
        await eventually("it is settled", lambda: here.spent.calls)
        seen = sum(map(len, CLAUDE[:3]))
        assert here.spent.tokens == Tokens(100, 1000, 40, 10, output=seen + 1)  # an upper bound
        assert [call.outcome for call in here.ears.calls] == ["cut"]
    assert states(place) == ["cut"]


async def test_a_provider_that_breaks_off_is_seen_to_break_off(place: Path) -> None:
    async with site(place) as here:
        here.provider.answers = [Says([*CLAUDE[:2], BREAK], headers=STREAM)]
        with pytest.raises(httpx.HTTPError):
            await here.claude(stream=True)
        await eventually("it is settled", lambda: here.spent.calls)
        assert 1 < here.spent.tokens.output <= 1000
        assert here.spent.tokens.input == 100


async def test_errors_of_the_provider_come_through_as_they_are_and_cost_nothing(place: Path) -> None:
    async with site(place) as here:
        body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
        headers = {"content-type": "application/json", "retry-after": "7", "x-should-retry": "true"}
        here.provider.answers = [Says([body], 529, headers)]
        answer = await here.claude()
        assert (answer.status_code, answer.content) == (529, body)
        assert answer.headers["retry-after"] == "7" and answer.headers["x-should-retry"] == "true"
        assert len(here.provider.heard) == 1  # nothing is tried again here
        assert here.spent.tokens.total == 0 and here.ledger.of_run().reserved.calls == 0
        (limit,) = here.ears.limits
        assert limit.api == "anthropic" and limit.until is not None and "Overloaded" in limit.why


async def test_a_provider_that_is_not_there_is_said_in_its_own_words(place: Path) -> None:
    async with site(place, environ={"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}) as here:
        answer = await here.claude()
        assert answer.status_code == 502
        assert answer.json()["error"]["type"] == "api_error"
        assert here.spent.tokens.total == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/messages/batches"),
        ("GET", "/v1/messages"),
        ("POST", "/v1/files"),
        ("GET", "/v1/organizations/me"),
        ("POST", "/v1/messages/../files"),
        ("GET", "/v1/models/%2e%2e/files"),
        ("DELETE", "/v1/models/x"),
        ("GET", "/"),
    ],
)
async def test_hazard_only_listed_paths_are_let_through(place: Path, method: str, path: str) -> None:
    async with site(place) as here:
        url = httpx.URL("http://gateway").copy_with(raw_path=path.encode())
        answer = await here.client.request(method, url, headers={"x-api-key": here.token}, json={})
        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "not_found_error"
        assert here.provider.heard == []


async def test_headers_of_an_agent_name_no_other_account(place: Path) -> None:
    async with site(place, api="openai") as here:
        headers = {
            "authorization": f"Bearer {here.token}",
            "openai-organization": "org-other",
            "openai-project": "p",
            "x-stainless-lang": "js",
            "cookie": "a=b",
            "x-forwarded-for": "1.2.3.4",
        }
        await here.client.post("/v1/responses", json={"model": "gpt-5", "input": "x"}, headers=headers)
        (heard,) = here.provider.heard
        assert heard.headers["authorization"] == f"Bearer {KEY}"
        assert heard.headers["x-stainless-lang"] == "js"
        assert (
            not {"openai-organization", "openai-project", "cookie", "x-forwarded-for"} & heard.headers.keys()
        )
        assert heard.target == "/v1/responses"
        assert heard.document["store"] is False


async def test_a_token_instead_of_a_key_goes_into_authorization(place: Path) -> None:
    environ = {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "oauth"}
    async with site(place, environ=environ) as here:
        await here.claude()
        assert here.provider.heard[0].headers["authorization"] == "Bearer oauth"
        assert "x-api-key" not in here.provider.heard[0].headers


async def test_what_is_written_twice_is_sent_once(place: Path) -> None:
    """Two readers of one text could see two requests: it is written anew."""
    async with site(place) as here:
        body = (
            b'{"model": "m", "max_tokens": 5, "mcp_servers": [{"url": "http://evil"}], "mcp_servers": [],'
            b' "messages": []}'
        )
        await here.client.post("/v1/messages", content=body, headers={"x-api-key": here.token})
        assert b"evil" not in here.provider.heard[0].body


async def test_compressed_requests_are_unpacked_within_bounds(place: Path) -> None:
    async with site(place) as here:
        head = {"x-api-key": here.token, "content-encoding": "gzip"}
        body = json.dumps({"model": "m", "max_tokens": 5, "messages": []}).encode()
        answer = await here.client.post("/v1/messages", content=gzip.compress(body), headers=head)
        assert answer.status_code == 200
        assert here.provider.heard[0].document["model"] == "m"
        bomb = gzip.compress(b" " * 40_000_000)
        answer = await here.client.post("/v1/messages", content=bomb, headers=head)
        assert answer.status_code == 413
        head["content-encoding"] = "br"
        assert (await here.client.post("/v1/messages", content=b"x", headers=head)).status_code == 400


async def test_a_budget_that_is_used_up_is_said_in_the_providers_words(place: Path) -> None:
    usage = b'{"type": "message", "usage": {"input_tokens": 60, "output_tokens": 50}}'
    async with site(place, may_spend=Limits(issue_tokens=100)) as here:
        here.provider.answers = [Says([usage])]
        assert (await here.claude()).status_code == 200
        answer = await here.claude()
        assert answer.status_code == 402
        assert answer.json()["error"]["type"] == "billing_error"
        assert "110 of 100 tokens" in answer.json()["error"]["message"]
        assert answer.headers["x-should-retry"] == "false"
        assert len(here.provider.heard) == 1
        assert here.ears.refusals == [("budget", answer.json()["error"]["message"])]
        counting = await here.client.post(
            "/v1/messages/count_tokens",
            json={"model": "m", "messages": []},
            headers={"x-api-key": here.token},
        )
        assert counting.status_code == 200  # it costs nothing


async def test_hazard_calls_at_once_go_past_a_limit_by_one_call_at_most(place: Path) -> None:
    """Twenty at once, of 1000 tokens each: those under way count at their worst, so they go one after another."""
    usage = b'{"type": "message", "usage": {"input_tokens": 500, "output_tokens": 500}}'
    async with site(place, may_spend=Limits(run_tokens=4500)) as here:
        here.provider.answers = [Says([usage])]
        answers = await asyncio.gather(*(here.claude() for _ in range(20)))
        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [402] * 15
        assert here.spent.tokens.total == 5000


async def test_a_model_without_a_price_is_refused_under_a_budget_in_dollars(place: Path) -> None:
    async with site(place, may_spend=Limits(run_usd=5.0)) as here:
        answer = await here.claude(model="claude-of-tomorrow")
        assert answer.status_code == 402
        assert "claude-of-tomorrow" in answer.json()["error"]["message"]
        assert here.provider.heard == []
        assert (await here.claude()).status_code == 200


async def test_the_worst_case_is_on_the_disk_before_the_provider_is_asked(place: Path) -> None:
    async with site(place) as here:
        gate = asyncio.Event()
        here.provider.answers = [
            Says([gate, b'{"type": "message", "usage": {"input_tokens": 1, "output_tokens": 1}}'])
        ]
        asking = asyncio.create_task(here.claude())
        await eventually("the provider is asked", lambda: here.provider.heard)
        assert states(place) == ["reserved"]
        gate.set()
        assert (await asking).status_code == 200
        await eventually("it is settled", lambda: states(place) == ["settled"])


async def test_the_socket_is_its_owners_alone_and_goes_with_the_gateway(place: Path) -> None:
    async with site(place) as here:
        assert stat.S_IMODE(here.gateway.socket.stat().st_mode) == 0o600
    assert not here.gateway.socket.exists()


async def test_tools_of_the_provider_are_taken_out_and_named(place: Path) -> None:
    async with site(place) as here:
        tools = [{"name": "Bash", "input_schema": {}}, {"type": "web_search_20250305", "name": "web_search"}]
        answer = await here.claude(tools=tools)
        assert answer.status_code == 200
        assert "web_search" in answer.headers["x-mawep-taken-out"]
        assert [tool["name"] for tool in here.provider.heard[0].document["tools"]] == ["Bash"]
        alone = await here.claude(tools=tools[1:])
        assert alone.status_code == 400
        assert "your own tools" in alone.json()["error"]["message"]


async def test_counting_the_chat_of_who_did_not_ask_for_a_count(place: Path) -> None:
    async with site(place, api="openai") as here:
        pieces = [
            event({"choices": [{"delta": {"content": "Hi"}}], "usage": None}),
            event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}),
            b"data: [DONE]\n\n",
        ]
        here.provider.answers = [Says(pieces, headers=STREAM)]
        body = {"model": "gpt-4.1", "messages": [], "stream": True}
        answer = await here.client.post(
            "/v1/chat/completions", json=body, headers={"authorization": f"Bearer {here.token}"}
        )
        assert answer.content == b"".join(pieces)
        assert here.provider.heard[0].document["stream_options"] == {"include_usage": True}
        await eventually("it is settled", lambda: here.spent.tokens == Tokens(input=9, output=4))


def states(place: Path) -> list[str]:
    with sqlite3.connect(place / "gateway.db") as db:
        found = [state for (state,) in db.execute("SELECT state FROM calls ORDER BY id")]
    db.close()
    return found


async def test_connections_that_ask_nothing_make_room_for_those_that_do(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 4)
    async with site(place) as here:
        usual, here.provider.answers = here.provider.answers, [Says([asyncio.Event()])]
        asking = asyncio.create_task(here.claude())
        await eventually("the call is under way", lambda: here.provider.heard)
        here.provider.answers = usual
        idle = [await asyncio.open_unix_connection(here.gateway.socket) for _ in range(10)]
        await eventually("the oldest are closed", lambda: sum(end.at_eof() for end, _ in idle) == 7)
        assert [end.at_eof() for end, _ in idle] == [True] * 7 + [False] * 3
        assert (await here.claude()).status_code == 200
        assert not asking.done()
        asking.cancel()
        for _, writer in idle:
            writer.close()


async def test_an_attempt_has_an_end_to_what_waits_and_to_what_is_held(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MOST_CALLS", 1)
    monkeypatch.setattr(door, "MOST_WAITING", 0)
    monkeypatch.setattr(door, "MOST_HELD_BYTES", 1000)
    async with site(place) as here:
        assert (await here.claude(system="x" * 2000)).status_code == 503
        assert [(await here.claude(system="x" * 500)).status_code for _ in range(3)] == [200] * 3
        here.provider.answers = [Says([asyncio.Event()])]
        asking = asyncio.create_task(here.claude())
        await eventually("the call is under way", lambda: len(here.provider.heard) == 4)
        assert (await here.claude()).status_code == 503
        asking.cancel()
    assert [trouble for trouble, _ in here.ears.refusals] == ["busy"] * 2


async def test_refusals_without_end_do_not_fill_the_log(place: Path) -> None:
    async with site(place) as here:
        with capture_logs() as told:
            for _ in range(70):
                assert (await here.claude(container="c")).status_code == 400
                assert (await here.claude(token="mawep-guessed")).status_code == 401
    told = [line for line in told if line["event"] == "model call refused"]
    assert len(told) == 2 * 22
    assert len(here.ears.refusals) == 70


@pytest.mark.parametrize("thinking", [{"type": "adaptive"}, {"type": "enabled", "budget_tokens": 2000}])
async def test_thinking_that_is_cut_off_counts_as_the_worst(place: Path, thinking: dict[str, object]) -> None:
    async with site(place) as here:
        here.provider.answers = [Says([CLAUDE[0], BREAK], headers=STREAM)]
        with pytest.raises(httpx.HTTPError):
            await here.claude(stream=True, thinking=thinking, max_tokens=50_000)
        await eventually("it is settled", lambda: here.spent.calls)
        assert here.spent.tokens.output == 50_000


async def test_nothing_stays_open_of_a_gateway_whose_owner_is_cancelled_while_it_ends(place: Path) -> None:
    async def own(served: asyncio.Event) -> None:
        async with site(place):
            served.set()

    for turns in range(5):
        served = asyncio.Event()
        owning = asyncio.create_task(own(served))
        await served.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        owning.cancel()
        await asyncio.wait({owning})
        assert not (place / "s").exists()
        del owning
        gc.collect()  # a socket that is open now is a warning, and a warning is an error
