"""Ask the process that conducts a run for something, over the bus of that run, and print its answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mawep.adapters.valkey import Connection
from mawep.adapters.valkey_embedded import recorded_socket
from mawep.cli.context import not_running, open_repository, run_to_steer
from mawep.clock import SystemClock
from mawep.coordination import payloads as wire
from mawep.coordination.bus import Bus, NoReplyError
from mawep.coordination.channels import ORCHESTRATOR, direct
from mawep.coordination.identity import Keyring, visitor
from mawep.errors import BusGoneError, InfrastructureError, UsageError
from mawep.state.runs import RunSummary, home, is_alive

ANSWER_SECONDS = 10.0
"""How long a verb waits, for a run that only begins as well as for the answer."""

_POLL = 0.05


async def steer(config: Path | None, run: str | None, payload: wire.Payload, repository: str = "") -> int:
    """Have a live run carry out a verb, and print what it says; the exit code.

    `repository` is that of the issue, where the configuration is about several.

    Raises:
        UsageError: no such run, it is not alive, or it refuses.
    """
    common_dir = (await open_repository(config, repository)).common_dir
    print(await ask(common_dir, run_to_steer(common_dir, run), payload))
    return 0


async def ask(common_dir: Path, run: RunSummary, payload: wire.Payload) -> str:
    """What a live run answers.

    Raises:
        UsageError: the run is not alive, or it refuses.
        NoReplyError, BusGoneError: it does not answer.
    """
    if not run.alive:
        raise not_running(run)
    try:
        reply = await _request(common_dir, run, payload)
    except (BusGoneError, NoReplyError) as error:
        if is_alive(run.directory):
            raise
        raise not_running(run) from error
    if not reply.ok:
        raise UsageError(reply.text)
    return reply.text


async def _request(common_dir: Path, run: RunSummary, payload: wire.Payload) -> wire.Reply:
    connection = await _connect(common_dir, run)
    try:
        run.directory.keys.mkdir(mode=0o700, exist_ok=True)
        with visitor(run.directory.keys, "operator") as identity:
            keyring = Keyring(directory=run.directory.keys)
            bus = Bus(connection, run.directory.run, identity, keyring, SystemClock())
            try:
                answer = await bus.request(direct(ORCHESTRATOR), payload, ANSWER_SECONDS)
            finally:
                await bus.leave()
    finally:
        await connection.close()
    if not isinstance(answer, wire.Reply):
        raise InfrastructureError(f"The run answered with a {answer.type_name}, which is no reply")
    return answer


async def _connect(common_dir: Path, run: RunSummary) -> Connection:
    """Connect to the run's server, which a run that begins has yet to start."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + ANSWER_SECONDS
    while True:
        socket = recorded_socket(home(common_dir) / "valkey")
        try:
            if socket is None:
                raise BusGoneError(f"The run {run.directory.run} has no server yet", next_step="try again")
            return await Connection.connect(f"unix://{socket}")
        except BusGoneError:
            if loop.time() > deadline or not is_alive(run.directory):
                raise
            await asyncio.sleep(_POLL)
