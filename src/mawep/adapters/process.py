"""The door to other programs: each runs under a shim that ends all of it when it ends, or when MAWEP does.

`Supervisor` starts one fork server (see shim.py) and asks it for programs; `run` is the short form for a
command whose output goes to a bounded log. Sockets and pipes are driven by the running event loop.

Never fork this process without exec: a copy of it would hold the liveness sockets open beyond its death.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from mawep.adapters.process_lock import lock_holders, lock_is_free, until_free
from mawep.adapters.process_streams import (
    CHUNK,
    DEVNULL,
    PIPE,
    STDOUT,
    STREAM_LIMIT,
    BoundedLog,
    ErrorOutput,
    Input,
    Output,
    Stdio,
    Streams,
)
from mawep.errors import InfrastructureError, MawepError

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "Completed",
    "ExitStatus",
    "Process",
    "ProcessStartError",
    "Stdio",
    "Supervisor",
    "clean_environment",
    "lock_holders",
    "lock_is_free",
    "read_status",
    "run",
    "until_free",
]

SHIM = Path(__file__).with_name("shim.py")
LOADER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""All that a Python may need from the environment to start; our secrets are not for the fork server."""
SPAWNS_AT_ONCE = 32
"""Descriptors in flight to the fork server count against a limit of the kernel."""


class ProcessStartError(MawepError):
    """A program could not be started; nothing of it is left behind."""


@dataclass(frozen=True)
class ExitStatus:
    """How a program ended.

    `cause` is `exited` (by itself, or by a signal that is not ours), `killed` (we asked for it), `deadline`,
    `owner_died`, or `shim_died` (its shim was killed, so its own code is unknown).
    """

    code: int | None
    signal: int | None
    cause: str
    token: str

    @property
    def ok(self) -> bool:
        """True when it exited with code 0."""
        return self.code == 0


