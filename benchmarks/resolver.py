"""How much of what really conflicted the ladder merges, and how often as a person did.

    python -m benchmarks.resolver DATASET [--certain | --guess]

DATASET is a file of JSON lines, gzipped or not: `repo, merge, path, base, ours, theirs, human`. A file is *offered*
when the ladder makes a whole text of it, and *equal* when that is the person's, white space and the order of lines
aside.
Rules were tuned on the merges whose id begins with an even digit, and are shown on the others by themselves.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mawep.merging.account import account
from mawep.merging.candidates import candidates, choices, pieces_of
from mawep.merging.offers import Trust
from mawep.merging.rungs import trusted
from mawep.merging.sequences import changes
from mawep.merging.threeway import Hunk, Lines, Settled, split


@dataclass(frozen=True)
class Row:
    """What became of one file."""

    repo: str
    held_out: bool
    rungs: tuple[str, ...]
    offered: bool
    equal: bool
    exact: bool
    lost: int
    hunks: tuple[tuple[str, bool], ...]
    """The rung of each hunk that needs no judgement ("" for the others), and whether the person chose the same."""


def flat(text: str) -> str:
    """A text without its white space."""
    return re.sub(r"\s+", "", text)


def unordered(text: str) -> list[str]:
    """The lines of a text, white space and order aside."""
    return sorted(filter(None, (flat(line).rstrip(",") for line in text.split("\n"))))


def alike(one: str, other: str) -> bool:
    """Whether two texts are equal, white space and the order of lines aside."""
    return flat(one) == flat(other) or unordered(one) == unordered(other)


def judged(case: dict[str, Any], trust: Trust) -> Row:
    """Let the ladder merge one file, and compare."""
    texts = case["base"], case["ours"], case["theirs"]
    found = next(candidates(*texts, case["path"], trusted(trust)), None)
    text = found.text if found else ""
    return Row(
        case["repo"],
        int(case["merge"][0], 16) % 2 == 1,
        tuple(sorted({applied.rung for applied in found.applied})) if found else (),
        found is not None,
        found is not None and alike(text, case["human"]),
        found is not None and flat(text) == flat(case["human"]),
        len(account(*texts, text, case["path"]).lost) if found else 0,
        tuple(_hunks(*texts, case["human"], case["path"])),
    )


def _hunks(base: str, ours: str, theirs: str, human: str, path: str) -> Iterator[tuple[str, bool]]:
    """Each hunk with the first rung that needs no judgement, and whether the person chose its text."""
    pieces = pieces_of(base, ours, theirs, path)
    for hunk, chosen in zip((p for p in pieces if isinstance(p, Hunk)), _chosen(pieces, human), strict=True):
        offered = choices(hunk, path, trusted(Trust.CERTAIN))
        same = bool(offered) and alike("".join(offered[0].lines), "".join(chosen))
        yield (offered[0].applied[0].rung if offered and offered[0].applied else "", same)


def _chosen(pieces: Iterable[Settled | Hunk], human: str) -> Iterator[Lines]:
    """What the person put in the place of each hunk: what lies between the settled lines around it."""
    lines = split(human)
    skeleton: list[str] = []
    places: list[int] = []
    for piece in pieces:
        if isinstance(piece, Settled):
            skeleton += piece.lines
        else:
            places.append(len(skeleton))
            skeleton.append(f"\0{len(places)}")
    edits = changes(skeleton, lines)
    for place in places:
        edit = next(edit for edit in edits if edit.start <= place < edit.end)
        yield lines[edit.begin : edit.stop]


def table(title: str, groups: dict[str, list[Row]]) -> None:
    """Print offered and equal of each group."""
    print(f"\n{title:34}  files  offered          equal            exactly, white space aside")
    for name, rows in groups.items():
        offered = [row for row in rows if row.offered]
        equal, exact = (sum(getattr(row, what) for row in offered) for what in ("equal", "exact"))
        print(
            f"{name:34} {len(rows):6} {len(offered):6} {_share(len(offered), len(rows))}"
            f"  {equal:6} {_share(equal, len(offered))}  {exact:6} {_share(exact, len(offered))}"
        )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:5.1f} %" if whole else "      -"


def hunks_table(rows: list[Row]) -> None:
    """Print what needs no judgement, hunk by hunk."""
    every = [hunk for row in rows for hunk in row.hunks]
    offered, equal = (
        Counter(rung for rung, _ in every if rung),
        Counter(rung for rung, same in every if rung and same),
    )
    print("\nhunks that need no judgement         hunks  offered          equal")
    for name in ("all", *offered):
        many = sum(offered.values()) if name == "all" else offered[name]
        same = sum(equal.values()) if name == "all" else equal[name]
        print(f"{name:34} {len(every):6} {many:6} {_share(many, len(every))}  {same:6} {_share(same, many)}")


def main() -> int:
    """Read the data, merge every file, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    level = parser.add_mutually_exclusive_group()
    level.add_argument(
        "--certain", action="store_const", const=Trust.CERTAIN, dest="trust", help="what needs no judgement"
    )
    level.add_argument(
        "--guess",
        action="store_const",
        const=Trust.GUESS,
        dest="trust",
        help="what only a gate may choose, too",
    )
    asked = parser.parse_args()
    trust = asked.trust or Trust.LIKELY
    content = asked.dataset.read_bytes()
    lines = gzip.decompress(content) if asked.dataset.suffix == ".gz" else content
    cases = [json.loads(line) for line in lines.splitlines()]
    with ProcessPoolExecutor(max_workers=2) as pool:
        rows = list(pool.map(judged, cases, [trust] * len(cases), chunksize=8))
    table(
        "all",
        {
            "all": rows,
            "tuned on": [r for r in rows if not r.held_out],
            "held out": [r for r in rows if r.held_out],
        },
    )
    table(
        "repository", {name: [r for r in rows if r.repo == name] for name in sorted({r.repo for r in rows})}
    )
    table(
        "repository, held out",
        {name: [r for r in rows if r.repo == name and r.held_out] for name in sorted({r.repo for r in rows})},
    )
    rungs = [rung.name for rung in trusted(trust)]
    table("rung, alone or with others", {name: [r for r in rows if name in r.rungs] for name in rungs})
    table("rung, alone", {name: [r for r in rows if r.rungs == (name,)] for name in rungs})
    hunks_table(rows)
    print(f"\nlines lost without account: {sum(row.lost for row in rows)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
