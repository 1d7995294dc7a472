"""How long a provider's limit pauses a runtime."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mawep.core.limits import Limit, after, told
from mawep.core.state import replace
from tests.core.driver import START

MINUTE = timedelta(minutes=1)


def test_a_stated_moment_counts_and_a_later_one_of_the_same_limit_too() -> None:
    first = after(None, START, START + 30 * MINUTE, "weekly limit")
    assert first == Limit(START + 30 * MINUTE, "weekly limit", stated=True)
    assert after(first, START + MINUTE, START + 40 * MINUTE, "again").until == START + 40 * MINUTE
    assert after(first, START + MINUTE, START + 10 * MINUTE, "again").until == START + 30 * MINUTE
    assert (
        after(replace(first, lifted=True), START + MINUTE, START + 10 * MINUTE, "x").until
        == START + 10 * MINUTE
    )


@pytest.mark.parametrize("until", [None, START - MINUTE, START])
def test_without_a_moment_ahead_pauses_double_up_to_an_hour(until: object) -> None:
    limit, lengths = None, []
    for _ in range(6):
        limit = after(limit, START, None, "busy") if until is None else after(limit, START, START, "busy")
        lengths.append((limit.until - START) / MINUTE)
        assert not limit.stated
        limit = replace(limit, lifted=True)
    assert lengths == [5, 10, 20, 40, 60, 60]


def test_agents_that_run_into_the_same_pause_do_not_lengthen_it() -> None:
    first = after(None, START, None, "busy")
    assert after(first, START + MINUTE, None, "busy") == first


def test_to_run_into_it_when_the_pause_is_over_begins_another_also_before_anybody_has_looked() -> None:
    first = after(None, START, None, "busy")
    assert after(first, START + 5 * MINUTE, None, "busy").until == START + 15 * MINUTE


def test_who_does_not_know_when_does_not_shorten_what_another_was_told() -> None:
    stated = after(None, START, START + 300 * MINUTE, "weekly limit")
    assert after(stated, START + MINUTE, None, "busy") == stated


def test_a_provider_that_asks_for_years_is_not_believed() -> None:
    assert after(None, START, START + timedelta(days=4000), "x").until == START + timedelta(days=31)


def test_it_is_told_whose_word_the_moment_is() -> None:
    assert told("gemini", after(None, START, START + MINUTE, "quota")) == (
        "the provider of `gemini` takes nothing more until 2026-01-01 00:01:00 UTC (its provider says): quota"
    )
    assert "(pause 1, as its provider does not say until when): busy" in told(
        "x", after(None, START, None, "busy")
    )
