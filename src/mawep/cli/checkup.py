"""Can this machine and this repository carry a run? One check after another, none of which touches anything."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mawep import __version__
from mawep.adapters.git import OLDEST_GIT, Repository, find_repository, git_version
from mawep.adapters.process import Supervisor, run
from mawep.adapters.valkey import Connection
from mawep.adapters.valkey_embedded import EmbeddedServer
from mawep.cli.agents_check import check_agents
from mawep.cli.check import Check
from mawep.cli.config_file import DEFAULT_CONFIG, existing
from mawep.cli.confining import describe_walls
from mawep.cli.driving import ways
from mawep.cli.forge_check import check_forge
from mawep.cli.gateway import keys_found, obstacles
from mawep.cli.running import look_before
from mawep.config import Config, load_members
from mawep.errors import MawepError, ProblemsError

MOST_PORTS = 500
"""Ports that are tried, the first ones."""

INTERPRETERS = ("python3.11", "python3.12", "python3.13")


async def check_all(path: Path | None, overrides: Sequence[str]) -> AsyncIterator[Check]:
    """Every check, in the order in which a person would mend what fails."""
    yield Check("mawep", "ok", f"{__version__}, {sys.prefix}")
    yield _python()
    yield await _guarded("git", _git)
    yield await _guarded("processes", _processes)
    yield await _guarded("message bus", _bus)
    yield _interpreters()
    configs, problems = _configurations(path, overrides)
    for problem in problems:
        yield Check("configuration", "failed", problem)
    if not configs:
        for check in check_agents(None):
            yield check
        return
    if not problems:
        yield Check("configuration", "ok", str(path or DEFAULT_CONFIG))
    for name, config in configs.items():
        async for check in _check_one(config):
            yield replace(check, detail=f"{name}: {check.detail}") if name else check


async def _check_one(config: Config) -> AsyncIterator[Check]:
    """Every check of a repository and its configuration."""
    for check in check_agents(config):
        yield check
    for check in _gateway(config):
        yield check
    try:
        repository = await find_repository(config.orchestrator.repo_path)
    except MawepError as error:
        yield Check("repository", "failed", error.line)
        return
    for check in await _repository(config, repository):
        yield check
    async for check in check_forge(config, repository):
        yield check
    yield _walls(config)
    yield _disk(config, repository)
    yield _ports(config)


def _python() -> Check:
    found = f"{platform.python_version()}, {sys.executable}"
    return Check("python", "ok" if sys.version_info >= (3, 11) else "failed", found)


async def _git() -> str:
    version = await git_version()
    if version < OLDEST_GIT:
        raise MawepError(
            f"git {_dotted(version)} is too old", next_step=f"install git {_dotted(OLDEST_GIT)} or newer"
        )
    return f"{_dotted(version)}, {shutil.which('git')}"


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


async def _processes() -> str:
    """Start a program as agents and gates are started."""
    supervisor = await Supervisor.start()
    try:
        with tempfile.TemporaryDirectory(prefix="mawep-doctor-") as name:
            place = Path(name)
            done = await run(
                *(supervisor, ["sh", "-c", "echo here"]),
                cwd=place,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                log=place / "log",
                lock=place / "lock",
                status_file=place / "status",
                timeout=10,
                max_log_bytes=1000,
            )
    finally:
        await supervisor.close()
    if not done.ok:
        raise MawepError("a program could not be run under supervision", cause=str(done.status))
    return f"programs start and end under supervision in {done.seconds * 1000:.0f} ms"


async def _bus() -> str:
    with tempfile.TemporaryDirectory(prefix="mawep-doctor-") as name:
        server = await EmbeddedServer.ensure(Path(name) / "valkey")
        try:
            connection = await Connection.connect(server.url)
            await connection.close()
            version = (server.data_dir / "version").read_text().strip()
        finally:
            await server.stop()
    return f"the embedded server starts: {version}"


async def _guarded(name: str, check: Callable[[], Coroutine[Any, Any, str]]) -> Check:
    try:
        return Check(name, "ok", await check())
    except MawepError as error:
        return Check(name, "failed", error.line)
    except OSError as error:
        return Check(name, "failed", str(error))


def _interpreters() -> Check:
    found = [name for name in INTERPRETERS if shutil.which(name)]
    return Check("interpreters", "ok", ", ".join(found) or "none by a versioned name")


def _configurations(path: Path | None, overrides: Sequence[str]) -> tuple[dict[str, Config], list[str]]:
    """The configuration of every repository, by its name; the only one has none."""
    try:
        return load_members(existing(path), overrides, os.environ), []
    except ProblemsError as error:
        problems = list(error.problems)
    except MawepError as error:
        return {}, [error.line]
    try:
        return load_members(existing(path), overrides, os.environ, uses=()), problems
    except ProblemsError:
        return {}, problems


def _gateway(config: Config) -> Iterator[Check]:
    """Whether the model gateway would find a key for each runtime; the key itself is never shown."""
    used = list(ways(config.agents).values()) if config.agents.runtime else []
    on = config.agents.gateway == "on"
    for problem in obstacles(config, used, os.environ):
        yield Check("gateway", "failed", problem)
    for runtime, found, where in keys_found(used, os.environ):
        if found:
            yield Check("gateway", "ok", f"{'' if on else 'off; '}a key for {runtime}: yes, {where}")
        elif not on:
            yield Check("gateway", "ok", f"off; a key for {runtime}: no")


async def _repository(config: Config, repository: Repository) -> list[Check]:
    findings = await look_before(config, repository, ())
    checks = [Check("repository", "failed", problem) for problem in findings.problems]
    checks += [Check("repository", "warning", warning) for warning in findings.warnings]
    return checks or [Check("repository", "ok", str(repository.common_dir))]


def _walls(config: Config) -> Check:
    try:
        return Check("sandbox", "ok", describe_walls(config))
    except MawepError as error:
        return Check("sandbox", "failed", error.line)


def _disk(config: Config, repository: Repository) -> Check:
    base = config.worktree_base(repository.common_dir, os.environ)
    place = next(one for one in (base, *base.parents) if one.exists())
    free, floor = shutil.disk_usage(place).free / 1e9, config.workspace.disk_floor_gb
    detail = f"{free:.1f} GB free for worktrees in {base}"
    if free < floor:
        return Check("disk", "failed", f"{detail}, below `workspace.disk_floor_gb`, {floor:g}; make room")
    return Check("disk", "warning" if free < 2 * floor else "ok", detail)


def _ports(config: Config) -> Check:
    first = config.workspace.ports_from
    last = first + min(10 * config.orchestrator.max_agents, MOST_PORTS) - 1
    taken = list(_taken(first, last))
    if not taken:
        return Check("ports", "ok", f"{first} to {last} are free")
    shown = ", ".join(map(str, taken[:5]))
    return Check("ports", "warning", f"taken: {shown}; agents get others, or set `workspace.ports_from`")


def _taken(first: int, last: int) -> Iterator[int]:
    for port in range(first, last + 1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                yield port
