"""The ledger: what is on the disk before a call is made, and what becomes of it when MAWEP is killed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mawep.gateway.budget import Account, Ask, Limits
from mawep.gateway.ledger import Ledger, LedgerError, Purpose, read_totals
from mawep.gateway.values import NOTHING, Amount, Tokens

WORST = Amount(Tokens(input=1000, output=500), 0.5, calls=1)
PURPOSE = Purpose(7, 1, "claude-code", "anthropic", "m")
NOW = datetime(2026, 1, 1, tzinfo=UTC)

DIE = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.gateway.test_ledger import NOW, PURPOSE, WORST
from mawep.gateway.ledger import Ledger
from mawep.gateway.values import Amount, Tokens

async def main():
    ledger = Ledger.open(Path(sys.argv[1]))
    first = await ledger.reserve(PURPOSE, WORST, NOW)
    await asyncio.wrap_future(ledger.settle(first, Amount(Tokens(10, output=5), 0.1, calls=1), "settled"))
    await ledger.reserve(PURPOSE, WORST, NOW)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_hazard_a_reservation_that_a_killed_process_left_counts_as_spent(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    house = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", DIE, str(path), str(house)], check=False, cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL
    expected = Amount(Tokens(1010, output=505), 0.6, calls=2)
    assert read_totals(path)[7, 1] == expected
    for _ in range(2):  # and however often it is opened again
        with contextlib.closing(Ledger.open(path)) as ledger:
            assert ledger.of_run() == Account(expected, NOTHING)
            made = await ledger.reserve(PURPOSE, WORST, NOW)
            assert ledger.of_issue(7).reserved == WORST
            assert ledger.of_issue(8) == Account()
            await asyncio.wrap_future(ledger.settle(made, Amount(calls=1), "settled"))
            expected += Amount(calls=1)
    assert read_totals(path)[7, 1] == expected


async def test_accounts_are_kept_for_attempt_issue_and_run(tmp_path: Path) -> None:
    with contextlib.closing(Ledger.open(tmp_path / "l.db")) as ledger:
        for issue, attempt in ((1, 1), (1, 2), (2, 1)):
            made = await ledger.reserve(Purpose(issue, attempt, "r", "openai", "m"), WORST, NOW)
            ledger.settle(made, Amount(Tokens(1), 0.25, calls=1), "settled")
        assert ledger.of_attempt(1, 2).spent.usd == 0.25
        assert ledger.of_issue(1).spent.usd == 0.5
        assert ledger.of_run().spent.usd == 0.75
        unpriced = await ledger.reserve(PURPOSE, WORST, NOW)
        ledger.settle(unpriced, Amount(Tokens(1), 0.0, unpriced=1, calls=1), "settled")
        assert ledger.of_run().spent.known_usd is None


async def test_a_ledger_that_cannot_be_written_lets_nothing_be_spent(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    with contextlib.closing(Ledger.open(path)) as ledger:
        path.rename(tmp_path / "elsewhere")
        path.write_bytes(b"")
        for _ in range(2):
            with pytest.raises(LedgerError):
                await ledger.reserve(PURPOSE, WORST, NOW)


def test_what_is_no_ledger_is_told(tmp_path: Path) -> None:
    (tmp_path / "l.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(LedgerError):
        Ledger.open(tmp_path / "l.db")
    with pytest.raises(LedgerError):
        read_totals(tmp_path / "l.db")
    assert read_totals(tmp_path / "none.db") == {}


def ask(spent: Amount, reserved: Amount = NOTHING, usd: float | None = 0.5) -> Ask:
    account = Account(spent, reserved)
    return Ask(7, 1, "r", "m", 1500, usd, account, account, account)


def test_a_limit_is_reached_by_what_is_spent_and_under_way_together() -> None:
    tokens = Limits(attempt_tokens=100)
    assert tokens(ask(Amount(Tokens(99)))) is None
    assert tokens(ask(Amount(Tokens(60)), Amount(Tokens(40)))) is not None
    assert "attempt" in str(tokens(ask(Amount(Tokens(100)))))
    dollars = Limits(run_usd=1.0)
    assert dollars(ask(Amount(usd=0.99))) is None
    assert "$1.50 of $1.00" in str(dollars(ask(Amount(usd=1.5))))
    assert "no price" in str(dollars(ask(NOTHING, usd=None)))
    assert tokens(ask(NOTHING, usd=None)) is None
    assert Limits()(ask(Amount(Tokens(10**12), 10**9))) is None
    assert not Limits(issue_tokens=1).in_usd and Limits(issue_usd=1).in_usd
