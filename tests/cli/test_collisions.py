"""Predictions as a person meets them: in the plan, in its document, and in the order in which a run begins."""

from __future__ import annotations

from pathlib import Path

from mawep.core import events as ev
from mawep.state import journal
from mawep.state.runs import list_runs
from tests.cli.site import Site
from tests.support.repos import commit, git

TITLES = {
    1: "Round invoice amounts",
    2: "Invoice rounding is wrong for Norway",
    3: "Log levels of the daemon",
    4: "Invoice rounding of credit notes",
}


def with_history(site: Site) -> Site:
    """Four issues: three about what past commits called invoices, one about something else."""
    repository = site.repository
    for path in (repository / "issues").iterdir():
        path.unlink()
    for number in range(6):
        commit(
            repository,
            {"shop/invoice.py": f"def round_invoice(): return {number}\n"},
            f"Round invoices {number}",
        )
        commit(repository, {"shop/daemon.py": f"LOG = {number}\n"}, f"Daemon logs {number}")
    for number, title in TITLES.items():
        issue = f"---\nnumber: {number}\ntitle: {title}\nestimate_hours: 1\n---\n"
        (repository / "issues" / f"{number}.md").write_text(issue)
    git(repository, "add", "--all")
    git(repository, "commit", "-qm", "issues")
    return site


def test_a_plan_shows_files_pairs_what_apart_costs_and_a_foundation(site: Site) -> None:
    said = with_history(site).mawep("plan", code=0).out
    assert "#1: shop/invoice.py " in said
    assert "#1 and #2: " in said and "shop/invoice.py" in said
    assert "#3: shop/daemon.py " in said
    assert "3 issues (#1, #2, #4) are likely to change shop/invoice.py" in said
    assert "3 likely pairs kept apart" in said
    document = site.mawep("plan", "--json", code=0).document
    assert [one["path"] for one in document["foundations"]] == ["shop/invoice.py"]
    assert {(pair["a"], pair["b"]) for pair in document["likely_overlaps"]} >= {(1, 2), (1, 4), (2, 4)}
    assert document["apart"]["pairs"] == 3
    assert document["apart"]["apart_hours"] > document["apart"]["hours"]
    files = {one["number"]: [file["path"] for file in one["files"]] for one in document["predicted"]}
    assert not any(path.startswith("issues/") for paths in files.values() for path in paths)


def test_a_run_begins_with_what_shares_least(site: Site) -> None:
    with_history(site).mawep(
        "start", "--issues", "all", "--json", "--set", "orchestrator.max_agents=2", code=0
    )
    (run,) = list_runs(site.repository / ".git")
    events = [record.event for record in journal.read(run.directory.journal)]
    assert [event.issue for event in events if isinstance(event, ev.AttemptAssigned)][:2] == [1, 3]
    (started,) = [event for event in events if isinstance(event, ev.RunStarted)]
    assert all(issue.predicted for issue in started.issues)


def test_what_is_kept_of_words_may_be_damaged_at_any_time(site: Site) -> None:
    with_history(site)
    before = site.mawep("plan", "--json", code=0).document
    words: Path = site.repository / ".git" / "mawep" / "words.db"
    words.write_bytes(b"nonsense " * 500)
    assert site.mawep("plan", "--json", code=0).document == before


def test_a_plan_for_a_target_that_is_not_there_says_that_nothing_is_predicted(site: Site) -> None:
    said = with_history(site).mawep("plan", "--set", "orchestrator.target_branch=trunk", code=0)
    assert "there is no branch trunk here" in said.err and "no files are predicted" in said.err
    assert "Files that are likely to change" not in said.out
