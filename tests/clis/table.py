"""`python -m tests.clis.table`: write what the suite found out about each agent into docs/agents.md."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.clis.fleet import FLEET
from tests.clis.results import HOUSE, findings

PAGE = HOUSE / "docs" / "agents.md"
BEGIN, END = (
    "<!-- what the end-to-end tests found: begin -->",
    "<!-- what the end-to-end tests found: end -->",
)

Facts = Mapping[str, Any]


def _yes(name: str) -> Callable[[Facts], str]:
    return lambda facts: "yes" if facts[name] else "no"


def _tokens(facts: Facts) -> str:
    if facts["tokens"] is None:
        return "no"
    return "exact" if facts["tokens"] == facts["tokens_spent"] else "partly"


COLUMNS: Mapping[str, Callable[[Facts], str]] = {
    "starts": _yes("starts"),
    "plan progress": _yes("plan"),
    "files touched": _yes("files"),
    "permission gate": _yes("asks"),
    "a claimed file is kept by": lambda facts: str(facts["claim_kept_by"]),
    "usage": _tokens,
    "cost": lambda facts: "no" if facts["cost_usd"] is None else "yes",
    "budget, with the gateway": lambda facts: "kept" if facts["budget_kept"] else "overdrawn",
    "cancelled in": lambda facts: f"{facts['cancel_seconds']:.1f} s",
    "same session after `kill -9`": _yes("resumed"),
    "sandboxed, `network: model-only`": _yes("sandboxed"),
    "outside": lambda facts: ", ".join(facts["refused"]) or "nobody",
    "three issues landed": _yes("whole_run"),
}
"""What each column is called, and how a cell follows from what was found."""


def table(found: Mapping[str, Facts]) -> list[str]:
    """The lines of the table. Raises KeyError for an agent or a fact that no test has found out."""
    lines = [["runtime", *COLUMNS], ["---"] * (len(COLUMNS) + 1)]
    lines += [
        [f"`{member.runtime}`", *(cell(found[member.runtime]) for cell in COLUMNS.values())]
        for member in FLEET
    ]
    return [f"| {' | '.join(line)} |" for line in lines]


def written(page: Path = PAGE) -> list[str]:
    """The lines of the table as they stand on the page."""
    between = page.read_text().split(BEGIN)[1].split(END)[0]
    return [line for line in between.splitlines() if line.startswith("|")]


def main() -> int:
    """Write the table; 1 when there are facts missing."""
    try:
        lines = table(findings())
    except KeyError as error:
        print(f"nothing was found out about {error}: run `make e2e` first", file=sys.stderr)
        return 1
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("\n".join([f"{before}{BEGIN}", "", *lines, "", f"{END}{after}"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
