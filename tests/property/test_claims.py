"""Claims never refuse too little, and the index finds what looking at all of them finds."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mawep.core.claims import ClaimTable, clean, covers, overlap
from tests.core.driver import START

PARTS = st.sampled_from(("a", "b", "*", "a*", "?", "[ab]"))
NAMES = st.sampled_from(("a.py", "b.md", "*.py", "*.md", "*", "a.*"))
PATTERNS = st.builds(
    lambda parts, name: "/".join([*parts, name]), st.lists(PARTS, max_size=2), NAMES
) | st.lists(PARTS, min_size=1, max_size=3).map("/".join)
DIRECTORIES = ("a", "b", "ab", "a/a", "a/b", "b/a", "ab/b", "a/b/a", "b/b/b")
UNIVERSE = (
    *DIRECTORIES,
    *(f"{directory}/{name}" for directory in DIRECTORIES for name in ("a.py", "b.md", "c")),
    *("a.py", "b.md"),
)


@given(a=PATTERNS, b=PATTERNS)
def test_what_two_claims_both_cover_is_an_overlap(a: str, b: str) -> None:
    assert overlap(a, b) == overlap(b, a)
    if any(covers(a, path) and covers(b, path) for path in UNIVERSE):
        assert overlap(a, b)


@given(
    deeds=st.lists(
        st.tuples(
            st.sampled_from(("take", "take", "drop", "extend")),
            st.integers(1, 4),
            st.lists(PATTERNS, max_size=3),
            st.sampled_from((None, START, START + timedelta(seconds=60))),
        ),
        max_size=8,
    ),
    wanted=st.lists(PATTERNS, min_size=1, max_size=2),
)
def test_the_table_answers_like_a_list_of_claims(
    deeds: list[tuple[str, int, list[str], datetime | None]], wanted: list[str]
) -> None:
    table, held = ClaimTable(), dict[int, tuple[list[str], datetime | None]]()
    for deed, number, patterns, until in deeds:
        taken = any(overlap(p, q) for n, (ps, _) in held.items() if n != number for p in ps for q in patterns)
        if deed == "take" and not taken:  # as the scheduler does: never over another's claim
            table = table.take(number, patterns, until)
            held[number] = (patterns, until)
        elif deed == "drop":
            table = table.drop(number)
            held.pop(number, None)
        elif deed == "extend" and number in held:
            table = table.extend(number, until)
            held[number] = (held[number][0], until)
    found = {(conflict.path, conflict.holder) for conflict in table.conflicts(wanted, asking=1, now=START)}
    expected = {
        (pattern, number)
        for pattern in wanted
        for number, (patterns, until) in held.items()
        if number != 1 and (until is None or until > START)
        if any(overlap(clean(claim), clean(pattern)) for claim in patterns)
    }
    assert found == expected
    for number in held:
        table = table.drop(number)
    assert table == ClaimTable()
