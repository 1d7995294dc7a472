"""The stateful server: Vercel's `emulate`, a process and a repository for each world."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.forge.install import EMULATE, NODE
from tests.support.ports import unused_port
from tests.support.waiting import eventually_now

OWNER, BOT, ADMIN = "acme", "mawep-bot", "admin"
PEOPLE = (OWNER, BOT, "mona", "hubot", "reviewer", "stranger", "ci")
"""Everybody with an account. `acme` owns every repository; what the others may do is said by each world."""


def token_of(login: str) -> str:
    """The token of a person."""
    return f"token-{login}"


class Emulate:
    """`with Emulate(installation, directory) as emulate: … emulate.url`; its process group ends with it."""

    def __init__(self, installation: Path, directory: Path) -> None:
        self._installation = installation
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        seed = self._directory / "seed.json"
        seed.write_text(json.dumps(_seed()))
        port = unused_port()
        self.url = f"http://127.0.0.1:{port}"
        options = ("--service", "github", "--host", "127.0.0.1", "--port", str(port), "--base-url", self.url)
        self._process = start(
            [self._installation / NODE, self._installation / EMULATE, "start", *options, "--seed", seed],
            self._directory,
        )
        try:
            answers("emulate", f"{self.url}/meta", self._process, self._directory)
            self._unlike_numbers()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        end(self._process)

    def _unlike_numbers(self) -> None:
        """Use up some ids, so that nobody can take an issue's number for its id."""
        headers = {"Authorization": f"Bearer {token_of(OWNER)}"}
        with httpx.Client(base_url=self.url, headers=headers) as client:
            for turn in range(5):
                created = client.post(f"/repos/{OWNER}/elsewhere/issues", json={"title": f"other {turn}"})
                created.raise_for_status()


def _seed() -> dict[str, object]:
    return {
        "tokens": {
            token_of(login): {"login": login, "scopes": ["repo", "user"]} for login in (*PEOPLE, ADMIN)
        },
        "github": {
            "users": [{"login": login, "email": f"{login}@example.org"} for login in PEOPLE],
            "repos": [{"owner": OWNER, "name": "elsewhere", "auto_init": True}],
        },
    }


def start(command: list[Path | str], directory: Path) -> subprocess.Popen[bytes]:
    """A server in a process group of its own that writes what it says to `log` in `directory`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
    with (directory / "log").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=directory,
            env={**environment, "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def answers(name: str, url: str, process: subprocess.Popen[bytes], directory: Path) -> None:
    """Wait until a server answers; if it ends instead, say what it said."""

    def probe() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"{name} ended at once:\n{(directory / 'log').read_text()[-2000:]}")
        try:
            httpx.get(url, timeout=30)
        except httpx.TransportError:
            return False
        return True

    eventually_now(f"{name} answers", probe, timeout=60)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server with everything that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
