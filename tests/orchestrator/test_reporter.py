"""The reporter: what a forge shows follows the run, nothing is posted twice, no trouble of the forge is the run's."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from mawep.clock import VirtualClock
from mawep.core import events as ev
from mawep.core.engine import evolve
from mawep.core.model import FailureReason, Issue, IssueState, Usage
from mawep.core.state import State
from mawep.observe.live import Live, Owed
from mawep.observe.status import status_of
from mawep.orchestrator.reporter import CERTAIN, PAUSES, Reporter, Reporting
from mawep.state.outbox import Outbox, told_until, why_untold
from mawep.trackers.base import Comment, NotAllowed, Permission, Refused, Unreachable
from tests.observe.play import START, Part, Play
from tests.support.forge import FakeForge
from tests.support.forge_world import World
from tests.support.waiting import eventually, let_pass

SECRET = b"s" * 32


def issue(number: int, title: str = "") -> Issue:
    return Issue(number, title or f"Thing {number}")


@dataclass
class Stage:
    """A run that has been played to some point, a forge, and a reporter between them."""

    place: Path
    play: Play
    settings: Reporting = field(default_factory=Reporting)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(START)
        self.world = World(clock=self.clock)
        self.world.people["ann"] = Permission.WRITE
        for one in self.play.issues:
            self.world.seed(one.title, number=one.number)
        self.forge = FakeForge(self.world)
        self.states: list[State] = []
        self.play.finish()
        self.state = State()
        self.live = Live()

    def at(self, want: Callable[[State], object]) -> None:
        """Go to the first state of the play in which something is so."""
        state = State()
        for recorded in self.play.records:
            state = evolve(state, recorded)
            if want(state):
                self.state = state
                return
        raise AssertionError("that never comes")

    def stands(self, number: int, state: IssueState) -> None:
        self.at(lambda now: number in now.issues and now.issues[number].state is state)

    @asynccontextmanager
    async def reporter(self, past: Callable[[str], str | None] = lambda key: "") -> AsyncIterator[Reporter]:
        """A new process of the run."""
        outbox = Outbox(self.place / "outbox.db", self.clock, certain=CERTAIN)
        try:
            yield Reporter(
                self.forge,
                outbox,
                self.settings,
                secret=SECRET,
                state=lambda: self.state,
                live=self.live,
                clock=self.clock,
                hide=lambda text: text.replace("hunter2hunter2", "[redacted]"),
                past=lambda key: past(key) or "",
            )
        finally:
            outbox.close()

    def outbox(self) -> dict[str, str]:
        """What was written down."""
        with closing(sqlite3.connect(self.place / "outbox.db")) as db:
            return dict(db.execute("SELECT key, payload FROM entries"))

    def comments(self, number: int) -> list[Comment]:
        return [one for one in self.world.comments.values() if one.issue == number]

    def only(self, number: int) -> str:
        [comment] = self.comments(number)
        return comment.body


@pytest.fixture
def stage(tmp_path: Path) -> Callable[..., Stage]:
    def made(*issues: Issue, settings: Reporting | None = None, **parts: Part) -> Stage:
        play = Play(issues or (issue(1),), {int(name[1:]): part for name, part in parts.items()})
        return Stage(tmp_path, play, settings or Reporting())

    return made


async def test_one_comment_is_edited_in_place(stage: Callable[..., Stage]) -> None:
    scene = stage()
    async with scene.reporter() as reporter:
        for state in (IssueState.WORKING, IssueState.VERIFYING, IssueState.LANDED):
            scene.stands(1, state)
            await reporter.deliver()
    assert "### Landed on main" in scene.only(1)
    assert (scene.forge.writes["comment"], scene.forge.writes["edit_comment"]) == (1, 2)


async def test_nothing_is_sent_that_is_there_already(stage: Callable[..., Stage]) -> None:
    scene = stage()
    scene.stands(1, IssueState.WORKING)
    async with scene.reporter() as reporter:
        await reporter.deliver()
        await reporter.deliver()
    calls = scene.forge.calls.total()
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert scene.forge.writes.total() == 1
    assert scene.forge.calls.total() <= calls + 1, "a new process asks who it is, at most"


async def test_the_comment_of_an_earlier_run_is_taken_over(stage: Callable[..., Stage]) -> None:
    scene = stage()
    scene.stands(1, IssueState.WORKING)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    (scene.place / "outbox.db").unlink()
    for left in scene.place.glob("outbox.db-*"):
        left.unlink()
    scene.stands(1, IssueState.VERIFYING)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert "being verified" in scene.only(1)


async def test_without_a_change_of_state_it_is_brought_up_to_date_from_time_to_time(
    stage: Callable[..., Stage],
) -> None:
    scene = stage(settings=Reporting(every=600))
    scene.stands(1, IssueState.WORKING)

    def at(percent: float) -> None:
        scene.live.progress(
            scene.clock.now(), 1, 1, agent="agent-0", stage="editing", percent=percent, plan=(), activity="x",
            files=(), usage=Usage(), eta_seconds=None,
        )  # fmt: skip

    async with scene.reporter() as reporter:
        at(10)
        await reporter.deliver()
        at(50)
        await reporter.deliver()
        assert "10 %" in scene.only(1)
        scene.clock.advance(600)
        await reporter.deliver()
        assert "50 %" in scene.only(1)


async def test_secrets_are_taken_out(stage: Callable[..., Stage]) -> None:
    scene = stage(
        issue(1, title="Use hunter2hunter2 and @octocat"), settings=Reporting(template="{{ title }}")
    )
    scene.stands(1, IssueState.WORKING)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert "Use \\[redacted\\] and @\u200boctocat" in scene.only(1)


async def test_an_issue_is_closed_only_when_the_remote_has_what_landed(stage: Callable[..., Stage]) -> None:
    scene = stage(settings=Reporting(every=600))
    scene.stands(1, IssueState.LANDED)
    landed = scene.state.issues[1].landed_as
    assert landed is not None
    async with scene.reporter() as reporter:
        await reporter.deliver()
        assert scene.world.issues[1].state == "open"
        assert "The remote does not have it yet" in scene.only(1)
        scene.world.push("main", landed)
        await reporter.deliver()
        assert scene.world.issues[1].state == "open", "nobody asks again at once"
        scene.clock.advance(600)
        await reporter.deliver()
        await reporter.deliver()
    assert scene.world.issues[1].state == "closed"
    assert "which the remote has" in scene.only(1)
    assert scene.forge.writes["close_issue"] == 1


async def test_an_issue_that_somebody_opens_again_is_not_closed_again(stage: Callable[..., Stage]) -> None:
    scene = stage()
    scene.stands(1, IssueState.LANDED)
    scene.world.push("main", scene.state.issues[1].landed_as or "")
    async with scene.reporter() as reporter:
        await reporter.deliver()
        scene.world.reopen(1)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert scene.world.issues[1].state == "open"


LABELS = {"working": "mawep: working", "landed": "mawep: landed", "failed": "mawep: failed"}


async def test_labels_follow_the_state_and_other_peoples_stay(stage: Callable[..., Stage]) -> None:
    scene = stage(settings=Reporting(labels=LABELS))
    scene.world.label(1, ["bug", "mawep: failed"])
    async with scene.reporter() as reporter:
        scene.stands(1, IssueState.WORKING)
        await reporter.deliver()
        assert set(scene.world.issues[1].labels) == {"bug", "mawep: working"}
        scene.stands(1, IssueState.VERIFYING)
        await reporter.deliver()
        assert set(scene.world.issues[1].labels) == {"bug"}
        scene.stands(1, IssueState.LANDED)
        await reporter.deliver()
    assert set(scene.world.issues[1].labels) == {"bug", "mawep: landed"}


async def test_a_question_is_a_comment_of_its_own_once(stage: Callable[..., Stage]) -> None:
    scene = stage(p1=Part(asks="Which tax rate, @ann?"))
    scene.stands(1, IssueState.NEEDS_INPUT)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    async with scene.reporter() as reporter:
        await reporter.deliver()
    asked = [one.body for one in scene.comments(1) if "mawep:question:" in one.body]
    assert len(asked) == 1 and "Which tax rate, @\u200bann?" in asked[0]


async def test_the_end_of_a_run_is_told_where_it_is_configured(stage: Callable[..., Stage]) -> None:
    scene = stage(issue(1), issue(2), settings=Reporting(summary=9), p2=Part(fails=FailureReason.TIMEOUT))
    scene.world.seed("The plan", number=9)
    scene.at(lambda state: state.ended)
    for _ in range(2):
        async with scene.reporter() as reporter:
            await reporter.finish()
    assert "### Run partial: 1 of 2 issues landed on main" in scene.only(9)


async def test_an_issue_without_work_of_its_own_is_closed_when_its_parts_are(
    stage: Callable[..., Stage],
) -> None:
    scene = stage(
        Issue(1, "Part", part_of=(8,)), Issue(2, "Part", part_of=(8, 9)), settings=Reporting(every=60)
    )
    for number in (8, 9):
        scene.world.seed("Whole", number=number)
    for part, whole in ((1, 8), (2, 9)):
        scene.world.nest(whole, part)
    later = scene.world.seed("One more", parent=9)
    landed = {number: record.landed_as or "" for number, record in scene.play.state.issues.items()}
    async with scene.reporter() as reporter:
        scene.stands(1, IssueState.LANDED)
        scene.world.push("main", landed[1])
        await reporter.deliver()
        assert scene.world.issues[8].state == "open"
        scene.at(lambda state: state.ended)
        scene.world.push("main", landed[2])
        scene.clock.advance(61)
        await reporter.deliver()
        assert (scene.world.issues[8].state, scene.world.issues[9].state) == ("closed", "open")
        scene.world.close(later)
        await reporter.deliver()
        assert scene.world.issues[9].state == "open"
        scene.clock.advance(61)
        await reporter.deliver()
    assert scene.world.issues[9].state == "closed"
    assert scene.forge.writes["close_issue"] == 4


# --- exactly once


WRITES = ("comment", "edit_comment", "add_labels", "remove_label", "close_issue")


@pytest.mark.parametrize("fault", ["fail_before", "fail_after", "delay"])
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("restarted", [False, True])
async def test_hazard_a_report_whose_answer_is_lost_is_posted_once(
    stage: Callable[..., Stage], write: str, fault: str, restarted: bool
) -> None:
    scene = stage(settings=Reporting(labels=LABELS))
    scene.world.push("main", scene.play.state.issues[1].landed_as or "")
    getattr(scene.forge, fault)(write)
    slept = scene.clock.sleep

    async def sleep(seconds: float) -> None:
        scene.forge.settle()  # what was under way arrives while it is waited for
        await slept(seconds)

    scene.clock.sleep = sleep  # type: ignore[method-assign]
    async with scene.reporter() as reporter:
        for state in (IssueState.WORKING, IssueState.LANDED):
            scene.stands(1, state)
            await reporter.deliver()
        if not restarted:
            await reporter.finish()
    if restarted:
        async with scene.reporter() as reporter:
            await reporter.finish()
    assert "which the remote has" in scene.only(1)
    assert scene.world.issues[1].state == "closed"
    assert set(scene.world.issues[1].labels) == {"mawep: landed"}
    assert (scene.forge.writes["comment"], scene.forge.writes["close_issue"]) == (1, 1)


async def test_hazard_a_mark_that_somebody_copied_is_not_taken_for_ours(stage: Callable[..., Stage]) -> None:
    scene = stage(issue(1), issue(2))
    scene.stands(1, IssueState.WORKING)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    copied = scene.only(1)
    (scene.place / "outbox.db").unlink()
    for left in scene.place.glob("outbox.db-*"):
        left.unlink()
    [ours] = scene.comments(1)
    del scene.world.comments[ours.id]
    scene.world.say(1, copied, author="ann")
    scene.world.say(2, copied)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert [one.author for one in scene.comments(1)] == ["ann", scene.world.login]
    assert scene.comments(1)[0].body == copied


async def test_a_comment_that_somebody_removed_is_not_made_again(stage: Callable[..., Stage]) -> None:
    scene = stage()
    scene.stands(1, IssueState.WORKING)
    async with scene.reporter() as reporter:
        await reporter.deliver()
        scene.world.comments.clear()
        scene.stands(1, IssueState.LANDED)
        await reporter.deliver()
        await reporter.deliver()
    assert scene.comments(1) == []


# --- trouble


async def test_what_the_forge_does_not_take_now_is_shown_and_delivered_later(
    stage: Callable[..., Stage],
) -> None:
    scene = stage(issue(1), issue(2))
    scene.stands(1, IssueState.WORKING)
    scene.forge.unreachable = True
    async with scene.reporter() as reporter:
        await reporter.deliver()
        shown = status_of(scene.state, scene.clock.now(), scene.live)
        assert shown.warnings == ("2 reports wait for GitHub, since 09:00 UTC: the forge does not answer",)
        scene.clock.advance(PAUSES[0])
        scene.forge.unreachable = False
        await reporter.deliver()
    assert len(scene.comments(1)) == len(scene.comments(2)) == 1
    assert scene.live.owed == Owed(where="GitHub", posted=2, failed=1)
    assert status_of(scene.state, scene.clock.now(), scene.live).warnings == ()


async def test_what_the_forge_refuses_is_counted_and_keeps_nothing_back(stage: Callable[..., Stage]) -> None:
    scene = stage(issue(1), issue(2))
    scene.stands(1, IssueState.WORKING)
    scene.forge.fail_before("comment", Refused("this issue is locked"))
    async with scene.reporter() as reporter:
        await reporter.deliver()
        await reporter.deliver()
    assert (scene.comments(1), len(scene.comments(2))) == ([], 1)
    said = "1 report was not accepted by GitHub: the comment on #1 (this issue is locked)"
    assert status_of(scene.state, scene.clock.now(), scene.live).warnings == (said,)


async def test_what_is_not_allowed_is_tried_again_and_stays_owed_at_the_end(
    stage: Callable[..., Stage],
) -> None:
    scene = stage(settings=Reporting(every=600))
    scene.stands(1, IssueState.WORKING)
    refusal = NotAllowed("POST comments is not allowed", cause="403 read only", next_step="give it `issues`")
    scene.forge.fail_before("comment", refusal)
    async with scene.reporter() as reporter:
        await reporter.deliver()
        [said] = status_of(scene.state, scene.clock.now(), scene.live).warnings
        assert said.endswith("GitHub: the comment on #1 (403 read only; give it `issues`)")
        scene.clock.advance(601)
        await reporter.deliver()
        assert "### An agent is at work" in scene.only(1)
        assert status_of(scene.state, scene.clock.now(), scene.live).warnings == ()
    scene.at(lambda state: state.ended)
    scene.forge.fail_before("edit_comment", refusal)
    async with scene.reporter() as reporter:
        assert await reporter.finish() == 1
    assert told_until(scene.place / "outbox.db") is None
    assert "the comment on #1 (403 read only" in why_untold(scene.place / "outbox.db")
    async with scene.reporter() as reporter:
        assert await reporter.finish() == 0
    assert told_until(scene.place / "outbox.db") == scene.state.seq


async def test_a_defect_of_ours_is_the_reports_and_not_the_runs(stage: Callable[..., Stage]) -> None:
    scene = stage(settings=Reporting(template="{{ 1 / 0 }}"))
    scene.stands(1, IssueState.WORKING)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert scene.live.owed.reports == 1 and "template" in scene.live.owed.why


async def test_the_end_waits_for_a_forge_that_comes_back_and_no_longer(stage: Callable[..., Stage]) -> None:
    scene = stage()
    scene.stands(1, IssueState.LANDED)
    scene.forge.fail_before("whoami")
    async with scene.reporter() as reporter:
        await reporter.finish()
        assert len(scene.comments(1)) == 1
        scene.forge.unreachable = True
        scene.stands(1, IssueState.WORKING)
        before = scene.clock.now()
        await reporter.finish(30)
    assert scene.clock.now() - before <= timedelta(seconds=30)
    assert scene.live.owed.reports == 1


@pytest.mark.parametrize(("ended", "left"), [(True, 0), (False, 1)])
async def test_the_end_of_a_run_waits_as_long_as_the_forge_takes_reports(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, ended: bool, left: int
) -> None:
    scene = stage(*map(issue, range(1, 9)))
    scene.at(lambda state: (state.ended is not None) if ended else state.issues[1].runs)
    comment = scene.forge.comment

    async def slowly(number: int, body: str) -> Comment:
        await let_pass(0.6)
        return await comment(number, body)

    monkeypatch.setattr(scene.forge, "comment", slowly)
    async with scene.reporter() as reporter:
        assert min(await reporter.finish(4), 1) == left
    assert all(scene.comments(number) for number in range(1, 9)) is ended


async def test_a_run_that_stops_in_the_middle_says_so(stage: Callable[..., Stage]) -> None:
    scene = stage()
    scene.stands(1, IssueState.WORKING)
    async with scene.reporter() as reporter:
        await reporter.deliver()
        await reporter.finish()
    assert "### Interrupted" in scene.only(1) and "`mawep resume` goes on with it" in scene.only(1)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert "### An agent is at work" in scene.only(1)


async def test_after_failures_it_waits_longer_and_longer(stage: Callable[..., Stage]) -> None:
    scene = stage()
    scene.stands(1, IssueState.WORKING)
    for _ in range(4):
        scene.forge.fail_before("whoami", Unreachable("gone"))
    async with scene.reporter() as reporter:
        task = asyncio.create_task(reporter.run())
        await eventually("it has been posted", lambda: scene.comments(1))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (scene.clock.now() - START).total_seconds() >= sum(PAUSES[:4])


# --- remarks


async def test_a_remark_is_durable_and_posted_once(stage: Callable[..., Stage]) -> None:
    scene = stage()
    scene.at(lambda state: state.run)
    scene.forge.unreachable = True
    async with scene.reporter() as reporter:
        await reporter.say(1, "retry-7", "Hello.", "There.")
        await reporter.say(1, "retry-7", "Hello.", "There.")
        await reporter.deliver()
    scene.forge.unreachable = False
    for _ in range(2):
        async with scene.reporter() as reporter:
            await reporter.deliver()
    said = [one.body for one in scene.comments(1) if "mawep:note:" in one.body]
    assert len(said) == 1 and said[0].endswith("-->\n\nHello.\n\nThere.")


async def test_a_command_is_answered_where_it_was_given_once(stage: Callable[..., Stage]) -> None:
    scene = stage()
    scene.stands(1, IssueState.WORKING)
    given = ev.CommandTaken(1, 77, "ann", "/mawep retry", done=False, said="#1 is working; @octocat knows")
    scene.state = evolve(scene.state, ev.Recorded(scene.state.seq + 1, START, given))
    for _ in range(2):
        async with scene.reporter() as reporter:
            await reporter.deliver()
    answers = [one.body for one in scene.comments(1) if "mawep:answer:" in one.body]
    assert len(answers) == 1
    assert "`/mawep retry`, said ann, cannot be done: \\#\u200b1 is working; @\u200boctocat" in answers[0]


async def test_commands_within_a_few_seconds_are_each_answered(stage: Callable[..., Stage]) -> None:
    scene = stage()
    scene.stands(1, IssueState.WORKING)
    for place, said in enumerate(("first", "second", "third")):
        given = ev.CommandTaken(1, 70 + place // 2, "ann", f"ask {said}", done=True, said=f"{said} thing")
        scene.state = evolve(scene.state, ev.Recorded(scene.state.seq + 1, START, given))
    async with scene.reporter() as reporter:
        await reporter.deliver()
    answers = [one.body for one in scene.comments(1) if "mawep:answer:" in one.body]
    assert [next(word for word in ("first", "second", "third") if word in one) for one in answers] == [
        "first",
        "second",
        "third",
    ]


async def test_a_witness_never_waits(stage: Callable[..., Stage]) -> None:
    scene = stage()
    scene.stands(1, IssueState.WORKING)
    async with scene.reporter() as reporter:
        reporter.witness(scene.play.records[0], scene.state)
    assert scene.forge.calls.total() == 0
