"""Commands to MAWEP in a comment: `/mawep VERB TEXT` at the start of a line, outside of quotes, code and comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from mawep.trackers.forge_values import Comment
from mawep.trackers.markdown import Markdown

VERBS = ("start", "stop", "retry", "approve", "ask", "answer", "status")
WITH_TEXT = ("ask", "answer")
MOST = 20
"""Commands of one comment that are read."""
OUR_MARK = "<!-- mawep:"
"""Begins the mark in everything that MAWEP posts itself."""
LONGEST_WORD = 40

_COMMAND = re.compile(r"/mawep(?:[ \t]+(?P<verb>\S+)(?P<text>.*))?[ \t]*", re.IGNORECASE)


@dataclass(frozen=True)
class Command:
    """One command. `verb` is in lower case and perhaps none that there is; `text` is what follows it."""

    verb: str
    text: str = ""

    @property
    def known(self) -> bool:
        """True for a verb that there is."""
        return self.verb in VERBS

    def __str__(self) -> str:
        return f"{self.verb} {self.text}".strip()


def as_posted(comment: Comment) -> bool:
    """True for a comment that nobody has edited: who edited another one's comment, the forge does not say."""
    if comment.created_at is None or comment.updated_at is None:
        return comment.updated_at is None
    return comment.updated_at - comment.created_at < timedelta(seconds=1)


def commands(body: str) -> tuple[Command, ...]:
    """The commands of a text, in its order. The text of `ask` and `answer` goes on to the next command or the end.

    A line is a command when it begins with `/mawep`, without anything before it.
    """
    if OUR_MARK in body or "/mawep" not in body.lower():
        return ()
    page = Markdown(body.replace("\r\n", "\n").replace("\r", "\n"))
    found = [
        (place, match)
        for place, line in enumerate(page.visible)
        if line[:6].lower() == "/mawep" and (match := _COMMAND.fullmatch(line))
    ]
    ends = [place for place, _ in found[1:]] + [len(page.lines)]
    return tuple(
        _command(match, page.lines[place:end])
        for (place, match), end in zip(found[:MOST], ends, strict=False)
    )


def _command(match: re.Match[str], lines: list[str]) -> Command:
    """The text is taken as it was written, code included."""
    verb = (match["verb"] or "").lower()[:LONGEST_WORD]
    if verb not in WITH_TEXT:
        return Command(verb, (match["text"] or "").strip())
    first = lines[0][match.end("verb") :]
    return Command(verb, "\n".join([first, *lines[1:]]).strip())
