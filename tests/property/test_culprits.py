"""Whatever the gate says, the search for a green part ends, lands only what was green, and blames somebody in it."""

from __future__ import annotations

from math import ceil, log2

from hypothesis import given
from hypothesis import strategies as st

from mawep.core.culprits import Eject, Land, Part, Probe, diagnose

slots = st.integers(1, 6)


@given(size=st.integers(1, 12), slots=slots, verdicts=st.data())
def test_the_search_ends_with_something_that_was_green(
    size: int, slots: int, verdicts: st.DataObject
) -> None:
    """Verdicts come in any order, and some while others are still awaited."""
    whole = tuple(range(size))
    known: dict[Part, bool | None] = {}
    while isinstance(found := diagnose(whole, known, slots), Probe):
        known |= {part: known.get(part) for part in (*found.parts, *found.early)}
        pending = [part for part, verdict in known.items() if verdict is None]
        assert pending
        for part in verdicts.draw(st.lists(st.sampled_from(pending), min_size=1, unique=True)):
            assert part and set(part) <= set(whole)
            known[part] = verdicts.draw(st.booleans(), label=str(part))
    if isinstance(found, Land):
        assert known[found.part]
        assert found.suspect is None or found.suspect in set(whole) - set(found.part)
    else:
        assert isinstance(found, Eject)
        assert known[(found.number,)] is False
        assert not any(known.values())


@given(size=st.integers(2, 32), slots=slots, data=st.data())
def test_one_spoiler_is_always_found(size: int, slots: int, data: st.DataObject) -> None:
    whole = tuple(range(size))
    spoiler = data.draw(st.sampled_from(whole))
    known: dict[Part, bool | None] = {}
    while isinstance(found := diagnose(whole, known, slots), Probe):
        known |= {part: spoiler not in part for part in (*found.parts, *found.early)}
    assert found == Land(tuple(n for n in whole if n != spoiler), spoiler)
    assert len(known) <= 2 + ceil(log2(size)) + slots


@given(size=st.integers(2, 16), slots=slots, data=st.data())
def test_whatever_is_red_together_no_green_candidate_is_blamed(
    size: int, slots: int, data: st.DataObject
) -> None:
    """Where supersets of what is red are red, a suspect has its part in a set that is."""
    whole = tuple(range(size))
    sets = data.draw(
        st.lists(st.sets(st.sampled_from(whole), min_size=1, max_size=3), min_size=1, max_size=3)
    )
    known: dict[Part, bool | None] = {}
    while isinstance(found := diagnose(whole, known, slots), Probe):
        asked = (*found.parts, *found.early)
        known |= {part: not any(one <= set(part) for one in sets) for part in asked}
    blamed = found.suspect if isinstance(found, Land) else found.number
    assert blamed is None or any(blamed in one for one in sets)
