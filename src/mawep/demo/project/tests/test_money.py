import unittest

from payments import CurrencyMismatch, Money


class MoneyTest(unittest.TestCase):
    def test_is_read_as_it_is_written(self) -> None:
        for text in ("0.00 EUR", "12.50 EUR", "-0.05 USD", "1000000.99 CHF"):
            self.assertEqual(str(Money.parse(text)), text)

    def test_refuses_what_is_not_an_amount(self) -> None:
        for text in ("", "12 EUR", "12.5 EUR", "12.500 EUR", "12.50", "12.50 eur", "€12.50"):
            with self.assertRaises(ValueError):
                Money.parse(text)

    def test_adds_up_exactly(self) -> None:
        tenth = Money.parse("0.10 EUR")
        self.assertEqual(tenth + tenth + tenth, Money.parse("0.30 EUR"))
        self.assertEqual(tenth.times(3) - tenth, tenth.times(2))

    def test_never_mixes_currencies(self) -> None:
        with self.assertRaises(CurrencyMismatch):
            Money.parse("1.00 EUR") + Money.parse("1.00 USD")
