"""What one text offers to others: functions, classes with their members, constants; and whether it still fits its uses.

What existing uses can still do is no break: another parameter that may be left out, another entry in a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["position", "either", "name", "positions", "names"]
"""How an argument is given: `positions` and `names` take any number of them."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `type` where it is a part of what callers rely on."""

    name: str
    kind: Kind
    optional: bool = False
    type: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that others may use. `text` is how it is shown, on one line.

    `fixed` has to stay as it is: bases, a return type, a value. `entries` are those of a table, which may become more.
    `parameters` is None for what is not called.
    """

    name: str
    text: str
    fixed: str = ""
    parameters: tuple[Parameter, ...] | None = None
    entries: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """What used to be offered under a name, and what is instead; `after` None: nothing. No name: a whole file."""

    name: str
    before: str
    after: str | None


Offers = Mapping[str, Offer]


def broken(before: Offers, after: Offers) -> tuple[Break, ...]:
    """What of `before` cannot be used as it was. Of a class that is gone its members are not told one by one."""
    found = []
    for name, old in before.items():
        new = after.get(name)
        if new is None and ("." not in name or name.partition(".")[0] in after):
            found.append(Break(name, old.text, None))
        elif new is not None and not fits(old, new):
            found.append(Break(name, old.text, new.text))
    return tuple(found)


def fits(old: Offer, new: Offer) -> bool:
    """True when every use of the old one is a use of the new one as well."""
    if old.entries is not None and new.entries is not None:
        return old.entries <= new.entries
    if (old.parameters is None) != (new.parameters is None) or old.fixed != new.fixed:
        return False
    return old.parameters is None or new.parameters is None or _callable_as(old.parameters, new.parameters)


def _callable_as(old: tuple[Parameter, ...], new: tuple[Parameter, ...]) -> bool:
    pairs = [(parameter, _taking(parameter, old, new)) for parameter in old]
    if any(now is None or (was.optional and not _may_be_left_out(now)) for was, now in pairs):
        return False
    taken = {id(now) for _, now in pairs}  # in JavaScript, parameters may equal one another
    return all(_may_be_left_out(parameter) for parameter in new if id(parameter) not in taken)


def _taking(was: Parameter, old: tuple[Parameter, ...], new: tuple[Parameter, ...]) -> Parameter | None:
    """Which of the new parameters takes what the old one took."""
    if was.kind in ("positions", "names"):
        return next((one for one in new if one.kind == was.kind and one.type == was.type), None)
    if was.kind == "name":
        named = (one for one in new if one.name == was.name and one.kind in ("name", "either"))
        return next(named, None) or next((one for one in new if one.kind == "names"), None)
    place = next(at for at, one in enumerate(_positional(old)) if one is was)
    there = _positional(new)[place : place + 1]
    same = (one for one in there if one.type == was.type)
    if was.kind == "either":
        return next((one for one in same if (one.kind, one.name) == (was.kind, was.name)), None)
    return next(same, None)


def _positional(parameters: tuple[Parameter, ...]) -> list[Parameter]:
    return [one for one in parameters if one.kind in ("position", "either")]


def _may_be_left_out(parameter: Parameter) -> bool:
    return parameter.optional or parameter.kind in ("positions", "names")
