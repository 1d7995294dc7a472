"""Wire a run together and conduct it: the only place that knows every room."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog

from mawep import __version__
from mawep.adapters.git import Repository
from mawep.adapters.git_orphans import end_orphans
from mawep.adapters.git_packs import forget_dead_keeps
from mawep.adapters.git_refs import list_refs
from mawep.adapters.git_scratch import forget_dead_scratch
from mawep.adapters.process import Supervisor
from mawep.adapters.runtime_directory import clear_runtime_directory
from mawep.adapters.valkey import Connection
from mawep.adapters.valkey_embedded import EmbeddedServer
from mawep.cli.branches import branch_of
from mawep.cli.driving import routing, ways_of
from mawep.cli.gateway import gateway_of, obstacles
from mawep.cli.interrupts import interruptible
from mawep.cli.landing import begin_branch, first_target, landing_branch, proposals_of, resolver_of, target_of
from mawep.cli.reporting import errands_of, outbox_of, reporter_of
from mawep.cli.reviewing import reviewer_ways, reviewers, reviews_of
from mawep.cli.settings import gate_settings, worker_settings, workspace_settings
from mawep.cli.templates import read_templates, try_templates
from mawep.cli.upkeep import Refiller, clear_dead_sockets, ended, shared_server, watch_disk, watch_server
from mawep.cli.watching import Eyes, forge_of_run, watcher_of
from mawep.clock import Clock
from mawep.config import Config
from mawep.coordination import channels
from mawep.coordination import payloads as wire
from mawep.coordination.bus import Bus
from mawep.coordination.envelopes import new_id
from mawep.coordination.identity import Identity, Keyring
from mawep.coordination.leases import Leases
from mawep.core import events as ev
from mawep.core.clashes import Clash
from mawep.core.engine import replay
from mawep.core.model import Issue, Number
from mawep.core.state import State, replace
from mawep.errors import InfrastructureError, ProblemsError, UsageError
from mawep.gateway.gateway import Ears
from mawep.observe.live import Live
from mawep.observe.logging import about
from mawep.orchestrator import WORKER, Effects, Listener, Orchestrator, Reviews, Told
from mawep.orchestrator.asking import Asking, Hush
from mawep.orchestrator.conflicts import Conflicts
from mawep.orchestrator.hall import Witness
from mawep.orchestrator.proposals import Proposals
from mawep.orchestrator.watcher import Watching
from mawep.stages.acceptance import protected_patterns
from mawep.stages.land import Target
from mawep.stages.land.branches import FollowedTarget
from mawep.stages.verify import Gate, until_gates_ended
from mawep.stages.workspace import Workspaces
from mawep.state import journal as journals
from mawep.state.journal import Journal
from mawep.state.runs import RunDirectory, RunSummary, directory_of, home, list_runs, target_claimed
from mawep.trackers.base import AllowanceObserver
from mawep.trackers.registry import FORGES
from mawep.worker import Worker

TIDYING_SECONDS = 20.0
"""How long the end of a run waits for worktrees to be removed; the rest is left to the next one."""

log = structlog.get_logger("mawep.run")


@dataclass(frozen=True)
class Conducted:
    """What became of a run. `failure` is why it stopped, if it did."""

    directory: RunDirectory
    state: State
    failure: InfrastructureError | None


@dataclass
class View:
    """Who watches a run from inside its process. All of it may be called often and must not block."""

    witnesses: Sequence[Witness] = ()
    overhear: Callable[[wire.Payload], None] = lambda payload: None
    latency: Callable[[str, float], None] | None = None
    restarted: Callable[[], None] = lambda: None
    models: Sequence[Ears] = ()
    forge: Callable[[Watching], None] = lambda watching: None
    silence: Hush = lambda silence: None
    clashes: Callable[[Sequence[Clash]], None] = lambda clashes: None
    live: Live = field(default_factory=Live)
    began: Callable[[RunDirectory, Orchestrator, Sequence[Bus]], None] = lambda directory, hall, buses: None
    forge_left: AllowanceObserver = lambda allowance: None
    learned: Callable[[str], None] = lambda secret: None


Door = Callable[[], AbstractAsyncContextManager[bool]]
"""A run is conducted inside of it, if it is open."""


@dataclass(frozen=True)
class Opened:
    """A run whose journal is this process's; `resumed` when an earlier one has conducted it before."""

    directory: RunDirectory
    journal: Journal
    hall: Orchestrator
    resumed: ev.RunResumed | None


