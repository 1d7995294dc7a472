"""Files of languages that are not parsed here: what looks like a definition in them, and who says its name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mawep.surface.nodes import LONGEST, squeezed
from mawep.surface.offers import Offer

_DEFINITION = re.compile(
    r"^\s*(?:(?:pub(?:\([a-z]+\))?|public|export|static|final|const|abstract|async|unsafe|extern|inline|virtual|override"
    r"|open|sealed|internal|data)\s+)*"
    r"(?:def|func|fun|fn|function|sub|class|struct|interface|trait|enum|type|module|record|protocol|message|service|rpc"
    r"|const|let|val|var|define|#define|create\s+table|procedure)\s+"
    r"(?:\([^)]*\)\s*)?(?P<name>[A-Za-z_]\w{2,})[^\n]*",
    re.IGNORECASE | re.MULTILINE,
)
_WORD = re.compile(r"[A-Za-z_]\w+")


def offers(text: str) -> Iterator[Offer]:
    """Lines that look like the definition of a name; a line without its body is a part of it."""
    for found in _DEFINITION.finditer(text):
        line = squeezed(found[0]).rstrip("{:;= ")
        yield Offer(found["name"], line[:LONGEST], line)


def names_used(text: str) -> frozenset[str]:
    """Every word of a text."""
    return frozenset(_WORD.findall(text))
