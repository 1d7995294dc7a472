"""Takes away from a program the right to touch files that it was not named, and becomes it.

Run as `python -I -S landlock.py [--read PATH | --write PATH]… -- COMMAND…`. What this does not do: hide that files
exist, limit the network, keep processes apart (before Linux 6.12 not even from signals), or lay anything over a file.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG, RULE_PATH_BENEATH = 1, 1
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CAPABILITIES, CAPABILITY_VERSION = 64, 0x20080522

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
RIGHTS_BY_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
ALL_RIGHTS = (1 << 16) - 1
SCOPES = 3
"""Abstract sockets and signals: only within, since version 6."""


class Ruleset(ctypes.Structure):
    """As the kernel wants it told what is to be limited at all."""

    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class Beneath(ctypes.Structure):
    """One rule: these rights on this directory and everything in it."""

    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def call(number: int, *arguments: object) -> int:
    """One system call. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def version() -> int:
    """The kernel's version of Landlock; 0 when it has none."""
    try:
        return call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(VERSION_FLAG))
    except OSError:
        return 0


def restrict(read: list[str], write: list[str]) -> None:
    """Limit this process and all it starts, for ever. Raises OSError."""
    known = version()
    rights = RIGHTS_BY_VERSION.get(known, ALL_RIGHTS)
    ruleset = Ruleset(rights, 0, SCOPES if known >= 6 else 0)
    size = 24 if known >= 6 else 8
    holder = call(CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), ctypes.c_uint32(0))
    for path in read:
        allow(holder, path, READ & rights)
    for path in write:
        allow(holder, path, rights)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses PR_SET_NO_NEW_PRIVS")
    call(RESTRICT_SELF, ctypes.c_int(holder), ctypes.c_uint32(0))
    os.close(holder)


def drop_capabilities() -> None:
    """Leave root no power but that over its own files: Landlock lets it look into the memory of others."""
    libc = ctypes.CDLL(None, use_errno=True)
    for number in range(CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)  # refused to those who have none, and past the last one
    libc.capset((ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)())


def allow(holder: int, path: str, rights: int) -> None:
    """Let a path and what is below it be used; one that does not exist is left out."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        rights &= OF_A_FILE
    rule = Beneath(rights, place)
    call(
        ADD_RULE,
        ctypes.c_int(holder),
        ctypes.c_int(RULE_PATH_BENEATH),
        ctypes.byref(rule),
        ctypes.c_uint32(0),
    )
    os.close(place)


def main(arguments: list[str]) -> None:
    """Restrict this process, become the command."""
    named: dict[str, list[str]] = {"--read": [], "--write": []}
    while arguments and arguments[0] in named:
        named[arguments[0]].append(arguments[1])
        arguments = arguments[2:]
    if len(arguments) < 2 or arguments[0] != "--":
        raise SystemExit("usage: landlock.py [--read PATH | --write PATH]… -- COMMAND…")
    try:
        restrict(named["--read"], named["--write"])
        drop_capabilities()
    except OSError as error:
        raise SystemExit(f"landlock: {error}") from error
    os.execvp(arguments[1], arguments[1:])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
