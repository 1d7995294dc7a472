"""From an issue as a forge shows it to an issue of a run: what its labels and its text say.

Nothing is asked of the forge here: references are given as they were written, to be looked up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from mawep.core.model import Issue, Number
from mawep.trackers.affected_files import affected_files
from mawep.trackers.dependencies import Reference, Unreadable, references
from mawep.trackers.forge_values import ForgeIssue
from mawep.trackers.markdown import Markdown
from mawep.trackers.signs import hours_of, priority_of

WORK_LABEL = "mawep: work"
"""Says that an issue with sub-issues has work of its own besides them."""

_TO_DO = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\[ \][ \t]+(?P<text>.*)")
_LINK = re.compile(r"[\[(*_]*(?:#[0-9]|GH-[0-9]|[\w.-]+/[\w./-]*#[0-9]|https?://)")

Target = tuple[str, Number]
"""An issue anywhere on the forge: repository, as it was written, and number."""


@dataclass(frozen=True)
class Reading:
    """What an issue says. `issue` has no dependencies yet: those in the text are `waits_for`, each with its line.

    `has_work` is False when there is nothing to do but what its sub-issues do, if it has any.
    """

    issue: Issue
    waits_for: dict[Target, int]
    problems: tuple[str, ...]
    has_work: bool


def read(found: ForgeIssue, repository: str) -> Reading:
    """Read an issue of `repository`."""
    body = Markdown(found.body.replace("\r\n", "\n"))
    problems: list[tuple[int, str]] = []
    files = _files(body, problems)
    waits_for = _waits_for(found, body, repository, problems)
    issue = Issue(
        number=found.number,
        title=_one_line(found.title),
        body=body.text,
        labels=found.labels,
        priority=priority_of(found.labels, found.fields),
        estimate_hours=hours_of(found.labels, body, found.fields),
        files=files,
        author=found.author,
        created_at=moment(found.created_at),
        origin=found.url or None,
        association=found.association,
        milestone=found.milestone,
        assignees=found.assignees,
    )
    told = tuple(f"line {line}: {problem}" for line, problem in sorted(problems))
    has_work = bool(files) or WORK_LABEL in found.labels or _has_to_do(body)
    return Reading(issue, waits_for, told, has_work)


def moment(at: datetime | None) -> str | None:
    """A moment in UTC, so that moments sort as text."""
    return None if at is None else at.astimezone(UTC).isoformat()


def host_of(url: str) -> str:
    """The host of an address as people write it, with its port if it says one."""
    return urlsplit(url).netloc.rpartition("@")[2].lower().removeprefix("www.")


def same(one: str, other: str) -> bool:
    """Forges take names of repositories in any case."""
    return one.casefold() == other.casefold()


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _files(body: Markdown, problems: list[tuple[int, str]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for file in affected_files(body):
        if file.problem:
            problems.append((file.line, f"affected files: `{file.path}` {file.problem}"))
        else:
            found[file.path] = None
    return tuple(found)


def _waits_for(
    found: ForgeIssue, body: Markdown, repository: str, problems: list[tuple[int, str]]
) -> dict[Target, int]:
    """The issues that the text names, itself left out; `repository` stands for every way to write it."""
    here = host_of(found.url)
    targets: dict[Target, int] = {}
    unclear: list[Unreadable] = []
    for one in references(body):
        if isinstance(one, Unreadable):
            unclear.append(one)
        elif one.host and here and one.host.lower().removeprefix("www.") != here:
            problems.append((one.line, _elsewhere(one)))
        else:
            local = one.repository is None or same(one.repository, repository)
            targets.setdefault((repository if local else one.repository or "", one.number), one.line)
    for unreadable in unclear:
        if unreadable.number is None:
            sentence = f"`{unreadable.text}` cannot be read as a reference to an issue; write it as `#101`"
        elif (repository, unreadable.number) in targets:
            continue
        else:
            sentence = (
                f"is `{unreadable.text}` a dependency? Begin the item with it, or write it in backticks"
            )
        problems.append((unreadable.line, sentence))
    targets.pop((repository, found.number), None)
    return targets


def _elsewhere(one: Reference) -> str:
    return f"waits for {one.repository}#{one.number} on {one.host}, which is another forge, where MAWEP cannot look"


def _has_to_do(body: Markdown) -> bool:
    """True when something is to be ticked off that is no reference to another issue."""
    if "[ ]" not in body.text:
        return False
    items = (found["text"] for line in body.visible if (found := _TO_DO.match(line)))
    return any(item.strip() and not _LINK.match(item.strip()) for item in items)
