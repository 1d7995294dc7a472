"""A gate that a dead process left behind: nobody uses its tree before all of it is gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mawep.errors import InfrastructureError
from mawep.stages import verify
from mawep.stages.verify import until_gates_ended

HOLDER = """\
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
open(sys.argv[2], "w").close()
"""


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """What is left of a gate: it holds its lock until it is told to end."""
    argv = [sys.executable, "-c", HOLDER, str(tmp_path / "tree-1-0.lock"), str(tmp_path / "ended")]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


async def test_gate_of_a_dead_process_is_waited_for(tmp_path: Path, gate: subprocess.Popen[bytes]) -> None:
    assert gate.stdin is not None
    gate.stdin.write(b"\n")
    gate.stdin.flush()
    await until_gates_ended(tmp_path)
    assert (tmp_path / "ended").exists()
    assert list(tmp_path.glob("*.lock")) == []


async def test_gate_of_a_dead_process_that_does_not_end_stops_the_run(
    tmp_path: Path, gate: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "LEFT_SECONDS", 0.1)
    with pytest.raises(InfrastructureError, match="is still held"):
        await until_gates_ended(tmp_path)


async def test_gate_directory_that_is_not_there_has_nothing_to_wait_for(tmp_path: Path) -> None:
    await until_gates_ended(tmp_path / "gates")
