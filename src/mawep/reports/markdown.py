"""Text that others wrote, made fit to stand in Markdown of ours on a forge.

It mentions nobody, refers to no issue, closes none, links nowhere and shows no picture. A forge looks for mentions and
references in the rendered text, so a backslash does not stop it: a character without width goes in between.
"""

from __future__ import annotations

import re

from mawep.core.text import visible, without_sequences

MOST = 65_536
"""Characters that a forge takes."""
CUT = "… (cut)"

_BREAK = "\u200b"
"""Breaks a reference where it stands and is not seen."""
_LINE_END = re.compile(r"\r\n?|\n|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>&|~$!#^]")
_NUMBERED = re.compile(r"\d{1,9}(?=[.)])")
_REFERENCE = re.compile(r"@|\\#(?=\w)|GH-(?=\d)|:/(?=/)|www(?=\.)", re.IGNORECASE)
_BARE_REFERENCE = re.compile(r"@|#(?=\w)|GH-(?=\d)|:/(?=/)|www(?=\.)", re.IGNORECASE)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def bare(text: str, limit: int = 300) -> str:
    """On one line where nothing is rendered but references count, as in a title or a commit's message."""
    words = _line(text, limit)
    return _BARE_REFERENCE.sub(lambda found: found[0] + _BREAK, words)


def inline(text: str, limit: int = 300) -> str:
    """On one line, as plain words, of at most `limit` characters before they are escaped."""
    words = _line(text, limit)
    return _REFERENCE.sub(lambda found: found[0] + _BREAK, _escaped(words))


def _escaped(words: str) -> str:
    escaped = _SPECIAL.sub(r"\\\g<0>", words)
    if escaped[:1] in {"-", "+", "="}:
        return "\\" + escaped
    return (
        _NUMBERED.sub(lambda found: found[0] + "\\", escaped, count=1) if escaped[:1].isdigit() else escaped
    )


def _line(text: str, limit: int) -> str:
    """Its visible words with one space between them; where nothing visible stands between two spaces, one is left."""
    words = visible(" ".join(without_sequences(text[: 4 * limit]).split()))
    return _shortened(" ".join(words.split()), limit)


def _shortened(words: str, limit: int) -> str:
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


def code(text: str, limit: int = 200) -> str:
    """As code within a line: nothing in it is looked at."""
    words = _line(text, limit)
    if not words:
        return ""
    ticks = "`" * (_longest_run(words, "`") + 1)
    room = " " if words[0] in "` " or words[-1] in "` " else ""
    return f"{ticks}{room}{words}{room}{ticks}"


def fenced(text: str, limit: int = 10_000) -> str:
    """As a block of code that nothing in it ends; of a longer text its end is kept, where errors are."""
    if len(text) > limit:
        text = f"{CUT}\n{text[-limit:]}"
    lines = [visible(line.replace("\t", "    ")) for line in _lines(without_sequences(text))]
    while lines and not lines[-1]:
        lines.pop()
    ticks = "`" * max(3, *(_longest_run(line, "`") + 1 for line in lines or [""]))
    return "\n".join([f"{ticks}text", *lines, ticks])


def quoted(text: str, limit: int = 4000) -> str:
    """As a quotation, line by line, each as plain words."""
    shown = text if len(text) <= limit else f"{text[:limit]}\n{CUT}"
    lines = [inline(line, limit) for line in _lines(shown)]
    return "\n".join(f"> {line}\\" if line and after else f"> {line}" for line, after in _with_next(lines))


def bounded(text: str, most: int = MOST) -> str:
    """At most so many characters: whole lines of it, a block of code that is cut is ended."""
    if len(text) <= most:
        return text
    kept: list[str] = []
    fence, left = "", most - len(CUT)
    for line in text.split("\n"):
        after = _open_fence(fence, line)
        if (cost := len(line) + 1) + (len(after) + 1 if after else 0) > left:
            break
        kept.append(line)
        fence, left = after, left - cost
    return "\n".join([*kept, *([fence] if fence else []), CUT])


def _open_fence(fence: str, line: str) -> str:
    """What would end the block of code that is open after this line; empty when none is."""
    found = _FENCE.match(line)
    if not found:
        return fence
    if not fence:
        return found[1]
    ends = found[1].startswith(fence) and not line[found.end() :].strip()
    return "" if ends else fence


def _lines(text: str) -> list[str]:
    return _LINE_END.split(text)


def _with_next(lines: list[str]) -> list[tuple[str, str]]:
    return list(zip(lines, [*lines[1:], ""], strict=True))


def _longest_run(text: str, character: str) -> int:
    return max((len(run) for run in re.findall(f"{re.escape(character)}+", text)), default=0)
