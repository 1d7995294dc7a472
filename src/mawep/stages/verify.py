"""The gate: the verification commands, run on one exact tree in a clean worktree, with a verdict and evidence."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from mawep.adapters.git import Sha
from mawep.adapters.process import Completed, Supervisor, clean_environment, run, until_free
from mawep.core.events import GateFinished, GateIntended
from mawep.core.model import CommandResult, GateRecord, GateResult

log = structlog.get_logger("mawep.gate")

MAX_LOG_BYTES = 4 * 2**20
MAX_MADE_BYTES = 64 * 2**20
EXCERPT_LINES = 60
EXCERPT_BYTES = 8_000
FULL_DISK_BYTES = 8 * 2**20
"""With less room than this, a failing command says more about the disk than about the tree."""

LEFT_SECONDS = 15.0
"""How long what is left of an earlier process's gate may take to be gone."""

_KILLED_IN_SHELL = frozenset({137, 143})
"""What `sh -c` exits with when its child was ended by SIGKILL or SIGTERM: by the kernel or by us, not by itself."""


@dataclass(frozen=True)
class ScopeGate:
    """What the gate runs for one scope: `setup` first, then `commands`."""

    name: str
    commands: tuple[str, ...]
    setup: tuple[str, ...] = ()


@dataclass(frozen=True)
class GateSettings:
    """`commands` are shell commands; `timeout` is seconds for each; `env` names what is passed on to them.

    `walls` is the kind of walls that they run behind. `commands` run for every tree, those of `scopes` where the
    tree's change can affect them. A red gate is run again up to `reruns` times, and counts as green once it is.
    """

    commands: tuple[str, ...]
    timeout: float
    env: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    walls: str = "off"
    scopes: tuple[ScopeGate, ...] = ()
    reruns: int = 0

    def gated(self, scopes: tuple[str, ...] | None) -> tuple[ScopeGate, ...]:
        """The scopes of these names; all there are for None, and for a name that the configuration no longer has."""
        named = tuple(scope for scope in self.scopes if scopes is None or scope.name in scopes)
        return named if scopes is None or len(named) == len(scopes) else self.scopes

    def taken_over(self, scopes: tuple[str, ...] | None) -> tuple[str, ...]:
        """The scopes that are not gated for such a tree."""
        gated = self.gated(scopes)
        return tuple(scope.name for scope in self.scopes if scope not in gated)

    def commands_for(self, scopes: tuple[str, ...] | None) -> tuple[str, ...]:
        """What runs for a tree that affects `scopes`; None: everything."""
        parts = [self.commands, *((*scope.setup, *scope.commands) for scope in self.gated(scopes))]
        return tuple(command for part in parts for command in part)

    @property
    def name(self) -> str:
        """What the gate is known by: another name, another verdict."""
        return self.key("")

    def key(self, tree: Sha, scopes: tuple[str, ...] | None = None) -> str:
        """The name under which a verdict on `tree` is valid: tree, commands run, set-up and environment names."""
        commands = list(self.commands_for(scopes))
        parts = [tree, commands, list(self.setup), sorted(self.env), self.walls]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class GateTrees(Protocol):
    """Where clean worktrees at an exact commit come from, and the walls around what runs in them."""

    def walls_around(self, tree: Path, scratch: Path) -> tuple[tuple[str, ...], Path | None]:
        """What to put in front of a command in that tree, and its HOME; nothing where there are no walls."""
        ...

    def gate_tree(self, commit: Sha) -> AbstractAsyncContextManager[Path]:
        """A clean, set-up worktree that holds exactly the commit's tree."""
        ...


async def until_gates_ended(directory: Path) -> None:
    """Wait until nothing lives of a gate that a dead process left in its tree, which others are to use.

    `directory` is where that process kept its logs. Raises InfrastructureError naming what still lives.
    """
    for lock in directory.glob("*.lock"):
        await until_free(lock, LEFT_SECONDS)
        lock.unlink(missing_ok=True)


