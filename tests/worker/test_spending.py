"""What an attempt has consumed: over repair rounds, several sessions and several processes, counted once."""

from __future__ import annotations

from mawep.core.model import Usage
from mawep.worker.spending import Spending


def a_dollar_for_1000(usage: Usage) -> float:
    return (usage.tokens or 0) / 1000


def test_a_session_counts_from_its_beginning_over_all_of_its_turns() -> None:
    spending = Spending()
    spending.opened(Usage())
    for report in (Usage(100, 10, 0.1), Usage(), Usage(250, 30, 0.3), Usage(200, 30)):
        spending.see(report)
    assert spending.total == Usage(250, 30, 0.3)


def test_a_fresh_session_of_the_same_attempt_is_added() -> None:
    spending = Spending()
    spending.opened(Usage())
    spending.see(Usage(100, 10, 0.1))
    spending.opened(Usage(100, 10, 0.1))
    assert spending.total == Usage(100, 10, 0.1)
    spending.see(Usage(50, 5, 0.05, context_used=55))
    assert spending.total == Usage(150, 15, 0.1 + 0.05, context_used=55)


def test_another_process_goes_on_from_what_the_journal_has() -> None:
    spending = Spending()
    spending.opened(Usage(100, 10, 0.1))
    spending.see(Usage(50, 5, 0.05))
    assert spending.total == Usage(150, 15, 0.1 + 0.05)


def test_a_loaded_session_that_counts_from_its_beginning_is_not_counted_twice() -> None:
    spending = Spending()
    spending.opened(Usage(100, 10, 0.1), loaded=True)
    spending.see(Usage(120, 12, 0.12))
    assert spending.total == Usage(120, 12, 0.12)


def test_a_loaded_session_that_counts_from_its_loading_is_added() -> None:
    spending = Spending()
    spending.opened(Usage(100, 10, 0.1), loaded=True)
    spending.see(Usage(40, 4, 0.04))
    spending.see(Usage(400, 40, 0.4))
    assert spending.total == Usage(500, 50, 0.1 + 0.4)


def test_a_price_counts_only_where_the_agent_does_not_say() -> None:
    spending = Spending()
    spending.opened(Usage(), price=a_dollar_for_1000)
    assert spending.total.cost_usd is None
    spending.see(Usage(900, 100))
    assert spending.total.cost_usd == 1.0
    spending.see(Usage(900, 100, 0.4))
    assert spending.total.cost_usd == 0.4


def test_a_price_goes_on_counting_after_what_the_journal_has_already() -> None:
    spending = Spending()
    spending.opened(Usage(900, 100, 1.0), price=a_dollar_for_1000)
    spending.see(Usage(400, 100))
    assert spending.total == Usage(1300, 200, 1.5)


def test_a_loaded_session_that_a_price_is_for_is_not_paid_twice() -> None:
    spending = Spending()
    spending.opened(Usage(), price=a_dollar_for_1000)
    spending.see(Usage(900, 100))
    spending.opened(spending.total, loaded=True, price=a_dollar_for_1000)
    spending.see(Usage(1400, 100))
    assert spending.total == Usage(1400, 100, 1.5)
