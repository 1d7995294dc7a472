import unittest

from payments import Ledger, Money

TEN = Money.parse("10.00 EUR")


class LedgerTest(unittest.TestCase):
    def test_what_leaves_one_account_arrives_in_another(self) -> None:
        ledger = Ledger()
        ledger.transfer("customer", "shop", TEN)
        self.assertEqual(ledger.balance("shop", "EUR"), TEN)
        self.assertEqual(ledger.balance("customer", "EUR"), -TEN)

    def test_currencies_are_kept_apart(self) -> None:
        ledger = Ledger()
        ledger.transfer("customer", "shop", TEN)
        self.assertEqual(ledger.balance("shop", "USD"), Money(0, "USD"))

    def test_refuses_to_move_nothing(self) -> None:
        with self.assertRaises(ValueError):
            Ledger().transfer("customer", "shop", Money(0, "EUR"))
