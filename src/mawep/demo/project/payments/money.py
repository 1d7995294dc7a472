"""Exact amounts of money: whole minor units, never floating point."""

from __future__ import annotations

import re
from dataclasses import dataclass

WRITTEN = re.compile(r"(-?)(\d+)\.(\d\d) ([A-Z]{3})")


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies were put together."""


@dataclass(frozen=True, order=True)
class Money:
    """An amount in minor units (cents) of a currency (ISO 4217 code)."""

    cents: int
    currency: str

    @classmethod
    def parse(cls, text: str) -> Money:
        """Read `12.50 EUR`; ValueError if it is written in any other way."""
        match = WRITTEN.fullmatch(text)
        if match is None:
            raise ValueError(f"not an amount: {text!r}, expected for example '12.50 EUR'")
        sign, whole, minor, currency = match.groups()
        cents = int(whole) * 100 + int(minor)
        return cls(-cents if sign else cents, currency)

    def __str__(self) -> str:
        sign = "-" if self.cents < 0 else ""
        return f"{sign}{abs(self.cents) // 100}.{abs(self.cents) % 100:02d} {self.currency}"

    def __add__(self, other: Money) -> Money:
        return Money(self.cents + self._same(other).cents, self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.cents - self._same(other).cents, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.cents, self.currency)

    def times(self, count: int) -> Money:
        """This amount `count` times."""
        return Money(self.cents * count, self.currency)

    def _same(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be put together")
        return other
