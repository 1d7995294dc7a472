"""What Prometheus scrapes: counted from events, read from the state, and served on the loopback."""

from __future__ import annotations

import asyncio
import re
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mawep.core import events as ev
from mawep.core.model import FailureReason, Issue, Rules, Usage
from mawep.errors import UsageError
from mawep.observe.endpoint import HEAD_SECONDS, serve
from mawep.observe.live import BusCounts, Disk, ForgeBudget
from mawep.observe.metrics import Metrics
from tests.observe.play import HOUR, USAGE, Part, Play, payment_sprint, say_progress
from tests.support.ports import unused_port

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


def watched(play: Play) -> Metrics:
    """Metrics that have seen all of a play from its first event on."""
    metrics = Metrics(play.clock, play.live)
    for recorded in play.records:
        metrics.witness(recorded, play.state)
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_what_happened_is_counted() -> None:
    play = payment_sprint(i105=Part(4.0, fails=FailureReason.STALLED))
    play.finish()
    metrics = watched(play)
    assert value(metrics, "mawep_gate_runs_total", result="red") == 1
    assert value(metrics, "mawep_gate_runs_total", result="green") == 8
    assert value(metrics, "mawep_gate_duration_seconds_sum") == 18
    assert value(metrics, "mawep_attempt_failures_total", reason="stalled") == 1
    assert value(metrics, "mawep_health_check_failures_total", reason="stalled") == 1
    assert value(metrics, "mawep_stage_duration_seconds_count", stage="landing") == 4
    assert value(metrics, "mawep_stage_duration_seconds_count", stage="queued") == 4
    assert value(metrics, "mawep_stage_duration_seconds_sum", stage="assigned") == pytest.approx(3.0)


def test_what_is_so_now_is_read() -> None:
    play = payment_sprint()
    play.until(20)
    metrics = watched(play)
    assert value(metrics, "mawep_issues", state="working") == 3
    assert value(metrics, "mawep_issues", state="landed") == 1
    assert value(metrics, "mawep_issues", state="failed") == 0
    assert (value(metrics, "mawep_agents"), value(metrics, "mawep_agents_busy")) == (5, 3)
    assert value(metrics, "mawep_agent_utilization_ratio") == 0.6
    assert value(metrics, "mawep_agent_busy_seconds_total") == pytest.approx(10.1 + 3 * 7.6)
    assert value(metrics, "mawep_run_paused") == 0


def test_the_queue_has_a_depth_and_an_age() -> None:
    issues = (Issue(1, "one"), Issue(2, "two"))
    play = Play(issues, {1: Part(3.0), 2: Part(3.0)}, Rules(batch=1, lease_seconds=HOUR))
    play.dirty = True
    play.until(30)
    metrics = watched(play)
    assert value(metrics, "mawep_landing_queue_depth") == 2
    assert value(metrics, "mawep_landing_queue_age_seconds") == pytest.approx(30 - 5.1)
    assert value(watched(payment_sprint()), "mawep_landing_queue_age_seconds") == 0


def test_a_later_process_counts_from_where_it_begins() -> None:
    play = payment_sprint()
    play.dirty = True
    play.until(20)
    metrics = Metrics(play.clock, play.live)
    metrics.begin(play.state)
    assert value(metrics, "mawep_landing_queue_age_seconds") == 0
    assert value(metrics, "mawep_issues", state="landing") == 1
    assert value(metrics, "mawep_gate_runs_total", result="green") == 0
    play.clock.advance(10)
    assert value(metrics, "mawep_landing_queue_age_seconds") == 10


def test_tokens_and_cost_never_fall() -> None:
    play = payment_sprint()
    play.until(20)
    say_progress(play, 102)
    metrics = watched(play)
    assert value(metrics, "mawep_tokens_total", direction="input") == 24_000
    assert value(metrics, "mawep_tokens_total", direction="output") == 6_000
    assert value(metrics, "mawep_cost_usd_total") == 0.24
    view = play.live.of(102, 1)
    assert view is not None
    view.usage = USAGE.__class__(input_tokens=5)
    assert value(metrics, "mawep_tokens_total", direction="input") == 24_000


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (ev.LandingComposed("b", (), (ev.MergeConflict(101, (), ""),)), "target"),
        (ev.LandingComposed("b", (), (ev.MergeConflict(101, (), "", (102,)),)), "batch"),
        (ev.IssueParked(101, "red only together"), "combination"),
        (ev.ImportRefused(101, 1, FailureReason.CLAIM_CONFLICT, "a.py"), "claim"),
    ],
)
def test_conflicts_are_counted_by_kind(event: ev.AnyEvent, kind: str) -> None:
    play = payment_sprint()
    play.tell(event)
    assert value(watched(play), "mawep_conflicts_total", kind=kind) == 1


def test_the_bus_the_disk_and_the_orchestrator_are_measured() -> None:
    play = payment_sprint()
    metrics = watched(play)
    now = play.clock.now()
    play.live.count(now, BusCounts(sent=5, received=4, dropped=3, dead_letters=2, duplicates=1))
    play.live.restarted(now)
    metrics.latency("results", 0.004)
    metrics.decision_round(0.002)
    assert value(metrics, "mawep_worktree_disk_bytes") is None
    play.live.room(now, Disk(used=10, free=20))
    said = {
        name: value(metrics, f"mawep_bus_{name}_total") for name in ("dead_letters", "duplicates", "restarts")
    }
    assert said == {"dead_letters": 2, "duplicates": 1, "restarts": 1}
    assert value(metrics, "mawep_bus_messages_dropped_total") == 3
    assert value(metrics, "mawep_bus_latency_seconds_sum", channel="results") == 0.004
    assert value(metrics, "mawep_decision_round_seconds_count") == 1
    assert (value(metrics, "mawep_worktree_disk_bytes"), value(metrics, "mawep_disk_free_bytes")) == (10, 20)


