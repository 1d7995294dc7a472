"""Whatever the gate says, the search for a green part ends, lands only what was green, and blames somebody in it."""

from __future__ import annotations

from math import ceil, log2

from hypothesis import given
from hypothesis import strategies as st

from mawep.core.landing import Eject, Land, Probe, diagnose

Part = tuple[int, ...]


@given(size=st.integers(1, 12), slots=st.integers(1, 6), verdicts=st.data())
def test_the_search_ends_with_something_that_was_green(
    size: int, slots: int, verdicts: st.DataObject
) -> None:
    whole = tuple(range(size))
    known: dict[Part, bool] = {}
    while isinstance(found := diagnose(whole, known.get, slots), Probe):
        unknown = [part for part in found.parts if part not in known]
        assert unknown
        for part in unknown:
            known[part] = verdicts.draw(st.booleans(), label=str(part))
    bits = ceil(log2(size)) if size > 1 else 0
    assert len(known) <= 2 + 2 * bits
    if isinstance(found, Land):
        assert known[found.part]
        assert (found.suspect is None) is (found.part == whole)
        assert found.suspect not in found.part
    else:
        assert isinstance(found, Eject)
        assert known[(found.number,)] is False


@given(size=st.integers(2, 12), slots=st.integers(1, 6), data=st.data())
def test_one_spoiler_is_always_found(size: int, slots: int, data: st.DataObject) -> None:
    whole = tuple(range(size))
    spoiler = data.draw(st.sampled_from(whole))
    known: dict[Part, bool] = {}
    while isinstance(found := diagnose(whole, known.get, slots), Probe):
        known |= {part: spoiler not in part for part in found.parts}
    assert found == Land(tuple(n for n in whole if n != spoiler), spoiler)
    assert len(known) <= 2 + ceil(log2(size))
