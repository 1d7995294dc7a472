"""The client of GitHub against the forge of the tests, every method of it, each request judged by the description."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from mawep.clock import SystemClock
from mawep.trackers.base import (
    Ambiguous,
    CheckState,
    Conflicted,
    Forge,
    ForgeSettings,
    MergeRefused,
    NotAllowed,
    NotThere,
    Permission,
    Query,
    RateLimited,
)
from mawep.trackers.registry import FORGES
from tests.forge.accounts import LOST
from tests.forge.world import BOT, MAINTAINER, REVIEWER, STRANGER, ForgeWorld, Verdict
from tests.support.repos import commit, git, make_repository

pytestmark = pytest.mark.forge


def client(world: ForgeWorld, token: str | None = None) -> Forge:
    """MAWEP's own client."""
    settings = ForgeSettings(world.repository, world.url, token=token or world.token)
    return FORGES["github"](settings, SystemClock(), None)


@pytest_asyncio.fixture
async def forge(forge_world: ForgeWorld) -> AsyncIterator[Forge]:
    made = client(forge_world)
    yield made
    await made.close()


@pytest.fixture
def work(forge_world: ForgeWorld, tmp_path: Path) -> Path:
    """A clone with a pushed branch `feature/1` beside `main`."""
    path = make_repository(tmp_path / "work", {"a.txt": "one\n"})
    forge_world.push(path)
    git(path, "checkout", "--quiet", "-b", "feature/1")
    commit(path, {"b.txt": "two\n"})
    forge_world.push(path, "feature/1:refs/heads/feature/1")
    return path


async def test_everything_that_is_asked_about_issues_is_described(
    checked_world: ForgeWorld, forge: Forge
) -> None:
    world = checked_world
    milestone = world.milestone("v1")
    one = world.issue("one", "text", labels=["sprint"], milestone=milestone)
    two = world.issue("two", labels=["sprint"], by=STRANGER)
    more = [world.issue(f"more {turn}") for turn in range(4)]
    world.blocked_by(two, one)
    world.sub_issue(one, more[0])
    assert await forge.whoami() == BOT
    about = await forge.about()
    assert (about.default_branch, about.permission) == ("main", Permission.WRITE)
    shown = await forge.issue(two)
    assert (shown.author, shown.association, shown.blocked_by_total) == (STRANGER, "NONE", 1)
    assert [issue.number for issue in await forge.issues(Query(labels=("sprint",)))] == [one, two]
    assert [issue.number for issue in await forge.issues(Query(milestone="v1"))] == [one]
    assert [issue.number for issue in await forge.issues(Query(query="more in:title"))] == more
    assert [issue.number for issue in await forge.issues(Query(numbers=(one, two, *more, 999)))] == [
        one,
        two,
        *more,
    ]
    assert len(await forge.issues(Query(since=datetime(2026, 1, 1, tzinfo=UTC)))) == 6
    edges = await forge.edges((one, two))
    assert [blocker.number for blocker in edges.blocked_by[two]] == [one]
    assert [child.number for child in edges.sub_issues[one]] == [more[0]]
    made = await forge.comment(one, "hello")
    await forge.edit_comment(made.id, "hello again")
    world.comment(one, "a word", by=MAINTAINER)
    assert [comment.body for comment in await forge.comments(one)] == ["hello again", "a word"]
    assert len(await forge.recent_comments(datetime(2026, 1, 1, tzinfo=UTC))) == 2
    await forge.add_labels(one, ["mawep: running"])
    assert "mawep: running" in world.labels(one)
    assert [label.label for label in await forge.labelled(one)] == ["mawep: running"]
    await forge.remove_label(one, "mawep: running")
    await forge.remove_label(one, "mawep: running")
    assert world.labels(one) == ["sprint"]
    await forge.close_issue(one)
    assert world.show(one)["state"] == "closed"
    assert await forge.permission(MAINTAINER) is Permission.MAINTAIN
    assert not (await forge.permission(STRANGER)).may_write
    assert await forge.permission("nobody-at-all") is Permission.NONE


async def test_without_native_edges_the_client_says_so(checked_world: ForgeWorld, forge: Forge) -> None:
    world = checked_world
    one, two = world.issue("one"), world.issue("two")
    world.sub_issue(one, two)
    world.site.has_dependencies = False
    edges = await forge.edges((one, two))
    assert not edges.dependencies_supported
    assert edges.sub_issues_supported
    assert [child.number for child in edges.sub_issues[one]] == [two]


