"""Bare repositories that others push to as well, on a disk or behind a small smart HTTP server with a token."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.repos import commit, git, make_repository


def make_remote(checkout: Path, place: Path, name: str = "origin") -> Path:
    """Give the repository at `checkout` a bare remote at `place` that has all of its main."""
    make_repository(place, bare=True)
    git(place, "config", "http.receivepack", "true")
    git(checkout, "remote", "add", name, f"file://{place}")
    git(checkout, "push", "--quiet", name, "main")
    return place


def somebody_pushes(remote: Path, files: dict[str, str | bytes | None], branch: str = "main") -> str:
    """Another person clones, commits and pushes; their commit."""
    clone = remote.with_name(f"clone-{len(list(remote.parent.glob('clone-*')))}")
    git(remote.parent, "clone", "--quiet", "--branch", branch, str(remote), str(clone))
    sha = commit(clone, files, "theirs")
    git(clone, "push", "--quiet", "origin", branch)
    return sha


def hook(remote: Path, name: str, script: str) -> None:
    """Give the remote a hook, a shell script."""
    place = remote / "hooks" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)


@contextmanager
def served(root: Path, login: str) -> Iterator[str]:
    """Serve the bare repositories below `root` by smart HTTP to whoever signs in with `user:password`; the address."""

    class Handler(_Handler):
        place, secret = root, login

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False  # so that closing it waits for those that close their sockets yet
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Hands every request to `git http-backend`."""

    place: Path
    secret: str

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """One request of git."""
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        body = self._body()
        if base64.b64decode(given).decode() != self.secret:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.place),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": self.secret.partition(":")[0],
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
        )
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for key, value in fields.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body
