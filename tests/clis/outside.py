"""Whom the processes of a run speak to: what strace saw them try, and what became of it."""

from __future__ import annotations

import ipaddress
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CALLS = "connect,sendto,sendmsg,sendmmsg"

ADDRESS = re.compile(
    r"sa_family=AF_INET6?, sin6?_port=htons\((?P<port>\d+)\).*?"
    r"(?:inet_addr\(|inet_pton\(AF_INET6, )\"(?P<host>[^\"]+)\""
)
CALL = re.compile(r"^(?P<pid>\d+)\s+(?P<call>\w+)\((?P<arguments>.*)$")
RESUMED = re.compile(r"^(?P<pid>\d+)\s+<\.\.\. (?P<call>\w+) resumed>(?P<arguments>.*)$")
OUTCOME = re.compile(r"\)\s+= (?P<value>-?\d+|\?)(?: (?P<error>E[A-Z]+))?")

UNDER_WAY = {"EINPROGRESS", "EALREADY", "EISCONN", "EINTR", ""}
"""Outcomes after which a connection may have come about."""


@dataclass(frozen=True, order=True)
class Try:
    """A process tried to reach this address on the network; `error` is empty when nothing stopped it at once."""

    host: str
    port: int
    error: str

    @property
    def local(self) -> bool:
        """True for this machine itself; asking it for names is asking the world."""
        return ipaddress.ip_address(self.host).is_loopback and self.port != 53

    @property
    def refused(self) -> bool:
        """True when it cannot have reached anybody."""
        return self.error not in UNDER_WAY

    @property
    def where(self) -> str:
        """What kind of place it is: a server for names differs from machine to machine."""
        return "a name server" if self.port == 53 else f"{self.host} port {self.port}"

    def __str__(self) -> str:
        return f"{self.host} port {self.port}: {self.error or 'reached'}"


def watching(log: Path) -> tuple[str, ...]:
    """What a program is started with so that its connections, and those of all its children, are written to `log`."""
    strace = shutil.which("strace")
    assert strace, "strace is not on PATH; on Debian and Ubuntu: apt-get install strace"
    return (
        strace,
        "-f",
        "--seccomp-bpf",
        "-qqq",
        "-e",
        f"trace={CALLS}",
        "-e",
        "signal=none",
        "-o",
        str(log),
    )


def tries(log: Path) -> list[Try]:
    """Every try in a log, each once."""
    return sorted(set(_read(log.read_text(errors="replace").splitlines())))


def _read(lines: list[str]) -> Iterator[Try]:
    begun: dict[tuple[str, str], str] = {}
    for line in lines:
        if called := CALL.match(line):
            key, said = (called["pid"], called["call"]), called["arguments"]
            if said.endswith("<unfinished ...>"):
                begun[key] = said
                continue
        elif resumed := RESUMED.match(line):
            key = (resumed["pid"], resumed["call"])
            said = begun.pop(key, "") + resumed["arguments"]
        else:
            continue
        yield from _tries(said)
    for said in begun.values():
        yield from _tries(said)


def _tries(said: str) -> Iterator[Try]:
    outcome = OUTCOME.search(said)
    error = (outcome["error"] or "") if outcome else ""
    for address in ADDRESS.finditer(said):
        yield Try(address["host"], int(address["port"]), error)
