"""What was taken back is open again on the forge, once, if it was closed for its landing, and the comment says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from mawep.core.model import Issue, IssueState
from mawep.core.state import Pull, replace
from mawep.trackers.base import PullRequest
from tests.observe.play import Part
from tests.orchestrator.test_reporter import Stage, stage
from tests.support.forge_world import Pull as Merged

__all__ = ["stage"]

Staged = Callable[..., Stage]


async def taken_back(scene: Stage, *numbers: int) -> None:
    """It has landed on the remote and is closed; then the revert has landed there too. Nobody was told of that yet."""
    for record in scene.state.issues.values() or scene.play.state.issues.values():
        scene.world.push("main", record.landed_as or "")
    scene.state = scene.play.state
    async with scene.reporter() as reporter:
        await reporter.deliver()
    scene.state = scene.play.revert(*numbers)
    scene.clock.advance_to(max(scene.clock.now(), scene.play.clock.now()) + timedelta(hours=1))
    assert all(scene.state.issues[number].state is IssueState.REVERTED for number in numbers)


def on_remote(scene: Stage, number: int = 1) -> None:
    """The revert of an issue is on the remote."""
    scene.world.push("main", scene.state.issues[number].reverted_as or "")


async def test_it_is_open_again_once_and_the_comment_says_by_what_and_whose_wish(stage: Staged) -> None:
    scene = stage()
    await taken_back(scene, 1)
    assert scene.world.issues[1].state == "closed"
    on_remote(scene)
    for _ in range(2):
        async with scene.reporter() as reporter:
            await reporter.deliver()
    back = scene.state.issues[1].taken_back
    assert back is not None and scene.world.issues[1].state == "open"
    said = f"Landed as `{back.landed_as}` on `main`, and taken back by `{back.commit}`, as ann asked."
    assert f"{said} So this issue is open again." in scene.only(1)
    assert scene.forge.writes["reopen_issue"] == 1


async def test_not_before_the_remote_has_the_revert(stage: Staged) -> None:
    scene = stage()
    await taken_back(scene, 1)
    async with scene.reporter() as reporter:
        await reporter.deliver()
        assert scene.world.issues[1].state == "closed"
        assert "The remote does not have that yet, so this issue stays as it is." in scene.only(1)
        on_remote(scene)
        await reporter.finish()
    assert scene.world.issues[1].state == "open"
    assert "open again" in scene.only(1)


async def test_hazard_what_a_person_closed_for_another_reason_stays_closed(stage: Staged) -> None:
    scene = stage()
    await taken_back(scene, 1)
    scene.world.reopen(1)
    scene.world.close(1, reason="not_planned", by="ann")
    on_remote(scene)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert scene.world.issues[1].state == "closed"
    assert "and stays closed" in scene.only(1)
    assert scene.forge.writes["reopen_issue"] == 0


async def test_hazard_what_a_person_had_closed_before_it_landed_stays_closed(stage: Staged) -> None:
    scene = stage()
    scene.world.close(1, by="ann")
    await taken_back(scene, 1)
    on_remote(scene)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert scene.world.issues[1].state == "closed"


@pytest.mark.parametrize("seconds", [2, 3600])
async def test_what_the_forge_closed_when_the_pull_request_was_merged_is_opened(
    stage: Staged, seconds: int
) -> None:
    scene = stage()
    at = scene.world.now()
    shown = PullRequest(20, "t", "feature/1", "a" * 40, "main", state="closed", merged=True, merged_at=at)
    scene.world.pulls[20] = Merged(shown)
    scene.clock.advance(seconds)
    scene.world.close(1, by="ann")
    record = scene.play.state.issues[1]
    proposed = replace(record, pull=Pull("a" * 40, "b" * 40, number=20))
    scene.play.state = replace(scene.play.state, issues=scene.play.state.issues.set(1, proposed))
    await taken_back(scene, 1)
    on_remote(scene)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert scene.world.issues[1].state == ("open" if seconds < 60 else "closed")


async def test_who_opened_it_first_is_asked_nothing(stage: Staged) -> None:
    scene = stage()
    await taken_back(scene, 1)
    scene.world.reopen(1)
    on_remote(scene)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert (scene.world.issues[1].state, "open again" in scene.only(1)) == ("open", True)


async def test_another_run_of_the_clone_knows_of_the_closing(stage: Staged) -> None:
    scene = stage()
    await taken_back(scene, 1)
    on_remote(scene)
    written = scene.outbox()
    for left in scene.place.glob("outbox.db*"):
        left.unlink()
    async with scene.reporter(past=written.get) as reporter:
        await reporter.deliver()
    assert scene.world.issues[1].state == "open"


async def test_in_another_clone_nobody_knows_of_it_and_it_stays_closed(stage: Staged) -> None:
    scene = stage()
    await taken_back(scene, 1)
    on_remote(scene)
    for left in scene.place.glob("outbox.db*"):
        left.unlink()
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert scene.world.issues[1].state == "closed"


async def test_what_is_taken_back_with_it_is_opened_as_well(stage: Staged) -> None:
    scene = stage(Issue(1, "One"), Issue(2, "Two"))
    await taken_back(scene, 2, 1)
    on_remote(scene)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert {scene.world.issues[number].state for number in (1, 2)} == {"open"}
    assert all("as ann asked" in scene.only(number) for number in (1, 2))


async def test_what_was_closed_because_all_of_its_parts_were_is_opened_and_closed_anew(stage: Staged) -> None:
    scene = stage(Issue(1, "Part", part_of=(8,)), p1=Part())
    scene.world.seed("Whole", number=8)
    scene.world.seed("Whole of the whole, which a person closed", number=9)
    scene.world.nest(8, 1)
    scene.world.nest(9, 8)
    scene.world.close(9, by="ann")
    await taken_back(scene, 1)
    assert scene.world.issues[8].state == "closed"
    on_remote(scene)
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert [scene.world.issues[number].state for number in (1, 8, 9)] == ["open", "open", "closed"]
    scene.state = scene.play.again(1)
    scene.world.push("main", scene.state.issues[1].landed_as or "")
    async with scene.reporter() as reporter:
        await reporter.deliver()
    assert [scene.world.issues[number].state for number in (1, 8)] == ["closed", "closed"]
    assert "taken back" not in scene.only(1)


@pytest.mark.parametrize("fault", ["fail_before", "fail_after", "delay"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_hazard_it_is_opened_once_whenever_the_answer_is_lost(
    stage: Staged, fault: str, restarted: bool
) -> None:
    scene = stage()
    await taken_back(scene, 1)
    on_remote(scene)
    getattr(scene.forge, fault)("reopen_issue")
    slept = scene.clock.sleep

    async def sleep(seconds: float) -> None:
        scene.forge.settle()  # what was under way arrives while it is waited for
        await slept(seconds)

    scene.clock.sleep = sleep  # type: ignore[method-assign]
    async with scene.reporter() as reporter:
        await reporter.deliver()
        if not restarted:
            await reporter.finish()
    if restarted:
        async with scene.reporter() as reporter:
            await reporter.finish()
    assert (scene.world.issues[1].state, "open again" in scene.only(1)) == ("open", True)
    assert scene.forge.writes["reopen_issue"] == 1
