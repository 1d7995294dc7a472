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
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from mawep.adapters.process_liveness import ExitStatus, Liveness, ProcessStartError, not_started
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
from mawep.errors import InfrastructureError

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

T = TypeVar("T")

SHIM = Path(__file__).with_name("shim.py")
LOADER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""All that a Python may need from the environment to start; our secrets are not for the fork server."""
SPAWNS_AT_ONCE = 16
"""So many messages always fit into the control socket, and their descriptors under the kernel's limit."""
ANSWER_SECONDS = 60.0
"""How long the fork server may take for one program on a machine that is out of breath."""


class Process:
    """A supervised program. When it has ended, nothing that it started is left.

    `pid` is the program's own, and the id of its process group and session. `stdin`, `stdout` and `stderr`
    are there for the streams that were asked for as PIPE.
    """

    def __init__(self, pid: int, streams: Streams, liveness: Liveness) -> None:
        self.pid = pid
        self.stdin = streams.stdin
        self.stdout = streams.stdout
        self.stderr = streams.stderr
        self._liveness = liveness
        liveness.ended.add_done_callback(lambda _: streams.wind_up())

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


class SupervisorGoneError(InfrastructureError):
    """The fork server is gone: no program can be started any more."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            "no program can be started any more",
            cause=f"the fork server is gone ({cause})",
            next_step="resume the run",
        )


class Supervisor:
    """Starts programs, and ends them all when it is closed or when this process dies. Made by `start`."""

    def __init__(self, control: socket.socket, server: asyncio.subprocess.Process) -> None:
        self._control = control
        self._server = server
        self._running: set[Liveness] = set()
        self._room = asyncio.Semaphore(SPAWNS_AT_ONCE)

    @classmethod
    async def start(cls) -> Supervisor:
        """Start the fork server. Raises InfrastructureError if it does not come up."""
        # one message per receive, and EOF when the other side is gone
        kind = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_STREAM
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        ours.setblocking(False)
        try:
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
            if not await _answer(asyncio.get_running_loop().sock_recv(ours, 16)):
                raise InfrastructureError(
                    "the fork server ended at once", cause=f"exit code {await server.wait()}"
                )
        except OSError as error:
            ours.close()
            raise InfrastructureError("the fork server does not start", cause=str(error)) from error
        except BaseException:
            ours.close()
            raise
        return cls(ours, server)

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
        nothing left behind; SupervisorGoneError or InfrastructureError if the fork server is gone or dumb.
        """
        if not argv:
            raise not_started("a program", "its command is empty")
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
                liveness = Liveness(argv[0], request)
                try:
                    await streams.open(stdin, stdout, stderr)
                    theirs = await self._connect(liveness)
                except OSError as error:
                    raise not_started(argv[0], str(error)) from error
                try:
                    with theirs:
                        self._hand_over(kept, [theirs.fileno(), *streams.given])
                    pid = await _answer(liveness.started)
                except BaseException:
                    liveness.close()
                    raise
        return Process(pid, streams, liveness)

    async def _connect(self, liveness: Liveness) -> socket.socket:
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

    def _hand_over(self, message: Mapping[str, str], descriptors: Sequence[int]) -> None:
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], descriptors)
        except OSError as error:
            raise SupervisorGoneError(error.strerror or repr(error)) from error

    async def watch(self) -> None:
        """Wait for the fork server's end, which comes only when it is killed. Raises SupervisorGoneError then."""
        raise SupervisorGoneError(f"it ended with {await self._server.wait()}")

    async def close(self) -> None:
        """Kill every program that still runs, and end the fork server."""
        self._control.close()  # nothing new is started from here on
        for liveness in self._running:
            liveness.say({"kill": True})
        if self._running:
            await asyncio.wait([liveness.ended for liveness in self._running])
        await self._server.wait()


async def _answer(answer: Awaitable[T]) -> T:
    """What the fork server says. Raises InfrastructureError if it says nothing for too long."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await answer
    except TimeoutError:
        raise InfrastructureError(
            "the fork server does not answer",
            cause=f"it said nothing for {ANSWER_SECONDS:g} s",
            next_step="resume the run",
        ) from None


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
    timed_out = False
    with BoundedLog(log, max_log_bytes) as sink:
        process = await supervisor.spawn(
            argv, cwd=cwd, env=env, lock=lock, status_file=status_file, stdout=PIPE, stderr=STDOUT
        )
        try:
            async with asyncio.timeout(timeout):
                await _pour(process, sink)
                status = await process.wait()
        except TimeoutError:
            timed_out = True
            status = await process.kill()
            await _pour(process, sink)
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
