"""What is measured, the bars it is held against, and how both are shown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.overhead.meter import Spent
from benchmarks.overhead.scene import FILES, Scene


@dataclass(frozen=True)
class Measure:
    """One figure; `most` is its bar, None for a figure that has none."""

    name: str
    value: float
    unit: str
    most: float | None = None

    @property
    def met(self) -> bool:
        """True when there is no bar or the figure does not pass it."""
        return self.most is None or self.value <= self.most

    def row(self) -> str:
        """One line of the table."""
        bar = f"≤ {self.most:g}" if self.most is not None else ""
        verdict = "" if self.most is None else "met" if self.met else "MISSED"
        return f"{self.name:<58} {self.value:>9.2f} {self.unit:<3} {bar:<8} {verdict}".rstrip()

    def document(self) -> dict[str, object]:
        """For machines."""
        return {**asdict(self), "met": self.met}


class Fields:
    """Makes one fresh repository after another below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made = 0

    def scene(self, issues: int, *, chain: bool = False, files: int = FILES) -> Scene:
        """A repository of its own for one run."""
        self._made += 1
        return Scene(self._root / str(self._made), issues, chain, files).build()


def independent(fields: Fields, issues: int, files: int, rounds: int) -> tuple[list[Measure], Spent]:
    """MAWEP and the loop in turn, so that whatever else the machine does meets both; medians of the rounds."""
    pairs = [
        (fields.scene(issues, files=files).loop(), fields.scene(issues, files=files).conduct())
        for _ in range(rounds)
    ]
    loop, ours = (_median([pair[side] for pair in pairs]) for side in (0, 1))
    wall = statistics.median(our.wall / its.wall for its, our in pairs)
    cpu = statistics.median(our.cpu / its.cpu for its, our in pairs)
    return [
        Measure(f"{issues} issues, {files} files: wall time, loop = 1", wall, "", 1.0),
        Measure(f"{issues} issues, {files} files: processor time, loop = 1", cpu, "", 1.5),
        Measure("  wall time an issue, loop", loop.wall / issues * 1e3, "ms"),
        Measure("  wall time an issue, MAWEP", ours.wall / issues * 1e3, "ms"),
        Measure("  processor time an issue, loop", loop.cpu / issues * 1e3, "ms"),
        Measure("  processor time an issue, MAWEP", ours.cpu / issues * 1e3, "ms"),
    ], ours


def chained(fields: Fields, issues: int) -> list[Measure]:
    """How long a dependent waits, from "landed" in the journal to the first line of its agent."""
    scene = fields.scene(issues, chain=True)
    scene.conduct()
    waits = sorted(1e3 * wait for wait in scene.reactions())
    return [
        Measure(
            f"chain of {issues}: dependency landed to agent started, p50", _quantile(waits, 0.5), "ms", 30
        ),
        Measure(
            f"chain of {issues}: dependency landed to agent started, p99", _quantile(waits, 0.99), "ms", 80
        ),
    ]


def many(fields: Fields, issues: int, files: int, few: Spent, of: int) -> list[Measure]:
    """Whether time an issue stays what it is, and memory too."""
    spent = fields.scene(issues, files=files).conduct()
    each, before = spent.wall / issues, few.wall / of
    return [
        Measure(f"{issues} issues: time an issue, at {of} = 1", each / before, "", 1.2),
        Measure(f"{issues} issues: resident memory of mawep", spent.rss_mb, "MiB", 150),
        Measure("  wall time an issue", each * 1e3, "ms"),
        Measure("  processor time an issue", spent.cpu / issues * 1e3, "ms"),
    ]


def table(measures: Sequence[Measure]) -> Iterator[str]:
    """The lines of the table."""
    yield f"{'':<58} {'measured':>9}     {'bar':<8}".rstrip()
    yield from (measure.row() for measure in measures)


def _median(spent: Sequence[Spent]) -> Spent:
    return Spent(
        statistics.median(one.wall for one in spent),
        statistics.median(one.cpu for one in spent),
        max(one.rss_mb for one in spent),
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
