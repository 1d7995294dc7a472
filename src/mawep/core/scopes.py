"""What of a mono-repo a change can affect: the scopes whose gate commands a tree needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mawep.core.claims import covers
from mawep.core.model import Scope


def affected(
    scopes: Sequence[Scope], paths: Iterable[str], labels: Iterable[str] = ()
) -> tuple[str, ...] | None:
    """The scopes that a change of `paths` affects, in the order of `scopes`; None: all of them.

    Those that a path lies in, those that `labels` name, and those that need one of them, directly or not. A path
    that lies in no scope may be read by anybody: it affects all.
    """
    found = labelled(scopes, labels)
    for path in dict.fromkeys(paths):
        inside = {scope.name for scope in scopes if lies_in(scope, path)}
        if not inside:
            return None
        found |= inside
    return in_order(scopes, _needing(scopes, found))


def labelled(scopes: Iterable[Scope], labels: Iterable[str]) -> set[str]:
    """The names of the scopes that an issue with these labels is about; labels are compared in lower case."""
    said = {label.lower() for label in labels}
    return {scope.name for scope in scopes if not said.isdisjoint(label.lower() for label in scope.labels)}


def lies_in(scope: Scope, path: str) -> bool:
    """True when one of the scope's paths or patterns covers the path."""
    return any(covers(pattern, path) for pattern in scope.paths)


def unread(scopes: Sequence[Scope], gated: Iterable[str]) -> tuple[Scope, ...]:
    """The scopes whose content makes no difference to the verdict on those that are `gated`.

    They read what lies in them and in all that they need, directly or not, and every path that lies in no scope.
    """
    read = set(gated)
    while more := {needed for scope in scopes if scope.name in read for needed in scope.needs} - read:
        read |= more
    return tuple(scope for scope in scopes if scope.name not in read)


def reads(scopes: Sequence[Scope], unread: Sequence[Scope], path: str) -> bool:
    """True when what lies at the path can make a difference where `unread` does not: it lies in no more than those."""
    if not any(lies_in(scope, path) for scope in unread):
        return True
    return any(lies_in(scope, path) for scope in scopes if scope not in unread)


def outside(scopes: Sequence[Scope], paths: Iterable[str], labels: Iterable[str]) -> tuple[str, ...]:
    """The paths that an issue with these labels may not change: none, unless one of its scopes confines it."""
    own = labelled(scopes, labels)
    meant = [scope for scope in scopes if scope.name in own]
    if not any(scope.confine for scope in meant):
        return ()
    return tuple(path for path in paths if not any(lies_in(scope, path) for scope in meant))


def in_order(scopes: Sequence[Scope], names: Iterable[str]) -> tuple[str, ...] | None:
    """The names in the order of `scopes`, so that the same set is always written alike; None when it is all of them."""
    wanted = set(names)
    found = tuple(scope.name for scope in scopes if scope.name in wanted)
    return None if len(found) == len(scopes) else found


def _needing(scopes: Sequence[Scope], names: set[str]) -> set[str]:
    """These scopes and all that need one of them, directly or not."""
    found = set(names)
    while more := {s.name for s in scopes if s.name not in found and not found.isdisjoint(s.needs)}:
        found |= more
    return found
