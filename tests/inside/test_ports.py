"""The bridge between a port of the loopback and a unix socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mawep.inside import ports
from tests.support.ports import unused_port
from tests.support.waiting import eventually_now

ASK = """
import socket, sys
near = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
near.sendall(sys.argv[2].encode() * int(sys.argv[3]))
near.shutdown(socket.SHUT_WR)
size = 0
while data := near.recv(65536):
    size += len(data)
print(size, data[:1])
"""


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Path]:
    """A unix socket that sends back what it gets, once it has all of it."""
    path = tmp_path / "s"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        while True:
            try:
                far, _ = server.accept()
            except OSError:
                return
            with far:
                received = b""
                while data := far.recv(65536):
                    received += data
                far.sendall(received)

    thread = threading.Thread(target=serve)
    thread.start()
    yield path
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def bridged(port: int, target: Path, *command: str) -> list[str]:
    return [sys.executable, "-I", "-S", ports.__file__, str(port), str(target), "--", *command]


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_what_is_sent_to_the_port_comes_back_from_the_socket(echo: Path, size: int) -> None:
    port = unused_port()
    done = subprocess.run(
        bridged(port, echo, sys.executable, "-c", ASK, str(port), "x", str(size)),
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.split()[0] == str(size).encode()


def test_the_command_keeps_its_streams_and_exit_code_and_the_bridge_ends_with_it(echo: Path) -> None:
    port = unused_port()
    done = subprocess.run(
        bridged(port, echo, "sh", "-c", "cat; exit 7"),
        input=b"hello",
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (7, b"hello")  # stdout ended, so nobody holds it any more


def test_a_taken_port_is_an_error_and_the_command_does_not_begin(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            bridged(port, tmp_path / "none", "echo", "began"), capture_output=True, timeout=30, check=False
        )
    assert done.returncode != 0
    assert b"began" not in done.stdout
    assert b"in use" in done.stderr


def test_a_socket_that_is_not_there_closes_the_connection_and_nothing_else(tmp_path: Path) -> None:
    port = unused_port()
    done = subprocess.run(
        bridged(port, tmp_path / "none", sys.executable, "-c", ASK, str(port), "x", "1"),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.split()[:1] in ([b"0"], [])
    assert done.stdout or b"Error" in done.stderr


def test_a_connection_that_both_sides_leave_at_once_takes_no_other_with_it(tmp_path: Path) -> None:
    path, listener = tmp_path / "s", ports.listen(0)
    with socket.socket(socket.AF_UNIX) as server, subprocess.Popen(["sleep", "60"]) as owner:
        server.bind(str(path))
        server.listen()
        bridge = ports.Bridge(listener, str(path), os.pidfd_open(owner.pid))
        near = socket.create_connection(listener.getsockname())
        bridge.accept()
        far, _ = server.accept()
        far.close()
        near.close()  # both are seen in one look
        thread = threading.Thread(target=bridge.serve)
        thread.start()
        with socket.create_connection(listener.getsockname(), timeout=10) as near:
            near.sendall(b"x")
            far, _ = server.accept()
            assert far.recv(1) == b"x"
            far.close()
            assert near.recv(1) == b""
        eventually_now("it has let go of both", lambda: not bridge.carried)
        owner.kill()
        thread.join()
        os.close(bridge.owner)
        bridge.poll.close()
        listener.close()
