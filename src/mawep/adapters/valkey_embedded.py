"""The embedded server: a real one, on a private unix socket, exactly one per data directory.

The server process itself holds an flock on `<data_dir>/lock` (an inherited descriptor), so the lock says
whether a server lives, whoever started it and however that one ended. Who gets the lock starts the server and
hands the lock over; who does not, attaches. The server has a session of its own: Ctrl-C of its owner does not
reach it. Every acknowledged write is on disk (`appendfsync always`), so killing it loses nothing.

The data directory also holds `socket` (where the server listens; absent when none was left running), `version`
(which server wrote it last) and `server.log`. Without /proc (macOS) a hung server is not killed but reported.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import signal
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from mawep.adapters.valkey import open_client
from mawep.adapters.valkey_program import ServerVersion, chosen_program, refuse_downgrade
from mawep.errors import BusGoneError, UsageError

START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0
_PROBE_TIMEOUT = 2.0
_POLL = 0.002
_LOCK_GRACE = 0.5
_INHERITED_LOCK = 100
_SOCKET_PATH_LIMIT = 107


class EmbeddedServer:
    """A server on a data directory. `attached` is True when somebody else had started it."""

    def __init__(self, data_dir: Path, socket_path: Path, pid: int, *, attached: bool) -> None:
        self.data_dir = data_dir
        self.socket_path = socket_path
        self.pid = pid
        self.attached = attached

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"unix://{self.socket_path}"

    @classmethod
    async def ensure(cls, data_dir: Path) -> EmbeddedServer:
        """Attach to the server of `data_dir`, or start one; return when it answers.

        Raises UsageError for a server or directory that cannot be used, BusGoneError when none comes up.
        """
        data_dir = _private_directory(data_dir)
        deadline = _Deadline(START_TIMEOUT)
        while True:
            lock = _take_lock(data_dir)
            if lock is not None:
                try:
                    return await cls._start(data_dir, lock)
                finally:
                    os.close(lock)
            socket_path = recorded_socket(data_dir)
            found = await _probe(socket_path, data_dir) if socket_path else None
            if socket_path and found:
                return cls(data_dir, socket_path, found.pid, attached=True)
            if deadline.passed:
                raise BusGoneError(
                    f"the server on {data_dir} lives but does not answer",
                    cause=f"its lock is held, and nothing answered on {socket_path} for {START_TIMEOUT:.0f} s",
                    next_step=f"see {data_dir / 'server.log'}, end that server, then run the command again",
                )
            await asyncio.sleep(_POLL)

    async def alive(self) -> bool:
        """Whether this very process still answers; a hung one counts as dead after 2 s."""
        if _reap(self.pid):
            return False
        found = await _probe(self.socket_path, self.data_dir)
        return found is not None and found.pid == self.pid

    async def restart(self) -> None:
        """Bring the server back after it died or hung; what it had acknowledged is still there."""
        _kill(self.pid, self.data_dir)
        fresh = await type(self).ensure(self.data_dir)
        self.socket_path, self.pid, self.attached = fresh.socket_path, fresh.pid, fresh.attached

    async def stop(self) -> None:
        """Shut the server down; return when its process, socket and socket directory are gone. Its data stays."""
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(_PROBE_TIMEOUT), open_client(self.url) as client:
                await client.shutdown(nosave=True)
        if not await self._ends():
            _kill(self.pid, self.data_dir)
            if not await self._ends():
                raise BusGoneError(
                    f"the server on {self.data_dir} does not end",
                    cause=f"process {self.pid} is still there",
                    next_step=f"see {self.data_dir / 'server.log'}",
                )
        deadline = _Deadline(_LOCK_GRACE)
        while (lock := _take_lock(self.data_dir)) is None:
            if deadline.passed:
                return  # somebody has started the next server already, on the same socket
            await asyncio.sleep(_POLL)
        try:
            _tidy(self.data_dir, self.socket_path)
        finally:
            os.close(lock)

    @classmethod
    async def _start(cls, data_dir: Path, lock: int) -> EmbeddedServer:
        program = chosen_program()
        refuse_downgrade(data_dir, program)
        socket_path = _socket_path(data_dir)
        socket_path.unlink(missing_ok=True)
        _write(data_dir / "socket", str(socket_path))
        try:
            pid = _spawn(program, data_dir, socket_path, lock)
            found = await _first_answer(pid, socket_path, data_dir)
        except BaseException:
            _tidy(data_dir, socket_path)
            raise
        if found is None:
            _tidy(data_dir, socket_path)
            raise BusGoneError(
                f"the embedded server {program} did not start on {data_dir}",
                cause=_last_lines(data_dir / "server.log"),
                next_step="mend what its log names (often a full disk), then run the command again",
            )
        _write(data_dir / "version", str(found.version))
        return cls(data_dir, socket_path, pid, attached=False)

    async def _ends(self) -> bool:
        deadline = _Deadline(STOP_TIMEOUT)
        while not _ended(self.pid, self.data_dir):
            if deadline.passed:
                return False
            await asyncio.sleep(_POLL)
        return True


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._at = asyncio.get_running_loop().time() + seconds

    @property
    def passed(self) -> bool:
        return asyncio.get_running_loop().time() > self._at


@dataclass(frozen=True)
class _Found:
    """A server that answers."""

    pid: int
    version: ServerVersion


async def _probe(socket_path: Path, data_dir: Path) -> _Found | None:
    """Who answers on the socket, if it serves `data_dir` and is done loading."""
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT), open_client(f"unix://{socket_path}") as client:
            directory: Any = await client.config_get("dir")
            info: Any = await client.info("server", "persistence")
    except (RedisError, OSError, TimeoutError):
        return None
    if Path(directory["dir"]) != data_dir or info["loading"]:
        return None
    name = "valkey" if "valkey_version" in info else "redis"
    return _Found(
        int(info["process_id"]), ServerVersion.parse(f"{name} {info[f'{name}_version']}", socket_path)
    )


async def _first_answer(pid: int, socket_path: Path, data_dir: Path) -> _Found | None:
    """Who answers once our child is up; None, and no child, when it does not come up."""
    deadline = _Deadline(START_TIMEOUT)
    try:
        while not _reap(pid):
            if _connectable(socket_path) and (found := await _probe(socket_path, data_dir)):
                return found
            if deadline.passed:
                _kill_child(pid)
                return None
            await asyncio.sleep(_POLL)
    except BaseException:
        _kill_child(pid)
        raise
    return None


def _connectable(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        return probe.connect_ex(str(socket_path)) == 0


def _take_lock(data_dir: Path) -> int | None:
    descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _spawn(program: Path, data_dir: Path, socket_path: Path, lock: int) -> int:
    settings: dict[str, object] = {
        "port": 0,
        "unixsocket": socket_path,
        "unixsocketperm": 700,
        "dir": data_dir,
        "logfile": data_dir / "server.log",
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
    }
    argv = [str(program), *(part for name, value in settings.items() for part in (f"--{name}", str(value)))]
    null = os.open(os.devnull, os.O_RDWR)
    try:
        return os.posix_spawn(
            program,
            argv,
            {"PATH": os.defpath, "LC_ALL": "C"},
            file_actions=[
                *((os.POSIX_SPAWN_DUP2, null, stream) for stream in (0, 1, 2)),
                (os.POSIX_SPAWN_DUP2, lock, _INHERITED_LOCK),
            ],
            setsid=True,
        )
    except OSError as error:
        raise UsageError(f"{program} cannot be started", cause=str(error)) from error
    finally:
        os.close(null)


def _reap(pid: int) -> bool:
    """Collect our ended child; True when it has ended, False when it runs or is not our child."""
    with suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return False


def _ended(pid: int, data_dir: Path) -> bool:
    """Whether our child has ended, or the process that is not our child is no server of `data_dir` any more."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return not _runs(pid, data_dir)


