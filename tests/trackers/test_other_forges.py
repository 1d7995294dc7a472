"""GitLab and Forgejo: what they do their own way, where the promises of every forge leave it open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mawep.stages.intake import select
from mawep.trackers.base import (
    Forge,
    ForgeIssue,
    MergeRefused,
    NotAllowed,
    NotThere,
    Permission,
    Query,
    Refused,
    Required,
    Unreachable,
    Wanted,
)
from mawep.trackers.forge_tracker import ForgeTracker
from tests.support.forge_world import World
from tests.support.forgejo_stub import ForgejoStub
from tests.support.forges import experimental
from tests.support.github_stub import Fault, GitHubStub
from tests.support.gitlab_stub import GitLabStub
from tests.support.repos import branch, git, make_repository

TRUST = ("OWNER", "MEMBER", "COLLABORATOR")


@pytest.fixture
def world(tmp_path: Path) -> World:
    work = make_repository(tmp_path / "work", {"README.md": "one\n"})
    branch(work, "feature/1", {"new.txt": "new\n"})
    git(tmp_path, "clone", "-q", "--bare", str(work), "bare.git")
    people = {"ann": Permission.ADMIN, "dev": Permission.WRITE, "eve": Permission.READ}
    return World(git=tmp_path / "bare.git", people=people)


@pytest.fixture(params=["gitlab", "forgejo"])
def stub(request: pytest.FixtureRequest, world: World) -> GitHubStub:
    return GitLabStub(world, "/api/v4") if request.param == "gitlab" else ForgejoStub(world, "/api/v1")


@pytest.fixture
async def forge(stub: GitHubStub) -> AsyncIterator[Forge]:
    kind = "gitlab" if isinstance(stub, GitLabStub) else "forgejo"
    async with experimental(kind, stub) as forge:
        yield forge


async def test_who_we_are_and_what_we_may(forge: Forge, world: World) -> None:
    assert await forge.whoami() == (await forge.signed_in()).login == world.login
    about = await forge.about()
    assert (about.repository, about.default_branch, about.permission) == (
        "acme/shop",
        "main",
        Permission.WRITE,
    )
    assert about.issues and not about.archived and "merge" in about.methods


async def test_gitlab_says_what_somebody_estimated() -> None:
    world = World()
    number = world.seed(fields={"Estimate": "1.5"})
    async with experimental("gitlab", GitLabStub(world, "/api/v4")) as forge:
        assert dict((await forge.issue(number)).fields) == {"Estimate": "1.5h"}
        assert dict((await forge.issue(world.seed())).fields) == {}


async def test_an_issue_says_who_wrote_it_and_what_that_is_to_the_repository(
    forge: Forge, world: World
) -> None:
    numbers = {
        login: world.seed("Add", "The text", author=login) for login in ("ann", "dev", "eve", "nobody")
    }
    world.say(numbers["ann"], "hello", author="eve")
    found = {login: await forge.issue(number) for login, number in numbers.items()}
    assert [found[login].association for login in ("ann", "eve", "nobody")] == ["OWNER", "NONE", "NONE"]
    assert found["dev"].association in {"MEMBER", "COLLABORATOR"}
    first = found["ann"]
    assert (first.title, first.body, first.state, first.comments) == ("Add", "The text", "open", 1)


async def test_issues_are_chosen(forge: Forge, world: World) -> None:
    first = world.seed("Refund money", labels=["bug"], milestone="v1")
    second = world.seed("Print a bill", labels=["bug", "high"])
    closed = world.seed("Old", labels=["bug"])
    world.close(closed)

    async def numbers(query: Query) -> list[int]:
        return [issue.number for issue in await forge.issues(query)]

    assert await numbers(Query()) == [first, second]
    assert await numbers(Query(labels=("bug", "high"))) == [second]
    assert await numbers(Query(milestone="v1")) == [first]
    assert await numbers(Query(query="refund")) == [first]
    assert await numbers(Query(numbers=(closed, first, 99))) == [first, closed]
    with pytest.raises(NotThere):
        await numbers(Query(milestone="v9"))
    with pytest.raises(Refused):
        await numbers(Query(project=4))


async def test_many_numbers_are_looked_up(forge: Forge, world: World) -> None:
    numbers = [world.seed() for _ in range(130)]
    assert [issue.number for issue in await forge.issues(Query(numbers=tuple(numbers)))] == numbers


async def test_edges_and_what_it_has_not(forge: Forge, world: World) -> None:
    first, second = world.seed(), world.seed()
    world.block(second, first)
    world.close(first)
    edges = await forge.edges([first, second])
    assert {
        n: [(on.repository, on.number, on.state) for on in ons] for n, ons in edges.blocked_by.items()
    } == {second: [("acme/shop", first, "closed")]}
    assert edges.dependencies_supported and not edges.sub_issues_supported


async def test_comments_are_written_edited_and_read(forge: Forge, world: World) -> None:
    number, other = world.seed(), world.seed()
    world.say(number, "please", author="eve")
    ours = await forge.comment(number, "We are on it.")
    moment = world.now()
    await forge.edit_comment(ours.id, "Done.")
    elsewhere = await forge.comment(other, "hello")
    found = await forge.comments(number)
    assert [one.body for one in found] == ["please", "Done."]
    assert (found[0].author, found[0].association) == ("eve", "NONE")
    assert {one.id for one in await forge.comments(number, since=moment)} == {ours.id}
    recent = await forge.recent_comments(moment)
    assert [(one.id, one.issue) for one in recent] == [(ours.id, number), (elsewhere.id, other)]


async def test_an_issue_is_closed_once(forge: Forge, world: World) -> None:
    number = world.seed()
    await forge.close_issue(number)
    await forge.close_issue(number)
    assert (await forge.issue(number)).state == "closed"


async def test_what_a_branch_demands(forge: Forge, world: World) -> None:
    world.protect("main", Required(checks=("test",), approvals=1))
    assert (await forge.required("main")).approvals == 1


async def test_reviews_are_read_and_remarks_answered(forge: Forge, world: World) -> None:
    number = (await forge.open_pull(title="t", body="", head="feature/1", base="main")).number
    review = world.review(number, "CHANGES_REQUESTED", "Please test it", author="ann")
    remark = world.remark(number, "Why?", path="new.txt", author="ann", review=review.id)
    (seen,) = await forge.reviews(number)
    assert (seen.state, seen.author) == ("CHANGES_REQUESTED", "ann")
    answer = await forge.reply(number, remark.id, "Because.")
    assert (answer.body, answer.answers) == ("Because.", remark.id)
    found = await forge.review_comments(number)
    assert (found[0].body, found[0].path, found[0].author) == ("Why?", "new.txt", "ann")
    assert "Because." in [one.body for one in found]
    with pytest.raises(NotThere):
        await forge.reply(number, 12345, "To whom?")
    with pytest.raises(MergeRefused):
        await forge.enqueue(number, sha="0" * 40)
    assert await forge.queued(number) is None


async def test_failures_have_names(forge: Forge, stub: GitHubStub, world: World) -> None:
    number = world.seed()
    stub.faults.append(Fault(".", status=503))
    with pytest.raises(Unreachable):
        await forge.issue(number)
    stub.faults.append(Fault(".", status=429, headers={"retry-after": "1"}))
    assert (await forge.issue(number)).number == number, "a limit is waited out"
    stub.token = "renewed"
    with pytest.raises(NotAllowed) as refusal:
        await forge.issue(number)
    assert ".token`" in refusal.value.next_step and "stub-token" not in str(refusal.value)


async def test_the_tracker_reads_it_as_it_reads_any_forge(forge: Forge, world: World) -> None:
    world.foreign["acme/lib", 3] = ForgeIssue(3, "Theirs", state="closed")
    first = world.seed("First", author="dev", labels=["P1"])
    second = world.seed("Second", f"Depends on #{first}, acme/lib#3", author="ann", blocked_by=[first])
    strange = world.seed("Third", author="eve")
    world.say(strange, "/mawep approve", author="eve")
    tracker = ForgeTracker(forge, TRUST)
    asked = Wanted((second, strange))
    selection = select(await tracker.find(asked, with_dependencies=True), asked, with_dependencies=True)
    assert len(selection.problems) == 1 and "is by eve (NONE)" in selection.problems[0]
    world.say(strange, "/mawep approve", author="dev")
    tracker = ForgeTracker(forge, TRUST)
    selection = select(await tracker.find(asked, with_dependencies=True), asked, with_dependencies=True)
    assert selection.graph is not None and set(selection.graph.order) == {first, second, strange}
    assert selection.graph.issues[second].depends_on[0].source == "native+body"
