"""The watcher: what people change and say on a forge reaches the run once, and costs little to look for."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from mawep.agents.permission import NO, YES
from mawep.clock import VirtualClock
from mawep.core import events as ev
from mawep.core.engine import replay
from mawep.core.graph import with_issue
from mawep.core.model import FailureReason, Far, FarDependency, Issue, IssueState, Priority, Question, Rules
from mawep.core.state import Pull, State, replace
from mawep.observe.live import Live
from mawep.observe.status import status_of
from mawep.orchestrator.differences import Seen, differences, lands_by_itself
from mawep.orchestrator.glance import glance
from mawep.orchestrator.hall import Incoming
from mawep.orchestrator.watcher import Watched, Watcher, Watching
from mawep.trackers.base import ForgeIssue, Permission, RateLimited, Unreachable
from mawep.trackers.issue_text import read
from mawep.trackers.signs import priority_of
from tests.core.driver import START, Driver, green
from tests.support.forge import FakeForge


class Hall:
    """The core, without effects."""

    def __init__(self, run: Driver) -> None:
        self.run = run

    @property
    def state(self) -> State:
        return self.run.state

    def post(self, incoming: Incoming) -> None:
        self.run.go(*incoming.events(self.run.state))

    def restarted(self, committed: int) -> None:
        """MAWEP died: what the journal has is all there is."""
        del self.run.journal[committed:]
        self.run.state = replay(self.run.journal)


class Scene:
    """A run on issues of a forge, and its watcher. `max_agents` is 1, so that what comes later has not started."""

    def __init__(self, many: int = 3) -> None:
        self.forge = FakeForge()
        self.world = self.forge.world
        self.clock: VirtualClock = self.world.clock  # type: ignore[assignment]
        self.world.people["ann"] = Permission.WRITE
        self.world.people["eve"] = Permission.READ
        self.numbers = [self.world.seed(f"issue {n}") for n in range(1, many + 1)]
        self.clock.advance(3600)
        issues = [read(self.world.thing(n), self.world.repository).issue for n in self.numbers]
        self.run = Driver(*issues, rules=Rules(max_agents=1, lease_seconds=1e6))
        begun = self.clock.now()
        assert begun > START
        started = self.run.journal[0].event
        self.run.journal.clear()
        self.run.state = State()
        self.run.now = begun
        self.run.go(started)
        self.hall = Hall(self.run)
        self.told: list[Watching] = []
        self.again()

    def again(self) -> None:
        """Another process watches."""
        watched = Watched(self.forge, every=60.0, our_labels=("mawep: working",), told=self.told.append)
        self.watcher = Watcher(watched, self.hall, self.clock)  # type: ignore[arg-type]

    async def look(self) -> list[ev.AnyEvent]:
        """What a look a minute later brings."""
        self.clock.advance(60)
        self.run.now = self.clock.now()
        before = len(self.run.journal)
        await self.watcher.look()
        return [rec.event for rec in self.run.journal[before:]]

    async def say(self, number: int, text: str, author: str = "ann") -> list[ev.AnyEvent]:
        self.clock.advance(5)
        self.world.say(number, text, author=author)
        return await self.look()


def kinds(events: list[ev.AnyEvent], *among: type) -> list[ev.AnyEvent]:
    return [event for event in events if isinstance(event, among)]


async def test_nothing_new_is_two_requests_and_no_event() -> None:
    scene = Scene(many=50)
    assert await scene.look() == []
    scene.forge.calls.clear()
    assert await scene.look() == []
    assert scene.forge.calls == {"issues": 1, "recent_comments": 1}


async def test_an_edited_issue_is_used_as_it_reads_now() -> None:
    scene = Scene()
    scene.world.edit(2, title="other", body="do that")
    events = await scene.look()
    assert len(kinds(events, ev.IssueEdited)) == 1
    assert scene.run.state.graph.issues[2].body == "do that"
    assert kinds(await scene.look(), ev.IssueEdited) == []


@pytest.mark.parametrize(
    ("labels", "priority"),
    [((), Priority.HIGH), (("priority: low",), Priority.LOW), (("docs",), Priority.HIGH)],
)
def test_a_priority_that_a_board_said_is_kept_until_a_label_says_another(
    labels: tuple[str, ...], priority: Priority
) -> None:
    scene = Scene()
    board = replace(scene.run.state.graph.issues[2], priority=Priority.HIGH, part_of=(9,))
    state = replace(scene.run.state, graph=with_issue(scene.run.state.graph, board))
    now = Issue(2, "other", labels=labels, priority=priority_of(labels))
    [edited] = kinds([e for make in differences(state, None, Seen(now)) for e in make(state)], ev.IssueEdited)
    assert isinstance(edited, ev.IssueEdited)
    assert (edited.now.priority, edited.now.part_of) == (priority, (9,))


async def test_an_agent_at_work_hears_of_an_edit() -> None:
    scene = Scene()
    scene.run.start(1)
    scene.world.edit(1, body="do that")
    (told,) = kinds(await scene.look(), ev.MessageSent)
    assert isinstance(told, ev.MessageSent) and told.foreign and "do that" in told.text


async def test_labels_of_ours_are_no_edit() -> None:
    scene = Scene()
    scene.world.label(2, ["mawep: working"])
    assert kinds(await scene.look(), ev.IssueEdited) == []
    scene.world.label(2, ["urgent"])
    assert len(kinds(await scene.look(), ev.IssueEdited)) == 1


async def test_hazard_an_edit_by_somebody_who_is_not_trusted_reaches_no_agent() -> None:
    scene = Scene()
    scene.world._touch(2, association="NONE", body="run this")
    events = await scene.look()
    assert kinds(events, ev.IssueEdited) == []
    assert len(kinds(events, ev.IssueNoticed)) == 1
    assert "run this" not in scene.run.state.graph.issues[2].body
    scene.world.label(2, ["urgent"])
    await scene.look()
    assert kinds(await scene.look(), ev.IssueNoticed) == []


async def test_a_closed_issue_is_cancelled_and_a_reopened_one_is_said() -> None:
    scene = Scene()
    scene.world.close(2, reason="not_planned", by="bob")
    (cancelled,) = kinds(await scene.look(), ev.IssueCancelled)
    assert isinstance(cancelled, ev.IssueCancelled) and cancelled.by.endswith("by bob")
    assert kinds(await scene.look(), ev.IssueCancelled) == []
    scene.world.reopen(2)
    (noticed,) = kinds(await scene.look(), ev.IssueNoticed)
    assert isinstance(noticed, ev.IssueNoticed) and "/mawep retry" in noticed.what
    assert scene.run.at(2) is IssueState.CANCELLED
    await scene.say(2, "/mawep retry")
    assert scene.run.at(2) is IssueState.READY


async def test_what_landed_and_was_closed_is_left_alone() -> None:
    scene = Scene(many=1)
    scene.run.land(1)
    scene.world.close(1)
    assert kinds(await scene.look(), ev.IssueCancelled) == []


async def test_what_was_closed_for_its_landing_can_be_taken_back_and_done_anew() -> None:
    scene = Scene(many=1)
    scene.run.land(1)
    scene.world.close(1)
    landed = ev.Landed(1, scene.run.state.issues[1].landed_as or "")
    scene.run.go(ev.RevertAsked(scene.run.state.graph.issues[1], (landed,), "ann"))
    assert kinds(await scene.look(), ev.IssueCancelled) == []
    scene.run.go(ev.CandidateImported(1, 2, "r", "t-r", ()), green("t-r"))
    steps = scene.run.compose()
    scene.run.go(green(steps[-1].tree))
    scene.run.seal()
    scene.run.move()
    assert scene.run.at(1) is IssueState.REVERTED
    scene.world.label(1, ["again"], by="ann")
    assert kinds(await scene.look(), ev.IssueCancelled) == []
    scene.run.go(ev.IssueReopened(1, "ann"))
    scene.world.label(1, ["at once"], by="ann")
    assert kinds(await scene.look(), ev.IssueCancelled) == [], "it is closed still for what was taken back"
    scene.world.reopen(1)
    await scene.look()
    scene.world.close(1, by="ann")
    assert kinds(await scene.look(), ev.IssueCancelled) != []


async def test_what_waits_for_an_issue_that_a_person_completed_waits_no_longer() -> None:
    scene = Scene()
    scene.world.block(3, 2)
    await scene.look()
    assert scene.run.at(3) is IssueState.WAITING
    scene.world.close(2)
    await scene.look()
    assert scene.run.at(3) is IssueState.READY
    scene.world.edit(3, title="still free")
    await scene.look()
    assert scene.run.at(3) is IssueState.READY


async def test_a_new_native_dependency_is_waited_for_and_may_be_taken_away() -> None:
    scene = Scene()
    scene.world.block(3, 2)
    (added,) = kinds(await scene.look(), ev.DependencyAdded)
    assert added == ev.DependencyAdded(3, 2, "native")
    scene.world.blocked_by[3].clear()
    scene.world.edit(3, title="free")
    assert len(kinds(await scene.look(), ev.DependencyRemoved)) == 1
    assert scene.run.at(3) is IssueState.READY


async def test_a_dependency_in_the_text_is_waited_for() -> None:
    scene = Scene()
    scene.world.edit(3, body="depends on #2")
    assert kinds(await scene.look(), ev.DependencyAdded) == [ev.DependencyAdded(3, 2, "body")]


async def test_an_open_issue_outside_blocks_until_it_is_closed() -> None:
    scene = Scene(many=3)
    other = scene.world.seed("elsewhere")
    scene.world.block(3, other)
    await scene.look()
    assert scene.run.at(3) is IssueState.BLOCKED
    scene.world.close(other)
    await scene.look()
    assert scene.run.at(3) is IssueState.READY


async def test_a_closed_issue_outside_is_met() -> None:
    scene = Scene()
    other = scene.world.seed("done")
    scene.world.close(other)
    await scene.look()
    scene.world.edit(3, body=f"depends on #{other}")
    assert kinds(await scene.look(), ev.DependencyAdded) == []


async def test_a_new_dependency_on_an_open_issue_of_another_repository_is_told_until_it_is_closed() -> None:
    scene = Scene()
    far = ("acme/api", 7)
    scene.world.foreign[far] = ForgeIssue(number=7, title="Refunds")
    scene.world.edit(3, body="Depends on acme/api#7")
    (unclear,) = kinds(await scene.look(), ev.IssueUnclear)
    assert isinstance(unclear, ev.IssueUnclear) and "acme/api#7" in unclear.problems[0]
    scene.again()
    assert kinds(await scene.look(), ev.IssueUnclear) == []  # another process says it no second time
    [warning] = status_of(scene.run.state, scene.clock.now(), Live()).warnings
    assert warning.startswith("#3 reads in a way that the run cannot follow, and goes on without: waits for")
    scene.world.foreign[far] = ForgeIssue(number=7, title="Refunds", state="closed")
    scene.world.edit(3, body="Depends on acme/api#7.")
    await scene.look()
    assert status_of(scene.run.state, scene.clock.now(), Live()).warnings == ()


async def test_what_the_run_waits_for_in_its_other_repositories_is_none_of_the_watchers_business() -> None:
    scene = Scene()
    state = scene.run.state
    waiting = replace(state.graph.issues[3], far=(FarDependency(Far("acme/api", 7)),))
    state = replace(state, graph=with_issue(state.graph, waiting))
    scene.world.foreign["acme/api", 7] = ForgeIssue(number=7, title="Refunds")
    scene.world.edit(3, body="Depends on acme/api#7")
    seen = await glance(scene.forge, [scene.world.issues[3]], state, trust=("MEMBER",))
    assert seen[3].problems == ()


async def test_new_dependencies_that_close_a_circle_together_are_refused() -> None:
    scene = Scene()
    scene.world.block(3, 2)
    scene.world.block(2, 3)
    events = await scene.look()
    assert len(kinds(events, ev.DependencyAdded)) == 1
    (refused,) = kinds(events, ev.DependencyRefused)
    assert isinstance(refused, ev.DependencyRefused) and "→" in refused.why


async def test_dependencies_that_the_forge_stops_showing_are_not_taken_away() -> None:
    scene = Scene()
    scene.world.block(3, 2)
    await scene.look()
    scene.world.dependencies_supported = False
    scene.world.blocked_by[3].clear()
    scene.world.edit(3, title="other")
    assert kinds(await scene.look(), ev.DependencyRemoved) == []


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("/mawep stop", ev.IssueCancelled(1, "ann on the tracker")),
        (
            "/mawep ask use v2\nplease",
            ev.MessageSent(1, "comment-1004-0", "use v2\nplease", "ann on the tracker"),
        ),
    ],
)
async def test_a_command_does_what_its_verb_does(text: str, event: ev.AnyEvent) -> None:
    scene = Scene()
    scene.run.start(1)
    events = await scene.say(1, text)
    assert event in events
    (taken,) = kinds(events, ev.CommandTaken)
    assert isinstance(taken, ev.CommandTaken) and taken.done


async def test_an_approval_says_yes_to_the_permission_that_an_agent_asks_for() -> None:
    scene = Scene()
    scene.run.start(1)
    question = Question("q1", "May it edit migrations/1.sql?", (YES, NO))
    scene.run.go(ev.QuestionAsked(1, scene.run.fence(1), question))
    events = await scene.say(1, "/mawep approve")
    assert ev.QuestionAnswered(1, "q1", YES, "ann on the tracker") in events
    assert scene.run.at(1) is IssueState.WORKING


async def test_a_failed_issue_is_started_again_by_a_command() -> None:
    scene = Scene()
    scene.run.start(1)
    scene.run.go(ev.AttemptFailed(1, scene.run.fence(1), FailureReason.AGENT_ERROR))
    assert kinds(await scene.say(1, "/mawep start"), ev.IssueReopened)


async def test_what_cannot_be_done_is_answered() -> None:
    scene = Scene()
    (taken,) = kinds(await scene.say(2, "/mawep answer yes"), ev.CommandTaken)
    assert isinstance(taken, ev.CommandTaken) and not taken.done and "does not wait" in taken.said
    (taken,) = kinds(await scene.say(2, "/mawep dance"), ev.CommandTaken)
    assert isinstance(taken, ev.CommandTaken) and "status" in taken.said
    (taken,) = kinds(await scene.say(2, "/mawep status"), ev.CommandTaken)
    assert isinstance(taken, ev.CommandTaken) and taken.done and "ready" in taken.said


async def test_several_commands_of_a_comment_are_all_taken() -> None:
    scene = Scene()
    scene.run.start(1)
    events = await scene.say(1, "/mawep ask save your work\n/mawep stop")
    assert len(kinds(events, ev.CommandTaken)) == 2
    assert kinds(events, ev.MessageSent) and kinds(events, ev.IssueCancelled)
    assert kinds(await scene.look(), ev.CommandTaken) == []


@pytest.mark.parametrize("author", ["eve", "stranger", "mawep-bot"])
async def test_hazard_a_commenter_without_permission_is_ignored(author: str) -> None:
    scene = Scene()
    events = await scene.say(2, "/mawep stop", author=author)
    assert kinds(events, ev.CommandTaken, ev.IssueCancelled) == []


async def test_hazard_a_command_edited_into_a_comment_is_ignored() -> None:
    scene = Scene()
    await scene.say(2, "all is well")
    (comment,) = [one for one in scene.world.comments.values() if one.issue == 2]
    scene.clock.advance(5)
    scene.world.reword(comment.id, "/mawep stop")
    assert kinds(await scene.look(), ev.CommandTaken) == []
    assert scene.run.at(2) is IssueState.READY


async def test_a_command_from_before_the_run_is_not_carried_out() -> None:
    scene = Scene()
    scene.world.comments.clear()
    old = scene.world.say(2, "/mawep stop", author="ann")
    at = scene.run.state.started_at
    assert at is not None
    scene.world.comments[old.id] = msgspec.structs.replace(
        old, created_at=at - timedelta(seconds=9), updated_at=at - timedelta(seconds=9)
    )
    assert kinds(await scene.look(), ev.CommandTaken) == []


@pytest.mark.parametrize("lost", [True, False], ids=["before the journal has it", "after"])
async def test_hazard_a_command_is_carried_out_once_whenever_mawep_dies(lost: bool) -> None:
    scene = Scene()
    scene.run.start(1)
    before = len(scene.run.journal)
    await scene.say(1, "/mawep ask why?")
    scene.hall.restarted(before if lost else len(scene.run.journal))
    scene.again()
    await scene.look()
    scene.again()
    await scene.look()
    asked = [rec.event for rec in scene.run.journal if isinstance(rec.event, ev.MessageSent)]
    assert len(asked) == 1


async def test_a_comment_that_the_forge_lists_late_is_not_missed() -> None:
    scene = Scene()
    await scene.say(2, "first")
    late = scene.world.say(2, "/mawep stop", author="ann")
    hidden = scene.world.comments.pop(late.id)
    await scene.say(2, "second")
    scene.world.comments[hidden.id] = hidden
    assert kinds(await scene.look(), ev.CommandTaken)


async def test_hazard_a_forge_that_cannot_be_reached_fails_no_issue() -> None:
    scene = Scene()
    scene.forge.unreachable = True
    with pytest.raises(Unreachable):
        await scene.watcher.look()
    wait, trouble = await scene.watcher._try()
    assert wait == 60 and trouble
    scene.forge.unreachable = False
    scene.world.edit(2, body="later")
    assert kinds(await scene.look(), ev.IssueEdited), "nothing is missed"


async def test_an_exhausted_limit_is_waited_for() -> None:
    scene = Scene()
    scene.forge.fail_before("issues", RateLimited("enough", until=scene.clock.now() + timedelta(hours=1)))
    wait, trouble = await scene.watcher._try()
    assert wait == pytest.approx(3600) and "again at" in trouble


async def test_half_a_look_hands_nothing_in() -> None:
    scene = Scene()
    scene.world.edit(2, body="later")
    scene.forge.fail_before("recent_comments")
    with pytest.raises(Unreachable):
        await scene.look()
    assert kinds(await scene.look(), ev.IssueEdited)


async def test_while_webhooks_come_it_looks_seldom() -> None:
    scene = Scene()
    scene.watcher.poke(hooked=True)
    wait, _ = await scene.watcher._try()
    assert wait == 600
    scene.clock.advance(901)
    wait, _ = await scene.watcher._try()
    assert wait == 60, "the receiver is gone"


async def test_a_parent_outside_stands_for_its_sub_issues() -> None:
    scene = Scene()
    parent = scene.world.seed("all of it")
    scene.world.nest(parent, 2)
    scene.world.block(3, parent)
    assert kinds(await scene.look(), ev.DependencyAdded) == [ev.DependencyAdded(3, 2, "native")]
    scene.world.edit(3, title="other")
    assert kinds(await scene.look(), ev.DependencyRemoved, ev.DependencyAdded) == []


async def test_what_failed_and_a_person_completed_is_waited_for_no_longer() -> None:
    scene = Scene()
    scene.world.block(2, 1)
    await scene.look()
    scene.run.start(1)
    scene.run.go(ev.AttemptFailed(1, scene.run.fence(1), FailureReason.AGENT_ERROR))
    assert scene.run.at(2) is IssueState.BLOCKED
    scene.world.close(1, by="ann")
    await scene.look()
    assert scene.run.at(2) is IssueState.READY


async def test_a_pull_request_that_may_have_closed_an_issue_is_not_torn_down() -> None:
    scene = Scene(many=1)
    scene.run.start(1)
    record = scene.run.state.issues[1]
    issue = read(scene.world.thing(1), scene.world.repository).issue
    merged = Seen(issue, closed=True, closed_by="ann", reason="completed")
    given_up = Seen(issue, closed=True, closed_by="ann", reason="not_planned")
    pulled = msgspec.structs.replace(record, pull=Pull("head", "tree"))
    assert not lands_by_itself(record, merged)
    assert lands_by_itself(pulled, merged)
    assert not lands_by_itself(pulled, given_up)
