"""Which issues a text says it waits for, in the grammar that people know from GitHub actions and bots.

    KEY     := depends on | depends-on | blocked by | blocked-by | requires   (any case, optional emphasis)
    REF     := #N | GH-N | owner/repo#N | https://HOST/owner/repo/(issues|pull|pulls)/N
             | https://HOST/group/…/repo/-/(issues|work_items)/N | [text](URL)
    LINE    := KEY [:] REF ((","|"and"|"&"|space) REF)*     up to the first thing that is not a REF
    SECTION := heading "Depends on|Blocked by|Requires|Dependencies|Blockers", then list items that begin with REF

A line that ends in KEY is followed by its list on the next lines. Comments, code and quotes are not read. A
checked box does not mean done. What a person meant as a reference but is none (`#0`, `#12abc`) or is not where
one belongs (in a section, an item that does not begin with it) is reported, never skipped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mawep.trackers.markdown import Markdown, heading, list_item

_KEY = r"(?:depends(?:[ \t]+|-)on|blocked(?:[ \t]+|-)by|requires)"
_KEY_WORDS = ("depends", "blocked", "requires")
_TITLE_WORDS = ("dependencies", "blockers")
_EMPHASIS = r"(?:\*\*?|__?)?"
_PHRASE = re.compile(rf"(?<![\w-]){_EMPHASIS}{_KEY}{_EMPHASIS}[ \t]*:?{_EMPHASIS}[ \t]*", re.IGNORECASE)
_TITLE = re.compile(rf"{_EMPHASIS}(?:{_KEY}|dependencies|blockers){_EMPHASIS}[ \t]*:?", re.IGNORECASE)
_REF = re.compile(
    r"(?:\[[^\]\n]{0,300}\]\()?"
    r"(?:https?://(?P<host>[\w.-]+(?::[0-9]+)?)/(?P<url_repository>[\w.-]+(?:/[\w.-]+){1,20}?)/(?:-/)?"
    r"(?:issues|pulls?|work_items)/(?P<url_number>[1-9][0-9]{0,17})(?![\w/])"
    r"|(?:(?P<repository>[A-Za-z0-9][\w.-]*(?:/[\w.-]+){1,20}))?#(?P<number>[1-9][0-9]{0,17})(?![\w-])"
    r"|GH-(?P<gh>[1-9][0-9]{0,17})\b)\)?"
)
_BETWEEN = re.compile(r"[ \t]*,[ \t]*(?:and[ \t]+)?|[ \t]*&[ \t]*|[ \t]+and[ \t]+|[ \t]+")
_LIKE_A_REF = re.compile(
    r"[\[(*_]*+(?:#[0-9]|GH-[0-9]|[\w.-]+/[\w./-]*#[0-9]|https?://[^\s)]+/(?:issues|pulls?|work_items|merge_requests)/[0-9])\S*",
    re.IGNORECASE,
)
_IN_TEXT = re.compile(r"(?<![\w/])#(?P<number>[1-9][0-9]{0,17})(?![\w-])")


@dataclass(frozen=True)
class Reference:
    """An issue that a text waits for. `repository` is None for the text's own. `line` counts from 1.

    `host` is known when the text holds an address, with its port if that is written.
    """

    number: int
    repository: str | None
    line: int
    host: str | None = None


@dataclass(frozen=True)
class Unreadable:
    """Something that looks like a reference and is none.

    `number` is the issue it may mean, when it only stands in the wrong place.
    """

    text: str
    line: int
    number: int | None = None


def references(body: Markdown) -> Iterator[Reference | Unreadable]:
    """Every reference in `body`, in order, repetitions included."""
    if not _says(body.text, *_KEY_WORDS, *_TITLE_WORDS):
        return
    in_section, asked_on = False, 0  # asked_on: the line that ended in a KEY and whose list is still open
    for count, line in enumerate(body.visible, start=1):
        title = heading(line)
        if title is not None:
            in_section, asked_on = _TITLE.fullmatch(title) is not None, 0
        elif _says(line, *_KEY_WORDS) and (phrases := list(_PHRASE.finditer(line))):
            for phrase in phrases:
                yield from _listed(line, phrase.end(), count)
            asked_on = count if phrases[-1].end() == len(line) else 0
        elif not (in_section or asked_on):
            continue
        elif (item := list_item(line)) is not None:
            yield from _item(item, count)
        elif asked_on and line.strip():
            if count == asked_on + 1:
                yield from _listed(line.strip(), 0, count)
            asked_on = 0


def _says(text: str, *words: str) -> bool:
    """A cheap look whether any of the words is there at all; most lines and many texts have none."""
    lowered = text.lower()
    return any(word in lowered for word in words)


def _item(item: str, count: int) -> Iterator[Reference | Unreadable]:
    found = list(_listed(item, 0, count))
    yield from found
    if not found and (elsewhere := _IN_TEXT.search(item)):
        yield Unreadable(elsewhere[0], count, int(elsewhere["number"]))


def _listed(line: str, at: int, count: int) -> Iterator[Reference | Unreadable]:
    """The list of references that begins at `at`."""
    while found := _REF.match(line, at):
        repository = found["url_repository"] or found["repository"]
        number = int(found["url_number"] or found["number"] or found["gh"])
        yield Reference(number, repository, count, found["host"])
        at = found.end()
        between = _BETWEEN.match(line, at)
        if between is None:
            return
        at = between.end()
    if unreadable := _LIKE_A_REF.match(line, at):
        yield Unreadable(unreadable[0], count)
