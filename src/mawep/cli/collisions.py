"""What is likely to collide, as a person reads it: files by issue, a map of pairs, and what could be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from mawep.cli.showing import console
from mawep.observe.sharing import likely_files
from mawep.observe.text import count, one_line

MOST_ISSUES, MOST_FILES = 20, 3
MOST_ON_MAP = 12
MOST_PAIRS = 10
HEAT = ((0.5, "bold red"), (0.25, "yellow"), (0.0, "bright_black"))


def show_collisions(document: Mapping[str, Any]) -> None:
    """Print what a plan's document says of files that are likely to change, when there is more than one issue."""
    if len(document["order"]) > 1:
        _files(document["predicted"])
        _pairs(document["likely_overlaps"], document["apart"])
        _foundations(document["foundations"])


def _files(predicted: Sequence[Mapping[str, Any]]) -> None:
    out = console()
    known = [(one["number"], files) for one in predicted if (files := likely_files(one["files"]))]
    if not known:
        return
    out.print(Text("Files that are likely to change:", "bold"))
    for number, files in known[:MOST_ISSUES]:
        out.print(Text(f"  #{number}: {files}"))
    _more(len(known) - MOST_ISSUES)


def _pairs(pairs: Sequence[Mapping[str, Any]], apart: Mapping[str, Any] | None) -> None:
    if not pairs:
        return
    out = console()
    out.print(Text("How likely two of them change the same file:", "bold"))
    _map(pairs)
    for pair in pairs[:MOST_PAIRS]:
        files = ", ".join(map(one_line, pair["files"]))
        out.print(Text(f"  #{pair['a']} and #{pair['b']}: {pair['chance']:.0%}, {files}"))
    _more(len(pairs) - MOST_PAIRS)
    out.print(
        "They may run at the same time; of what is as urgent, what shares least with work under way goes first."
    )
    if apart is not None:
        longer, now = apart["apart_hours"], apart["hours"]
        kept = count(apart["pairs"], "likely pair")
        out.print(f"With {kept} kept apart the run takes about {longer:.2g} hours, otherwise {now:.2g}.")


def _map(pairs: Sequence[Mapping[str, Any]]) -> None:
    """Every issue of a pair against every other; those of the likeliest pairs when there are many."""
    chances = {(pair["a"], pair["b"]): pair["chance"] for pair in pairs}
    numbers = sorted(list(dict.fromkeys(n for pair in pairs for n in (pair["a"], pair["b"])))[:MOST_ON_MAP])
    if len(numbers) <= 2:
        return
    width = max(5, *(len(f"#{number}") + 1 for number in numbers))
    lines = [Text("".join(name.rjust(width) for name in ("", *(f"#{number}" for number in numbers[:-1]))))]
    for row, number in enumerate(numbers[1:], 1):
        line = Text(f"#{number}".rjust(width))
        for other in numbers[:row]:
            likely = chances.get((other, number))
            shown = "·" if likely is None else f"{likely:.0%}"
            style = next(style for least, style in HEAT if (likely or 0.0) >= least)
            line.append(shown.rjust(width), style)
        lines.append(line)
    console().print(Text("\n").join(lines), crop=False)


def _foundations(found: Sequence[Mapping[str, Any]]) -> None:
    out = console()
    for one in found[:MOST_FILES]:
        numbers = ", ".join(f"#{number}" for number in one["issues"])
        some = count(len(one["issues"]), "issue")
        out.print(
            Text(
                f"{some} ({numbers}) are likely to change {one_line(one['path'])}: a foundation issue that prepares "
                "it, on which they depend, would keep them out of each other's way."
            )
        )


def _more(many: int) -> None:
    if many > 0:
        console().print(f"  and {many} more (`mawep plan --json` has them)")