def _kill_child(pid: int) -> None:
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _runs(pid: int, data_dir: Path) -> bool:
    """Whether the process is a server of `data_dir`: it works inside it. Zombies and reused pids do not."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data_dir
    except OSError:
        return False


def _kill(pid: int, data_dir: Path) -> None:
    """Kill the process if it is a server of `data_dir`; the pidfd keeps the pid from meaning another one."""
    if not hasattr(os, "pidfd_open"):
        return
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _runs(pid, data_dir):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)


def _private_directory(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path.resolve()


def _socket_path(data_dir: Path) -> Path:
    """A socket path in a private directory of ours, short enough for every system."""
    name = f"mawep-{os.getuid()}-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]}"
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent")
    path = runtime / name / "s"
    if not runtime.is_dir() or len(os.fsencode(path)) > _SOCKET_PATH_LIMIT:
        path = Path("/tmp") / name / "s"  # noqa: S108 - the directory is checked below
    with suppress(FileExistsError):
        path.parent.mkdir(mode=0o700)
    status = path.parent.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise UsageError(
            f"{path.parent} is not a private directory of yours",
            cause=f"owner {status.st_uid}, mode {stat.filemode(status.st_mode)}",
            next_step="set XDG_RUNTIME_DIR to a directory of yours with mode 0700",
        )
    return path


def recorded_socket(data_dir: Path) -> Path | None:
    """Where the server of `data_dir` listens, if one was left running."""
    with suppress(FileNotFoundError):
        return Path((data_dir / "socket").read_text().removesuffix("\n"))
    return None


def _tidy(data_dir: Path, socket_path: Path) -> None:
    """Take away what says that a server listens. For the holder of the lock."""
    (data_dir / "socket").unlink(missing_ok=True)
    socket_path.unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        socket_path.parent.rmdir()


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text + "\n")
    draft.replace(path)


def _last_lines(path: Path) -> str:
    with suppress(FileNotFoundError):
        return "\n".join(path.read_text(errors="replace").splitlines()[-5:])
    return "it wrote no log"
