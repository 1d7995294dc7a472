"""The table in docs/agents.md is the one that the suite writes."""

from __future__ import annotations

from tests.clis.fleet import FLEET
from tests.clis.table import COLUMNS, table, written

FACTS = {
    "starts": True,
    "plan": False,
    "files": ["a.txt"],
    "asks": True,
    "claim_kept_by": "permission",
    "tokens": 10,
    "tokens_spent": 12,
    "cost_usd": None,
    "budget_kept": True,
    "cancel_seconds": 0.123,
    "resumed": True,
    "refused": [],
    "sandboxed": True,
    "whole_run": True,
}


def test_a_row_says_what_was_found() -> None:
    row = table({member.runtime: FACTS for member in FLEET})[2]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        f"`{FLEET[0].runtime}`",
        *(
            "yes",
            "no",
            "yes",
            "yes",
            "permission",
            "partly",
            "no",
            "kept",
            "0.1 s",
            "yes",
            "yes",
            "nobody",
            "yes",
        ),
    ]


def test_the_page_has_the_table_of_this_fleet() -> None:
    like = table({member.runtime: FACTS for member in FLEET})
    lines = written()
    assert lines[:2] == like[:2]
    assert [line.split("|")[1].strip() for line in lines[2:]] == [f"`{member.runtime}`" for member in FLEET]
    assert all(len(line.split("|")) == len(COLUMNS) + 3 for line in lines)
    assert all(cell.strip() for line in lines for cell in line.split("|")[1:-1])
