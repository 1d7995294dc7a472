"""The verbs there are. Each file is light to import; what is heavy is imported when its verb runs."""

from __future__ import annotations

import typer

from mawep.cli import (
    answer,
    approve,
    audit,
    cancel,
    cleanup,
    demo,
    doctor,
    explain,
    init,
    logs,
    pause,
    plan,
    report,
    resume,
    retry,
    send,
    simulate,
    start,
    status,
    watch,
)

VERBS = (
    (init.init, "mawep init"),
    (plan.plan, "mawep plan\n  mawep plan --issues 101,102 --json"),
    (simulate.simulate, "mawep simulate\n  mawep simulate --agents 8 --gate-minutes 5"),
    (start.start, "mawep start --issues 101,102\n  mawep start --label sprint-12 --json > result.json"),
    (resume.resume, "mawep resume\n  mawep resume --no-rerun --json"),
    (status.status, "mawep status\n  mawep status --all"),
    (watch.watch, "mawep watch"),
    (explain.explain, "mawep explain 104"),
    (logs.logs, "mawep logs 102 -f\n  mawep logs 102 --gate"),
    (send.send, 'mawep send 102 "use the v2 endpoint"\n  mawep send agent-0 "stop after the tests"'),
    (answer.answer, 'mawep answer\n  mawep answer 102 "the second one"'),
    (approve.approve, "mawep approve 102"),
    (pause.pause, "mawep pause"),
    (cancel.cancel, "mawep cancel 103 105\n  mawep cancel"),
    (retry.retry, "mawep retry 104"),
    (report.report, "mawep report\n  mawep report --markdown --output report.md"),
    (audit.audit, "mawep audit\n  mawep audit --json"),
    (cleanup.cleanup, "mawep cleanup --dry-run\n  mawep cleanup --set cleanup.worktree_retention_days=1"),
    (doctor.doctor, "mawep doctor\n  mawep doctor --json"),
    (demo.demo, "mawep demo\n  mawep demo --directory /tmp/payments"),
)
"""Every verb with examples, in the order that help shows them."""


def register(app: typer.Typer) -> None:
    """Give the application its verbs."""
    for verb, examples in VERBS:
        app.command(epilog=f"\b\nExamples:\n  {examples}")(verb)
