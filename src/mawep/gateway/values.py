"""What a model call costs, in tokens and in dollars: the values that every part of the gateway speaks in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one call consumed. The parts do not overlap, but `thinking`, which is a part of `output`.

    `input` is what was read anew, `cache_read` what was found in the provider's cache, `cache_write` what was put
    there, `cache_write_long` what was put there for an hour.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_long: int = 0
    output: int = 0
    thinking: int = 0

    @property
    def read(self) -> int:
        """All that the model was given."""
        return self.input + self.cache_read + self.cache_write + self.cache_write_long

    @property
    def total(self) -> int:
        """All of them: what a limit in tokens counts."""
        return self.read + self.output


@dataclass(frozen=True, slots=True)
class Amount:
    """Tokens and dollars of calls. `usd` is the sum of what is known, `unpriced` the calls without a price."""

    tokens: Tokens = Tokens()
    usd: float = 0.0
    unpriced: int = 0
    calls: int = 0

    def __add__(self, other: Amount) -> Amount:
        return self._combined(other, 1)

    def __sub__(self, other: Amount) -> Amount:
        return self._combined(other, -1)

    def _combined(self, other: Amount, sign: int) -> Amount:
        mine, theirs = self.tokens, other.tokens
        return Amount(
            Tokens(
                mine.input + sign * theirs.input,
                mine.cache_read + sign * theirs.cache_read,
                mine.cache_write + sign * theirs.cache_write,
                mine.cache_write_long + sign * theirs.cache_write_long,
                mine.output + sign * theirs.output,
                mine.thinking + sign * theirs.thinking,
            ),
            self.usd + sign * other.usd,
            self.unpriced + sign * other.unpriced,
            self.calls + sign * other.calls,
        )

    @property
    def known_usd(self) -> float | None:
        """The cost; None when there is a call whose price nobody knows."""
        return None if self.unpriced else self.usd


NOTHING = Amount()
