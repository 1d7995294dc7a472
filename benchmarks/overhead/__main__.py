"""`python -m benchmarks.overhead`: measure, print a table, and with `--check` fail when a bar is missed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.overhead.measures import Fields, Measure, chained, independent, many, table
from benchmarks.overhead.meter import become_reaper
from benchmarks.overhead.scene import FILES


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0, or 1 when `--check` is given and a bar is missed."""
    options = _parser().parse_args(argv)
    become_reaper()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory) as root:
        measures = _measure(Fields(Path(root)), options)
    print("\n".join(table(measures)))
    if options.json is not None:
        document = {"machine": _machine(), "measures": [measure.document() for measure in measures]}
        options.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    missed = [measure for measure in measures if not measure.met]
    return 1 if options.check and missed else 0


def _measure(fields: Fields, options: argparse.Namespace) -> list[Measure]:
    side_by_side, ours = independent(fields, options.issues, options.files, options.rounds)
    chain = chained(fields, options.issues)
    size = many(fields, options.many, options.files, ours, options.issues) if options.many else []
    return [*side_by_side, *chain, *size]


def _machine() -> dict[str, object]:
    git = subprocess.run(("git", "--version"), capture_output=True, text=True, check=True).stdout.strip()
    return {
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "git": git,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument(
        "--issues", type=int, default=100, help="issues of the side by side runs and the chain"
    )
    parser.add_argument("--files", type=int, default=FILES, help="files of the repository, but for the chain")
    parser.add_argument("--rounds", type=int, default=3, help="side by side runs, of which medians are taken")
    parser.add_argument("--many", type=int, default=1000, help="issues of the large run; 0 leaves it out")
    parser.add_argument("--directory", type=Path, help="where repositories are made; default: $TMPDIR")
    parser.add_argument("--json", type=Path, help="write the results to this file too")
    parser.add_argument("--check", action="store_true", help="exit 1 when a bar is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
