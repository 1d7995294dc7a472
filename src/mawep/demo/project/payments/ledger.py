"""A double-entry ledger: money moves from one account to another, and nothing is lost on the way."""

from __future__ import annotations

from dataclasses import dataclass

from payments.money import Money


@dataclass(frozen=True)
class Posting:
    """One movement of money between two accounts."""

    source: str
    target: str
    amount: Money


class Ledger:
    """Postings in the order in which they were made."""

    def __init__(self) -> None:
        self._postings: list[Posting] = []

    @property
    def postings(self) -> tuple[Posting, ...]:
        """Everything that was posted, oldest first."""
        return tuple(self._postings)

    def transfer(self, source: str, target: str, amount: Money) -> Posting:
        """Move `amount` from one account to another; ValueError unless it is more than nothing."""
        if amount.cents <= 0:
            raise ValueError(f"cannot transfer {amount}")
        posting = Posting(source, target, amount)
        self._postings.append(posting)
        return posting

    def balance(self, account: str, currency: str) -> Money:
        """What came into an account less what went out of it, in one currency."""
        balance = Money(0, currency)
        for posting in self._postings:
            if posting.amount.currency == currency:
                if posting.target == account:
                    balance += posting.amount
                if posting.source == account:
                    balance -= posting.amount
        return balance
