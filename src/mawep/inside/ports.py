"""Lets a program without a network reach one unix socket as a port of its loopback.

Run as `python -I -S ports.py PORT SOCKET -- COMMAND…`: listens on 127.0.0.1:PORT, carries every connection to SOCKET
and back, and starts COMMAND, with its own standard streams and descriptors. It ends as COMMAND ends, and with it.

There is one of it for every agent, all the time: `socket`, `selectors` and `signal` bring `enum` along and cost it a
fifth of its memory (1.2 of 5.7 MB, shared pages once), so it takes what lies below them.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import select
import sys

CHUNK = 65536
MOST_PENDING = 4 * CHUNK
BACKLOG = 64


class Half:
    """One direction of a connection: what was read from `source` and not yet written to `sink`."""

    def __init__(self, source: _socket.socket, sink: _socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.pending = b""
        self.ended = False
        self.closed = False

    def read(self) -> None:
        """Take in what has arrived."""
        try:
            data = self.source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.pending += data
        self.ended = not data

    def write(self) -> None:
        """Pass on what can be; after the last of it, the end of the stream."""
        try:
            while self.pending:
                self.pending = self.pending[self.sink.send(self.pending) :]
        except BlockingIOError:
            return
        except OSError:
            self.pending, self.ended = b"", True
        if self.ended and not self.closed:
            self.closed = True
            try:  # noqa: SIM105
                self.sink.shutdown(_socket.SHUT_WR)
            except OSError:
                pass  # the other side has gone


class Bridge:
    """All connections, carried by one thread."""

    def __init__(self, listener: _socket.socket, target: str, owner: int) -> None:
        self.listener = listener
        self.target = target
        self.owner = owner
        self.carried: dict[int, tuple[Half, Half]] = {}
        self.poll = select.epoll()
        self.poll.register(listener.fileno(), select.EPOLLIN)
        self.poll.register(owner, select.EPOLLIN)

    def serve(self) -> None:
        """Carry until the process that `owner` refers to has ended."""
        while True:
            for ready, _ in self.poll.poll():
                if ready == self.listener.fileno():
                    self.accept()
                elif ready == self.owner:
                    return
                elif ready in self.carried:  # else it has ended by what came before it in the same look
                    self.carry(self.carried[ready])

    def accept(self) -> None:
        """Join a new connection to one of its own at the socket; without that it is closed at once."""
        accepted, _ = self.listener._accept()  # type: ignore[attr-defined]
        near = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, accepted)
        far = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            far.connect(self.target)
        except OSError:
            near.close()
            far.close()
            return
        halves = (Half(near, far), Half(far, near))
        for end in (near, far):
            end.setblocking(False)
            self.watch(end, select.EPOLLIN, halves)

    def carry(self, halves: tuple[Half, Half]) -> None:
        """Move what can be moved in both directions, and wait for what could not."""
        for half in halves:
            if not half.ended and len(half.pending) < MOST_PENDING:
                half.read()
            half.write()
        if all(half.closed for half in halves):
            for half in halves:
                self.watch(half.source, 0, halves)
                half.source.close()
            return
        for half, back in zip(halves, reversed(halves), strict=True):
            wanted = 0 if half.ended or len(half.pending) >= MOST_PENDING else select.EPOLLIN
            self.watch(half.source, wanted | (select.EPOLLOUT if back.pending else 0), halves)

    def watch(self, end: _socket.socket, events: int, halves: tuple[Half, Half]) -> None:
        """Wait for these events of a socket, and for no others.

        One that nothing is wanted of is taken out: a hang-up is told of everything that is in.
        """
        number = end.fileno()
        if self.carried.pop(number, None):
            self.poll.unregister(number)
        if events:
            self.poll.register(number, events)
            self.carried[number] = halves


def listen(port: int) -> _socket.socket:
    """The port of the loopback. Raises OSError when it is taken."""
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    return listener


def main(arguments: list[str]) -> None:
    """Start the bridge, become the command."""
    port, target, dashes, *command = arguments
    if dashes != "--" or not command:
        raise SystemExit("usage: ports.py PORT SOCKET -- COMMAND…")
    listener = listen(int(port))
    owner = os.pidfd_open(os.getpid())
    child = os.fork()
    if child == 0:
        if os.fork() == 0:  # the command shall not find a child that it did not start
            become_bridge(listener, target, owner)
        os._exit(0)
    os.waitpid(child, 0)
    listener.close()
    os.close(owner)
    os.execvp(command[0], command)  # noqa: S606


def become_bridge(listener: _socket.socket, target: str, owner: int) -> None:
    """Serve, with none of the command's streams kept open."""
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        _signal.signal(number, _signal.SIG_IGN)
    below = -1
    for kept in (*sorted((listener.fileno(), owner)), os.sysconf("SC_OPEN_MAX")):
        os.closerange(below + 1, kept)
        below = kept
    for _ in range(3):
        os.open(os.devnull, os.O_RDWR)
    try:
        Bridge(listener, target, owner).serve()
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
