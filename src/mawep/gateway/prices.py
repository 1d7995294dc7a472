"""What models cost: a table that the user edits, and what follows from it for one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path

from mawep.adapters.yaml_lines import KeyPath, Parsed, Tree, parse
from mawep.errors import ProblemsError, UsageError
from mawep.gateway.shapes.base import Call
from mawep.gateway.values import Tokens

RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
LIMITS = ("context", "max_output", "above")
MILLION = 1_000_000
PREFACE = 4000
"""Tokens that a provider may put in front of what it was sent, to explain tools to the model."""
PICTURE = 10_000
"""Tokens that one picture may be, however few its bytes are."""
BOOK = 1_000_000
"""Tokens that a document of pages may be, however few its bytes are."""
UNSAID_OUTPUT = 128_000
"""The longest answer that is reckoned with when neither the request nor the table bounds it."""


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars for a million tokens of each kind."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    cache_write_1h: float

    def usd(self, tokens: Tokens) -> float:
        """What these tokens cost."""
        return (
            tokens.input * self.input
            + tokens.cache_read * self.cache_read
            + tokens.cache_write * self.cache_write
            + tokens.cache_write_long * self.cache_write_1h
            + tokens.output * self.output
        ) / MILLION


@dataclass(frozen=True, slots=True)
class Price:
    """One line of the table. `dearer` counts for a call that reads more than `above` tokens."""

    match: str
    rates: Rates
    context: int | None = None
    max_output: int | None = None
    above: int | None = None
    dearer: Rates | None = None

    def usd(self, tokens: Tokens) -> float:
        """What a call of these tokens costs."""
        rates = self.rates
        if self.dearer is not None and self.above is not None and tokens.read > self.above:
            rates = self.dearer
        return rates.usd(tokens)


class Prices:
    """The whole table, in the order in which it is looked at."""

    def __init__(self, lines: Sequence[Price]) -> None:
        self._lines = tuple(lines)
        self._found: dict[str, Price | None] = {}

    def of(self, model: str) -> Price | None:
        """The line for a model; None when nobody says what it costs."""
        if model not in self._found and len(self._found) < 1000:  # an agent may make up any number of names
            self._found[model] = self._look_up(model)
        return self._found[model] if model in self._found else self._look_up(model)

    def usd(self, model: str, tokens: Tokens) -> float | None:
        """What a call cost; None when nobody says."""
        price = self.of(model)
        return None if price is None else price.usd(tokens)

    def worst(self, call: Call) -> Tokens:
        """The most that a call can consume.

        No token of a text is shorter than a byte, so what is read is bounded by the bytes of the request, and by what
        the model can take in at all. It is counted as the kind of tokens that costs most for this request.
        """
        price = self.of(call.model)
        read = len(call.body) + PREFACE + _unseen(call.body)
        if price is not None and price.context is not None:
            read = min(read, price.context)
        answer = call.max_output or (price and price.max_output) or UNSAID_OUTPUT
        output = answer * call.answers
        if b'"1h"' in call.body:
            return Tokens(cache_write_long=read, output=output)
        if b'"cache_control"' in call.body:
            return Tokens(cache_write=read, output=output)
        return Tokens(input=read, output=output)

    def _look_up(self, model: str) -> Price | None:
        name = model.removeprefix("models/")
        return next((line for line in self._lines if fnmatchcase(name, line.match)), None)


def _unseen(body: bytes) -> int:
    """What pictures and documents may be in tokens beyond their bytes."""
    pictures = sum(body.count(mark) for mark in (b'"base64"', b";base64,", b'"inlineData"', b'"inline_data"'))
    return PICTURE * pictures + (BOOK if b"application/pdf" in body else 0)


def load_prices(path: Path | None) -> Prices:
    """The table that comes with MAWEP, and in front of it the lines of the file at `path`.

    Raises:
        UsageError: the file cannot be read.
        ProblemsError: everything that is wrong in it, as `file:line: message`.
    """
    shipped = files("mawep.gateway").joinpath("prices.yaml").read_text(encoding="utf-8")
    lines = _lines("prices.yaml", shipped)
    if path is None:
        return Prices(lines)
    try:
        own = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8 text"
        raise UsageError(f"the price table {path} cannot be read", cause=reason) from None
    return Prices([*_lines(str(path), own), *lines])


def _lines(name: str, text: str) -> list[Price]:
    parsed = parse(text)
    problems = [f"{name}:{line}: {message}" for line, message in parsed.problems]
    found: list[Price] = []
    for at, sentence, price in _read(parsed):
        if price is not None:
            found.append(price)
        else:
            problems.append(f"{name}:{parsed.line_of(at) or 1}: {sentence}")
    if problems:
        raise ProblemsError("the price table cannot be used", problems)
    return found


def _read(parsed: Parsed) -> Iterator[tuple[KeyPath, str, Price | None]]:
    """Each line as a price, or what is wrong with it and where."""
    tree = parsed.tree
    if not parsed.readable:
        return
    models = tree.get("models") if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or tree.keys() - {"models"} or not isinstance(models, list):
        yield (), "expected `models:` and a list below it, and nothing else", None
        return
    for index, line in enumerate(models):
        at: KeyPath = ("models", index)
        try:
            yield at, "", _price(line)
        except ValueError as error:
            yield at, str(error), None


def _price(line: Tree) -> Price:
    """One line of the table. Raises ValueError with a sentence."""
    if not isinstance(line, dict):
        raise ValueError("expected `match`, `input` and `output`")  # noqa: TRY004
    unknown = line.keys() - {"match", "dearer", *RATES, *LIMITS}
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    match, dearer = line.get("match"), line.get("dearer")
    if not isinstance(match, str) or not match:
        raise ValueError("expected `match`, the name of a model")
    if (dearer is None) != (line.get("above") is None):
        raise ValueError("`above` and `dearer` go together")
    if dearer is not None and (not isinstance(dearer, dict) or dearer.keys() - set(RATES)):
        raise ValueError(f"`dearer` takes {', '.join(RATES)}")
    limits = {name: _limit(line, name) for name in LIMITS}
    return Price(match, _rates(line), dearer=None if dearer is None else _rates(dearer), **limits)


def _rates(line: Mapping[str, Tree]) -> Rates:
    given = {name: _rate(line, name) for name in RATES}
    read, output = given["input"], given["output"]
    if read is None or output is None:
        raise ValueError("expected `input` and `output`, in US dollars for a million tokens")
    written = given["cache_write"]
    written = read if written is None else written
    long, cached = given["cache_write_1h"], given["cache_read"]
    return Rates(
        read,
        output,
        read if cached is None else cached,
        written,
        max(written, 2 * read) if long is None else long,
    )


def _rate(line: Mapping[str, Tree], name: str) -> float | None:
    text = line.get(name)
    if text is None:
        return None
    try:
        value = float(text) if isinstance(text, str) else -1.0
    except ValueError:
        value = -1.0
    if not 0 <= value < MILLION:
        raise ValueError(f"`{name}`: expected US dollars for a million tokens, such as 2.5")
    return value


def _limit(line: Mapping[str, Tree], name: str) -> int | None:
    text = line.get(name)
    if text is None:
        return None
    if not isinstance(text, str) or not text.isdecimal() or not int(text):
        raise ValueError(f"`{name}`: expected a number of tokens")
    return int(text)
