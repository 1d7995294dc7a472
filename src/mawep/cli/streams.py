"""Standard streams as they may be found: closed, in an encoding of few letters, or read by nobody any more."""

from __future__ import annotations

import io
import os
import sys

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def mend() -> None:
    """Give closed streams the null device, and let no letter break a stream that has not got it.

    A descriptor left closed would be taken by the next file that is opened, a journal perhaps, and then written
    to by every program that believes it is its standard error.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < len(_STREAMS):
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, (name, mode) in enumerate(_STREAMS):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
        elif isinstance(stream, io.TextIOWrapper) and mode == "w":
            stream.reconfigure(errors="replace")


def nobody_reads() -> None:
    """Whoever read our output has gone, as `head` does. Python must not find that out again when it flushes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
