"""Usage, put together from what each agent reports in its own way."""

from __future__ import annotations

from typing import Any

import pytest

from mawep.agents.meter import Meter
from mawep.agents.quirks import UsageScope
from mawep.agents.sdk import schema
from mawep.core.model import Usage


def ended(**usage: int) -> schema.PromptResponse:
    return schema.PromptResponse.model_validate({"stopReason": "end_turn", "usage": usage})


FIRST = ended(inputTokens=100, outputTokens=10, totalTokens=110)
SECOND = ended(inputTokens=150, outputTokens=12, totalTokens=162)


@pytest.mark.parametrize(("scope", "total"), [("session", (150, 12)), ("turn", (250, 22))])
def test_the_end_of_a_turn_counts_the_session_or_only_the_turn(
    scope: UsageScope, total: tuple[int, int]
) -> None:
    meter = Meter(scope)
    meter.turn(FIRST)
    assert meter.turn(SECOND) == Usage(input_tokens=total[0], output_tokens=total[1])


def test_the_last_call_of_the_model_is_no_total_but_fills_the_context() -> None:
    meter = Meter("call")
    meter.turn(FIRST)
    assert meter.turn(SECOND) == Usage(context_used=162)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"inputTokens": 10, "outputTokens": 5, "cachedReadTokens": 80, "totalTokens": 95}, (90, 5)),
        ({"inputTokens": 90, "outputTokens": 5, "cachedReadTokens": 80, "totalTokens": 95}, (90, 5)),
        ({"inputTokens": 90, "outputTokens": 5, "thoughtTokens": 7, "totalTokens": 102}, (90, 12)),
        ({"inputTokens": 90, "outputTokens": 12, "thoughtTokens": 7, "totalTokens": 102}, (90, 12)),
        ({"inputTokens": 90, "outputTokens": 5, "totalTokens": 0}, (90, 5)),
    ],
)
def test_what_was_cached_or_thought_counts_once(usage: dict[str, int], counted: tuple[int, int]) -> None:
    found = Meter().turn(ended(**usage))
    assert found is not None
    assert (found.input_tokens, found.output_tokens) == counted


def test_tokens_are_found_in_the_quota_where_there_is_no_usage() -> None:
    meta = {"quota": {"token_count": {"input_tokens": 20642, "output_tokens": 270}}}
    reply = schema.PromptResponse.model_validate({"stopReason": "end_turn", "_meta": meta})
    meter = Meter("turn")
    meter.turn(reply)
    assert meter.turn(reply) == Usage(input_tokens=2 * 20642, output_tokens=2 * 270)


@pytest.mark.parametrize(
    "meta",
    [None, {}, {"quota": "much"}, {"quota": {"token_count": {"input_tokens": "7", "output_tokens": 1}}}],
)
def test_nothing_is_invented(meta: Any) -> None:
    reply = schema.PromptResponse.model_validate({"stopReason": "end_turn", "_meta": meta})
    assert Meter().turn(reply) is None
    assert Meter().usage == Usage()


def test_context_and_cost_come_with_updates() -> None:
    meter = Meter("turn")
    update = {
        "sessionUpdate": "usage_update",
        "used": 10,
        "size": 100,
        "cost": {"amount": 0.5, "currency": "USD"},
    }
    meter.context(schema.UsageUpdate.model_validate(update))
    meter.turn(FIRST)
    later = meter.context(schema.UsageUpdate(session_update="usage_update", used=5, size=0))
    assert later == Usage(100, 10, cost_usd=0.5, context_used=5)
