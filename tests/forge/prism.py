"""The checker of requests: Prism, between the client and the overlay, with GitHub's own description of its API."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.forge.emulate import answers, end, start
from tests.forge.install import NODE, PRISM, SLICE
from tests.forge.judge import judge
from tests.forge.world import ForgeWorld
from tests.support.ports import unused_port


class Prism:
    """`with Prism(installation, world, directory): …` sends MAWEP's REST requests through it.

    What is wrong with a request is in `world.ledger.violations`, and so is what our own judge finds wrong: Prism
    says nothing about some bodies and about unknown parameters. Neither judges answers here.
    """

    def __init__(self, installation: Path, world: ForgeWorld, directory: Path) -> None:
        self._installation = installation
        self._world = world
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        port = unused_port()
        url = f"http://127.0.0.1:{port}"
        command = [
            self._installation / NODE,
            self._installation / PRISM,
            "proxy",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
        ]
        self._process = start([*command, self._installation / SLICE, self._world.url], self._directory)
        try:
            answers("prism", f"{url}/rate_limit", self._process, self._directory)
        except BaseException:
            end(self._process)
            raise
        self._world.checked_by(url, judge(self._installation / SLICE))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._world.checked_by(None)
        assert self._process is not None
        end(self._process)
