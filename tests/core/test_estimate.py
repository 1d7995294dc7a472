"""Estimates: from features to hours and risk with reasons, never more exact than what is known."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mawep.core import events as ev
from mawep.core.engine import replay
from mawep.core.estimate import WEIGHTS, Features, Took, estimate, pace_of, said_by_label
from mawep.core.features import Change, Surroundings, features_of, with_estimates
from mawep.core.graph import build
from mawep.core.model import Estimate, Issue, Risk, Span
from tests.core.driver import Driver, issue

numbers = st.integers(0, 3000)
lines = st.lists(st.integers(0, 5000), max_size=6).map(tuple)
words = st.sampled_from(["migration", "race", "security"])
FEATURES = st.builds(
    Features,
    words=numbers,
    tasks=st.integers(0, 40),
    named=st.integers(0, 40),
    count=st.integers(0, 60),
    areas=st.integers(0, 20),
    lines=lines,
    hard=st.lists(words, max_size=3, unique=True).map(tuple),
    easy=st.sampled_from([(), ("typo",)]),
    open=st.booleans(),
    labels=st.lists(st.sampled_from(["backend", "size/M", "estimate: 2h", "risk: high", "size/"])).map(tuple),
    hours=st.one_of(st.none(), st.floats(0.1, 1000)),
)
PAST = st.lists(
    st.builds(
        Took,
        st.frozensets(st.sampled_from(["backend", "size/M"])),
        st.floats(0, 100),
        st.floats(0, 100),
        st.booleans(),
    ),
    max_size=12,
)


def judged(features: Features, past: list[Took]) -> Estimate:
    return estimate(features, pace_of(features.labels, past))


@given(FEATURES, PAST)
def test_any_features_give_an_estimate_and_the_same_ones_the_same(
    features: Features, past: list[Took]
) -> None:
    found = judged(features, past)
    assert found == judged(features, past)
    assert 0 < found.hours.low <= found.hours.middle <= found.hours.high
    assert found.reasons
    assert found.takes is None or 0 <= found.takes.low <= found.takes.high
    assert msgspec.json.decode(msgspec.json.encode(found), type=Estimate) == found


@given(FEATURES, st.sampled_from([weight.feature for weight in WEIGHTS]), st.integers(0, 500))
def test_more_of_anything_is_not_less_work(features: Features, feature: str, more: int) -> None:
    name = {"files": "count"}.get(feature, feature)
    greater = replace(features, **{name: getattr(features, name) + more})
    assert estimate(greater).hours.middle >= estimate(features).hours.middle


@given(FEATURES, lines)
def test_where_landings_changed_more_lines_there_is_not_less_work(
    features: Features, more: tuple[int, ...]
) -> None:
    several = replace(features, lines=(10, 20, 30))
    greater = replace(several, lines=tuple(map(max, several.lines, (*more, 0, 0, 0)[:3])))
    assert estimate(greater).hours.middle >= estimate(several).hours.middle


@given(FEATURES, st.integers(0, 60), st.integers(0, 20))
def test_more_files_and_directories_are_not_less_risky(features: Features, files: int, areas: int) -> None:
    some = replace(features, count=features.count + 1)
    greater = replace(some, count=some.count + files, areas=some.areas + areas)
    order = list(Risk)
    assert order.index(estimate(greater).risk) >= order.index(estimate(some).risk)


@pytest.mark.parametrize(
    ("label", "hours"),
    [
        ("estimate: 3h", 3),
        ("Estimate/90m", 1.5),
        ("effort=2 days", 16),
        ("estimate: 0.5", 0.5),
        ("size/S", 1),
        ("Size: XL", 20),
        ("estimate: 0h", None),
        ("estimate", None),
        ("sized", None),
        ("size/XXXL", None),
    ],
)
def test_a_label_can_say_how_much_work_it_is(label: str, hours: float | None) -> None:
    found = said_by_label([label])
    assert (found[1] if found else None) == hours


def test_its_author_comes_first_then_an_estimate_then_a_size() -> None:
    labels = ("size/XL", "estimate: 3h", "estimate: 2h")
    said = estimate(Features(hours=1.5, labels=labels))
    assert (said.source, said.hours) == ("said", Span(1.5, 1.5, 1.5))
    labelled = estimate(Features(labels=labels))
    assert (labelled.source, labelled.hours) == ("label", Span(3, 3, 3))
    sized = estimate(Features(labels=labels[:1]))
    assert sized.hours == Span(13, 20, 30)


def test_a_mere_idea_is_known_worse_than_a_text_and_that_worse_than_what_has_landed_like_it() -> None:
    idea = estimate(Features(words=5))
    text = estimate(Features(words=100))
    known = estimate(Features(words=100, named=1, count=1, areas=1, lines=(10, 10, 10)))
    widths = [round((found.hours.high / found.hours.low) ** 0.5, 1) for found in (idea, text, known)]
    assert widths == pytest.approx([4, 2, 1.5], abs=0.25)
    assert idea.risk is Risk.MEDIUM
    assert "nobody knows which files it changes" in idea.reasons[-1]


def test_a_label_says_the_risk() -> None:
    assert estimate(Features(labels=("risk: high",))).risk is Risk.HIGH
    assert estimate(Features(words=0, hard=("race", "security"), labels=("Risk/Low",))).risk is Risk.LOW


def took(hours: float, estimated: float = 1.0, *labels: str) -> Took:
    return Took(frozenset(labels), hours, estimated)


def test_two_past_issues_do_not_tell_how_long_it_takes() -> None:
    found = judged(Features(hours=2), [took(0.1), took(0.1)])
    assert found.takes is None
    assert found.reasons[-2].startswith("Past runs do not tell")


def test_three_do_and_those_with_its_label_are_asked_first() -> None:
    past = [*(took(0.1) for _ in range(5)), *(took(hours, 1.0, "backend") for hours in (0.5, 1.0, 4.0))]
    assert judged(Features(hours=2), past).takes == Span(0.2, 0.2, 8.0)
    found = judged(Features(hours=2, labels=("backend",)), past)
    assert found.takes == Span(1.0, 2.0, 8.0)
    assert (
        "3 issues of past runs took 1 hours for each estimated hour (30 minutes to 4 hours)." in found.reasons
    )


def test_where_past_issues_went_roughly_so_may_this_one() -> None:
    past = [replace(took(1.0), smoothly=number > 1) for number in range(5)]
    assert "2 of 5 past issues needed repairs or a second attempt" in judged(Features(), past).reasons[-1]


def test_of_many_the_slowest_and_the_quickest_tenth_are_left_out() -> None:
    pace = pace_of((), [took(float(hours)) for hours in range(1, 21)])
    assert pace.span == Span(3.0, 10.5, 18.0)
    assert pace.issues == 20


# --- features


TREE = Surroundings(
    ["src/pay/card.py", "src/pay/wallet.py", "tests/test_card.py", "web/a.ts", "web/deep/b.ts", "README.md"],
    [
        *(Change(("src/pay/card.py", "tests/test_card.py"), 40, number) for number in (1, 2, 3)),
        Change(("src/pay/card.py", "README.md"), 5),
        Change(tuple(f"x{n}" for n in range(100)), 9000),
    ],
)


def test_files_are_those_it_declares_those_it_mentions_and_those_that_change_with_them() -> None:
    text = "Look at `src/pay/card.py:12`, not at src/pay/gone.py; see wallet.py and https://example.org/web/a.ts."
    found = features_of(Issue(7, "Fix it", text, files=("web/",)), TREE)
    assert found.files == ("web", "src/pay/card.py", "src/pay/wallet.py", "tests/test_card.py")
    assert (found.named, found.count, found.areas) == (4, 5, 3)
    assert found.lines == (40, 40, 40)


def test_a_pattern_counts_for_some_of_what_it_covers() -> None:
    assert [
        TREE.size_of(pattern) for pattern in ("src/pay", "src/*/x", "*.md", "web/a.ts", "none/*", "gone")
    ] == [
        *(2, 2, 5, 1, 1, 1),
    ]


def test_tasks_words_and_what_is_left_open_are_counted() -> None:
    text = "- [ ] one\n- [x] done\n1. [ ] two\n\nTBD\n"
    found = features_of(Issue(7, "Migrate the docs", text), Surroundings())
    assert (found.tasks, found.open, found.hard, found.easy) == (2, True, ("migrate",), ("docs",))


@given(st.text(max_size=300), st.lists(st.text(max_size=20), max_size=3))
def test_any_text_has_features(text: str, files: list[str]) -> None:
    features_of(Issue(1, text[:40], text, files=tuple(files)), TREE)


# --- what they are used for


def test_they_order_the_work_and_the_journal_keeps_them() -> None:
    large = "\n".join(f"- [ ] task {n}" for n in range(20))
    plain = [Issue(1, "small", "x"), Issue(2, "large", large), issue(3, hours=0.1)]
    estimated = with_estimates(plain, Surroundings())
    assert build(plain).by_rank == (1, 2, 3)
    assert build(estimated).by_rank == (2, 1, 3)
    run = Driver(*estimated)
    assert [r.event.issue for r in run.journal if isinstance(r.event, ev.AttemptAssigned)] == [2, 1, 3]
    read = [ev.Recorded(r.seq, r.at, ev.decode(ev.encode(r.event))) for r in run.journal]
    assert replay(read).graph.by_rank == (2, 1, 3)


@given(st.permutations(range(1, 6)))
def test_the_order_does_not_hang_on_the_order_of_reading(order: list[int]) -> None:
    issues = [Issue(n, "same", "x" * n) for n in order]
    assert build(with_estimates(issues, TREE)).by_rank == (1, 2, 3, 4, 5)
