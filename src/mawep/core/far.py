"""Dependencies between repositories: what is known of issues elsewhere, and circles that none of them sees."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping

import msgspec

from mawep.core.model import Far, Issue, IssueState


class FarRecord(msgspec.Struct, frozen=True):
    """What was last heard of an issue of another repository; see `FarSeen`."""

    state: IssueState
    why: str = ""
    over: bool = False

    @property
    def landed(self) -> bool:
        """True when nobody waits for it any more."""
        return self.state is IssueState.LANDED

    @property
    def told(self) -> str:
        """What it is, in words."""
        return f"{self.state} ({self.why})" if self.why else str(self.state)


_NAMED = re.compile(
    r"(?:(?P<repository>[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)+)#|#?)(?P<number>[1-9][0-9]{0,17})"
)


def named(word: str) -> Far | None:
    """The issue that a person means by `owner/name#5`, or, with an empty repository, by `#5` or `5`; None: no issue."""
    found = _NAMED.fullmatch(word)
    return None if found is None else Far((found["repository"] or "").lower(), int(found["number"]))


def awaited(issue: Issue) -> tuple[Far, ...]:
    """What an issue waits for in other repositories, each once."""
    return tuple(dict.fromkeys(dependency.on for dependency in issue.far))


def waiting(plans: Mapping[str, Iterable[Issue]], on: Far) -> tuple[Far, ...]:
    """The issues, by repository, that wait for this one, directly or not."""
    needs = {
        Far(repository, issue.number): frozenset(_needs(repository, issue))
        for repository, issues in plans.items()
        for issue in issues
    }
    found = {on: None}
    ahead = [on]
    while ahead:
        at = ahead.pop()
        fresh = [one for one, needed in needs.items() if at in needed and one not in found]
        found |= dict.fromkeys(fresh)
        ahead += fresh
    return tuple(found)[1:]


def circle(plans: Mapping[str, Iterable[Issue]], but: Container[Far] = ()) -> tuple[Far, ...]:
    """Issues, by repository, that wait for each other in a circle: its path, first issue again last; else nothing.

    Circles through the issues in `but` are not looked for.
    """
    waits = {
        Far(repository, issue.number): tuple(_needs(repository, issue))
        for repository, issues in plans.items()
        for issue in issues
        if Far(repository, issue.number) not in but
    }
    done: set[Far] = set()
    for start, needed in waits.items():
        path: dict[Far, Iterator[Far]] = {} if start in done else {start: iter(needed)}
        while path:
            at, ahead = next(reversed(path.items()))
            on = next(ahead, None)
            if on is None:
                done.add(at)
                path.popitem()
            elif on in path:
                way = list(path)
                return (*way[way.index(on) :], on)
            elif on in waits and on not in done:
                path[on] = iter(waits[on])
    return ()


def _needs(repository: str, issue: Issue) -> Iterator[Far]:
    yield from (
        Far(repository, dependency.on) for dependency in issue.depends_on if dependency.on != issue.number
    )
    yield from awaited(issue)