def test_what_is_left_at_the_forge_is_measured() -> None:
    play = payment_sprint()
    now = play.clock.now()
    play.live.forge_left(now, ForgeBudget("core", 4000, 5000))
    play.live.forge_left(now, ForgeBudget("own", 0, 2000, waiting_until=now + timedelta(seconds=90)))
    metrics = watched(play)
    assert value(metrics, "mawep_forge_requests_left", budget="core") == 4000
    assert value(metrics, "mawep_forge_requests_limit", budget="own") == 2000
    assert value(metrics, "mawep_forge_wait_seconds") == 90


def test_two_runs_in_one_process_do_not_meet() -> None:
    one, two = watched(payment_sprint()), watched(payment_sprint())
    one.latency("results", 1.0)
    assert value(two, "mawep_bus_latency_seconds_count", channel="results") is None


def test_every_family_is_documented_with_its_type_and_labels() -> None:
    play = payment_sprint()
    play.live.room(play.clock.now(), Disk(used=1, free=1))
    play.live.forge_left(play.clock.now(), ForgeBudget("own", 1, 1))
    metrics = watched(play)
    metrics.latency("results", 0.1)
    metrics.model_call("anthropic", "answered", 1.0, Usage(10, 5, 0.01))
    metrics.model_refusal("budget")
    text = generate_latest(metrics.registry).decode()
    exposed = {}
    for family in text_string_to_metric_families(text):
        if not family.name.endswith("_created"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            exposed[name] = (family.type, ", ".join(f"`{label}`" for label in sorted(labels)))
            assert family.documentation.endswith(".")
    rows = re.findall(r"^\| `(mawep_\w+)` \| (\w+) \| ([^|]*?) \|", DOCS.read_text(), re.MULTILINE)
    assert {name: (type_, labels) for name, type_, labels in rows} == exposed


# --- the endpoint


async def asked(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """What the endpoint answers to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head, _, body = (await asyncio.wait_for(reader.read(), HEAD_SECONDS * 2)).partition(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body


async def test_metrics_are_served_in_the_form_that_is_asked_for() -> None:
    metrics = watched(payment_sprint())
    async with serve(metrics.registry, 0) as endpoint:
        status, headers, body = await asked(endpoint.port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status == 200
        assert headers["Content-Type"].startswith("text/plain")
        assert int(headers["Content-Length"]) == len(body)
        assert b"mawep_agents 5.0" in body
        request = b"GET /metrics?x=1 HTTP/1.1\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n"
        status, headers, body = await asked(endpoint.port, request)
        assert headers["Content-Type"].startswith("application/openmetrics-text")
        assert body.endswith(b"# EOF\n")
        assert endpoint.url == f"http://127.0.0.1:{endpoint.port}/metrics"


async def test_it_says_that_it_is_there_and_what_is_not() -> None:
    async with serve(watched(payment_sprint()).registry, 0) as endpoint:
        answers = {
            request: await asked(endpoint.port, request + b"\r\n\r\n")
            for request in (
                b"GET /healthz HTTP/1.1",
                b"HEAD /metrics HTTP/1.0",
                b"GET / HTTP/1.1",
                b"POST /metrics HTTP/1.1",
                b"GET /metrics HTTP/2.0",
                b"nonsense",
            )
        }
    assert [status for status, _, _ in answers.values()] == [200, 200, 404, 405, 400, 400]
    assert answers[b"GET /healthz HTTP/1.1"][2] == b"ok\n"
    assert answers[b"HEAD /metrics HTTP/1.0"][2] == b""
    assert answers[b"POST /metrics HTTP/1.1"][1]["Allow"] == "GET, HEAD"


async def test_a_head_without_end_is_refused() -> None:
    async with serve(watched(payment_sprint()).registry, 0) as endpoint:
        status, _, _ = await asked(endpoint.port, b"GET /metrics HTTP/1.1\r\nx: " + b"y" * 20_000)
        assert status == 431


async def test_a_silent_or_broken_connection_keeps_nobody_waiting() -> None:
    port = unused_port()
    async with serve(watched(payment_sprint()).registry, port) as endpoint:
        assert endpoint.port == port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        _, gone = await asyncio.open_connection("127.0.0.1", port)
        gone.write(b"GET /met")
        gone.close()
        await gone.wait_closed()
        assert (await asked(port, b"GET /healthz HTTP/1.1\r\n\r\n"))[0] == 200
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_who_connects_while_it_ends_does_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mawep.observe.endpoint.HEAD_SECONDS", 600.0)
    for turns in range(8):
        async with asyncio.timeout(60), serve(CollectorRegistry(), 0) as endpoint:
            visitor = socket.create_connection(("127.0.0.1", endpoint.port))
            for _ in range(turns):
                await asyncio.sleep(0)
        visitor.close()


async def test_a_taken_port_is_a_usage_error_that_names_it() -> None:
    registry = watched(payment_sprint()).registry
    async with serve(registry, 0) as endpoint:
        with pytest.raises(UsageError, match=f"Port {endpoint.port} for metrics is taken") as refused:
            async with serve(registry, endpoint.port):
                pass
    assert "prometheus_port" in refused.value.next_step