class Gate:
    """Runs the gate. Logs go to `directory` and are named after the tree and the time."""

    def __init__(
        self, trees: GateTrees, supervisor: Supervisor, settings: GateSettings, directory: Path
    ) -> None:
        self._trees = trees
        self._supervisor = supervisor
        self._settings = settings
        self._directory = directory

    async def run(self, intent: GateIntended) -> GateFinished:
        """Run every command in turn until one is not green; where that is allowed, again if it is red.

        The record is that of the last run; what was red before stays in its excerpt.

        Raises:
            MawepError: the worktree could not be made or set up.
        """
        began, reruns, reds = time.monotonic(), 0, list[str]()
        record = await self._once(intent)
        while record.result is GateResult.RED and reruns < self._settings.reruns:
            reruns += 1
            reds.append(f"{record.excerpt}\n(run again, {reruns} of {self._settings.reruns})")
            record = await self._once(intent)
        excerpt = "\n".join(filter(None, (*reds, record.excerpt)))
        seconds = round(time.monotonic() - began, 3)
        return GateFinished(msgspec.structs.replace(record, excerpt=excerpt, reruns=reruns, seconds=seconds))

    async def make(self, commit: Sha, command: str, files: Sequence[str]) -> dict[str, bytes] | None:
        """What a command makes of some files in a clean tree of a commit; None when it fails, or one is no file then.

        Raises:
            MawepError: the worktree could not be made or set up.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"made-{commit[:12]}-{time.time_ns():x}"
        async with self._trees.gate_tree(commit) as tree:
            done = await self._command(command, tree, name)
            made = {path: _read(tree, path) for path in files} if done.ok else {}
        found = {path: content for path, content in made.items() if content is not None}
        if len(found) == len(files):
            return found
        log.warning("not made anew", command=command, files=files, log=str(done.log))
        return None

    async def _once(self, intent: GateIntended) -> GateRecord:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{intent.tree[:12]}-{time.time_ns():x}"
        results: list[CommandResult] = []
        excerpt, verdict = "", GateResult.GREEN
        async with self._trees.gate_tree(intent.commit) as tree:
            for number, command in enumerate(self._settings.commands_for(intent.scopes)):
                done = await self._command(command, tree, f"{name}-{number}")
                results.append(_result(command, done))
                verdict = _verdict(done)
                if verdict is not GateResult.GREEN:
                    excerpt = _excerpt(command, done, verdict)
                    break
        return GateRecord(
            key=self._settings.key(intent.tree, intent.scopes),
            tree=intent.tree,
            result=verdict,
            commands=tuple(results),
            seconds=0.0,
            log=name,
            excerpt=excerpt,
            scopes=intent.scopes,
            taken_over=self._settings.taken_over(intent.scopes),
            reads=intent.reads,
        )

    async def _command(self, command: str, tree: Path, name: str) -> Completed:
        scratch = self._directory / f"{name}.tmp"
        scratch.mkdir(mode=0o700)
        try:
            prefix, home = self._trees.walls_around(tree, scratch)
            return await run(
                self._supervisor,
                [*prefix, "sh", "-c", command],
                cwd=tree,
                env=clean_environment(home=home, passed=self._settings.env, extra={"TMPDIR": str(scratch)}),
                log=self._directory / f"{name}.log",
                lock=self._directory / f"{name}.lock",
                status_file=self._directory / f"{name}.status",
                timeout=self._settings.timeout,
                max_log_bytes=MAX_LOG_BYTES,
            )
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            for leftover in (f"{name}.lock", f"{name}.status"):
                (self._directory / leftover).unlink(missing_ok=True)


def _read(tree: Path, path: str) -> bytes | None:
    """The content of a file that really lies there; a link could lead anywhere."""
    place = tree.resolve() / path
    if place.resolve() != place or not place.is_file() or place.stat().st_size > MAX_MADE_BYTES:
        return None
    return place.read_bytes()


def _result(command: str, done: Completed) -> CommandResult:
    return CommandResult(
        command=command,
        exit_code=done.status.code,
        signal=done.status.signal,
        seconds=round(done.seconds, 3),
        log_sha256=hashlib.sha256(done.log.read_bytes()).hexdigest(),
        timed_out=done.timed_out,
    )


def _verdict(done: Completed) -> GateResult:
    """Green or red only for a command that ended by itself or ran out of its time."""
    if done.ok:
        return GateResult.GREEN
    if done.timed_out:
        return GateResult.RED
    if (
        done.status.signal is not None
        or done.status.cause != "exited"
        or done.status.code in _KILLED_IN_SHELL
    ):
        return GateResult.NONE
    return GateResult.NONE if shutil.disk_usage(done.log.parent).free < FULL_DISK_BYTES else GateResult.RED


def _excerpt(command: str, done: Completed, verdict: GateResult) -> str:
    tail = done.log.read_bytes()[-EXCERPT_BYTES:].decode(errors="replace").splitlines()[-EXCERPT_LINES:]
    return "\n".join([f"$ {command}", *tail, _how(done, verdict)])


def _how(done: Completed, verdict: GateResult) -> str:
    if done.timed_out:
        return f"(ended after its time limit, {done.seconds:.0f} s)"
    if verdict is GateResult.NONE:
        how = f"signal {done.status.signal}" if done.status.signal else f"code {done.status.code}"
        return f"(ended from outside, {how}, {done.status.cause}: this is no verdict)"
    return f"(exit code {done.status.code})"
