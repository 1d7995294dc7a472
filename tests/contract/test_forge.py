"""What every forge has to do, whichever it is: the fake in memory and the client of GitHub keep the same promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mawep.trackers.base import (
    Check,
    CheckState,
    Conflicted,
    Forge,
    MergeRefused,
    NotThere,
    Permission,
    Query,
    Refused,
    Required,
)
from tests.support.forge_world import World
from tests.support.repos import branch, git, head, make_repository

pytest_plugins = ["tests.support.forges"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A repository whose branch `feature/1` adds a file, `feature/2` conflicts with main."""
    work = make_repository(tmp_path / "work", {"README.md": "one\n"})
    branch(work, "feature/1", {"new.txt": "new\n"})
    branch(work, "feature/2", {"README.md": "two\n"})
    (work / "README.md").write_text("three\n")
    git(work, "commit", "-qam", "on main")
    git(tmp_path, "clone", "-q", "--bare", str(work), "bare.git")
    return World(git=tmp_path / "bare.git", people={"ann": Permission.ADMIN, "eve": Permission.READ})


def bare(world: World) -> Path:
    """The repository on the forge."""
    assert world.git is not None
    return world.git


async def opened(forge: Forge, number: int = 1) -> int:
    """A pull request from `feature/<number>` to main."""
    made = await forge.open_pull(title="A change", body="Closes #1", head=f"feature/{number}", base="main")
    return made.number


async def test_it_says_who_we_are_and_what_we_may(forge: Forge, world: World) -> None:
    assert await forge.whoami() == world.login
    about = await forge.about()
    assert (about.repository, about.default_branch, about.permission) == (
        world.repository,
        "main",
        Permission.WRITE,
    )
    assert set(about.methods) == set(world.methods)
    signed_in = await forge.signed_in()
    assert signed_in.login == world.login and "repo" in (signed_in.scopes or ())
    assert [allowance.resource for allowance in signed_in.allowances] == ["core"]


async def test_an_issue_is_read_whole(forge: Forge, world: World) -> None:
    parent = world.seed("All of it")
    number = world.seed("Add", "The text", labels=["bug", "high"], milestone="v1", parent=parent)
    world.block(number, world.seed("First"))
    world.say(number, "hello", author="eve")
    issue = await forge.issue(number)
    assert issue == world.thing(number)
    assert (issue.title, issue.body, issue.author, issue.labels) == (
        "Add",
        "The text",
        "ann",
        ("bug", "high"),
    )
    assert (issue.comments, issue.blocked_by_total, issue.parent) == (1, 1, parent)
    assert issue.created_at is not None and issue.created_at.tzinfo is not None


async def test_what_is_not_there_is_said(forge: Forge, world: World) -> None:
    with pytest.raises(NotThere):
        await forge.issue(99)
    with pytest.raises(NotThere):
        await forge.pull(99)
    with pytest.raises(NotThere):
        await forge.comments(99)
    with pytest.raises(NotThere):
        await forge.comment(99, "hello")
    with pytest.raises(NotThere):
        await forge.edit_comment(99, "hello")


async def test_a_pull_request_is_no_issue(forge: Forge, world: World) -> None:
    issue = world.seed()
    number = await opened(forge)
    with pytest.raises(NotThere):
        await forge.issue(number)
    assert [found.number for found in await forge.issues(Query())] == [issue]


async def test_an_issue_of_another_repository_is_read_where_we_may(forge: Forge, world: World) -> None:
    elsewhere = World("acme/other")
    world.foreign["acme/other", 7] = elsewhere.thing(elsewhere.seed("Theirs", number=7))
    assert (await forge.issue(7, repository="acme/other")).title == "Theirs"
    with pytest.raises(NotThere):
        await forge.issue(7, repository="acme/secret")


async def test_issues_are_chosen_by_everything_that_is_asked(forge: Forge, world: World) -> None:
    first = world.seed("Refund money", labels=["bug"], milestone="v1")
    second = world.seed("Print a bill", labels=["bug", "high"])
    third = world.seed("Refund again", milestone="v1")
    closed = world.seed("Old", labels=["bug"])
    world.close(closed)
    world.projects[4] = [second, third]

    async def numbers(query: Query) -> list[int]:
        return [issue.number for issue in await forge.issues(query)]

    assert await numbers(Query()) == [first, second, third]
    assert await numbers(Query(state="all")) == [first, second, third, closed]
    assert await numbers(Query(labels=("bug",))) == [first, second]
    assert await numbers(Query(labels=("bug", "high"))) == [second]
    assert await numbers(Query(milestone="v1")) == [first, third]
    assert await numbers(Query(milestone="v1", labels=("bug",))) == [first]
    assert await numbers(Query(numbers=(closed, first))) == [first, closed]
    assert await numbers(Query(query="refund")) == [first, third]
    assert await numbers(Query(project=4)) == [second, third]
    with pytest.raises(NotThere):
        await numbers(Query(milestone="v9"))
    with pytest.raises(NotThere):
        await numbers(Query(project=9))
    assert await numbers(Query(numbers=(first, 99))) == [first]
    assert await numbers(Query(numbers=(closed, first), state="open")) == [first, closed]
    assert await numbers(Query(numbers=(first, second, third), labels=("bug",))) == [first, second]


