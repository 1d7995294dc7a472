"""Claims never refuse too little, the index finds what looking at all of them finds, and nobody waits for ever."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mawep.core import events as ev
from mawep.core.claims import ClaimTable, clean, covers, overlap
from mawep.core.model import FailureReason, Rules
from mawep.core.schedule import RefusalKind, refusals
from tests.core.driver import START, Driver, issue

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


@given(
    exclusive=st.booleans(),
    claims=st.lists(st.tuples(st.integers(1, 3), st.lists(PATTERNS, min_size=1, max_size=3)), max_size=4),
    path=st.sampled_from(UNIVERSE),
)
def test_who_holds_a_path_is_whoever_claims_what_covers_it(
    exclusive: bool, claims: list[tuple[int, list[str]]], path: str
) -> None:
    table, held = ClaimTable(exclusive=exclusive), dict[int, list[str]]()
    for number, patterns in claims:
        table, held = table.take(number, patterns, None), held | {number: patterns}
    expected = {n for n, patterns in held.items() if any(covers(p, path) for p in patterns)}
    assert set(table.holding(path)) == expected
    for number in held:
        table = table.drop(number)
    assert table == ClaimTable(exclusive=exclusive)


@given(
    declared=st.lists(st.lists(PATTERNS, max_size=3), min_size=2, max_size=6),
    asked=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(UNIVERSE)), max_size=10),
    agents=st.integers(1, 4),
)
def test_nobody_waits_for_a_claim_of_somebody_who_waits(
    declared: list[list[str]], asked: list[tuple[int, str]], agents: int
) -> None:
    """Declared claims are taken all at once or not at all, and what is asked for later is refused, never waited for.

    So who waits for a claim holds none, who holds one waits for none, and there is no circle to be in.
    """
    issues = [issue(n, files=files) for n, files in enumerate(declared, 1)]
    run = Driver(*issues, rules=Rules(max_agents=agents))
    asking = iter(asked)
    while run.state.active:
        for number, place in [(run.state.active[at % len(run.state.active)], path) for at, path in asking]:
            run.go(ev.ClaimsTaken(number, run.fence(number), (place,)))
        waiting = [
            n
            for n in run.state.issues
            if any(r.kind is RefusalKind.CLAIM for r in refusals(run.state, n, run.now))
        ]
        assert not any(run.state.claims.held_by(number) for number in waiting)
        assert set(run.state.claims.holders) <= set(run.state.active) and not set(waiting) & set(
            run.state.active
        )
        number = run.state.active[0]
        run.start(number).go(ev.AttemptFailed(number, run.fence(number), FailureReason.AGENT_ERROR))
    assert all(record.state.terminal for record in run.state.issues.values())
