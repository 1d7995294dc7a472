"""The fork server and the shim under every program that MAWEP runs: when MAWEP goes, all of it goes.

Started once per MAWEP process as `python -I -S shim.py FD`; stands alone on the standard library, because a
small process forks in a fraction of a millisecond. FD is the *control* socket. Each message on it carries
four descriptors (a liveness socket and the program's stdio) and makes the server fork one shim, which

- is a child subreaper in a session of its own, takes the lock and lets the program inherit it;
- starts the program in the program's own session, with exactly the argv, cwd, env and stdio it was given;
- ends every descendant when the program ends, when the deadline passes, when told to, and when the liveness
  socket reaches EOF: its other end is held by MAWEP alone, so EOF is MAWEP's death, even by SIGKILL. (The
  kernel's parent-death signal is no substitute: it fires when the *thread* that forked ends.)
- writes the exit status durably, frees the lock, reports, and goes.

The server adopts what a killed shim leaves behind, ends it, and reports in the shim's name. At EOF on the
control socket it waits for its shims and exits. Both answer no signal but SIGKILL: they follow their owner.
If somebody kills the server *and then* a shim, nobody is left to end that shim's program; its lock says so.

Without subreapers and /proc (macOS) only the program's own process group is ended: what left it survives.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Container
from typing import Any, NamedTuple, NoReturn

PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36
MESSAGE_BYTES = 65536
AGAIN_SECONDS = 0.02  # between two rounds of killing, while descendants are being ended
PULSE_SECONDS = 1.0  # the longest wait for a deadline: poll() does not count a suspended machine
SHIM_GRACE_SECONDS = 10.0  # for shims to end their programs and save the status once MAWEP is gone
PROBE_SECONDS = 0.2  # a lock may look taken because somebody tests just then whether it is free


def boottime() -> float:
    """Seconds that count a suspended machine; macOS counts them in CLOCK_MONOTONIC."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@functools.cache
def libc() -> ctypes.CDLL:
    """The C library, looked up once, by the server; shims inherit it."""
    return ctypes.CDLL(None, use_errno=True)


def become_reaper(name: bytes) -> None:
    """Adopt orphaned descendants from now on, and show up in process lists as `name`."""
    if sys.platform != "linux":
        return
    unused = ctypes.c_ulong(0)
    if libc().prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), unused, unused, unused) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses PR_SET_CHILD_SUBREAPER")
    libc().prctl(PR_SET_NAME, name, unused, unused, unused)


def children() -> list[int]:
    """Pids of the living and unreaped children. Complete, because nobody but this thread reaps them."""
    if sys.platform != "linux":
        return []
    with open(f"/proc/self/task/{os.getpid()}/children") as listing:  # noqa: PTH123
        return [int(pid) for pid in listing.read().split()]


def end_children(spared: Container[int] = ()) -> bool:
    """SIGKILL every child and its process group; True while there were any.

    Only pids of unreaped children are used, so none can have been given to a stranger. Grandchildren come to
    us as their parents die, for the next round.
    """
    targets = [pid for pid in children() if pid not in spared]
    for pid in targets:
        group = os.getpgid(pid)
        if group != os.getpgrp():
            send_signal(-group, signal.SIGKILL)
        send_signal(pid, signal.SIGKILL)
    return bool(targets)


def send_signal(target: int, number: int) -> None:
    """Send a signal to a pid, or to a group when negative; one that is gone or not ours to end is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(target, number)


def reap() -> tuple[dict[int, int], bool]:
    """Collect ended children as {pid: exit code, or minus the signal}, and whether any child remains."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended, False
        if pid == 0:
            return ended, True
        ended[pid] = os.waitstatus_to_exitcode(status)


