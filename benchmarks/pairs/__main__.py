"""How many of the conflicting pairs land with the tests of both features green.

    python -m benchmarks.pairs [--cache FOLDER] [--details] [PROJECT…]

The projects are fetched from their registries and must be what was pinned. Each way of merging is judged by the tests
of both features and of the project; the ladder may let them choose among at most six whole trees. What it lands is
checked once more by rules that are not the ladder's own.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pairs.gate import Gate
from benchmarks.pairs.merges import MOST, conflict, ladder, strategies, trees
from benchmarks.pairs.projects import Pair, pairs, projects
from benchmarks.pairs.soundness import wrong

LADDER = f"the ladder, at most {MOST} runs"


@dataclass(frozen=True)
class Row:
    """What became of a pair: by each strategy, whether it was offered and whether it was green."""

    pair: Pair
    offered: dict[str, bool]
    green: dict[str, bool]
    runs: int
    wrong: list[str]


def judged(pair: Pair) -> Row:
    """Merge a pair in every way."""
    gate, found = Gate(pair), conflict(pair)
    landed, runs = None, 0
    offered, green = {}, {}
    for tree in dict.fromkeys(trees(found, ladder)):
        runs += 1
        if gate.green(tree):
            landed = tree
            break
    offered[LADDER], green[LADDER] = runs > 0, landed is not None
    for name, strategy in strategies().items():
        made = [*trees(found, strategy, 1)]
        offered[name], green[name] = bool(made), any(map(gate.green, made))
    return Row(pair, offered, green, runs, wrong(pair, landed) if landed else [])


def table(rows: list[Row]) -> None:
    """Print, for each strategy, what it offered and what was green."""
    print(f"\n{'strategy':32}   offered     green, of all        of those offered")
    for name in (*strategies(), LADDER):
        offered, green = sum(row.offered[name] for row in rows), sum(row.green[name] for row in rows)
        print(f"{name:32} {offered:9} {green:9} {_share(green, len(rows))} {_share(green, offered)}")


def groups(rows: list[Row]) -> None:
    """Print what the ladder landed, by kinds of pairs."""
    print(f"\n{LADDER:32}     pairs     green             runs")
    parts: dict[str, Callable[[Row], bool]] = {
        "all": lambda row: True,
        "tuned on": lambda row: row.pair.project.part == "tuned",
        "held out": lambda row: row.pair.project.part == "held out",
        "a line changed by both": lambda row: row.pair.same_line,
        "a signature changed by both": lambda row: row.pair.same_signature,
    }
    for name, belongs in parts.items():
        _group(name, filter(belongs, rows))
    for name in sorted({row.pair.project.name for row in rows}):
        _group(name, (row for row in rows if row.pair.project.name == name))
    used = [sum(row.runs == runs and row.green[LADDER] for row in rows) for runs in range(1, MOST + 1)]
    print(f"\nlanded by run 1 to {MOST}: {', '.join(map(str, used))}")
    print(f"structurally wrong, of what landed: {sum(bool(row.wrong) for row in rows)}")


def _group(name: str, members: Iterable[Row]) -> None:
    rows = list(members)
    green = sum(row.green[LADDER] for row in rows)
    print(f"{name:32} {len(rows):9} {green:9} {_share(green, len(rows))} {sum(row.runs for row in rows):8}")


def details(rows: list[Row]) -> None:
    """Print every pair that did not land, and what is wrong with those that did."""
    for row in rows:
        if not row.green[LADDER] or row.wrong:
            title = f"{row.pair.project.name}: {row.pair.one} and {row.pair.other}"
            print(f"{title}: {'; '.join(row.wrong) or f'red after {row.runs} runs'}")


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:7.1f} %" if whole else "        -"


def main() -> int:
    """Fetch, merge, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("projects", nargs="*", metavar="PROJECT")
    parser.add_argument("--cache", type=Path, help="keep what was fetched there")
    parser.add_argument("--details", action="store_true", help="name the pairs that did not land")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mawep-pairs-") as folder, ThreadPoolExecutor(2) as pool:
        cache = asked.cache or Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        chosen = [pair for project in projects(cache, asked.projects) for pair in pairs(project)]
        rows = list(pool.map(judged, chosen))
    table(rows)
    groups(rows)
    if asked.details:
        details(rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
