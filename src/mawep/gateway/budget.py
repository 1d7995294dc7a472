"""May one more model call be made? Pure: told what was spent, says why not.

The rule: a call is let through while what has been spent, together with the worst case of every call that is still
under way, is less than the hard limit. So at most one call goes past a limit, and by no more than it costs itself.
A call that only those under way speak against waits for them; what has been spent speaks against it for good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mawep.gateway.values import NOTHING, Amount


@dataclass(frozen=True, slots=True)
class Account:
    """What was `spent`, and at most `reserved` for calls that are under way."""

    spent: Amount = NOTHING
    reserved: Amount = NOTHING

    @property
    def at_most(self) -> Amount:
        """Both together."""
        return self.spent + self.reserved


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that somebody wants to make: its worst case (`usd` None: nobody knows), and the accounts it goes on."""

    issue: int
    attempt: int
    runtime: str
    model: str
    worst_tokens: int
    worst_usd: float | None
    of_attempt: Account
    of_issue: Account
    of_run: Account


MaySpend = Callable[[Ask], str | None]
"""Why a call is refused, for whoever makes it to read; None when it may be made."""


@dataclass(frozen=True)
class Limits:
    """Hard limits in tokens and dollars; None is no limit."""

    attempt_tokens: int | None = None
    attempt_usd: float | None = None
    issue_tokens: int | None = None
    issue_usd: float | None = None
    run_tokens: int | None = None
    run_usd: float | None = None

    @property
    def in_usd(self) -> bool:
        """True when one of them is in dollars."""
        return not self.attempt_usd is self.issue_usd is self.run_usd is None

    def __call__(self, ask: Ask) -> str | None:
        """Why the call is refused; None when it may be made."""
        if self.in_usd and ask.worst_usd is None:
            return (
                f"MAWEP's price table has no price for the model {ask.model!r}, so a budget in US dollars cannot hold; "
                "use a model that has one"
            )
        for name, account, tokens, usd in (
            ("attempt", ask.of_attempt, self.attempt_tokens, self.attempt_usd),
            ("issue", ask.of_issue, self.issue_tokens, self.issue_usd),
            ("run", ask.of_run, self.run_tokens, self.run_usd),
        ):
            total = account.at_most
            if tokens is not None and total.tokens.total >= tokens:
                return (
                    f"MAWEP's budget for this {name} is used up: {total.tokens.total:,} of {tokens:,} tokens"
                )
            if usd is not None and total.usd >= usd:
                return f"MAWEP's budget for this {name} is used up: ${total.usd:.2f} of ${usd:.2f}"
        return None