def catch_signals() -> int:
    """Turn every ended child into a byte on the returned descriptor; swallow what would end this process.

    Handlers rather than SIG_IGN: exec resets them, so the program starts with default signals.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def close_all_but(*kept: int) -> None:
    """Close every descriptor above stderr except `kept`."""
    signal.set_wakeup_fd(-1)
    below = 2
    for descriptor in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
        os.closerange(below + 1, descriptor)
        below = descriptor


def exit_status(exitcode: int | None, cause: str, token: str) -> dict[str, Any]:
    """The JSON form of an exit status; a negative exit code is a signal."""
    ended = {"code": exitcode, "signal": None}
    if exitcode is not None and exitcode < 0:
        ended = {"code": None, "signal": -exitcode}
    return {**ended, "cause": cause, "token": token}


def save(path: str, status: dict[str, Any]) -> dict[str, Any]:
    """Save an exit status; returns the report of it, which says so if it could not be saved."""
    try:
        write_durably(path, json.dumps(status).encode())
        return {"status": status}
    except OSError as error:
        return {"status": status, "unsaved": str(error)}


def write_durably(path: str, content: bytes) -> None:
    """Put a small file at `path`, whole or not at all, so that it survives a power cut right after."""
    fresh = f"{path}.tmp"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", 0) as file:
        file.write(content)
        os.fsync(file.fileno())
    os.rename(fresh, path)  # noqa: PTH104
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)  # noqa: PTH120
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class Channel:
    """One JSON document a line over a liveness socket."""

    def __init__(self, descriptor: int) -> None:
        self.fileno = descriptor
        self._socket = socket.socket(fileno=descriptor)
        self._rest = b""

    def say(self, message: dict[str, Any]) -> None:
        """Send a message; when MAWEP is gone nobody hears it, and the status file has what matters."""
        with contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def hear(self) -> list[dict[str, Any]] | None:
        """The messages that have arrived, perhaps none; None when MAWEP is gone. Waits for bytes or EOF."""
        try:
            data = self._socket.recv(MESSAGE_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def gone(self) -> bool:
        """True when MAWEP is known to be gone, without waiting for anything."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError as error:
            return not isinstance(error, BlockingIOError)

    def close(self) -> None:
        self._socket.close()


class Shim:
    """The process between the fork server and one program."""

    def __init__(self, channel: Channel, stdio: list[int]) -> None:
        self.channel = channel
        self.stdio = stdio
        self.pid = 0
        self.lock = -1
        self.exitcode: int | None = None
        self.cause = self.order = ""  # why everything is ended, or is to be; empty while the program may run
        self.deadline: float | None = None
        self.stop_at: float | None = None

    def main(self) -> None:
        """Run one program, and everything it leaves behind, to the end."""
        os.setsid()
        become_reaper(b"mawep-shim")
        close_all_but(self.channel.fileno, *self.stdio)
        wakeup = catch_signals()
        while not (messages := self.channel.hear()):
            if messages is None:
                return
        request, *second_thoughts = messages
        if second_thoughts or self.channel.gone():
            return
        try:
            self.start(request)
        except (OSError, ValueError) as error:
            self.let_go()
            self.channel.say({"error": str(error)})
            return
        self.channel.say({"pid": self.pid})
        self.watch(wakeup)
        self.finish(request["status_file"], request["token"])

    def start(self, request: dict[str, Any]) -> None:
        """Take the lock and start the program. Raises OSError or ValueError, with nothing started."""
        self.deadline = request["deadline"]
        self.lock = take_lock(request["lock"])
        with contextlib.suppress(FileNotFoundError):
            os.unlink(request["status_file"])  # noqa: PTH108 - of an earlier program under the same lock
        stdin, stdout, stderr = self.stdio
        program = subprocess.Popen(
            request["argv"],
            cwd=request["cwd"],
            env=request["env"],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(self.lock,),
            start_new_session=True,
        )
        self.pid = program.pid
        program.returncode = 0  # it is reaped here, with the descendants, and not by this object
        for descriptor in self.stdio:
            os.close(descriptor)

    def watch(self, wakeup: int) -> None:
        """Return when the program and all its descendants are gone."""
        poll = select.poll()
        poll.register(self.channel.fileno, select.POLLIN)
        poll.register(wakeup, select.POLLIN)
        while True:
            ended, remaining = reap()
            if self.pid in ended:
                self.exitcode = ended[self.pid]
                self.cause = self.cause or ("killed" if self.stop_at is not None else "exited")
            self.cause = self.cause or self.order
            if self.cause:
                if sys.platform != "linux":
                    send_signal(-self.pid, signal.SIGKILL)
                end_children()
            if not remaining:
                return
            for descriptor, _ in poll.poll(self.patience()):
                if descriptor == wakeup:
                    os.read(wakeup, MESSAGE_BYTES)
                elif not self.listen():
                    poll.unregister(self.channel.fileno)
            self.look_at_the_clock()

    def listen(self) -> bool:
        """Obey what MAWEP says; False when MAWEP is gone."""
        messages = self.channel.hear()
        if messages is None:
            self.cause = self.cause or "owner_died"
        for message in messages or ():
            self.obey(message)
        return messages is not None

    def obey(self, message: dict[str, Any]) -> None:
        if "deadline" in message:
            self.deadline = max(message["deadline"], self.deadline or 0.0)
        if "stop" in message and self.stop_at is None and self.exitcode is None:
            self.stop_at = boottime() + message["stop"]
            send_signal(-self.pid, signal.SIGTERM)
        self.order = "killed" if "kill" in message else self.order

    def look_at_the_clock(self) -> None:
        if self.stop_at is not None and boottime() >= self.stop_at:
            self.cause = self.cause or "killed"
        if self.deadline is not None and boottime() >= self.deadline:
            self.cause = self.cause or "deadline"

    def patience(self) -> float | None:
        """Milliseconds to wait for an event; None for as long as it takes."""
        if self.cause:
            return AGAIN_SECONDS * 1000
        moments = [moment for moment in (self.deadline, self.stop_at) if moment is not None]
        return max(0.0, min(min(moments) - boottime(), PULSE_SECONDS)) * 1000 + 1 if moments else None

    def finish(self, status_file: str, token: str) -> None:
        """Save, free the lock, report, in this order: whoever sees the lock free finds the status."""
        report = save(status_file, exit_status(self.exitcode, self.cause, token))
        self.let_go()
        self.channel.say(report)

    def let_go(self) -> None:
        """Free the lock, if it was taken."""
        if self.lock >= 0:
            os.close(self.lock)


