"""Lets a program without a network reach one unix socket as a port of its loopback.

Run as `python -I -S ports.py PORT SOCKET -- COMMAND…`: listens on 127.0.0.1:PORT, carries every connection to SOCKET
and back, and starts COMMAND, with its own standard streams and descriptors. It ends as COMMAND ends, and with it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys

CHUNK = 65536
MOST_PENDING = 4 * CHUNK
BACKLOG = 64


class Half:
    """One direction of a connection: what was read from `source` and not yet written to `sink`."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
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
            with contextlib.suppress(OSError):
                self.sink.shutdown(socket.SHUT_WR)


class Bridge:
    """All connections, carried by one thread."""

    def __init__(self, listener: socket.socket, target: str, owner: int) -> None:
        self.listener = listener
        self.target = target
        self.owner = owner
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)
        self.selector.register(owner, selectors.EVENT_READ)

    def serve(self) -> None:
        """Carry until the process that `owner` refers to has ended."""
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj == self.owner:
                    return
                elif not all(half.closed for half in key.data):  # by what came before it in the same look
                    self.carry(key.data)

    def accept(self) -> None:
        """Join a new connection to one of its own at the socket; without that it is closed at once."""
        near, _ = self.listener.accept()
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(self.target)
        except OSError:
            near.close()
            far.close()
            return
        halves = (Half(near, far), Half(far, near))
        for end in (near, far):
            end.setblocking(False)
            self.selector.register(end, selectors.EVENT_READ, halves)

    def carry(self, halves: tuple[Half, Half]) -> None:
        """Move what can be moved in both directions, and wait for what could not."""
        for half in halves:
            if not half.ended and len(half.pending) < MOST_PENDING:
                half.read()
            half.write()
        if all(half.closed for half in halves):
            for half in halves:
                self.watch(half.source, 0, None)
                half.source.close()
            return
        for half, back in zip(halves, reversed(halves), strict=True):
            wanted = 0 if half.ended or len(half.pending) >= MOST_PENDING else selectors.EVENT_READ
            self.watch(half.source, wanted | (selectors.EVENT_WRITE if back.pending else 0), halves)

    def watch(self, end: socket.socket, events: int, halves: tuple[Half, Half] | None) -> None:
        """Wait for these events of a socket, and for no others."""
        if end in self.selector.get_map():
            self.selector.unregister(end)
        if events:
            self.selector.register(end, events, halves)


def listen(port: int) -> socket.socket:
    """The port of the loopback. Raises OSError when it is taken."""
    listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    listener.set_inheritable(False)
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


def become_bridge(listener: socket.socket, target: str, owner: int) -> None:
    """Serve, with none of the command's streams kept open."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
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