class _Liveness(asyncio.Protocol):
    """Our end of the socket whose EOF ends the program; carries orders out and reports in."""

    def __init__(self, name: str, request: Mapping[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[ExitStatus] = loop.create_future()
        self._name = name
        self._request = request
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.say(self._request)

    def say(self, message: Mapping[str, Any]) -> None:
        if not self.ended.done():
            self._transport.write(json.dumps(message).encode() + b"\n")

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._heard(json.loads(line))

    def _heard(self, report: dict[str, Any]) -> None:
        if "pid" in report:
            _settle(self.started, report["pid"])
        elif "error" in report:
            _settle(self.started, ProcessStartError(f"cannot start {self._name}", cause=report["error"]))
        elif "unsaved" in report:
            cause = report["unsaved"]
            _settle(self.ended, InfrastructureError(f"cannot save how {self._name} ended", cause=cause))
        else:
            _settle(self.ended, ExitStatus(**report["status"]))

    def connection_lost(self, exc: Exception | None) -> None:
        lost = InfrastructureError(
            f"lost sight of {self._name}",
            cause="its supervisor was killed",
            next_step="resume the run; it waits until everything left of the program is gone",
        )
        _settle(self.started, lost)
        _settle(self.ended, lost)

    def close(self) -> None:
        self._transport.abort()


def _settle(future: asyncio.Future[Any], outcome: object) -> None:
    """Give a future its outcome unless it has one; an error that nobody asks for is not complained about."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
        future.exception()
    else:
        future.set_result(outcome)


class Process:
    """A supervised program. When it has ended, nothing that it started is left.

    `pid` is the program's own, and the id of its process group and session. `stdin`, `stdout` and `stderr`
    are there for the streams that were asked for as PIPE.
    """

    def __init__(self, pid: int, streams: Streams, liveness: _Liveness) -> None:
        self.pid = pid
        self.stdin = streams.stdin
        self.stdout = streams.stdout
        self.stderr = streams.stderr
        self._liveness = liveness

    async def wait(self) -> ExitStatus:
        """Wait until the program and all its descendants are gone.

        Raises InfrastructureError if its supervision was killed, or if its status could not be saved.
        """
        return await asyncio.shield(self._liveness.ended)

    async def stop(self, grace: float) -> ExitStatus:
        """Send SIGTERM to the program's group; kill everything that is left after `grace` seconds."""
        self._liveness.say({"stop": grace})
        return await self.wait()

    async def kill(self) -> ExitStatus:
        """Kill the program and all its descendants at once."""
        self._liveness.say({"kill": True})
        return await self.wait()

    def extend(self, deadline: float) -> None:
        """Move the deadline to this later CLOCK_BOOTTIME second; an earlier one changes nothing."""
        self._liveness.say({"deadline": deadline})


class Supervisor:
    """Starts programs, and ends them all when it is closed or when this process dies. Made by `start`."""

    def __init__(self, control: socket.socket, server: asyncio.subprocess.Process) -> None:
        self._control = control
        self._server = server
        self._running: set[_Liveness] = set()
        self._room = asyncio.Semaphore(SPAWNS_AT_ONCE)

    @classmethod
    async def start(cls) -> Supervisor:
        """Start the fork server. Raises InfrastructureError if it does not come up."""
        # one message per receive, and EOF when the other side is gone
        kind = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_STREAM
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        ours.setblocking(False)
        with theirs:
            server = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", "-X", "utf8", str(SHIM), str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                cwd="/",
                env={name: os.environ[name] for name in LOADER_VARIABLES if name in os.environ},
            )
        supervisor = cls(ours, server)
        if not await asyncio.get_running_loop().sock_recv(ours, 16):
            await supervisor.close()
            raise InfrastructureError("the fork server did not start", cause=f"it exited {server.returncode}")
        return supervisor

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        lock: Path,
        status_file: Path,
        token: str = "",
        stdin: Input = DEVNULL,
        stdout: Output = DEVNULL,
        stderr: ErrorOutput = DEVNULL,
        stream_limit: int = STREAM_LIMIT,
        deadline: float | None = None,
    ) -> Process:
        """Start a program that holds `lock` and whose exit status goes to `status_file`.

        `env` is all of its environment. `stdin` may be the bytes to read; a Path is appended to.
        `stream_limit` bounds what is buffered per pipe, in bytes; `deadline` is in CLOCK_BOOTTIME seconds.
        Raises ProcessStartError if it cannot be started, the lock is held, or a file cannot be opened, with
        nothing left behind; InfrastructureError if the fork server is gone.
        """
        if not argv:
            raise ProcessStartError("cannot start a program", cause="its command is empty")
        request = {
            "argv": [str(word) for word in argv],
            "cwd": _absolute(cwd),
            "env": dict(env),
            "lock": _absolute(lock),
            "deadline": deadline,
            **(kept := {"status_file": _absolute(status_file), "token": token}),
        }
        async with self._room:
            with Streams(stream_limit) as streams:
                try:
                    await streams.open(stdin, stdout, stderr)
                except OSError as error:
                    raise ProcessStartError(f"cannot start {argv[0]}", cause=str(error)) from error
                liveness = _Liveness(argv[0], request)
                theirs = await self._connect(liveness)
                try:
                    with theirs:
                        await self._hand_over(kept, [theirs.fileno(), *streams.given])
                    pid = await liveness.started
                except BaseException:
                    liveness.close()
                    raise
        return Process(pid, streams, liveness)

    async def _connect(self, liveness: _Liveness) -> socket.socket:
        """Open the liveness socket; returns the shim's end of it."""
        ours, theirs = socket.socketpair()
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: liveness, sock=ours)
        except BaseException:
            ours.close()
            theirs.close()
            raise
        self._running.add(liveness)
        liveness.ended.add_done_callback(lambda _: self._running.discard(liveness))
        return theirs

    async def _hand_over(self, message: Mapping[str, str], descriptors: Sequence[int]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                socket.send_fds(self._control, [json.dumps(message).encode()], descriptors)
            except BlockingIOError:
                room = loop.create_future()
                loop.add_writer(self._control, _settle, room, None)
                try:
                    await room
                finally:
                    loop.remove_writer(self._control)
            except OSError as error:
                raise InfrastructureError(
                    "no program can be started any more",
                    cause=f"the fork server is gone ({error.strerror})",
                    next_step="resume the run",
                ) from error
            else:
                return

    async def close(self) -> None:
        """Kill every program that still runs, and end the fork server."""
        for liveness in list(self._running):
            liveness.say({"kill": True})
        await asyncio.gather(*(liveness.ended for liveness in list(self._running)), return_exceptions=True)
        self._control.close()
        await self._server.wait()


def _absolute(path: Path) -> str:
    """The path as the fork server, whose directory is the root, has to be told it."""
    return str(path.absolute())


@dataclass(frozen=True)
class Completed:
    """A command that `run` has run. `left_out` counts the bytes of output that did not fit into `log`."""

    status: ExitStatus
    timed_out: bool
    seconds: float
    log: Path
    left_out: int

    @property
    def ok(self) -> bool:
        """True when it exited with code 0, in time."""
        return self.status.ok and not self.timed_out


async def run(
    supervisor: Supervisor,
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    lock: Path,
    status_file: Path,
    timeout: float,
    max_log_bytes: int,
) -> Completed:
    """Run a command to its end, or kill it after `timeout` seconds; both its outputs go to `log`.

    `log` keeps the first and the last half of `max_log_bytes`. Suspended time does not count. what
    `Supervisor.spawn` raises.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    process = await supervisor.spawn(
        argv, cwd=cwd, env=env, lock=lock, status_file=status_file, stdout=PIPE, stderr=STDOUT
    )
    timed_out = False
    try:
        with BoundedLog(log, max_log_bytes) as sink:
            try:
                async with asyncio.timeout(timeout):
                    await _pour(process, sink)
            except TimeoutError:
                timed_out = True
                await process.kill()
                await _pour(process, sink)
        status = await process.wait()
    except BaseException:
        await process.kill()
        raise
    return Completed(status, timed_out, loop.time() - began, log, sink.left_out)


async def _pour(process: Process, sink: BoundedLog) -> None:
    output = cast(asyncio.StreamReader, process.stdout)
    while data := await output.read(CHUNK):
        sink.write(data)


def read_status(path: Path) -> ExitStatus | None:
    """How the program with this status file ended; None while it runs, or if its status was never saved.

    Raises InfrastructureError if the file is not an exit status.
    """
    try:
        return ExitStatus(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise InfrastructureError(f"{path} is not an exit status", cause=str(error)) from error


def clean_environment(
    *, home: Path | None = None, passed: Iterable[str] = (), extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """An environment with PATH, HOME, locale and TERM, the `passed` names that are set here, then `extra`."""
    clean = {"PATH": os.defpath, "LANG": "C.UTF-8", "TERM": "dumb"}
    names = {"PATH", "HOME", "LANG", "LANGUAGE", "TERM", *passed}
    names |= {name for name in os.environ if name.startswith("LC_")}
    clean |= {name: os.environ[name] for name in names if name in os.environ}
    if home is not None:
        clean["HOME"] = str(home)
    return clean | dict(extra or {})
