"""What is waited for in other repositories is shown wherever people look."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from rich.console import Console

from mawep.cli import showing
from mawep.core import events as ev
from mawep.core.model import Far, IssueState, Rules
from mawep.observe.documents import explain_document
from mawep.observe.live import Live
from mawep.observe.outlook import left_of_run
from mawep.observe.status import status_of
from mawep.observe.words import describe, noteworthy
from tests.core.driver import Driver, issue
from tests.core.test_far import far

API = Far("acme/api", 5)


def waiting() -> Driver:
    """An issue that waits for two others elsewhere, of which one has been heard of."""
    run = Driver(far(1, "acme/api#5", "acme/docs#3"), issue(2), rules=Rules(max_agents=4, shared=True))
    run.go(ev.FarSeen(API, IssueState.FAILED, "gate_failed"), ev.AgentsAllowed(1))
    return run


def test_documents_name_them_with_their_state_and_source() -> None:
    run = waiting()
    document = explain_document(run.state, 1, run.now)
    assert document["depends_on_far"] == [
        {"issue": "acme/api#5", "state": "failed", "why": "gate_failed", "source": "front_matter"},
        {"issue": "acme/docs#3", "state": None, "why": "", "source": "front_matter"},
    ]
    assert document["blocked_by"] == "acme/api#5"
    assert [one["detail"] for one in document["refusals"]] == ["acme/api#5 is failed (gate_failed)"]


def test_the_status_shows_the_agents_that_are_left_to_this_repository() -> None:
    run = waiting()
    status = status_of(run.state, run.now, Live(), run.journal)
    assert (status.max_agents, status.agents_allowed, len(status.agents)) == (4, 1, 1)
    assert [one.issue for one in status.issues[0].depends_on_far] == ["acme/api#5", "acme/docs#3"]


def test_an_explanation_prints_them(monkeypatch: pytest.MonkeyPatch) -> None:
    run, out = waiting(), StringIO()
    monkeypatch.setattr(showing, "console", lambda: Console(file=out, width=200))
    showing.show_explanation(explain_document(run.state, 1, run.now))
    assert (
        "depends in other repositories on acme/api#5 (failed), acme/docs#3 (not known yet)" in out.getvalue()
    )


def test_nobody_guesses_how_long_another_repository_takes() -> None:
    run = Driver(far(1, "acme/api#5"))
    assert left_of_run(run.state, run.now + timedelta(hours=1)) is None


def test_what_is_heard_of_them_is_told_in_words() -> None:
    recorded = waiting().journal
    seen = next(rec for rec in recorded if isinstance(rec.event, ev.FarSeen))
    allowed = next(rec for rec in recorded if isinstance(rec.event, ev.AgentsAllowed))
    assert describe(seen) == "acme/api#5 is failed (gate_failed)"
    assert describe(allowed) == "1 agent of those of all repositories may work here"
    assert not noteworthy(allowed.event)
    assert noteworthy(seen.event)
    assert not noteworthy(ev.FarSeen(API, IssueState.WORKING))
