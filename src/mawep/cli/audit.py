"""`mawep audit`: prove that what landed was gated, from the journal and from git."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mawep.cli.options import ConfigFile, Json, RunId

if TYPE_CHECKING:
    from mawep.cli.auditing import Findings


def audit(run: RunId = None, config: ConfigFile = None, json: Json = False) -> int:
    """Prove that what landed was gated, from the journal and git.

    Checks the journal's chain of hashes, and for every landed commit that it is on the target, that its trailers
    say what the journal says, and that exactly its tree passed the gate. Exit code 1 if something does not fit.
    """
    import asyncio

    return asyncio.run(_audit(config, run, json=json))


async def _audit(config: Path | None, run: str | None, *, json: bool) -> int:
    import json as jsonlib

    from mawep.cli.auditing import audit as examine
    from mawep.cli.context import chosen_runs

    found = {
        name: await examine(repository, summary)
        for name, repository, summary in await chosen_runs(config, run)
    }
    if json:
        documents = {name: findings.document() for name, findings in found.items()}
        whole = documents.get("", {"repositories": documents})
        print(jsonlib.dumps(whole, ensure_ascii=False))
    else:
        for name, findings in found.items():
            _show(name, findings)
    return 1 if any(findings.problems for findings in found.values()) else 0


def _show(name: str, findings: Findings) -> None:
    from mawep.cli.showing import show_name
    from mawep.observe.text import count, one_line

    if name:
        show_name(name)
    print(f"run {findings.run}: {count(findings.events, 'event')}, head {findings.head[:12] or '(broken)'}")
    for landed in findings.landed:
        by = f" by pull request #{landed.pull}" if landed.pull else ""
        gated = f"gated as tree {landed.tip_tree[:12]}" if landed.exact else "not gated exactly"
        print(f"  #{landed.issue} landed{by} as {landed.commit[:12]}, {gated}")
    for problem in findings.problems:
        print(f"  ✗ {problem.kind}: {one_line(problem.detail)}")
    print("Everything fits." if not findings.problems else f"{count(len(findings.problems), 'problem')}.")