async def test_everything_that_is_asked_about_pull_requests_is_described(
    checked_world: ForgeWorld, forge: Forge, work: Path
) -> None:
    world = checked_world
    world.protect(checks=("unit",), approvals=1, strict=True)
    demanded = await forge.required("main")
    assert (demanded.checks, demanded.approvals, demanded.strict, demanded.known) == (
        ("unit",),
        1,
        True,
        True,
    )
    opened = await forge.open_pull(title="It", body="text", head="feature/1", base="main")
    sha = world.head("feature/1")
    assert opened.head_sha == sha
    with pytest.raises(Conflicted):
        await forge.open_pull(title="It", body="text", head="feature/1", base="main")
    assert [pull.number for pull in await forge.pulls(head="feature/1")] == [opened.number]
    await forge.edit_pull(opened.number, title="It is", body="more text")
    assert (await forge.pull(opened.number)).mergeable is None
    shown = await forge.pull(opened.number)
    assert (shown.title, shown.mergeable, shown.mergeable_state) == ("It is", True, "blocked")
    world.checks(sha, Verdict("unit", "failure", "2 failed", "test_a failed"))
    world.status(sha, "pending", "lint")
    checks = {check.name: check.state for check in await forge.checks(sha)}
    assert checks == {"unit": CheckState.FAILED, "lint": CheckState.PENDING}
    world.review(opened.number, "REQUEST_CHANGES", "not yet")
    asked = world.review_comment(opened.number, "b.txt", 1, "why two?")
    assert [review.state for review in await forge.reviews(opened.number)] == ["CHANGES_REQUESTED"]
    assert [remark.body for remark in await forge.review_comments(opened.number)] == ["why two?"]
    assert (await forge.reply(opened.number, asked, "because")).answers == asked

    async def merged() -> str:
        return (await forge.merge(opened.number, sha=sha, method="merge", title="T", body="B")).commit

    with pytest.raises(MergeRefused, match="is failing"):
        await merged()
    world.checks(sha, Verdict("unit"))
    world.review(opened.number, "APPROVE", by=REVIEWER)
    with pytest.raises(Conflicted):
        await forge.merge(opened.number, sha=world.head(), method="merge", title="T", body="B")
    assert not await forge.reachable(sha, "main")
    assert await merged() == world.head()
    assert await forge.reachable(sha, "main")
    assert (await forge.pull(opened.number)).merged


async def test_the_queue_takes_a_pull_request(checked_world: ForgeWorld, forge: Forge, work: Path) -> None:
    world = checked_world
    world.protect(queue=True)
    world.site.queue_runs = False
    assert (await forge.required("main")).merge_queue
    opened = await forge.open_pull(title="It", body="text", head="feature/1", base="main")
    assert await forge.queued(opened.number) is None
    await forge.enqueue(opened.number, sha=opened.head_sha)
    queued = await forge.queued(opened.number)
    assert queued is not None
    assert queued.position == 1


async def test_failures_have_their_names(forge_world: ForgeWorld, forge: Forge) -> None:
    world = forge_world
    number = world.issue("one")
    with pytest.raises(NotThere):
        await forge.issue(999)
    world.fault(LOST, "POST", "comments$")
    with pytest.raises(Ambiguous):
        await forge.comment(number, "lost")
    assert [comment.body for comment in await forge.comments(number)] == ["lost"]
    stranger = client(world, "nonsense")
    with pytest.raises(NotAllowed):
        await stranger.whoami()
    await stranger.close()
    world.limits.exhaust(4000)
    with pytest.raises(RateLimited):
        await forge.issue(number)


async def test_what_is_asked_again_costs_nothing(forge_world: ForgeWorld, forge: Forge) -> None:
    world = forge_world
    number = world.issue("one")
    for _ in range(5):
        await forge.issue(number)
        await forge.issues(Query(labels=("sprint",)))
    assert len(world.requests("GET")) == 10
    assert world.spent() == 2


async def test_git_is_given_where_and_as_whom(forge_world: ForgeWorld, forge: Forge) -> None:
    assert await forge.clone_url() == forge_world.clone_url
    credentials = await forge.git_credentials()
    assert credentials is not None
    assert credentials.password == forge_world.token
