"""What agents ask of the orchestrator: who gets it, who is refused, and who else hears of it."""

from __future__ import annotations

import pytest

from mawep.coordination import channels
from mawep.coordination import payloads as wire
from mawep.core import events as ev
from mawep.core.changes import MOST_OF_AN_ATTEMPT
from mawep.core.claims import MOST_ASKED
from mawep.core.model import FailureReason, Rules
from mawep.orchestrator.listener import announcements
from mawep.orchestrator.requests import MOST_AFFECTED, TEXT_LIMIT, announced, claims
from tests.core.driver import Driver, issue


def asked(run: Driver, number: int, *paths: str, fence: int | None = None) -> wire.ClaimAnswer:
    """The answer to the agent on `number`; what follows is journalled."""
    request = wire.ClaimRequest(issue=number, attempt=1, request_id="r", paths=list(paths))
    answer, events = claims(request, run.fence(number) if fence is None else fence, run.state)
    run.go(*events)
    assert answer.granted or not events
    return answer


def change(
    number: int, file: str = "a.py", affects: list[str] | None = None, text: str = "x"
) -> wire.BreakingChange:
    return wire.BreakingChange(
        issue=number,
        attempt=1,
        file=file,
        change=text,
        affects=affects or [],
        migration=text,
        severity="high",
    )


def test_what_is_free_is_granted_and_asking_again_changes_nothing() -> None:
    run = Driver(issue(1, files=["api"]))
    run.start(1)
    assert asked(run, 1, "a.py", "./b.py").granted
    assert run.state.claims.held_by(1) == ("api", "a.py", "b.py")
    events = run.count(ev.ClaimsTaken)
    assert asked(run, 1, "a.py").granted
    assert run.count(ev.ClaimsTaken) == events == 1


def test_who_holds_it_is_said() -> None:
    run = Driver(issue(1, files=["api"]), issue(2))
    run.start(1, 2)
    answer = asked(run, 2, "api/pay.py", "free.py")
    assert (answer.granted, answer.held) == (False, {"api/pay.py": 1})
    assert run.state.claims.held_by(2) == ()


@pytest.mark.parametrize("path", ["**", "*", "../x", "/etc/passwd", "src/*.py", ""])
def test_what_is_no_file_of_the_repository_is_refused(path: str) -> None:
    run = Driver(issue(1))
    run.start(1)
    assert not asked(run, 1, path).granted


def test_there_is_an_end_to_what_an_attempt_may_claim() -> None:
    run = Driver(issue(1))
    run.start(1)
    assert asked(run, 1, *(f"f{n}" for n in range(MOST_ASKED))).granted
    assert f"{MOST_ASKED} paths" in asked(run, 1, "one-more").why


def test_a_turn_that_is_over_gets_nothing() -> None:
    run = Driver(issue(1))
    run.start(1)
    assert asked(run, 1, "a.py", fence=run.fence(1) - 1).why == "the turn is over"
    run.finish(1)
    assert asked(run, 1, "a.py").why == "the turn is over"
    assert not claims(wire.ClaimRequest(issue=9, attempt=1, request_id="r", paths=["a"]), 1, run.state)[
        0
    ].granted


def test_other_workers_hear_what_is_taken_and_what_is_given_back() -> None:
    run = Driver(issue(1, files=["api"]))
    run.start(1)
    taken = ev.ClaimsTaken(1, run.fence(1), ("a.py",))
    run.go(taken)
    ((channel, news),) = announcements(taken, run.state)
    assert channel == channels.direct("worker-0")
    assert news == wire.ClaimsChanged(issue=1, taken=["a.py"], released=[])
    failed = ev.AttemptFailed(1, run.fence(1), FailureReason.AGENT_ERROR)
    run.go(failed)
    ((_, news),) = announcements(failed, run.state)
    assert news == wire.ClaimsChanged(issue=1, taken=[], released=["api", "a.py"])


def test_what_was_not_given_is_not_announced() -> None:
    run = Driver(issue(1, files=["api"]), issue(2))
    run.start(1, 2)
    refused = ev.ClaimsTaken(2, run.fence(2), ("api/pay.py",))
    run.go(refused)
    assert list(announcements(refused, run.state)) == []


def test_an_announcement_is_cleaned_bounded_and_broadcast() -> None:
    run = Driver(issue(1))
    run.start(1)
    said = change(1, "./a.py", ["web/**", "**", "/etc", *(f"d/{n}" for n in range(100))], "x" * 10_000)
    (event,) = announced(said, run.fence(1), run.state)
    assert isinstance(event, ev.BreakingChangeAnnounced)
    assert (event.file, event.affects[:2]) == ("a.py", ("web/**", "d/0"))
    assert len(event.affects) <= MOST_AFFECTED and len(event.change) == TEXT_LIMIT
    run.go(event)
    ((channel, heard),) = announcements(event, run.state)
    assert channel == channels.BREAKING_CHANGES
    assert isinstance(heard, wire.BreakingChange) and heard.file == "a.py"


def test_what_does_not_count_is_not_journalled() -> None:
    run = Driver(issue(1))
    run.start(1)
    fence = run.fence(1)
    assert announced(change(1), fence - 1, run.state) == []
    assert announced(change(1, "**"), fence, run.state) == []
    for number in range(MOST_OF_AN_ATTEMPT):
        run.go(*announced(change(1, f"f{number}"), fence, run.state))
    assert announced(change(1, "one-more"), fence, run.state) == []
    assert announced(change(1, "f0", text="again"), fence, run.state) != []


def test_where_claims_only_warn_all_get_them_and_are_told_who_else_has() -> None:
    run = Driver(issue(1, files=["api"]), issue(2), rules=Rules(on_claim_conflict="warn")).start(1, 2)
    answer = asked(run, 2, "api/pay.py", "free.py")
    assert (answer.granted, answer.held) == (True, {"api/pay.py": 1})
    assert "others claim it as well" in answer.why
    assert run.state.claims.held_by(2) == ("api/pay.py", "free.py")
    assert list(announcements(run.journal[-1].event, run.state)) == [], (
        "no worker has to keep anybody from it"
    )


def test_where_claims_are_off_nothing_is_claimed() -> None:
    run = Driver(issue(1), rules=Rules(on_claim_conflict="off")).start(1)
    answer = asked(run, 1, "a.py")
    assert answer.granted and answer.why.startswith("claims are off")
    assert run.state.claims.held_by(1) == ()


def test_who_shares_a_file_is_broadcast() -> None:
    run = Driver(issue(1), issue(2), issue(3)).start(1, 2, 3)
    for number, path in ((1, "a.py"), (2, "README.md")):
        run.go(ev.FilesTouched(number, run.fence(number), (path,)))
    both = ev.FilesTouched(3, run.fence(3), ("a.py", "README.md", "own.py"))
    run.go(both)
    assert list(announcements(both, run.state)) == [
        (channels.SHARED_FILES, wire.SharedFiles(issue=3, others=[1], files=["a.py"], severity="high")),
        (channels.SHARED_FILES, wire.SharedFiles(issue=3, others=[2], files=["README.md"], severity="low")),
    ]