async def test_many_issues_are_asked_for_by_number(forge: Forge, world: World) -> None:
    numbers = [world.seed(f"Issue {n}", "Text", labels=["bug"], milestone="v1") for n in range(120)]
    world.close(numbers[3])
    pull = await opened(forge)
    found = await forge.issues(Query(numbers=(*numbers, pull, 999)))
    assert [issue.number for issue in found] == [*numbers, pull]
    assert [issue.number for issue in found if issue.is_pull] == [pull]
    assert found[3].state == "closed"
    assert (found[7].title, found[7].body, found[7].labels) == ("Issue 7", "Text", ("bug",))
    assert (found[7].author, found[7].milestone, found[7].association) == ("ann", "v1", "MEMBER")


async def test_issues_that_changed_lately_are_found(forge: Forge, world: World) -> None:
    world.seed()
    changed = world.seed()
    moment = world.now()
    world.edit(changed, title="Changed")
    assert [issue.number for issue in await forge.issues(Query(since=moment))] == [changed]


async def test_many_issues_come_whole_and_in_order(forge: Forge, world: World) -> None:
    numbers = [world.seed(f"Issue {number}") for number in range(250)]
    assert [issue.number for issue in await forge.issues(Query())] == numbers


async def test_edges_are_the_forges_own(forge: Forge, world: World) -> None:
    first, second, third, lone = (world.seed(f"Issue {n}") for n in range(4))
    world.block(third, first)
    world.block(third, second)
    world.close(first)
    world.nest(second, third)
    edges = await forge.edges([first, second, third, lone])
    assert edges.dependencies_supported and edges.sub_issues_supported
    assert {n: [(on.number, on.state) for on in ons] for n, ons in edges.blocked_by.items()} == {
        third: [(first, "closed"), (second, "open")]
    }
    assert {n: [child.number for child in children] for n, children in edges.sub_issues.items()} == {
        second: [third]
    }
    assert {n: parent.number for n, parent in edges.parents.items()} == {third: second}
    assert all(on.repository == world.repository for on in edges.blocked_by[third])


async def test_a_forge_without_edges_says_so(forge: Forge, world: World) -> None:
    world.dependencies_supported = world.sub_issues_supported = False
    edges = await forge.edges([world.seed(), world.seed()])
    assert not edges.dependencies_supported and not edges.sub_issues_supported
    assert not edges.blocked_by and not edges.sub_issues and not edges.parents


async def test_comments_are_written_edited_and_read(forge: Forge, world: World) -> None:
    number, other = world.seed(), world.seed()
    theirs = world.say(number, "please", author="eve")
    ours = await forge.comment(number, "We are **on it**.")
    assert (ours.issue, ours.body, ours.author) == (number, "We are **on it**.", world.login)
    moment = world.now()
    await forge.edit_comment(ours.id, "Done.")
    elsewhere = await forge.comment(other, "hello")
    found = await forge.comments(number)
    assert [(c.id, c.body, c.author, c.association) for c in found] == [
        (theirs.id, "please", "eve", "NONE"),
        (ours.id, "Done.", world.login, "COLLABORATOR"),
    ]
    assert [c.id for c in await forge.comments(number, since=moment)] == [ours.id]
    assert [(c.id, c.issue) for c in await forge.recent_comments(moment)] == [
        (ours.id, number),
        (elsewhere.id, other),
    ]


async def test_a_long_conversation_comes_whole(forge: Forge, world: World) -> None:
    number = world.seed()
    ids = [world.say(number, f"comment {n}").id for n in range(130)]
    assert [comment.id for comment in await forge.comments(number)] == ids


async def test_labels_come_and_go(forge: Forge, world: World) -> None:
    number = world.seed(labels=["bug"])
    await forge.add_labels(number, ["mawep: working", "a/b"])
    assert world.thing(number).labels == ("bug", "mawep: working", "a/b")
    await forge.remove_label(number, "a/b")
    await forge.remove_label(number, "a/b")
    await forge.remove_label(number, "mawep: working")
    assert world.thing(number).labels == ("bug",)