def take_lock(path: str) -> int:
    """Hold the lock at `path` through the returned descriptor. Raises BlockingIOError if it is held."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    give_up = time.monotonic() + PROBE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError as error:
            if time.monotonic() > give_up:
                raise BlockingIOError(error.errno, "another program holds the lock", path) from None
            time.sleep(AGAIN_SECONDS / 10)


class Watched(NamedTuple):
    """What the server knows about a running shim, should it have to report in its name."""

    channel: Channel
    status_file: str
    token: str


class ForkServer:
    """Forks a shim for every message, and stands in for shims that were killed."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.owned = True  # MAWEP is there
        self.shims: dict[int, Watched] = {}
        self.fallen: list[Watched] = []
        self.give_up_at = 0.0

    def serve(self) -> None:
        """Return when MAWEP is gone and so is everything that was started for it."""
        wakeup = catch_signals()
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(wakeup, select.POLLIN)
        self.control.sendall(b"ready")
        while self.owned or self.shims or self.fallen:
            patience = None if self.owned and not self.fallen else AGAIN_SECONDS * 1000
            for descriptor, _ in poll.poll(patience):
                if descriptor == wakeup:
                    os.read(wakeup, MESSAGE_BYTES)
                elif not self.take_request():
                    poll.unregister(self.control)
            self.look_after_children()

    def take_request(self) -> bool:
        """Fork a shim for the next message; False when MAWEP is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.control, MESSAGE_BYTES, 4)
        except ConnectionResetError:
            data = b""
        if not data:
            self.owned = False
            self.give_up_at = time.monotonic() + SHIM_GRACE_SECONDS
            return False
        if len(descriptors) == 4:  # fewer came if we are out of descriptors: MAWEP sees EOF
            liveness, *descriptors = descriptors
            self.fork_shim(json.loads(data), Channel(liveness), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def fork_shim(self, request: dict[str, str], channel: Channel, stdio: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            channel.say({"error": str(error)})
            channel.close()
        else:
            if pid == 0:
                become(Shim(channel, stdio))
            self.shims[pid] = Watched(channel, request["status_file"], request["token"])

    def look_after_children(self) -> None:
        """Reap; end what a killed shim left to us, and only then report in its name."""
        ended, _ = reap()
        for pid in ended.keys() & self.shims.keys():
            shim = self.shims.pop(pid)
            if ended[pid] == 0:
                shim.channel.close()
            else:
                self.fallen.append(shim)
        if not self.owned and time.monotonic() > self.give_up_at:
            for pid in self.shims:
                send_signal(pid, signal.SIGKILL)
        if self.fallen and not end_children(spared=self.shims):
            for shim in self.fallen:
                report_fallen(shim)
            self.fallen.clear()


def report_fallen(shim: Watched) -> None:
    """Save and report the status of a program whose shim was killed.

    A status file that exists is kept: the shim got as far as writing it, or never got the lock and the
    file belongs to whoever holds it.
    """
    status = exit_status(None, "shim_died", shim.token)
    saved = os.path.exists(shim.status_file)  # noqa: PTH110
    shim.channel.say({"status": status} if saved else save(shim.status_file, status))
    shim.channel.close()


def become(shim: Shim) -> NoReturn:
    """Be that shim, in a process just forked, and never return into the server's frames."""
    try:
        shim.main()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def main(descriptor: int) -> None:
    """Serve the control socket on `descriptor`."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    become_reaper(b"mawep-forks")
    gc.collect()
    gc.freeze()
    ForkServer(socket.socket(fileno=descriptor)).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
