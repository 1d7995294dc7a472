"""How much work an issue is likely to be, and how likely that is wrong: features in, an estimate with its reasons out.

No weight below was fitted to anything: each is a judgement, and the table is the place to argue with it. What they have
to be right about is the order (more of anything is more work); the scale is corrected by the pace of past runs, and
nothing is shown more exactly than by a range. How wide that is follows the cone of uncertainty (Boehm 1981, McConnell
2006): a factor of 4 for a mere idea, 2 for a description, 1.5 where it is known what has to be changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from mawep.core.model import Estimate, Risk, Span

BASE = 0.25
"""Hours of any issue: to read it, find the place, run the tests."""
FEW_WORDS = 20
"""A text with fewer words is a mere idea."""
MANY_FILES, MANY_AREAS = 8, 3
LEAST_HOURS, MOST_HOURS = 0.01, 1e6
"""Below and beyond these, hours mean nothing."""
LEAST_SIMILAR = 3
"""Fewer past issues than this say nothing."""


@dataclass(frozen=True, slots=True)
class Weight:
    """`hours` for one more of a feature, of which no more than `most` count."""

    feature: str
    hours: float
    most: int


WEIGHTS = (
    Weight("words", 0.002, 1500),  # a page of description is an hour: it has to be understood and satisfied
    Weight("tasks", 0.25, 20),  # an open box of a checklist is something to be done and shown
    Weight("files", 0.25, 20),  # a file that changes has to be understood, and its tests
    Weight("areas", 0.25, 8),  # another directory: another set of habits, another set of tests
)
HOURS_PER_LINE = 0.01
"""What landings in the same directories changed: a hundred lines are an hour."""
HARD, EASY = 1.5, 0.6
"""What a word for hard or easy work in title or labels makes of it."""

WIDTHS = {"idea": 4.0, "text": 2.0, "known": 1.5}

HARD_WORDS = frozenset(
    (
        *("auth", "authentication", "authorization", "compatibility", "concurrency", "crypto", "deadlock"),
        *("distributed", "encryption", "migrate", "migration", "performance", "protocol", "race", "redesign"),
        *("refactor", "refactoring", "rewrite", "security", "transaction", "upgrade"),
    )
)
EASY_WORDS = frozenset(
    (
        *("bump", "changelog", "comment", "docs", "documentation", "readme", "rename", "spelling"),
        *("typo", "typos", "wording"),
    )
)
OPEN_SIGNS = ("tbd", "to be de", "unclear", "not sure", "open question", "??")
OPEN_WORDS = re.compile(r"\b(?:tbd|to be decided|to be defined|unclear|not sure|open question)\b|\?\?")
"""What a text says that leaves open what to do; without one of the signs it holds none of the words."""

SIZES = {"xs": 0.5, "s": 1.0, "m": 3.0, "l": 8.0, "xl": 20.0}
"""Hours that a label such as `size/M` stands for: each about two and a half times the one before."""
_HOURS_OF = {
    "": 1.0,
    "m": 1 / 60,
    "min": 1 / 60,
    "h": 1.0,
    "hour": 1.0,
    "d": 8.0,
    "day": 8.0,
    "w": 40.0,
    "week": 40.0,
}
_SAID = re.compile(r"(?:estimate|effort)\s*[:/=-]\s*(\d{1,4}(?:\.\d{1,3})?)\s*(m|min|h|hour|d|day|w|week)?s?")
_SIZE = re.compile(r"size\s*[:/=-]\s*(xs|s|m|l|xl)")
_RISK = re.compile(r"risk\s*[:/=-]\s*(low|medium|high)")


@dataclass(frozen=True, slots=True)
class Features:
    """What is known of an issue before it starts.

    `hours` is what its author said. `files` are those that it is likely to change, `count` says how many that makes
    with the patterns among them, of which it names `named`; `areas` counts their directories, `lines` are those that
    past landings in these changed. `hard` and `easy` are words of its title and labels; `open`: it asks what to do.
    """

    words: int = 0
    tasks: int = 0
    named: int = 0
    files: tuple[str, ...] = ()
    count: int = 0
    areas: int = 0
    lines: tuple[int, ...] = ()
    hard: tuple[str, ...] = ()
    easy: tuple[str, ...] = ()
    open: bool = False
    labels: tuple[str, ...] = ()
    hours: float | None = None


@dataclass(frozen=True, slots=True)
class Took:
    """A past issue: how long it took from its agent to the target, and for how much work it was held. In hours.

    `smoothly`: in its first attempt and without a repair.
    """

    labels: frozenset[str]
    hours: float
    estimated: float
    smoothly: bool = True


@dataclass(frozen=True, slots=True)
class Pace:
    """What so many past issues took for each hour that they were held for; `rough` of them did not go smoothly."""

    issues: int = 0
    rough: int = 0
    span: Span | None = None


def estimate(features: Features, pace: Pace = Pace()) -> Estimate:
    """Judge one issue by its features and the pace of past ones. Total: any features give an estimate."""
    hours, source, reasons = _hours(features)
    takes, sentence = _takes(hours, pace)
    risk, why = _risk(features, pace)
    return Estimate(hours, risk, source, (*reasons, sentence, *why), takes, features.files)


# --- hours


def _hours(features: Features) -> tuple[Span, str, tuple[str, ...]]:
    if features.hours is not None:
        return _span(features.hours, 1.0), "said", (f"Its author says {features.hours:g} hours.",)
    labelled = said_by_label(features.labels)
    if labelled is not None:
        label, hours, width = labelled
        return _span(hours, width), "label", (f"Its label `{label}` stands for {hours:g} hours.",)
    counts = {
        "words": features.words,
        "tasks": features.tasks,
        "files": features.count,
        "areas": features.areas,
    }
    hours = BASE + sum(weight.hours * min(counts[weight.feature], weight.most) for weight in WEIGHTS)
    hours *= (HARD if features.hard else 1.0) * (EASY if features.easy else 1.0)
    reasons = [_seen(features)]
    reasons += [f"`{word}` in its title or labels tells of hard work." for word in features.hard[:1]]
    reasons += [f"`{word}` in its title or labels tells of easy work." for word in features.easy[:1]]
    if len(features.lines) >= LEAST_SIMILAR:
        changed = median(features.lines)
        hours = (hours + BASE + HOURS_PER_LINE * changed) / 2
        reasons.append(
            f"{len(features.lines)} issues that landed in the same directories changed {changed:g} lines each (median)."
        )
    width = WIDTHS[_known(features)]
    if _known(features) != "known":
        reasons.append(f"No more is known, so it may be {width:g} times as much, or as little.")
    return _span(hours, width), "text", tuple(reasons)


def _known(features: Features) -> str:
    if features.words < FEW_WORDS and not features.named and not features.tasks:
        return "idea"
    return "known" if features.named and len(features.lines) >= LEAST_SIMILAR else "text"


def _seen(features: Features) -> str:
    parts = [_count(features.words, "word")]
    if features.tasks:
        parts.append(_count(features.tasks, "open task"))
    if features.count:
        likely = features.count - features.named
        more = (
            f" ({likely} because they change together with those it names)"
            if likely > 0 and features.named
            else ""
        )
        parts.append(
            f"{_count(features.count, 'file')}{more} in {_count(max(features.areas, 1), 'directory')}"
        )
    return (
        f"It has {', '.join(parts)}." if features.count else f"It has {', '.join(parts)}, and names no file."
    )


def said_by_label(labels: Iterable[str]) -> tuple[str, float, float] | None:
    """The label that says how much work it is, with its hours and how far off it may be; of several the greatest."""
    found = []
    for label in labels:
        text = label.strip().lower()
        if (match := _SAID.fullmatch(text)) and float(match[1]) > 0:
            found.append((1, float(match[1]) * _HOURS_OF[match[2] or ""], label, 1.0))
        elif match := _SIZE.fullmatch(text):
            found.append((0, SIZES[match[1]], label, WIDTHS["known"]))
    if not found:
        return None
    _, hours, label, width = max(found)
    return label, hours, width


def _span(hours: float, width: float) -> Span:
    """From low to high; ends that nobody said are rounded as people do: 0.4, 2.5, 13."""
    if width == 1.0:
        return Span(*[_two_digits(hours)] * 3)
    return Span(_round(hours / width), _two_digits(hours), _round(hours * width))


def _round(hours: float) -> float:
    if hours < 1:
        return float(f"{hours:.1g}")
    return round(2 * hours) / 2 if hours < 10 else _two_digits(hours)


def _two_digits(value: float) -> float:
    return float(f"{min(value, MOST_HOURS):.2g}")


# --- pace


def pace_of(labels: Iterable[str], past: Sequence[Took]) -> Pace:
    """The pace of past issues with one of these labels, if there are enough; else of all."""
    own = frozenset(labels)
    alike = [took for took in past if not own.isdisjoint(took.labels)] if own else []
    if len(alike) < LEAST_SIMILAR:
        alike = list(past)
    rough = sum(not took.smoothly for took in alike)
    paces = sorted(took.hours / took.estimated for took in alike if took.estimated >= LEAST_HOURS)
    if len(paces) < LEAST_SIMILAR:
        return Pace(len(alike), rough)
    tenth = len(paces) // 10
    return Pace(len(paces), rough, Span(paces[tenth], median(paces), paces[-1 - tenth]))


def _takes(hours: Span, pace: Pace) -> tuple[Span | None, str]:
    """How long it will take, by what past issues took for each hour that they were held for."""
    if pace.span is None:
        return None, "Past runs do not tell how long it takes: too few issues have landed in them."
    fast, usual, slow = pace.span.low, pace.span.middle, pace.span.high
    takes = Span(*map(_two_digits, (hours.low * fast, hours.middle * usual, hours.high * slow)))
    return takes, (
        f"{pace.issues} issues of past runs took {_short(usual)} for each estimated hour "
        f"({_short(fast)} to {_short(slow)})."
    )


def _short(hours: float) -> str:
    return f"{_two_digits(hours):g} hours" if hours >= 1 else f"{_two_digits(hours * 60):g} minutes"


# --- risk


def _risk(features: Features, pace: Pace) -> tuple[Risk, tuple[str, ...]]:
    for label in features.labels:
        if match := _RISK.fullmatch(label.strip().lower()):
            return Risk(match[1]), (f"Its label `{label}` says how risky it is.",)
    signs = (
        (features.words < FEW_WORDS, 1, f"its text says little ({_count(features.words, 'word')})"),
        (features.open, 1, "it leaves open what is to be done"),
        (not features.count, 1, "nobody knows which files it changes"),
        (features.count > MANY_FILES, 1, f"it is likely to change {_count(features.count, 'file')}"),
        (features.areas > MANY_AREAS, 1, f"it reaches into {_count(features.areas, 'directory')}"),
        (bool(features.hard), min(len(features.hard), 2), f"it is about {', '.join(features.hard[:3])}"),
        (
            pace.issues >= LEAST_SIMILAR and 3 * pace.rough > pace.issues,
            1,
            f"{pace.rough} of {pace.issues} past issues needed repairs or a second attempt",
        ),
    )
    found = [(points, why) for holds, points, why in signs if holds]
    score = sum(points for points, _ in found) - bool(features.easy)
    risk = Risk.LOW if score < 2 else Risk.MEDIUM if score < 4 else Risk.HIGH
    return risk, ((f"Its risk: {'; '.join(why for _, why in found)}.",) if found else ())


def _count(number: int, noun: str) -> str:
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else many}"
