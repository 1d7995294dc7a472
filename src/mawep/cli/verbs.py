"""The verbs there are, each with examples. A verb's file is imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

import typer

VERBS = {
    "init": ("mawep init", "mawep init --merge-driver"),
    "plan": ("mawep plan", "mawep plan --issues 101,102 --json", "mawep plan --prompt 101"),
    "simulate": ("mawep simulate", "mawep simulate --agents 8 --gate-minutes 5"),
    "start": ("mawep start --issues 101,102", "mawep start --label sprint-12 --json > result.json"),
    "resume": ("mawep resume", "mawep resume --no-rerun --json"),
    "status": ("mawep status", "mawep status --all"),
    "watch": ("mawep watch",),
    "explain": ("mawep explain 104",),
    "logs": ("mawep logs 102 -f", "mawep logs 102 --gate"),
    "send": ('mawep send 102 "use the v2 endpoint"', 'mawep send agent-0 "stop after the tests"'),
    "answer": ("mawep answer", 'mawep answer 102 "the second one"'),
    "approve": ("mawep approve 102",),
    "pause": ("mawep pause",),
    "cancel": ("mawep cancel 103 105", "mawep cancel"),
    "retry": ("mawep retry 104",),
    "resolve": ("mawep resolve 104", "mawep resolve 104 --continue"),
    "revert": ("mawep revert 104", "mawep revert 102 --with-dependents"),
    "merge-file": ("mawep merge-file base.py ours.py theirs.py --path src/app.py --all",),
    "serve": ("mawep serve", "mawep serve --webhooks --port 8765"),
    "report": ("mawep report", "mawep report --markdown --output report.md"),
    "audit": ("mawep audit", "mawep audit --json"),
    "cleanup": ("mawep cleanup --dry-run", "mawep cleanup --set cleanup.worktree_retention_days=1"),
    "doctor": ("mawep doctor", "mawep doctor --smoke"),
    "agent": ('mawep agent progress --percent 40 "the parser works"', "mawep agent claim src/pay.py"),
    "demo": ("mawep demo", "mawep demo --directory /tmp/payments"),
}
"""Examples of every verb, in the order that help shows them.

Each is a function of its name in a file of its name, with `_` for what no name of Python can hold.
"""


PASSED_ON = {"agent": {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}}
"""Verbs whose arguments another program takes as they are, help included."""


def register(app: typer.Typer, verbs: Iterable[str] = VERBS) -> None:
    """Give the application these verbs. Each costs about 5 ms, so who knows which one is meant names it."""
    for verb in verbs:
        name = verb.replace("-", "_")
        function: Callable[..., int] = getattr(import_module(f"mawep.cli.{name}"), name)
        examples = "\n".join(f"  {example}" for example in VERBS[verb])
        app.command(name=verb, epilog=f"\b\nExamples:\n{examples}", context_settings=PASSED_ON.get(verb))(
            function
        )
