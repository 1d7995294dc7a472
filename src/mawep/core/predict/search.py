"""Which documents are about some words: BM25 (Robertson, Walker 1994), over whatever can be counted."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import log
from typing import Generic, TypeVar

Document = TypeVar("Document", bound=Hashable)
SATURATION = 1.2
"""How soon more of the same word says nothing more."""
TOO_COMMON = 0.3
"""A word that more than this share of many documents has tells them not apart."""
FEW = 50
"""Documents of which any word tells some apart."""


class Search(Generic[Document]):
    """Documents by their words.

    `lengths` counts the words of each document; `evens`, from 0 to 1, says how far long ones are put back.
    """

    def __init__(
        self,
        holders: Mapping[str, Mapping[Document, int]],
        lengths: Mapping[Document, int],
        evens: float,
    ) -> None:
        self._holders = holders
        self._count = len(lengths)
        mean = sum(lengths.values()) / max(1, len(lengths)) or 1.0
        self._slack = {one: SATURATION * (1 - evens + evens * many / mean) for one, many in lengths.items()}

    def holding(self, word: str) -> int:
        """How many documents hold a word."""
        return len(self._holders.get(word, ()))

    def weight(self, word: str) -> float:
        """How much a word tells documents apart; 0 for one that none has, or too many."""
        holding = self.holding(word)
        if not holding or (self._count > FEW and holding > TOO_COMMON * self._count):
            return 0.0
        return log(1 + (self._count - holding + 0.5) / (holding + 0.5))

    def __call__(self, asked: Mapping[str, float]) -> dict[Document, float]:
        """Every document that holds one of these words, with its score; each word counts as much as it is given."""
        found: dict[Document, float] = {}
        for word, share in asked.items():
            weight = share * self.weight(word) * (SATURATION + 1)
            if not weight:
                continue
            for one, often in self._holders[word].items():
                found[one] = found.get(one, 0.0) + weight * often / (often + self._slack[one])
        return found


def holders_of(documents: Mapping[Document, Mapping[str, int]]) -> dict[str, dict[Document, int]]:
    """By word, the documents that hold it and how often."""
    found: dict[str, dict[Document, int]] = {}
    for one, words in documents.items():
        for word, often in words.items():
            found.setdefault(word, {})[one] = often
    return found
