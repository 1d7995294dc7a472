"""Words of a text: names are split into their parts, endings are cut, and what says nothing is left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

LEAST = 3
"""Characters of a word that says something."""
LONGEST = 60
"""Characters of a name; what is longer is data."""
STOP = frozenset(
    (
        *(
            "a",
            "an",
            "the",
            "and",
            "or",
            "of",
            "to",
            "in",
            "into",
            "for",
            "on",
            "with",
            "from",
            "by",
            "at",
            "as",
        ),
        *(
            "is",
            "are",
            "be",
            "it",
            "its",
            "not",
            "when",
            "this",
            "that",
            "if",
            "but",
            "can",
            "should",
            "does",
        ),
        *(
            "fix",
            "fixes",
            "fixed",
            "bug",
            "add",
            "adds",
            "added",
            "use",
            "using",
            "used",
            "support",
            "update",
        ),
        *("merge", "pull", "request", "branch", "issue", "make", "makes", "feat", "chore", "refactor"),
    )
)

_NAME = re.compile(r"[^\W\d]\w+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[^\W\dA-Za-z_]+")
_ENDING = re.compile(r"(?:ing|ed|es|s)$")


def counted(text: str) -> Counter[str]:
    """How often each word is in a text. A name such as `readTree` counts as itself and as its parts."""
    found: Counter[str] = Counter()
    for name, often in Counter(_NAME.findall(text)).items():
        for word in words_of(name):
            found[word] += often
    return found


@lru_cache(maxsize=2**16)
def words_of(name: str) -> tuple[str, ...]:
    """The words of one name."""
    if len(name) > LONGEST:
        return ()
    parts = _PART.findall(name.replace("_", " "))
    return tuple(dict.fromkeys(_known([name, *parts] if len(parts) > 1 else [name])))


def _known(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        word = name.lower()
        if len(word) >= LEAST and word not in STOP:
            yield _ENDING.sub("", word) if len(word) > 5 else word
