"""Estimates as a person meets them: in the plan, in the order of work, in what a run says of itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mawep.core import events as ev
from mawep.state import journal
from mawep.state.runs import list_runs
from tests.cli.site import Said, Site
from tests.support.repos import git

CHECKLIST = "\n".join(f"- [ ] part {number}" for number in range(12))


def write(site: Site, number: int, text: str, front: str = "") -> None:
    path = site.repository / "issues" / f"{number}.md"
    path.write_text(f"---\nnumber: {number}\ntitle: Issue {number}\n{front}---\n\n{text}\n")


def row(said: Said, number: int) -> list[str]:
    (found,) = [words for words in rows(said) if words[1] == f"#{number}"]
    return found


def rows(said: Said) -> list[list[str]]:
    """What stands in the table of issues: each line begins with its place."""
    return [line.split() for line in said.out.splitlines() if re.match(r"\d+ +#\d+ ", line)]


def test_a_plan_shows_ranges_what_was_said_and_risk(site: Site) -> None:
    write(site, 201, CHECKLIST)
    write(site, 202, "Short.", "estimate_hours: 2.5\n")
    write(site, 203, "Short.", 'labels: ["estimate: 3h", "risk: high"]\n')
    said = site.mawep("plan", "--issues", "201,202,203", code=0)
    assert row(said, 201)[-4:] == ["1.5", "to", "6.5", "low"]
    assert row(said, 202)[-2:] == ["2.5", "medium"]
    assert row(said, 203)[-2:] == ["3", "high"]
    assert [words[1] for words in rows(said)] == ["#201", "#203", "#202"]
    assert "How long it takes is not known" in said.out
    document = site.mawep("plan", "--issues", "201,202,203", "--json", code=0).document
    assert document["expected_hours"] is None
    sources = {one["number"]: one["source"] for one in document["estimates"]}
    assert sources == {201: "text", 202: "said", 203: "label"}


def test_what_has_landed_here_tells_the_pace(landed: tuple[Site, Said]) -> None:
    site, _ = landed
    path = site.repository / "issues" / "104.md"
    path.write_text("---\nnumber: 104\ntitle: One more\nestimate_hours: 2\n---\n")
    try:
        said = site.mawep("plan", code=0)
        assert "By the pace of past runs about " in said.out and " minutes, from " in said.out
        document = site.mawep("plan", "--json", code=0).document
    finally:
        path.unlink()
    (estimate,) = document["estimates"]
    assert 0 <= estimate["takes_hours"]["low"] <= estimate["takes_hours"]["high"] < 1
    assert estimate["reasons"][1].startswith("3 issues of past runs took ")


def test_a_run_begins_with_what_is_most_work_and_its_journal_says_why(site: Site) -> None:
    for path in (site.repository / "issues").iterdir():
        path.unlink()
    for number, text in ((1, "x"), (2, CHECKLIST), (3, CHECKLIST + "\n- [ ] more")):
        write(site, number, text)
    git(site.repository, "add", "--all")
    git(site.repository, "commit", "-qm", "issues")
    site.mawep("start", "--issues", "all", "--json", "--set", "orchestrator.max_agents=1", code=0)
    (run,) = list_runs(site.repository / ".git")
    events = [record.event for record in journal.read(run.directory.journal)]
    assert [event.issue for event in events if isinstance(event, ev.AttemptAssigned)] == [3, 2, 1]
    said = site.mawep("explain", 2, code=0).out
    assert "estimated 1.5 to 6.5 hours, risk low: It has " in said
    assert "12 open tasks" in said
    document = site.mawep("explain", 2, "--json", code=0).document
    assert document["estimate"]["hours"] == {"low": 1.5, "middle": 3.3, "high": 6.5}


def test_the_plan_follows_what_changes_together(site: Site) -> None:
    """Whoever touches one file has touched the other in most commits of the target."""
    for number in range(4):
        for name in ("pay.py", "pay_test.py"):
            (site.repository / name).write_text(f"{number}\n")
        git(site.repository, "add", "--all")
        git(site.repository, "commit", "-qm", f"change {number}")
    write(site, 201, "Look into pay.py, please.")
    document = json.loads(site.mawep("plan", "--issues", "201", "--json", code=0).out)
    assert document["estimates"][0]["files"] == ["pay.py", "pay_test.py"]
    assert Path(site.repository / "pay.py").exists()
