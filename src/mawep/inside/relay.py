"""Carries what an agent's MCP client says on its stdio to the socket of the attempt, and back.

Started as `python -I -S relay.py`. `MAWEP_TOOLS_SOCKET` and `MAWEP_TOOLS_TOKEN` say where to and who speaks. It reads
nothing of what it carries; it ends when either side does.

There is one of it for every agent, all the time: `_socket` spares it the fifth of its memory that `socket` takes.
"""

import _socket
import _thread
import os
import sys

CHUNK = 65536


def main() -> int:
    """Connect, say who speaks, and carry until one side ends."""
    path, token = os.environ.get("MAWEP_TOOLS_SOCKET"), os.environ.get("MAWEP_TOOLS_TOKEN")
    if not path or not token:
        print(
            "mawep tools: this is not the inside of an attempt (MAWEP_TOOLS_SOCKET is not set)",
            file=sys.stderr,
        )
        return 2
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(path)
        connection.sendall(token.encode() + b"\n")
    except OSError as error:
        print(f"mawep tools: the attempt is over, or MAWEP is gone ({error})", file=sys.stderr)
        return 3
    _thread.start_new_thread(_carry_in, (connection,))
    _carry_out(connection)
    return 0


def _carry_in(connection: _socket.socket) -> None:
    """From the client; at its end of input the other side may still answer."""
    try:
        while data := os.read(0, CHUNK):
            connection.sendall(data)
        connection.shutdown(_socket.SHUT_WR)
    except OSError:
        connection.close()


def _carry_out(connection: _socket.socket) -> None:
    try:
        while data := connection.recv(CHUNK):
            while data:
                data = data[os.write(1, data) :]
    except OSError:
        pass  # either side has gone


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # the thread that waits for input does not end by itself
