"""Metrics of a run for Prometheus: what happened is counted, what is so now is read when it is asked for.

`docs/metrics.md` lists the families. Nothing is global: each `Metrics` has a registry of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from mawep.clock import Clock
from mawep.core import events as ev
from mawep.core.model import FailureReason, GateResult, IssueState, Number, Usage
from mawep.core.state import IssueRecord, State
from mawep.observe import bill
from mawep.observe.live import Live
from mawep.observe.timeline import Timeline

STAGES = (
    IssueState.ASSIGNED,
    IssueState.WORKING,
    IssueState.NEEDS_INPUT,
    IssueState.VERIFYING,
    IssueState.QUEUED,
    IssueState.LANDING,
)
CONFLICTS = ("target", "batch", "combination", "claim")
UNHEALTHY = (FailureReason.STALLED, FailureReason.TIMEOUT, FailureReason.LOST)
FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
CALLS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
SLOW = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0)


class Metrics:
    """Counts what happens in one run. `registry` is what is exposed."""

    def __init__(self, clock: Clock, live: Live) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._snapshot = Snapshot(clock, live)
        self.registry.register(self._snapshot)
        self._stages = Histogram(
            "mawep_stage_duration_seconds",
            "How long issues were in a state between assignment and landing.",
            ["stage"],
            buckets=SLOW,
            registry=self.registry,
        )
        self._failures = self._counter("mawep_attempt_failures", "Attempts that failed.", "reason")
        self._unhealthy = self._counter(
            "mawep_health_check_failures", "Attempts ended because they showed no sign of life.", "reason"
        )
        self._conflicts = self._counter("mawep_conflicts", "Candidates that did not fit.", "kind")
        self._gates = self._counter("mawep_gate_runs", "Gate runs that ended.", "result")
        self._gate_seconds = Histogram(
            "mawep_gate_duration_seconds", "How long gate runs took.", buckets=SLOW, registry=self.registry
        )
        self._latency = Histogram(
            "mawep_bus_latency_seconds",
            "Age of messages when they were read.",
            ["channel"],
            buckets=FAST,
            registry=self.registry,
        )
        self._rounds = Histogram(
            "mawep_decision_round_seconds",
            "From taking in what happened to having decided and journalled what follows.",
            buckets=FAST,
            registry=self.registry,
        )
        self._model_calls = self._counter(
            "mawep_model_calls", "Calls at the model gateway.", "api", "outcome"
        )
        self._model_refusals = self._counter(
            "mawep_model_calls_refused", "Calls that the model gateway did not let through.", "reason"
        )
        self._model_tokens = self._counter(
            "mawep_model_tokens", "Tokens that the model gateway counted.", "direction"
        )
        self._model_cost = self._counter("mawep_model_cost_usd", "Cost that the model gateway counted.")
        self._model_seconds = Histogram(
            "mawep_model_call_duration_seconds",
            "From the call of a model to the end of its answer.",
            ["api"],
            buckets=CALLS,
            registry=self.registry,
        )
        for family, known in (
            (self._stages, STAGES),
            (self._failures, FailureReason),
            (self._unhealthy, UNHEALTHY),
            (self._conflicts, CONFLICTS),
            (self._gates, GateResult),
            (self._model_tokens, ("input", "output")),
        ):
            for label in known:  # from the beginning, so that the first one is seen as a rise from zero
                family.labels(str(label))

    def begin(self, state: State) -> None:
        """Count from this state on; what happened before belongs to an earlier process."""
        self._snapshot.timeline = Timeline(state)
        self._snapshot.queued = dict.fromkeys(state.queue, self._clock.now())

    def witness(self, recorded: ev.Recorded, state: State) -> None:
        """Count what a committed event changed."""
        for span in self._snapshot.timeline.see(recorded):
            self._stages.labels(span.state.value).observe(span.seconds)
            if span.state.holds_slot:
                self._snapshot.busy += span.seconds
        if isinstance(recorded.event, ev.CandidateQueued):
            self._snapshot.queued[recorded.event.issue] = recorded.at
        self._count(recorded.event)

    def latency(self, channel: str, seconds: float) -> None:
        """A message was that old when it was read."""
        self._latency.labels(channel).observe(seconds)

    def decision_round(self, seconds: float) -> None:
        """A round of the orchestrator took that long."""
        self._rounds.observe(seconds)

    def model_call(self, api: str, outcome: str, seconds: float, used: Usage) -> None:
        """A call of a model through the gateway is over."""
        self._model_calls.labels(api, outcome).inc()
        self._model_seconds.labels(api).observe(seconds)
        self._model_tokens.labels("input").inc(used.input_tokens or 0)
        self._model_tokens.labels("output").inc(used.output_tokens or 0)
        self._model_cost.inc(used.cost_usd or 0.0)

    def model_refusal(self, reason: str) -> None:
        """The gateway did not let a call through."""
        self._model_refusals.labels(reason).inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _count(self, event: ev.AnyEvent) -> None:
        match event:
            case ev.AttemptFailed(reason=reason):
                self._failures.labels(reason.value).inc()
                if reason in UNHEALTHY:
                    self._unhealthy.labels(reason.value).inc()
            case ev.ImportRefused(reason=FailureReason.CLAIM_CONFLICT):
                self._conflicts.labels("claim").inc()
            case ev.LandingComposed():
                for conflict in event.told:
                    self._conflicts.labels("batch" if conflict.with_ else "target").inc()
            case ev.IssueParked(files=()) | ev.CandidateReturned(files=()):
                self._conflicts.labels("combination").inc()
            case ev.GateFinished(record=record):
                self._gates.labels(record.result.value).inc()
                self._gate_seconds.observe(record.seconds)
            case _:
                pass


class Snapshot:
    """What is so at the moment somebody asks.

    `busy`: seconds that agents have spent on what they have finished; `queued`: since when candidates wait.
    """

    def __init__(self, clock: Clock, live: Live) -> None:
        self.timeline = Timeline()
        self.busy = 0.0
        self.queued: dict[Number, datetime] = {}
        self._clock = clock
        self._live = live
        self._reported = Usage()

    def describe(self) -> Iterable[Metric]:
        """The families, for the registry's check of names."""
        return self.collect()

    def collect(self) -> Iterator[Metric]:
        """The families with their values."""
        yield from self._agents(self.timeline.state)
        yield from self._issues(self.timeline.state)
        yield from self._consumed(self.timeline.state)
        yield from self._bus()
        yield from self._disk()
        yield from self._reports()
        yield from self._forge()

    def _agents(self, state: State) -> Iterator[Metric]:
        yield _gauge("mawep_agents", "Agent slots of the run.", state.rules.max_agents)
        yield _gauge("mawep_agents_busy", "Agent slots that have an issue.", len(state.slots))
        share = len(state.slots) / state.rules.max_agents
        yield _gauge("mawep_agent_utilization_ratio", "Share of the agent slots that have an issue.", share)
        going_on = (span for span in self.timeline.open(self._clock.now()) if span.state.holds_slot)
        busy = self.busy + sum(span.seconds for span in going_on)
        yield _counter("mawep_agent_busy_seconds", "Time for which agents had an issue, summed.", busy)

    def _issues(self, state: State) -> Iterator[Metric]:
        counts = dict.fromkeys(IssueState, 0)
        for record in state.issues.values():
            counts[record.state] += 1
        family = GaugeMetricFamily("mawep_issues", "Issues of the run by state.", labels=["state"])
        for known, number in counts.items():
            family.add_metric([known.value], number)
        yield family
        yield _gauge("mawep_landing_queue_depth", "Candidates that wait to land or land.", len(state.queue))
        yield _gauge(
            "mawep_landing_queue_age_seconds", "How long the oldest of them has waited.", self._oldest(state)
        )
        yield _gauge("mawep_gates_running", "Gate runs that go on.", len(state.gating))
        yield _gauge("mawep_run_paused", "1 while the run is paused.", bool(state.paused))
        yield _counter("mawep_late_results", "Reports that came under an old fence.", state.late)

    def _oldest(self, state: State) -> float:
        now = self._clock.now()
        since = [self.queued[number] for number in state.queue if number in self.queued]
        return max(0.0, (now - min(since)).total_seconds()) if since else 0.0

    def _consumed(self, state: State) -> Iterator[Metric]:
        """An agent that begins a new session counts from zero again; a counter must not fall."""
        usage = bill.together(bill.of_issue(r, self._running(r)) for r in state.issues.values())
        self._reported = bill.highest(self._reported, usage)
        tokens = CounterMetricFamily("mawep_tokens", "Tokens that agents reported.", labels=["direction"])
        tokens.add_metric(["input"], self._reported.input_tokens or 0)
        tokens.add_metric(["output"], self._reported.output_tokens or 0)
        yield tokens
        cost = self._reported.cost_usd or 0.0
        yield _counter("mawep_cost_usd", "Cost that agents reported, in US dollars.", cost)

    def _running(self, record: IssueRecord) -> Usage | None:
        view = self._live.of(record.number, record.runs)
        return view.usage if view else None

    def _bus(self) -> Iterator[Metric]:
        bus = self._live.bus
        yield _counter("mawep_bus_messages_sent", "Messages sent.", bus.sent)
        yield _counter("mawep_bus_messages_received", "Messages read.", bus.received)
        yield _counter("mawep_bus_messages_dropped", "Gaps: a reader fell behind what is kept.", bus.dropped)
        yield _counter("mawep_bus_dead_letters", "Messages that could not be believed.", bus.dead_letters)
        yield _counter(
            "mawep_bus_duplicates", "Messages that came twice; the second was ignored.", bus.duplicates
        )
        yield _counter("mawep_bus_restarts", "Restarts of the embedded server.", self._live.bus_restarts)

    def _disk(self) -> Iterator[Metric]:
        disk = self._live.disk
        if disk.used is not None:
            yield _gauge("mawep_worktree_disk_bytes", "Disk that worktrees take.", disk.used)
        if disk.free is not None:
            yield _gauge("mawep_disk_free_bytes", "Disk that is free where worktrees are.", disk.free)

    def _reports(self) -> Iterator[Metric]:
        owed = self._live.owed
        yield _gauge("mawep_reports_waiting", "Reports that the forge has not got yet.", owed.reports)
        yield _counter(
            "mawep_reports_posted", "Reports that were written or changed on the forge.", owed.posted
        )
        yield _counter("mawep_report_failures", "Times that a report could not be delivered.", owed.failed)

    def _forge(self) -> Iterator[Metric]:
        left = GaugeMetricFamily("mawep_forge_requests_left", "Requests that are left.", labels=["budget"])
        limit = GaugeMetricFamily("mawep_forge_requests_limit", "Requests in full.", labels=["budget"])
        waits = 0.0
        for budget in self._live.forge_budgets.values():
            left.add_metric([budget.resource], budget.left)
            limit.add_metric([budget.resource], budget.limit)
            if budget.waiting_until is not None:
                waits = max(waits, (budget.waiting_until - self._clock.now()).total_seconds())
        yield from (left, limit)
        yield _gauge("mawep_forge_wait_seconds", "How long requests to the forge will wait yet.", waits)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=float(value))