async def first_event(
    repository: Repository, config: Config, issues: Sequence[Issue], clock: Clock, *, shared: bool = False
) -> ev.RunStarted:
    """The first event of a new run. Nothing is touched. `shared`: others have its agents together with it.

    Raises:
        UsageError: a template of the repository cannot be used.
    """
    target, run = await first_target(config, repository), new_id(clock.now())
    branch = landing_branch(config, run)
    update = config.github.update_template_path if config.issues.tracker in FORGES else None
    templates = await read_templates(repository, target, update)
    try_templates(templates, issues, base=target, target=branch)
    branches = {issue.number: branch_of(issue, config.workspace.branch_prefixes) for issue in issues}
    return ev.RunStarted(
        run=run,
        trace=os.urandom(16).hex(),
        target_branch=branch,
        target=target,
        issues=tuple(issues),
        rules=replace(config.rules(), reviewers=reviewers(config, issues), shared=shared),
        settings=json.dumps({**config.public(), "templates": asdict(templates)}, sort_keys=True),
        digests={"mawep": __version__, **templates.digests()},
        suffixed=await _taken(repository, config, branches),
        branches={str(number): branch for number, branch in branches.items()},
        runtime=config.agents.runtime,
        routed={str(number): to for number, to in routing(config.agents, issues).routed.items()},
        gate=gate_settings(config).name,
    )


async def begin(
    common_dir: Path, started: ev.RunStarted, clock: Clock, *asked: ev.AnyEvent
) -> tuple[RunDirectory, Journal]:
    """Write the first event of a new run, and what it is asked for. Only the run's own directory is touched."""
    directory = directory_of(common_dir, started.run)
    directory.make()
    journal = Journal.create(directory.journal, started.run)
    for event in (started, *asked):
        journal.append(event, clock.now())
    await journal.commit()
    return directory, journal


def refuse_unfinished(common_dir: Path, branch: str) -> None:
    """Raise UsageError, naming `resume` and `cancel`, if a run on this target has not ended."""
    for summary in list_runs(common_dir):
        if summary.target_branch == branch and not summary.ended:
            state = "is running" if summary.alive else "was interrupted"
            raise UsageError(
                f"Run {summary.directory.run} on {branch} {state}",
                next_step="`mawep resume` goes on with it, `mawep cancel` gives it up",
            )


async def _taken(repository: Repository, config: Config, branches: dict[Number, str]) -> tuple[Number, ...]:
    """Issues whose plain branch or worktree name an earlier run has left behind."""
    refs = await list_refs(repository, "refs/heads/")
    base = config.worktree_base(repository.common_dir, os.environ)
    names = [entry.name for entry in base.iterdir()] if base.is_dir() else []
    left = {name.rpartition("-issue-")[2].partition("-")[0] for name in names}
    return tuple(
        number for number, branch in branches.items() if f"refs/heads/{branch}" in refs or str(number) in left
    )