async def test_who_labelled_is_told(forge: Forge, world: World) -> None:
    number = world.seed()
    world.label(number, ["approved"], by="ann")
    assert [(one.label, one.by) for one in await forge.labelled(number)] == [("approved", "ann")]


async def test_when_it_was_edited_is_told_where_that_is_known(forge: Forge, world: World) -> None:
    number = world.seed()
    assert await forge.edited(number) is None
    world.edit(number, body="Another text")
    assert await forge.edited(number) in {world.edited[number], None}


async def test_an_issue_is_closed_once(forge: Forge, world: World) -> None:
    number = world.seed()
    closed = await forge.close_issue(number)
    assert await forge.close_issue(number) is None
    issue = await forge.issue(number)
    assert (issue.state, issue.state_reason, issue.closed_by) == ("closed", "completed", world.login)
    assert closed is not None and closed.state == "closed"


async def test_a_closed_issue_is_opened_again(forge: Forge, world: World) -> None:
    number = world.seed()
    closed = await forge.close_issue(number)
    assert closed is not None and closed.closed_at is not None
    assert closed.closed_at == (await forge.issue(number)).closed_at == world.thing(number).closed_at
    for _ in range(2):
        await forge.reopen_issue(number)
        issue = await forge.issue(number)
        assert (issue.state, issue.closed_at) == ("open", None)
    world.close(number, by="ann")
    assert (await forge.issue(number)).closed_at != closed.closed_at
    with pytest.raises(NotThere):
        await forge.reopen_issue(99)


async def test_permissions_tell_who_may_give_orders(forge: Forge, world: World) -> None:
    world.people["moe"] = Permission.MAINTAIN
    world.people["tri"] = Permission.TRIAGE
    asked = {login: await forge.permission(login) for login in ("ann", "moe", "tri", "eve", "nobody")}
    assert [login for login, may in asked.items() if may.may_write] == ["ann", "moe"]
    assert asked["nobody"] in {Permission.NONE, Permission.READ}


async def test_a_pull_request_is_opened_found_and_read(forge: Forge, world: World) -> None:
    number = await opened(forge)
    assert [pull.number for pull in await forge.pulls(head="feature/1")] == [number]
    assert await forge.pulls(head="feature/2") == []
    pull = await forge.pull(number)
    assert (pull.head, pull.base, pull.author) == ("feature/1", "main", world.login)
    assert pull.head_sha == world.head("feature/1") and pull.base_sha == world.head("main")
    assert (pull.state, pull.merged, pull.mergeable, pull.draft) == ("open", False, True, False)
    await forge.edit_pull(number, body="Another text")
    again = await forge.pull(number)
    assert (again.title, again.body) == ("A change", "Another text")


async def test_a_pull_request_is_not_opened_twice_nor_out_of_nothing(forge: Forge, world: World) -> None:
    await opened(forge)
    with pytest.raises(Conflicted):
        await opened(forge)
    with pytest.raises(Refused):
        await forge.open_pull(title="t", body="", head="feature/none", base="main")
    world.push("same", world.head("main") or "")
    with pytest.raises(Refused):
        await forge.open_pull(title="t", body="", head="same", base="main")


async def test_a_merge_is_done_in_the_repository(forge: Forge, world: World) -> None:
    world.seed("Add a file")
    number = await opened(forge)
    sha = (await forge.pull(number)).head_sha
    merged = await forge.merge(number, sha=sha, method="merge", title="Merge it", body="For #1")
    assert merged.commit == world.head("main")
    assert git(bare(world), "show", "main:new.txt") == "new"
    assert git(bare(world), "show", "-s", "--format=%s", "main") == "Merge it"
    pull = await forge.pull(number)
    assert (pull.state, pull.merged, pull.merge_commit) == ("closed", True, merged.commit)
    assert pull.merged_by == world.login and pull.merged_at is not None
    assert await forge.pulls(head="feature/1") == []
    assert [p.number for p in await forge.pulls(head="feature/1", state="all")] == [number]
    assert await forge.reachable(sha, "main")


async def test_a_squash_leaves_the_branch_behind(forge: Forge, world: World) -> None:
    number = await opened(forge)
    sha = (await forge.pull(number)).head_sha
    await forge.merge(number, sha=sha, method="squash", title="Squashed", body="")
    assert not await forge.reachable(sha, "main")
    assert git(bare(world), "show", "main:new.txt") == "new"


async def test_a_merge_of_another_head_is_a_conflict(forge: Forge, world: World) -> None:
    number = await opened(forge)
    with pytest.raises(Conflicted):
        await forge.merge(number, sha="0" * 40, method="merge", title="t", body="")


