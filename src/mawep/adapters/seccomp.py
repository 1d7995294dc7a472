"""The system calls that no namespace takes away: the kernel's keyrings, and typing into somebody's terminal.

A session's keyring is inherited by whatever the session starts, and may hold what unlocks a disk or a ticket. The
programs for the kernel lie beside this file as `seccomp-MACHINE.bpf`; `python -m mawep.adapters.seccomp` writes them.
"""

from __future__ import annotations

import platform
import struct
from dataclasses import dataclass
from pathlib import Path

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _SECOND_ARGUMENT = 0, 4, 24
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001
"""Refused with EPERM."""

_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_X32 = 0x40000000


@dataclass(frozen=True)
class _Calls:
    """One set of call numbers: the architecture as the audit calls it, the three of the keyrings, and ioctl."""

    architecture: int
    keyrings: tuple[int, ...]
    ioctl: int


_MACHINES = {
    "x86_64": (_Calls(0xC000003E, (248, 249, 250), 16), _Calls(0x40000003, (286, 287, 288), 54)),
    "aarch64": (_Calls(0xC00000B7, (217, 218, 219), 29), _Calls(0x40000028, (309, 310, 311), 54)),
}


def program_file() -> Path | None:
    """The program for this machine; None when there is none for its kind."""
    path = Path(__file__).with_name(f"seccomp-{platform.machine()}.bpf")
    return path if path.is_file() else None


def program(machine: str) -> bytes:
    """The program for a kind of machine, as the kernel takes it."""
    parts = [_judge(calls) for calls in _MACHINES[machine]]
    code = [(_LOAD, 0, 0, _ARCHITECTURE)]
    for calls, part in zip(_MACHINES[machine], parts, strict=True):
        code += [(_EQUAL, 0, len(part), calls.architecture), *part]
    return b"".join(struct.pack("<HBBI", *step) for step in [*code, (_RETURN, 0, 0, _ALLOW)])


def _judge(calls: _Calls) -> list[tuple[int, int, int, int]]:
    """The steps for one set of call numbers; each ends in a verdict."""
    on_terminal = [
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
        (_EQUAL, 2, 0, _TIOCSTI),
        (_EQUAL, 1, 0, _TIOCLINUX),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    refused = len(on_terminal) - 1
    questions = [(_AT_LEAST, _X32)] if calls.ioctl == 16 else []
    questions += [(_EQUAL, number) for number in calls.keyrings]
    steps = [(_LOAD, 0, 0, _NUMBER)]
    for at, (how, number) in enumerate(questions):
        after = len(questions) - at - 1 + 2  # the other questions, that about ioctl, and the leave
        steps.append((how, after + refused, 0, number))
    steps += [(_EQUAL, 1, 0, calls.ioctl), (_RETURN, 0, 0, _ALLOW), *on_terminal]
    return steps


def main() -> None:
    """Write every program beside this file."""
    for machine in _MACHINES:
        Path(__file__).with_name(f"seccomp-{machine}.bpf").write_bytes(program(machine))


if __name__ == "__main__":
    main()