@dataclass(frozen=True)
class Conductor:
    """Conducts runs of one repository."""

    repository: Repository
    config: Config
    clock: Clock
    view: View

    async def start(self, issues: Sequence[Issue], *asked: ev.AnyEvent) -> Conducted:
        """Begin a run on these issues and conduct it to its end, or to where it can be resumed.

        It is asked for what people want of it at once.

        Raises:
            UsageError: a run on the same target is not finished; nothing was touched.
        """
        common, branch = self.repository.common_dir, self.config.orchestrator.target_branch
        with target_claimed(common, branch):
            refuse_unfinished(common, branch)
            started = await first_event(self.repository, self.config, issues, self.clock)
            return await self._alone(self.open(*await begin(common, started, self.clock, *asked)))

    async def resume(self, run: RunSummary, *, rerun: bool) -> Conducted:
        """Go on with a run that an earlier process conducted. `rerun`: lost attempts are run again.

        Raises:
            UsageError: another process works on its target.
            JournalError: its journal cannot be opened.
        """
        with target_claimed(self.repository.common_dir, run.target_branch):
            return await self._alone(self.reopen(run.directory, rerun=rerun))

    def reopen(self, directory: RunDirectory, *, rerun: bool) -> Opened:
        """Take over the journal of a run that an earlier process conducted.

        Raises:
            JournalError: it cannot be opened.
            UsageError: the configuration cannot drive its agents any more.
        """
        owner, budget = f"{os.uname().nodename}:{os.getpid()}", self.config.agents.budget.limits()
        gate, verify = gate_settings(self.config).name, self.config.verify
        lanes = tuple(scope.name for scope in verify.scopes) if self.config.landing.lanes else ()
        resumed = ev.RunResumed(owner=owner, rerun=rerun, budget=budget, gate=gate, lanes=lanes)
        return self.open(directory, Journal.open(directory.journal), resumed)

    def open(self, directory: RunDirectory, journal: Journal, resumed: ev.RunResumed | None = None) -> Opened:
        """A hall for the run; the journal is closed if there can be none.

        Raises:
            UsageError: the configuration cannot drive its agents.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(journal.close)
            state = replay(journals.read(directory.journal))
            ways = ways_of(self.config.agents, state)  # before anything is started
            ways |= reviewer_ways(self.config, state.rules.reviewers.values())
            if missing := obstacles(self.config, ways.values(), os.environ):
                raise ProblemsError("The run cannot go on:", missing)
            undo.pop_all()
        return Opened(
            directory, journal, Orchestrator(journal, state, self.clock, self.view.witnesses), resumed
        )

    async def _alone(self, opened: Opened) -> Conducted:
        @contextlib.asynccontextmanager
        async def heard() -> AsyncIterator[bool]:
            with interruptible(lambda level: opened.hall.tell(ev.Interrupted(level))):
                yield True

        return await self.conduct(opened, heard)

    async def conduct(self, opened: Opened, door: Door) -> Conducted:
        """Conduct the run behind its door to its end, or to where it can be resumed."""
        directory, journal, hall = opened.directory, opened.journal, opened.hall
        failure: InfrastructureError | None = None
        try:
            async with AsyncExitStack() as stack:
                stack.enter_context(about(run=hall.state.run, trace_id=hall.state.trace))
                effects = await self._wire(stack, directory, journal, hall)
                async with door() as is_open:
                    if is_open:
                        await hall.run(effects, opened.resumed)
                if hall.state.ended is not None:
                    await effects.conclude()
        except InfrastructureError as error:
            failure = error
        finally:
            journal.close()
        return Conducted(directory, hall.state, failure)

    async def _wire(
        self, stack: AsyncExitStack, directory: RunDirectory, journal: Journal, hall: Orchestrator
    ) -> Effects:
        """Start every part of the run and connect it; the stack ends them in the opposite order."""
        await end_orphans(self.repository.common_dir)
        forget_dead_keeps(self.repository.common_dir)
        forget_dead_scratch(self.repository.common_dir)
        clear_dead_sockets(self.repository.common_dir)
        clear_runtime_directory(directory.path)
        stack.callback(clear_runtime_directory, directory.path)
        await stack.enter_async_context(self.repository.resident())
        for place in (directory.gates, directory.reviews):
            await until_gates_ended(place)
        supervisor = await Supervisor.start()
        stack.push_async_callback(supervisor.close)
        server = await stack.enter_async_context(shared_server(home(self.repository.common_dir) / "valkey"))
        workspaces = Workspaces(
            self.repository, supervisor, workspace_settings(self.config, self.repository), self.clock
        )
        await workspaces.open()
        stack.push_async_callback(workspaces.close, TIDYING_SECONDS)
        keyring = Keyring(directory=directory.keys)
        ours, workers = [
            Bus(
                await self._connection(stack, server),
                directory.run,
                Identity.load_or_create(directory.keys, name),
                keyring,
                self.clock,
                observe=self.view.latency,
            )
            for name in (channels.ORCHESTRATOR, WORKER)
        ]
        leases = await self._connection(stack, server)
        gateway = await stack.enter_async_context(
            gateway_of(
                *(self.config, directory, os.environ, self.clock, self.view.models), lambda: hall.state
            )
        )
        settings = worker_settings(self.config, self.repository, directory, hall.state, gateway)
        worker = Worker(
            settings,
            bus=workers,
            leases=Leases(leases, directory.run, self.config.message_bus.lease_seconds, self.clock),
            workspaces=workspaces,
            repository=self.repository,
            supervisor=supervisor,
            clock=self.clock,
        )
        await worker.forget_the_past()
        forge = await stack.enter_async_context(
            forge_of_run(self.config, self.repository, self.clock, self.view.forge_left, self.view.learned)
        )
        outbox = stack.enter_context(outbox_of(directory, self.clock)) if forge is not None else None
        reporter = await stack.enter_async_context(
            reporter_of(self.config, self.repository, outbox, forge, hall, self.view.live, self.clock)
        )
        watcher = watcher_of(self.config, forge, hall, self.clock, self.view.forge)
        eyes = Eyes(watcher)
        errands = errands_of(self.config, forge, reporter)
        listener = Listener(ours, hall, self.clock, self.view.overhear, eyes.poke, errands=errands)
        hall.attend(listener.witness)
        refiller = Refiller(workspaces)
        stack.push_async_callback(refiller.close)
        hall.attend(refiller.witness)
        watches = (
            watch_server(
                server,
                (ours, workers),
                grace=self.config.message_bus.grace_seconds,
                restarted=self.view.restarted,
                clock=self.clock,
            ),
            supervisor.watch(),
            watch_disk(hall, self.config, self.repository.common_dir, self.clock),
            Conflicts(self.repository, hall, listener.announce, self.clock, self.view.clashes).run(),
            *((gateway.watch(),) if gateway else ()),
            *((watcher.run(),) if watcher else ()),
        )
        for part in (listener.run(), worker.run(), *watches):
            stack.push_async_callback(ended, asyncio.create_task(hall.guard(part)))
        self.view.began(directory, hall, (ours, workers))
        await begin_branch(self.repository, hall.state)
        target = await target_of(self.config, self.repository, hall.state.target_branch, forge=forge)
        proposals = None
        if forge is not None and outbox is not None and isinstance(target, FollowedTarget):
            proposals = await proposals_of(
                *(stack, self.config, target.remote, forge, outbox),
                journal=journal,
                hall=hall,
                asking=Asking(self.clock, self.view.silence),
                live=self.view.live,
            )
            eyes.proposals = proposals
        reviews = reviews_of(
            *(self.config, self.repository, directory, hall),
            settings=settings,
            workspaces=workspaces,
            supervisor=supervisor,
            clock=self.clock,
        )
        return self._effects(
            directory, journal, hall, ours, workspaces, supervisor, target, reviews, proposals
        )

    async def _connection(self, stack: AsyncExitStack, server: EmbeddedServer) -> Connection:
        connection = await Connection.connect(server.url)
        stack.push_async_callback(connection.close)
        return connection

    def _effects(
        self,
        directory: RunDirectory,
        journal: Journal,
        hall: Orchestrator,
        bus: Bus,
        workspaces: Workspaces,
        supervisor: Supervisor,
        target: Target,
        reviews: Reviews,
        proposals: Proposals | None,
    ) -> Effects:
        templates = json.loads(hall.state.settings)["templates"]
        gate = Gate(workspaces, supervisor, gate_settings(self.config), directory.gates)
        return Effects(
            repository=self.repository,
            journal=journal,
            bus=bus,
            gate=gate,
            workspaces=workspaces,
            reviews=reviews,
            proposals=proposals,
            target=target,
            told=Told(
                prompt=templates["prompt"],
                feedback=templates["feedback"],
                gate=self.config.verify.told(),
                protected=protected_patterns(self.config.verify.protected_paths),
                resolver=resolver_of(self.config, gate),
                follows=self.config.conflict_resolution.follow_target,
            ),
            state=lambda: hall.state,
            clock=self.clock,
        )
