"""Failed promises show what they compared; at the end, the states that the runs were killed in are shown."""

from __future__ import annotations

import pytest
from _pytest.terminal import TerminalReporter

pytest.register_assert_rewrite("tests.support.promises")

STRUCK = "struck"
"""The property of a test that says in what state its run was killed."""


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Show the table of states that were hit, one line for each kill."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    lines = sorted(
        str(value)
        for report in reports
        if report.when == "call"
        for name, value in report.user_properties
        if name == STRUCK
    )
    if lines:
        terminalreporter.section("states in which runs were killed")
        for line in lines:
            terminalreporter.write_line(line)