async def test_a_merge_that_cannot_be_is_refused_with_its_reason(forge: Forge, world: World) -> None:
    number = await opened(forge, 2)
    pull = await forge.pull(number)
    assert (pull.mergeable, pull.mergeable_state) == (False, "dirty")
    with pytest.raises(MergeRefused, match="onflict"):
        await forge.merge(number, sha=pull.head_sha, method="merge", title="t", body="")
    world.close_pull(number)
    with pytest.raises(MergeRefused):
        await forge.merge(number, sha=pull.head_sha, method="merge", title="t", body="")


async def test_checks_are_read_with_what_failed(forge: Forge, world: World) -> None:
    sha = world.head("feature/1") or ""
    assert await forge.checks(sha) == []
    world.report(sha, "lint", CheckState.PASSED)
    world.report(sha, "slow", CheckState.PENDING)
    world.report(sha, "skipped", CheckState.IGNORED)
    world.report(sha, "test", CheckState.PENDING)
    world.report(sha, "test", CheckState.FAILED, summary="1 failed", excerpt="assert 1 == 2")
    checks = {check.name: check for check in await forge.checks(sha)}
    assert {name: check.state for name, check in checks.items()} == {
        "lint": CheckState.PASSED,
        "slow": CheckState.PENDING,
        "skipped": CheckState.IGNORED,
        "test": CheckState.FAILED,
    }
    failed: Check = checks["test"]
    assert "1 failed" in failed.summary and "assert 1 == 2" in failed.excerpt and failed.url


async def test_what_a_branch_demands_is_read_and_holds(forge: Forge, world: World) -> None:
    assert await forge.required("main") == Required()
    demands = Required(checks=("test",), approvals=1, strict=True)
    world.protect("main", demands)
    assert await forge.required("main") == demands
    number = await opened(forge)
    pull = await forge.pull(number)
    assert pull.mergeable_state == "blocked"
    with pytest.raises(MergeRefused):
        await forge.merge(number, sha=pull.head_sha, method="merge", title="t", body="")
    world.report(pull.head_sha, "test", CheckState.PASSED)
    world.review(number, "APPROVED")
    assert (await forge.pull(number)).mergeable_state == "behind"


async def test_reviews_and_remarks_are_read_and_answered(forge: Forge, world: World) -> None:
    number = await opened(forge)
    review = world.review(number, "CHANGES_REQUESTED", "Please test it", author="ann")
    remark = world.remark(number, "Why?", path="new.txt", author="ann", review=review.id)
    assert await forge.reviews(number) == [review]
    answer = await forge.reply(number, remark.id, "Because.")
    found = await forge.review_comments(number)
    assert [(c.id, c.body, c.path, c.author, c.answers) for c in found] == [
        (remark.id, "Why?", "new.txt", "ann", None),
        (answer.id, "Because.", "README.md", world.login, remark.id),
    ]
    assert found[0].review == review.id
    with pytest.raises(NotThere):
        await forge.reviews(99)


async def test_the_queue_merges_when_it_likes(forge: Forge, world: World) -> None:
    world.protect("main", Required(merge_queue=True))
    assert (await forge.required("main")).merge_queue
    number = await opened(forge)
    assert await forge.queued(number) is None
    with pytest.raises(Conflicted):
        await forge.enqueue(number, sha="0" * 40)
    await forge.enqueue(number, sha=(await forge.pull(number)).head_sha)
    entry = await forge.queued(number)
    assert entry is not None and (entry.state, entry.position) == ("QUEUED", 1)
    world.run_queue()
    assert await forge.queued(number) is None
    assert (await forge.pull(number)).merged


async def test_a_queue_that_does_not_take_it_says_why(forge: Forge, world: World) -> None:
    number = await opened(forge)
    with pytest.raises(MergeRefused, match="not enabled"):
        await forge.enqueue(number, sha=(await forge.pull(number)).head_sha)


async def test_what_is_reachable(forge: Forge, world: World) -> None:
    main = world.head("main") or ""
    assert await forge.reachable(main, "main")
    assert await forge.reachable(git(bare(world), "rev-parse", "main~1"), "main")
    assert not await forge.reachable(world.head("feature/1") or "", "main")
    assert not await forge.reachable("1" * 40, "main")
    with pytest.raises(NotThere):
        await forge.reachable(main, "gone")


async def test_git_is_told_where_to_go(forge: Forge, world: World, tmp_path: Path) -> None:
    url = await forge.clone_url()
    assert "@" not in url
    git(tmp_path, "clone", "-q", url, "clone")
    assert head(tmp_path / "clone") == world.head("main")


async def test_times_are_of_this_world(forge: Forge, world: World) -> None:
    issue = await forge.issue(world.seed())
    assert issue.created_at is not None
    assert abs(issue.created_at - datetime(2026, 1, 1, tzinfo=UTC)) < timedelta(minutes=5)
