"""What documents say of pull requests, and of a forge that does not answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from mawep.core import events as ev
from mawep.observe.documents import explain_document, result_document
from mawep.observe.live import Live, Silence
from mawep.observe.status import issue_status, status_of
from tests.core.driver import Driver
from tests.core.test_pulls import READY, open_, run, see
from tests.observe.test_docs import PAGE


def documents(driver: Driver, live: Live | None = None) -> list[Any]:
    """What each document has of the pull request of the first issue."""
    now = driver.now
    status = msgspec.to_builtins(issue_status(driver.state, 1, now, live or Live()))
    explained = explain_document(driver.state, 1, now, (), live)
    result = result_document(driver.state, ())["issues"][0]
    return [status["pull_request"], explained["pull_request"], result["pull_request"]]


def test_none_is_none() -> None:
    assert documents(run()) == [None] * 3


def test_one_that_is_open_says_what_it_waits_for() -> None:
    driver = open_(run())
    see(driver, waits_for="the check build")
    expected = {
        **{"number": 11, "url": "pull/1", "state": "open", "head": "c-1", "rounds": 0, "queued": False},
        **{"waits_for": "the check build", "exact": None},
    }
    assert documents(driver) == [expected] * 3
    described = PAGE.partition("| `pull_request` | the newest one")[2].partition("\n")[0]
    assert all(f'"{key}"' in described for key in expected)


def test_one_that_is_closed_or_merged_says_so() -> None:
    driver = open_(run())
    see(driver, state=ev.PullState.CLOSED)
    assert documents(driver)[0]["state"] == "closed"
    driver = open_(run())
    see(driver, **READY)
    driver.go(ev.PullRequestMerged(1, "m", "target-1", exact=False))
    shown = documents(driver)[0]
    assert (shown["state"], shown["exact"], shown["waits_for"]) == ("merged", False, None)


def test_a_forge_that_does_not_answer_is_told_of_the_run_and_of_who_waits_for_it() -> None:
    driver = open_(run(1, 2))
    live = Live()
    since = driver.now
    live.silent(since, Silence("the forge", since, "no answer", since + timedelta(seconds=15)))
    status = status_of(driver.state, driver.now, live)
    said = f"the forge does not answer since {since:%H:%M:%S} UTC: no answer"
    assert any(said in warning for warning in status.warnings)
    one, two = status.issues
    assert one.waiting_for[-1].detail.startswith(said)
    assert not any("does not answer" in why.detail for why in two.waiting_for)
    explained = explain_document(driver.state, 1, driver.now, (), live)
    assert explained["refusals"][-1]["kind"] == "pull_request"
    live.silent(since, None)
    assert status_of(driver.state, driver.now, live).warnings == ()
