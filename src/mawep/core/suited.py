"""Which runtime does well on which kind of issue, as past runs tell: each choice with its reason.

Alike are issues that share a label; if too few of those are known, issues that change files in the same directories;
else all. A runtime is preferred to the default only if both have been tried on enough that is alike, and it did clearly
better: nothing is tried out here, so what nobody has used is never chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from mawep.core.features import area_of
from mawep.core.model import Issue, Routed

LEAST_TRIED = 5
"""Fewer past issues of a runtime than this say nothing."""
MARGIN = 0.1
"""So much more of what it was given must another runtime have landed."""
SMOOTHLY, ROUGHLY = 1.0, 0.5
"""What an issue counts that landed in its first attempt without a repair, and one that landed otherwise."""


@dataclass(frozen=True, slots=True)
class Did:
    """What became of an issue in a past run, and how its agent was driven. `worth` is 0 if it did not land."""

    runtime: str
    labels: frozenset[str]
    areas: frozenset[str]
    worth: float


def areas_of(issue: Issue) -> frozenset[str]:
    """The directories that it is likely to change something in, as far as its text tells."""
    return frozenset(map(area_of, issue.estimate.files if issue.estimate else issue.files))


def with_suited(
    issues: Iterable[Issue], past: Sequence[Did], default: str, usable: Collection[str]
) -> Iterator[Issue]:
    """The issues, each with the runtime that does better on its kind than the default, if there is one."""
    for issue in issues:
        yield msgspec.structs.replace(issue, suited=suited(issue, past, default, usable))


def suited(issue: Issue, past: Sequence[Did], default: str, usable: Collection[str]) -> Routed | None:
    """The runtime to prefer to the default for this issue, and why; None: the default does as well as any."""
    for kind, alike in _kinds(issue, past):
        tried = {name: [did.worth for did in alike if did.runtime == name] for name in (default, *usable)}
        known = {name: worths for name, worths in tried.items() if len(worths) >= LEAST_TRIED}
        if default not in known or len(known) < 2:
            continue
        best = max(known, key=lambda name: (_share(known[name]), name == default))
        if _share(known[best]) < _share(known[default]) + MARGIN:
            return None
        return Routed(best, f"{_landed(best, known)} {kind}, {_landed(default, known)}")
    return None


def _kinds(issue: Issue, past: Sequence[Did]) -> Iterator[tuple[str, list[Did]]]:
    """What is alike, the closest kind first, and how that is called."""
    labels = {label.lower(): label for label in issue.labels}
    for label, written in labels.items():
        yield f"issues labelled `{written}`", [did for did in past if label in did.labels]
    areas = areas_of(issue)
    yield "issues in the same directories", [did for did in past if not areas.isdisjoint(did.areas)]
    yield "issues", list(past)


def _share(worths: Sequence[float]) -> float:
    """What may be expected of the next: one good and one bad more, so that few do not say much."""
    return (sum(worths) + 1) / (len(worths) + 2)


def _landed(name: str, known: dict[str, list[float]]) -> str:
    worths = known[name]
    good, smooth = sum(map(bool, worths)), worths.count(SMOOTHLY)
    return f"{name} landed {good} of {len(worths)} ({smooth} without a repair)"
