"""Eight Claude Code agents at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.agents_waiting import AGENTS, measure

from tests.clis.crew import WALLED
from tests.clis.results import found

pytestmark = [pytest.mark.clis, pytest.mark.timeout(400)]


@pytest.mark.usefixtures("agents_are_installed")
def test_eight_agents_at_once_all_land(tmp_path: Path) -> None:
    """What MAWEP takes while they wait is noted here and judged by `python -m benchmarks.agents_waiting --check`."""
    waiting = measure(tmp_path, WALLED, seconds=2)
    assert waiting.landed == AGENTS
    found("eight", "waiting", memory_mb=waiting.memory_mb, cpu_percent=waiting.cpu_percent, own=waiting.own)
