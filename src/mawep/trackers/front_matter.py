"""Front matter: the YAML between two `---` lines at the top of a Markdown file.

Nearly all of it is `key: word` and `key: [a, b]`. That much is read here, forty times as fast as by a whole
YAML parser; the moment a line says anything more, the parser reads all of it. Both give the same result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mawep.adapters.yaml_lines import KeyPath, Parsed, Tree, parse

FIRST_LINE = 2
"""The line number of the first line of front matter."""

_CHARACTER = r"\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
_KEY_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*):(?: +([^ ].*))?")
_ITEM_LINE = re.compile(r"( *)- +([^ ].*)")
_COMMENT = re.compile(rf" *(?:#[{_CHARACTER}]*)?")
_PLAIN = re.compile(rf"[A-Za-z0-9_./(\xc0-\u024f](?:(?!: |:$| #)[{_CHARACTER}])*")
_WORD_IN_LIST = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./*+ -]*")
_QUOTED = re.compile(rf"\"(?:(?![\"\\])[{_CHARACTER}])*\"|'(?:(?!')[{_CHARACTER}])*'")
_NULLS = frozenset({"null", "Null", "NULL"})


class NotSimpleError(Exception):
    """The front matter says more than the simple form holds."""


@dataclass(frozen=True)
class Parts:
    """A file's front matter and body. `body_line` is the line number of the body's first line."""

    front_matter: str
    body: str
    body_line: int


def split(text: str) -> Parts:
    """Take a file apart.

    Raises:
        ValueError: there is no front matter, or it does not end; the message is a sentence.
    """
    first, _, rest = text.partition("\n")
    if first.rstrip() != "---":
        raise ValueError("has no front matter; begin the file with a line `---`, keys, and another `---`")
    lines = rest.split("\n")
    end = next((count for count, line in enumerate(lines) if line.rstrip() == "---"), None)
    if end is None:
        raise ValueError("its front matter does not end; write a line `---` after the last key")
    return Parts("\n".join(lines[:end]), "\n".join(lines[end + 1 :]), FIRST_LINE + end + 1)


def read(front_matter: str) -> Parsed:
    """What the front matter says, with lines of the file it stands in."""
    try:
        return read_simple(front_matter)
    except NotSimpleError:
        return parse(front_matter, FIRST_LINE)


def read_simple(front_matter: str) -> Parsed:
    """Read front matter of the simple form.

    Raises:
        NotSimpleError: it has another form, or something is wrong with it.
    """
    tree: dict[str, Tree] = {}
    lines: dict[KeyPath, int] = {}
    open_list = ""  # the key whose items may follow
    items: list[Tree] = []
    indent: str | None = None
    for count, line in enumerate(front_matter.split("\n"), start=FIRST_LINE):
        if _COMMENT.fullmatch(line):
            continue
        if key_line := _KEY_LINE.fullmatch(line):
            key, text = key_line[1], key_line[2]
            if key in tree:
                raise NotSimpleError
            lines.setdefault((), count)
            lines[key,] = count
            tree[key] = value = _value(text)
            if isinstance(value, list):
                lines |= {(key, index): count for index in range(len(value))}
            open_list, items, indent = ("" if text else key), [], None
        elif open_list and (item_line := _ITEM_LINE.fullmatch(line)):
            if indent not in {None, item_line[1]}:
                raise NotSimpleError
            tree[open_list] = items
            indent = item_line[1]
            lines[open_list, len(items)] = count
            items.append(_scalar(item_line[2].rstrip(" ")))
        else:
            raise NotSimpleError
    return Parsed(tree if lines else None, lines)


def _value(text: str | None) -> Tree:
    if text is None:
        return None
    text = text.rstrip(" ")
    if not text.startswith("["):
        return _scalar(text)
    inner = text[1:-1].strip(" ")
    if not text.endswith("]"):
        raise NotSimpleError
    return [_scalar(item.strip(" "), _WORD_IN_LIST) for item in inner.split(",")] if inner else []


def _scalar(text: str, plain: re.Pattern[str] = _PLAIN) -> str | None:
    if _QUOTED.fullmatch(text):
        return text[1:-1]
    if not plain.fullmatch(text):
        raise NotSimpleError
    return None if text in _NULLS else text
