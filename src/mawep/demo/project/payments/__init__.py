"""Taking money: exact amounts and a double-entry ledger."""

from payments.ledger import Ledger, Posting
from payments.money import CurrencyMismatch, Money

__all__ = ["CurrencyMismatch", "Ledger", "Money", "Posting"]
