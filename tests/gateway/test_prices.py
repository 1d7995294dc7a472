"""The price table, and what providers say of their limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mawep.errors import ProblemsError, UsageError
from mawep.gateway.prices import load_prices
from mawep.gateway.throttle import limited
from mawep.gateway.upstreams import pointers, upstream
from mawep.gateway.values import Tokens

DOCS = Path(__file__).parents[2] / "docs" / "gateway.md"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_the_table_that_comes_along_knows_common_models_and_guesses_none() -> None:
    prices = load_prices(None)
    for model in (
        "claude-sonnet-4-5-20250929",
        "claude-opus-4-8",
        "gpt-5.2-codex",
        "models/gemini-2.5-flash",
    ):
        assert prices.of(model) is not None, model
    for model in ("", "scripted", "gpt-5.9", "claude", "gpt-4.1-nano"):
        assert prices.of(model) is None, model


def test_lines_of_the_users_own_come_first(tmp_path: Path) -> None:
    text = DOCS.read_text().partition("<!-- prices -->")[2].partition("```yaml\n")[2].partition("```")[0]
    own = tmp_path / "prices.yaml"
    own.write_text(text)
    prices = load_prices(own)
    assert prices.usd("my-model-2", Tokens(1_000_000)) == pytest.approx(2)
    assert prices.usd("my-model-2", Tokens(100_000, cache_read=100_000)) == pytest.approx(0.2)
    mine = prices.of("claude-sonnet-4-5")
    assert mine is not None and mine.context == 200_000
    assert prices.of("claude-opus-4-1") is not None


def test_everything_that_is_wrong_in_a_table_is_told_with_its_line(tmp_path: Path) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text(
        "models:\n- {match: a, input: 1}\n- {match: b, input: -1, output: 1}\n- {input: 1, output: 1}\n"
        "- {match: c, input: 1, output: 1, odd: 1}\n- {match: d, input: 1, output: 1, above: 5}\n"
        "- {match: e, input: nan, output: 1}\n- {match: f, input: 1, output: 1, context: 1.5}\n- text\n"
    )
    with pytest.raises(ProblemsError) as error:
        load_prices(own)
    assert [problem.split(":")[1] for problem in error.value.problems] == [str(line) for line in range(2, 10)]
    own.write_text("- a\n")
    with pytest.raises(ProblemsError, match="models"):
        load_prices(own)
    with pytest.raises(UsageError, match="cannot be read"):
        load_prices(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, b"", 7),
        ({"retry-after-ms": "1500"}, b"", 1.5),
        ({"retry-after": "Thu, 01 Jan 2026 12:01:00 GMT"}, b"", 60),
        (
            {
                "anthropic-ratelimit-requests-remaining": "10",
                "anthropic-ratelimit-requests-reset": "2026-01-01T18:00:00Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-01-01T12:00:30Z",
            },
            b"",
            30,
        ),
        (
            {
                "anthropic-ratelimit-unified-status": "rejected",
                "anthropic-ratelimit-unified-reset": str(int(NOW.timestamp()) + 18000),
            },
            b"",
            18000,
        ),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0.5s"}, b"", 360.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"}, b"", 0.12),
        ({}, b'{"error": {"details": [{"retryDelay": "34.5s"}]}}', 34.5),
        ({}, b'[{"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}]', None),
        ({"retry-after": "soon"}, b"\xff", None),
        ({"retry-after": "1e300"}, b"", timedelta(days=31).total_seconds()),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "s"}, b"", None),
    ],
)
def test_how_long_a_limit_lasts_is_read_from_what_the_provider_says(
    headers: dict[str, str], body: bytes, seconds: float | None
) -> None:
    found = limited("openai", 429, headers, body, NOW)
    assert found is not None
    assert found.until == (None if seconds is None else NOW + timedelta(seconds=seconds))
    assert limited("openai", 500, headers, body, NOW) is None
    assert found.why.startswith("429")


def test_a_provider_without_a_key_is_a_problem_only_at_its_own_address() -> None:
    assert "ANTHROPIC_API_KEY" in str(upstream("anthropic", {}).problem)
    assert upstream("anthropic", {"ANTHROPIC_BASE_URL": "http://127.0.0.1:1/"}).problem is None
    assert "http://" in str(upstream("openai", {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "ftp://x"}).problem)
    assert upstream("gemini", {"GOOGLE_API_KEY": " k "}).key == "k"


def test_programs_are_pointed_to_the_gateway_as_to_a_provider() -> None:
    assert pointers("http://127.0.0.1:9", "t", ["openai", "anthropic"]) == {
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "OPENAI_API_KEY": "t",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        "ANTHROPIC_API_KEY": "t",
    }
