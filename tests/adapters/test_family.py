"""What the process tree of an attempt consumes, as the kernel tells it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mawep.adapters import family
from mawep.adapters.family import Vitals, vitals_of
from tests.support.waiting import eventually

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def child_of(pid: int) -> int:
    said = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(said[0]) if said else 0


@contextmanager
def shimmed(program: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks after a Python that runs `program`."""
    shim = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {program!r}])"
    running = subprocess.Popen([sys.executable, "-c", shim], stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield running
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()


async def of_program(shim: subprocess.Popen[bytes]) -> int:
    return await eventually("the program runs", lambda: child_of(shim.pid), 20)


def test_a_program_that_is_gone_has_no_vitals() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert vitals_of(process.pid) is None
    assert vitals_of(0) is None


@linux
async def test_vitals_are_those_of_all_that_the_shim_looks_after() -> None:
    """Children of other threads than the first, and of children, count too."""
    program = """
import subprocess, sys, threading
def start(): subprocess.Popen(["sh", "-c", "sleep 60; true"]).wait()
for thread in [threading.Thread(target=start) for _ in range(3)]: thread.start()
"""
    with shimmed(program) as shim:
        pid = await of_program(shim)

        def all_there() -> Vitals | None:
            vitals = vitals_of(pid)
            return vitals if vitals is not None and vitals.processes == 7 else None

        vitals = await eventually("it has started six", all_there, 20)
        assert 5 < vitals.rss_mb < 500
        assert (vitals.io_bytes, vitals.stopped) == (None, False)


@linux
async def test_time_and_bytes_of_children_that_are_gone_are_counted() -> None:
    busy = "x = 0\\nfor n in range(10**7): x += n"
    copy = f"import sys; sys.stdout.write('x' * 2000000)\\n{busy}"
    program = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', '''{copy}'''], stdout=-3); input()"
    )
    with shimmed(program) as shim:
        pid = await of_program(shim)
        began = vitals_of(pid, io=True)
        assert began is not None

        def over() -> Vitals | None:
            vitals = vitals_of(pid, io=True)
            done = vitals is not None and vitals.processes == 1 and vitals.cpu_seconds > 0.1
            return vitals if done and (vitals.io_bytes or 0) > 2_000_000 else None  # type: ignore[union-attr]

        assert await eventually("its child is counted", over, 20)


@linux
async def test_a_program_that_stands_stopped_is_seen() -> None:
    with shimmed("input()") as shim:
        pid = await of_program(shim)
        os.kill(pid, signal.SIGSTOP)
        await eventually("it is stopped", lambda: (found := vitals_of(pid)) is not None and found.stopped, 20)
        os.kill(pid, signal.SIGCONT)
        await eventually(
            "it goes on", lambda: (found := vitals_of(pid)) is not None and not found.stopped, 20
        )


@linux
async def test_the_name_of_a_program_may_be_anything(tmp_path: Path) -> None:
    odd = tmp_path / ") S 1 (x"
    odd.symlink_to("/bin/sleep")
    with shimmed(f"import os; os.execv({str(odd)!r}, ['x', '60'])") as shim:
        pid = await of_program(shim)
        await eventually("it has its name", lambda: b") S 1 (x" in Path(f"/proc/{pid}/stat").read_bytes(), 20)
        vitals = vitals_of(pid)
        assert vitals is not None and vitals.processes == 1


async def test_without_the_kernels_lists_psutil_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with shimmed("input()") as shim:
        pid = await of_program(shim)
        known = await eventually("it is there", lambda: vitals_of(pid), 20)
        monkeypatch.setattr(family, "_stat", lambda pid: None)
        found = vitals_of(pid)
        assert found is not None
        assert (found.processes, found.stopped) == (known.processes, known.stopped)
