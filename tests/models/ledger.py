"""Who asked the model what, and how it was answered; secrets are known only by a digest."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

CREDENTIALS = ("authorization", "x-api-key", "x-goog-api-key")


@dataclass
class Request:
    """One request. `at` and `answered` are in seconds of time.time(); `answered` is None until the last byte is out.

    `step` is None for what is beside the conversation (titles, counts, probes); `gone` says that the agent hung up.
    """

    at: float
    shape: str
    path: str
    scenario: str = ""
    step: int | None = None
    model: str = ""
    stream: bool = False
    size: int = 0
    offered: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    usage: tuple[int, int] = (0, 0)
    credential: str = ""
    program: str = ""
    status: int = 0
    held: bool = False
    answered: float | None = None
    gone: bool = False


@dataclass
class Ledger:
    """Every request in the order of arrival; `path`, if there is one, gets a line when each is answered."""

    path: Path | None = None
    requests: list[Request] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, shape: str, path: str, headers: Mapping[str, str]) -> Request:
        """Note a request that arrives."""
        secret = credential(headers)
        request = Request(
            time.time(),
            shape,
            path,
            credential=fingerprint(secret),
            program=headers.get("user-agent", "")[:60],
        )
        with self._lock:
            self.requests.append(request)
            if secret:
                self.secrets.add(secret)
        return request

    def end(self, request: Request, status: int, *, gone: bool = False) -> None:
        """Note how it was answered."""
        request.status, request.gone, request.answered = status, gone, time.time()
        if self.path is not None:
            with self._lock, self.path.open("a") as log:
                log.write(json.dumps(asdict(request)) + "\n")

    def steps(self, scenario: str) -> list[int]:
        """The steps that the conversations of a scenario asked for, in the order of arrival."""
        return [
            request.step
            for request in self.requests
            if request.scenario == scenario and request.step is not None
        ]


def credential(headers: Mapping[str, str]) -> str:
    """The key or token of a request; empty if it has none."""
    return next((headers[name].removeprefix("Bearer ") for name in CREDENTIALS if headers.get(name)), "")


def fingerprint(secret: str) -> str:
    """A name for a secret that tells nothing of it."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12] if secret else ""
