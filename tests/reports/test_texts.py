"""Every sentence that is posted, as it is posted; and what hostile text does to it: nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from mawep.core.model import CommandResult, FailureReason, GateRecord, GateResult, IssueState, PlanEntry
from mawep.core.state import TakenBack
from mawep.reports import sentences, texts
from mawep.reports.markdown import MOST
from mawep.reports.markers import Markers
from mawep.reports.texts import ReportTemplateError
from mawep.reports.views import Landing, Neighbour, Outcome, Proposal, Pull, Standing
from tests.reports.test_markdown import FOREIGN, harmless

RUN = "0190f3a2-0000-7000-8000-00000badcafe"
MARK = Markers(b"k" * 32, "acme/shop", "mawep-bot").mark(102, "status", RUN)
BACK = TakenBack("d" * 40, "e" * 40, "ann_lee")
PLAN = (PlanEntry("Read the code", "completed"), PlanEntry("Write it", "in_progress"), PlanEntry("Test it"))
BARE = Standing(102, "Add a cart", IssueState.WAITING, "waiting", "main", RUN)
AT_WORK = Standing(
    *(102, "Add a cart", IssueState.WORKING, "editing", "main", RUN),
    percent=41.6,
    eta=720.0,
    activity="Editing shop/cart.py",
    plan=PLAN,
    blockers=("the API of #101 is not there yet",),
    depends_on=(
        Neighbour(100, "Lay the ground", IssueState.LANDED),
        Neighbour(101, "Draw up the API", IssueState.QUEUED),
    ),
    agent="agent-0",
    runtime="claude-code",
    attempts=2,
    repairs=1,
    tokens=1_234_567,
    cost_usd=2.345,
    branch="feature/102-add-a-cart",
    transcript="mawep/runs/0190/attempts/102-a2/transcript.jsonl",
)
GREEN = GateRecord(
    "k" * 64,
    "7" * 40,
    GateResult.GREEN,
    (
        CommandResult("python -m pytest -q | tee log", 0, None, 12.34, "a" * 64),
        CommandResult("ruff check", 0, None, 0.5, "b" * 64),
    ),
    12.9,
    "gate.log",
)
RED = GateRecord(
    "k" * 64,
    "7" * 40,
    GateResult.RED,
    (
        CommandResult("pytest", None, 9, 60.0, "a" * 64),
        CommandResult("slow", None, None, 900, "b" * 64, True),
    ),
    960.0,
    "gate.log",
    "E assert 1 == 2\n``` @octocat #12\n1 failed",
)
PROPOSAL = Proposal(
    *(102, "Add a cart", "main", "c" * 40, RUN),
    summary="Adds a cart.\n\nCloses #99, thanks to @octocat.",
    plan=PLAN,
    files=tuple(f"shop/part_{n}.py" for n in range(40)),
    gate=GREEN,
    landing=Landing("d" * 40, "main", "7" * 40, "e" * 64),
    agent="agent-0",
    runtime="claude-code",
    attempts=2,
    repairs=1,
    tokens=12,
    cost_usd=0.5,
    transcript="mawep/runs/0190/attempts/102-a2/transcript.jsonl",
)


def standings() -> dict[str, Standing]:
    """One of every kind."""
    ended = replace(AT_WORK, percent=None, eta=None, activity="", blockers=())
    return {
        "nothing is known": BARE,
        "at work": AT_WORK,
        "by its own word": replace(BARE, state=IssueState.WORKING, percent=10.0, claimed=True, tokens=5),
        "asks": replace(ended, state=IssueState.NEEDS_INPUT, question="Which tax rate?", options=("7", "19")),
        "left behind": replace(ended, state=IssueState.WORKING, left_behind=True),
        "estimated": replace(
            BARE, state=IssueState.WORKING, eta=7200.0, estimated=True, late_edges=((99, "it is at work"),)
        ),
        "not exact": replace(ended, state=IssueState.LANDED, landed_as="d" * 40, exact=False, pull=Pull(7)),
        "waits": replace(BARE, state=IssueState.READY, waiting_for=("all agents are busy", "it is paused")),
        "pull request": replace(ended, state=IssueState.QUEUED, pull=Pull(7), commit="c" * 40),
        "landed": replace(ended, state=IssueState.LANDED, landed_as="d" * 40),
        "failed": replace(
            ended,
            state=IssueState.FAILED,
            reason="timeout",
            detail="60 min",
            salvage="refs/mawep/x/salvage/102-a2",
        ),
        "taken back": replace(ended, state=IssueState.REVERTED, taken_back=BACK),
        "taken back here alone": replace(ended, state=IssueState.REVERTED, taken_back=BACK, on_remote=False),
        "open again": replace(ended, state=IssueState.REVERTED, taken_back=BACK, open_again=True),
        "left closed": replace(ended, state=IssueState.REVERTED, taken_back=BACK, open_again=False),
        "done anew": replace(AT_WORK, taken_back=BACK, open_again=True),
        "parked": replace(ended, state=IssueState.PARKED, detail="conflicts with #101 in shop/cart.py"),
    }


@pytest.mark.parametrize("name", standings())
def test_the_comment_that_is_kept_up_to_date(name: str, snapshot: SnapshotAssertion) -> None:
    assert texts.update(None, standings()[name], MARK) == snapshot


@pytest.mark.parametrize("state", IssueState)
def test_every_state_has_its_words(state: IssueState, snapshot: SnapshotAssertion) -> None:
    of = replace(BARE, state=state)
    assert [sentences.headline(of), sentences.progress(of), *sentences.next_steps(of)] == snapshot


def test_every_reason_has_its_words(snapshot: SnapshotAssertion) -> None:
    failed = [replace(BARE, state=IssueState.FAILED, reason=reason.value) for reason in FailureReason]
    assert [sentences.headline(of) for of in failed] == snapshot
    assert all("\\_" not in sentences.headline(of) for of in failed), "one has no words"


@pytest.mark.parametrize(
    "proposal",
    [
        PROPOSAL,
        replace(PROPOSAL, gate=RED, landing=None, files=()),
        Proposal(1, "A", "main", "c" * 40, RUN),
    ],
    ids=["green", "red", "bare"],
)
def test_the_text_of_a_pull_request(proposal: Proposal, snapshot: SnapshotAssertion) -> None:
    assert sentences.pull_title(proposal) + "\n\n" + texts.pull_body(proposal, MARK) == snapshot


def test_the_end_of_a_run(snapshot: SnapshotAssertion) -> None:
    issues = tuple(standings().values())
    outcome = Outcome(RUN, "partial", "main", "a" * 40, "b" * 40, issues, 5400.0, 99_000, 12.5)
    assert texts.summary(outcome, MARK) == snapshot


def test_answers_and_questions(snapshot: SnapshotAssertion) -> None:
    asks = standings()["asks"]
    assert {
        "taken_up": sentences.taken_up("1f" * 20),
        "accepted": sentences.accepted("ann", "/mawep retry", "#102 is tried again"),
        "refused": sentences.refused("ann", "/mawep retry", "#102 is landed (see `mawep explain 102`)"),
        "remark": "\n\n".join(sentences.remark("agent-0", "Half way.\n@octocat, see #3")),
        "question": "\n\n".join(sentences.question(asks)),
        "closed": sentences.landed(replace(standings()["landed"], on_remote=True)),
        "left open": sentences.landed(replace(standings()["landed"], on_remote=False)),
        "without options": "\n\n".join(sentences.question(replace(asks, options=()))),
        "spans": [sentences.span(seconds) for seconds in (5, 61, 5000, 7200, 100_000, 400_000)],
        "inexact": sentences.landing(Landing("d" * 40, "main", exact=False)),
    } == snapshot


@settings(max_examples=60)
@given(text=FOREIGN, state=st.sampled_from(IssueState))
def test_hostile_text_does_nothing_wherever_it_stands(text: str, state: IssueState) -> None:
    of = replace(
        AT_WORK,
        title=text, activity=text, plan=(PlanEntry(text, "completed"),), blockers=(text,), waiting_for=(text,),
        question=text, options=(text,), agent=text, runtime=text, branch=text, transcript=text, detail=text,
        salvage=text, stage=text, target=text, depends_on=(), reason=text,
    )  # fmt: skip
    harmless(texts.update(None, replace(of, state=state), ""))
    gate = GateRecord(
        "k", "7" * 40, GateResult.RED, (CommandResult(text, 1, None, 1.0, "a"),), 1.0, "log", text
    )
    proposal = replace(PROPOSAL, title=text, summary=text, files=(text,), plan=of.plan, gate=gate, agent=text)
    harmless(texts.pull_body(proposal, "").replace("Closes #102.", "").replace("#102", ""))
    harmless(texts.summary(Outcome(text, text, text, text, text, (of,)), "").replace("| #102 ", "| "))
    for said in (sentences.accepted(text, text, text), sentences.refused(text, text, text)):
        harmless(said)
    harmless("\n\n".join([*sentences.remark(text, text), *sentences.question(of)]))


def test_nothing_is_longer_than_a_forge_takes() -> None:
    long = "word @octocat " * 20_000
    plan = tuple(PlanEntry(long) for _ in range(500))
    of = replace(
        AT_WORK, plan=plan, blockers=(long,) * 50, waiting_for=(long,) * 50, detail=long, question=long
    )
    body = texts.update("{% for n in range(9000) %}\n```\n{{ title }}\n{% endfor %}", of, MARK)
    assert body.startswith(MARK) and len(body) <= MOST
    for text in (
        texts.update(None, of, MARK),
        texts.pull_body(replace(PROPOSAL, summary=long, plan=plan, files=(long,) * 500), MARK),
        texts.summary(Outcome(RUN, "failed", "main", "a", "b", (of,) * 1000), MARK),
    ):
        assert text.startswith(MARK) and len(text) <= MOST


def test_a_template_of_the_repository_takes_the_place_of_ours() -> None:
    template = "{{ headline }}: {{ title }}{% for entry in plan %} {{ entry.text }}{% endfor %}"
    texts.try_template(template)
    body = texts.update(template, replace(AT_WORK, title="@octocat <b>"), MARK)
    assert body.split("\n")[2] == "An agent is at work: @\u200boctocat \\<b\\> Read the code Write it Test it"
    assert texts.digest(template) != texts.digest(None)


@pytest.mark.parametrize(
    "template",
    ["{{ nothing_like_it }}", "{% if %}", "{{ 1 / 0 }}", "{{ ''.__class__.__mro__ }}", "{{ plan[7].x }}"],
)
def test_a_template_that_fails_is_refused(template: str) -> None:
    with pytest.raises(ReportTemplateError, match="template of reports fails"):
        texts.try_template(template)


def test_a_template_cannot_bear_a_mark() -> None:
    assert texts.update(MARK + "hello", BARE, MARK).count("<!--") == 1
