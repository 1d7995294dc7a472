"""Every event that can be made is read back from its JSON form as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mawep.core import events as ev

PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    datetime: st.datetimes(timezones=st.just(UTC)),
    float: st.floats(allow_nan=False, allow_infinity=False),
    int: st.integers(-(2**53), 2**53),
    str: st.text(max_size=8),
}


def anything(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type, as small as can be."""
    if hint in PLAIN:
        return PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        hints = get_type_hints(hint)
        return st.builds(hint, **{name: anything(hints[name]) for name in hint.__struct_fields__})
    arguments = get_args(hint)
    if getattr(hint, "__origin__", None) is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(anything(arguments[0]), max_size=2).map(tuple)
        return st.tuples(*map(anything, arguments))
    if arguments and getattr(hint, "__origin__", None) is not dict:
        return st.one_of(*map(anything, arguments))
    return st.from_type(hint)


@pytest.mark.parametrize("kind", get_args(ev.AnyEvent), ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_an_event_is_read_back_as_it_was(kind: type, data: st.DataObject) -> None:
    event = data.draw(anything(kind))
    written = ev.encode(event)
    assert ev.decode(written) == event
    assert ev.encode(ev.decode(written)) == written
