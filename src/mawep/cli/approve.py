"""`mawep approve`: say yes to what an issue waits for."""

from __future__ import annotations

from mawep.cli.options import ConfigFile, IssueNumber, RunOption, issue_of


def approve(issue: IssueNumber, run: RunOption = None, config: ConfigFile = None) -> int:
    """Say yes to what an issue waits for."""
    import asyncio

    from mawep.cli.visit import steer
    from mawep.coordination.payloads import Approve

    meant = issue_of(issue)
    return asyncio.run(steer(config, run, Approve(issue=meant.number), meant.repository))
