"""Secrets are taken out of whatever is kept of an agent: known values, and what has the shape of a key.

It is done with text before it is written, cut or sent on. What it cannot find: a secret that an agent spells in
another way (backwards, encoded, a word at a time), and values of fewer than eight characters, which would take
ordinary words away.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from mawep.agents.base import Launch

GONE = "[redacted]"
SHORTEST = 8
"""Characters of a known value that is looked for."""
KEY_LINES = 200
"""Lines of a private key without an end that are taken out at most."""

_SHAPES = {
    "sk-": r"\bsk-[A-Za-z0-9_-]{16,}",
    **{f"gh{kind}_": rf"\bgh{kind}_[A-Za-z0-9]{{20,}}" for kind in "pousr"},
    "github_pat_": r"\bgithub_pat_[A-Za-z0-9_]{20,}",
    "glpat-": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "AIza": r"\bAIza[A-Za-z0-9_-]{30,}",
    "ya29.": r"\bya29\.[A-Za-z0-9_-]{20,}",
    "1//": r"\b1//[A-Za-z0-9_-]{30,}",
    "AKIA": r"\bAKIA[A-Z0-9]{16}",
    "ASIA": r"\bASIA[A-Z0-9]{16}",
    "xox": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "hf_": r"\bhf_[A-Za-z0-9]{30,}",
    "npm_": r"\bnpm_[A-Za-z0-9]{36}",
    "eyJ": r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
    "PRIVATE KEY": r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:(?!-----END)[\s\S])*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
    "earer ": r"(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{16,}",
    "://": r"(?<=://)[^\s/:@]*:[^\s/@]{3,}(?=@)",
}
_COMPILED = {mark: re.compile(shape) for mark, shape in _SHAPES.items()}
_BEGIN = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_END = "PRIVATE KEY-----"


class Redactor:
    """Knows the secrets of one attempt."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spelt = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST}
        self._known = sorted(spelt, key=len, reverse=True)
        self.longest = len(self._known[0]) if self._known else 0

    def text(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, GONE)
        for mark, shape in _COMPILED.items():
            if mark in text:
                text = shape.sub(GONE, text)
        return text

    def value(self, value: Any) -> Any:
        """The same for every text in a JSON value, names included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


class Lines:
    """Takes secrets out of text that comes line by line: a private key has many."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._inside = 0

    def line(self, line: str) -> str:
        """The line without secrets."""
        if self._inside:
            ended = line.find(_END)
            self._inside = 0 if ended >= 0 else self._inside - 1
            return GONE if ended < 0 else GONE + self._redactor.text(line[ended + len(_END) :])
        begun = [found for found in _BEGIN.finditer(line) if "-----END" not in line[found.end() :]]
        if begun:
            self._inside = KEY_LINES
        return self._redactor.text(line)


def redactor_of(launch: Launch) -> Redactor:
    """What must not be kept of an attempt that is started like this."""
    secrets = list(launch.secrets)
    if launch.model is not None:
        secrets.append(launch.model.token)
    if launch.tools is not None:
        secrets += [value for name, value in launch.tools.env.items() if name.endswith("TOKEN")]
    return Redactor(secrets)


def _forms(secret: str) -> Iterable[str]:
    """A secret as it is, line by line, and as JSON and addresses spell it."""
    secret = secret.strip()
    yield secret
    yield json.dumps(secret)[1:-1]
    yield quote(secret, safe="")
    if "\n" in secret:
        yield from (line.strip() for line in secret.splitlines())
