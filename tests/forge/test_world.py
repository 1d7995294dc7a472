"""The forge of the tests does what GitHub does, where MAWEP looks."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.forge.accounts import HUNG, LATE, LOST, REFUSED
from tests.forge.bare import Bare
from tests.forge.world import BOT, MAINTAINER, OWNER, REVIEWER, STRANGER, ForgeWorld, Verdict
from tests.support.repos import commit, git, make_repository
from tests.support.waiting import eventually_now

pytestmark = pytest.mark.forge


@pytest.fixture
def work(forge_world: ForgeWorld, tmp_path: Path) -> Path:
    """A clone whose first commit is on the server."""
    path = make_repository(tmp_path / "work", {"a.txt": "one\ntwo\nthree\n", "lib/b.txt": "b\n"})
    forge_world.push(path)
    return path


def branch(world: ForgeWorld, work: Path, name: str, files: dict[str, str]) -> str:
    """A pushed branch that starts at `main`; its commit."""
    git(work, "checkout", "--quiet", "-B", name, "main")
    sha = commit(work, dict(files), name)
    world.push(work, f"{name}:refs/heads/{name}")
    git(work, "checkout", "--quiet", "main")
    return sha


def pull(world: ForgeWorld, name: str, body: str = "") -> int:
    """An open pull request of MAWEP's."""
    return int(
        world.api("POST", "pulls", {"title": name, "head": name, "base": "main", "body": body}, by=BOT)[
            "number"
        ]
    )


def ready(world: ForgeWorld, number: int) -> dict[str, object]:
    """A pull request after GitHub has worked out whether it can be merged."""
    assert world.pull(number)["mergeable"] is None
    return world.pull(number)


def test_native_dependencies_and_sub_issues_are_there(forge_world: ForgeWorld) -> None:
    world = forge_world
    one, two, three = (world.issue(title) for title in ("one", "two", "three"))
    assert world.show(one)["id"] != one
    world.blocked_by(three, one, two)
    world.sub_issue(one, two)
    world.close(one)
    shown = world.show(three)["issue_dependencies_summary"]
    assert shown == {"blocked_by": 1, "blocking": 0, "total_blocked_by": 2, "total_blocking": 0}
    listed = world.api("GET", f"issues/{three}/dependencies/blocked_by")
    assert [(issue["number"], issue["state"]) for issue in listed] == [(one, "closed"), (two, "open")]
    assert [issue["number"] for issue in world.api("GET", f"issues/{one}/dependencies/blocking")] == [three]
    assert world.show(one)["sub_issues_summary"] == {"total": 1, "completed": 0, "percent_completed": 0}
    assert world.api("GET", f"issues/{two}/parent")["number"] == one
    world.unblock(three, one)
    assert world.show(three)["issue_dependencies_summary"]["total_blocked_by"] == 1
    world.site.has_dependencies = False
    assert world.raw("GET", f"issues/{three}/dependencies/blocked_by").status_code == 404


def test_edges_of_many_issues_come_with_one_query(forge_world: ForgeWorld) -> None:
    world = forge_world
    one, two, three = (world.issue(title, labels=["sprint"]) for title in ("one", "two", "three"))
    world.blocked_by(three, one, two)
    world.sub_issue(one, two)
    query = """
      query($owner: String!, $name: String!, $after: String) {
        repository(owner: $owner, name: $name) {
          issues(first: 2, after: $after, states: [OPEN], labels: ["sprint"]) {
            totalCount pageInfo { hasNextPage endCursor }
            nodes { ...edges author { login } authorAssociation labels(first: 5) { nodes { name } } }
          }
          other: issue(number: 999) { id }
        }
        rateLimit { cost remaining }
      }
      fragment edges on Issue {
        number databaseId blockedBy(first: 10) { totalCount nodes { number state repository { nameWithOwner } } }
        subIssues(first: 10) { nodes { number } } parent { number }
      }"""
    name = world.repository.partition("/")[2]
    seen = []
    after = None
    for _ in range(2):
        variables = {"owner": OWNER, "name": name, "after": after}
        answer = world.api("POST", "/graphql", {"query": query, "variables": variables}, by=BOT)
        page = answer["data"]["repository"]["issues"]
        seen += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        assert answer["errors"][0]["type"] == "NOT_FOUND"
        assert answer["data"]["repository"]["other"] is None
    assert page["pageInfo"]["hasNextPage"] is False
    assert [node["number"] for node in seen] == [one, two, three]
    assert [blocker["number"] for blocker in seen[2]["blockedBy"]["nodes"]] == [one, two]
    assert seen[1]["parent"] == {"number": one}
    assert seen[0]["authorAssociation"] == "OWNER"
    wrong = world.api("POST", "/graphql", {"query": "{ viewer { login } nonsense }"}, by=BOT)
    assert [error["extensions"] for error in wrong["errors"]] == [{"code": "undefinedField"}]


def test_the_commits_of_a_pull_request_are_those_that_were_pushed(
    forge_world: ForgeWorld, work: Path
) -> None:
    world = forge_world
    sha = branch(world, work, "feature", {"a.txt": "ONE\ntwo\nthree\n"})
    number = pull(world, "feature")
    shown = ready(world, number)
    assert (shown["head"]["sha"], shown["base"]["sha"]) == (sha, world.head())  # type: ignore[index]
    assert (shown["mergeable"], shown["mergeable_state"], shown["additions"]) == (True, "clean", 1)
    assert (
        world.raw("POST", "pulls", {"title": "x", "head": "feature", "base": "main"}, by=BOT).status_code
        == 422
    )
    assert (
        world.raw("POST", "pulls", {"title": "x", "head": "gone", "base": "main"}, by=BOT).status_code == 422
    )
    git(work, "checkout", "--quiet", "feature")
    newer = commit(work, {"c.txt": "c\n"})
    world.push(work, "feature:refs/heads/feature")
    assert world.pull(number)["head"]["sha"] == newer
    assert world.show(number)["pull_request"]["url"].endswith(f"/pulls/{number}")
    assert number in [issue["number"] for issue in world.api("GET", "issues")]


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_merge_is_done_in_the_repository_and_closes_issues(
    method: str, forge_world: ForgeWorld, work: Path
) -> None:
    world = forge_world
    issue = world.issue("fix it")
    sha = branch(world, work, "feature", {"a.txt": "ONE\ntwo\nthree\n"})
    number = pull(world, "feature", f"Closes #{issue}")
    other = commit(work, {"d.txt": "d\n"})
    world.push(work, "main:refs/heads/main")
    stale = world.raw("PUT", f"pulls/{number}/merge", {"sha": other}, by=BOT)
    assert stale.status_code == 409
    merged = world.api("PUT", f"pulls/{number}/merge", {"sha": sha, "merge_method": method}, by=BOT)["sha"]
    assert world.head() == merged
    parents = world.bare.git("show", "-s", "--format=%P", merged).split()
    assert parents == ([other, sha] if method == "merge" else [other])
    assert world.bare.git("show", f"{merged}:a.txt") == "ONE\ntwo\nthree"
    shown = world.pull(number)
    assert (shown["merged"], shown["merge_commit_sha"], shown["merged_by"]["login"]) == (True, merged, BOT)
    assert world.show(issue)["state"] == "closed"
    assert world.api("GET", "git/ref/heads/main")["object"]["sha"] == merged
    assert world.api("GET", f"compare/{merged}...main")["status"] == "identical"
    assert world.api("GET", f"compare/{other}...main")["ahead_by"] == (2 if method == "merge" else 1)
    assert world.raw("PUT", f"pulls/{number}/merge", {}, by=BOT).status_code == 405


def test_what_may_not_be_merged_is_refused_with_the_reason(forge_world: ForgeWorld, work: Path) -> None:
    world = forge_world
    sha = branch(world, work, "feature", {"a.txt": "ONE\ntwo\nthree\n"})
    number = pull(world, "feature")
    world.protect(checks=("unit",), approvals=1, strict=True)

    def refused() -> str:
        reply = world.raw("PUT", f"pulls/{number}/merge", {"sha": sha}, by=BOT)
        assert reply.status_code == 405
        return str(reply.json()["message"])

    assert refused() == 'Required status check "unit" is expected.'
    world.checks(sha, Verdict("unit", "failure", "2 failed", "test_a failed"))
    assert refused() == 'Required status check "unit" is failing.'
    runs = world.api("GET", f"commits/{sha}/check-runs", by=BOT)["check_runs"]
    assert [(run["conclusion"], run["output"]["text"]) for run in runs] == [("failure", "test_a failed")]
    world.status(sha, "success", "unit")
    world.checks(sha, Verdict("unit", "success"))
    assert world.api("GET", f"commits/{sha}/status", by=BOT)["state"] == "success"
    assert "approving review" in refused()
    world.review(number, "APPROVE", by=REVIEWER)
    commit(work, {"d.txt": "d\n"})
    world.push(work, "main:refs/heads/main")
    assert world.pull(number)["mergeable"] is None
    assert world.pull(number)["mergeable_state"] == "behind"
    assert "not up to date" in refused()
    rules = world.api("GET", "rules/branches/main", by=BOT)
    assert {rule["type"] for rule in rules} == {"required_status_checks", "pull_request"}
    world.protect(checks=("unit",), approvals=1, strict=True, classic=True)
    assert world.api("GET", "rules/branches/main", by=BOT) == []
    assert world.api("GET", "branches/main", by=BOT)["protected"] is True
    assert world.raw("GET", "branches/main/protection", by=BOT).status_code == 404
    contexts = world.api("GET", "branches/main/protection")["required_status_checks"]["contexts"]
    assert contexts == ["unit"]
    world.protect()
    assert world.merge(number)


def test_a_conflict_is_seen_and_refused(forge_world: ForgeWorld, work: Path) -> None:
    world = forge_world
    branch(world, work, "feature", {"a.txt": "ONE\ntwo\nthree\n"})
    number = pull(world, "feature")
    commit(work, {"a.txt": "eins\ntwo\nthree\n"})
    world.push(work, "main:refs/heads/main")
    shown = ready(world, number)
    assert (shown["mergeable"], shown["mergeable_state"]) == (False, "dirty")
    assert world.raw("PUT", f"pulls/{number}/merge", {}, by=BOT).status_code == 405


def test_a_branch_with_a_queue_is_merged_by_the_queue(forge_world: ForgeWorld, work: Path) -> None:
    world = forge_world
    sha = branch(world, work, "feature", {"a.txt": "ONE\ntwo\nthree\n"})
    number = pull(world, "feature")
    world.protect(queue=True)
    world.site.queue_runs = False
    assert "merge queue" in world.raw("PUT", f"pulls/{number}/merge", {}, by=BOT).json()["message"]
    query = """mutation($id: ID!, $sha: GitObjectID) {
      enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $sha}) { mergeQueueEntry { state position } } }"""
    variables = {"id": world.pull(number)["node_id"], "sha": sha}
    entry = world.api("POST", "/graphql", {"query": query, "variables": variables}, by=BOT)
    assert entry["data"]["enqueuePullRequest"]["mergeQueueEntry"] == {"state": "QUEUED", "position": 1}
    twice = world.api("POST", "/graphql", {"query": query, "variables": variables}, by=BOT)
    assert "already" in twice["errors"][0]["message"]
    world.protect()
    world.run_queue()
    assert world.pull(number)["merged"]


def test_a_push_that_contains_a_pull_request_merges_it(forge_world: ForgeWorld, work: Path) -> None:
    world = forge_world
    sha = branch(world, work, "feature", {"a.txt": "ONE\ntwo\nthree\n"})
    number = pull(world, "feature")
    world.push(work, "feature:refs/heads/main")
    assert (world.pull(number)["merged"], world.pull(number)["merge_commit_sha"]) == (True, sha)


def test_checks_can_answer_every_push(forge_world: ForgeWorld, work: Path) -> None:
    world = forge_world
    world.on_push(lambda name, sha: [Verdict("unit", "failure")] if name == "feature" else [])
    sha = branch(world, work, "feature", {"a.txt": "ONE\ntwo\nthree\n"})
    number = pull(world, "feature")
    assert ready(world, number)["mergeable_state"] == "unstable"
    assert world.api("GET", f"commits/{sha}/check-runs")["total_count"] == 1


def test_reviews_and_comments_on_lines_are_kept(forge_world: ForgeWorld, work: Path) -> None:
    world = forge_world
    branch(world, work, "feature", {"a.txt": "ONE\ntwo\nthree\n"})
    number = pull(world, "feature")
    world.review(number, "REQUEST_CHANGES", "not yet")
    asked = world.review_comment(number, "a.txt", 1, "why capitals?")
    answer = world.api("POST", f"pulls/{number}/comments/{asked}/replies", {"body": "because"}, by=BOT)
    assert answer["in_reply_to_id"] == asked
    assert [(review["state"], review["user"]["login"]) for review in world.reviews(number)] == [
        ("CHANGES_REQUESTED", REVIEWER)
    ]
    assert [comment["user"]["login"] for comment in world.review_comments(number)] == [REVIEWER, BOT]


def test_people_are_what_they_are_to_the_repository(forge_world: ForgeWorld) -> None:
    world = forge_world
    number = world.issue("by somebody", by=STRANGER)
    world.comment(number, "/mawep start", by=STRANGER)
    world.comment(number, "hello", by=MAINTAINER)
    said = [(c["user"]["login"], c["author_association"]) for c in world.comments(number)]
    assert said == [(STRANGER, "NONE"), (MAINTAINER, "COLLABORATOR")]
    assert world.show(number)["author_association"] == "NONE"
    recent = world.api("GET", "issues/comments", since="2000-01-01T00:00:00Z")
    assert [c["user"]["login"] for c in recent] == [STRANGER, MAINTAINER]

    def role(login: str) -> tuple[str, str]:
        shown = world.api("GET", f"collaborators/{login}/permission", by=BOT)
        return shown["permission"], shown["role_name"]

    assert role(STRANGER) == ("read", "read")
    assert role(MAINTAINER) == ("write", "maintain")
    assert role(OWNER) == ("admin", "admin")
    assert world.raw("GET", "collaborators/nobody-at-all/permission", by=BOT).status_code == 404


def test_only_known_tokens_are_let_in(forge_world: ForgeWorld) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        assert httpx.get(f"{forge_world.url}/user", headers=headers).status_code == 401
    assert forge_world.api("GET", "/user", by=BOT)["login"] == BOT
    assert forge_world.api("GET", "/api/v3/user", by=BOT)["login"] == BOT


def test_git_is_served_to_who_may(forge_world: ForgeWorld, work: Path, tmp_path: Path) -> None:
    world = forge_world

    def pushed_by(login: str) -> int:
        url = world.git_url.replace(MAINTAINER, login)
        return Bare(work).run("push", url, f"main:refs/heads/by-{login}").returncode

    assert pushed_by(BOT) == 0
    assert pushed_by(STRANGER) != 0
    assert pushed_by("nobody") != 0
    assert world.head(f"by-{BOT}") == world.head()
    stale = git(work, "commit-tree", "HEAD^{tree}", "-m", "elsewhere")
    assert Bare(work).run("push", world.git_url, f"{stale}:refs/heads/main").returncode != 0
    basic = base64.b64encode(f"x-access-token:{world.token}".encode()).decode()
    setting = ["-c", f"http.extraHeader=Authorization: Basic {basic}"]
    listed = subprocess.run(
        ["git", *setting, "ls-remote", world.clone_url], capture_output=True, text=True, check=True
    )
    assert "refs/heads/main" in listed.stdout


def test_an_unchanged_answer_costs_nothing(forge_world: ForgeWorld) -> None:
    world = forge_world
    number = world.issue("one")
    headers = {"Authorization": f"Bearer {world.token}"}
    url = f"{world.url}/repos/{world.repository}/issues/{number}"
    with httpx.Client(headers=headers) as client:
        first = client.get(url)
        again = client.get(url, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["x-ratelimit-remaining"] == first.headers["x-ratelimit-remaining"]
        world.edit(number, title="two")
        assert client.get(url, headers={"If-None-Match": first.headers["etag"]}).status_code == 200
    assert world.spent() == 2


def test_limits_refuse_what_is_too_much(forge_world: ForgeWorld) -> None:
    world = forge_world
    world.limits.exhaust(60)
    refused = world.raw("GET", "", by=BOT)
    assert (refused.status_code, refused.headers["x-ratelimit-remaining"]) == (403, "0")
    assert "rate limit exceeded" in refused.json()["message"]
    assert world.raw("POST", "/graphql", {"query": "{ viewer { login } }"}, by=BOT).status_code == 200
    world.limits.resets_at = 0
    assert world.raw("GET", "", by=BOT).status_code == 200
    world.limits.annoy(3600)
    refused = world.raw("GET", "", by=BOT)
    assert refused.status_code == 403
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    assert "secondary rate limit" in refused.json()["message"]


def test_answers_get_lost_on_demand(forge_world: ForgeWorld) -> None:
    world = forge_world
    number = world.issue("one")
    path = f"issues/{number}/comments$"

    def comment(text: str) -> int:
        return world.raw("POST", f"issues/{number}/comments", {"body": text}, by=BOT).status_code

    def there() -> list[str]:
        return [comment["body"] for comment in world.comments(number)]

    world.fault(LOST, "POST", path)
    assert comment("lost") == 502
    world.fault(REFUSED, "POST", path)
    assert comment("refused") == 502
    assert there() == ["lost"]
    world.fault(LATE, "POST", path)
    assert comment("late") == 502
    assert there() == ["lost"]
    world.settle()
    eventually_now("the late comment is there", lambda: there() == ["lost", "late"])
    world.fault(HUNG, "POST", path)
    url = f"{world.url}/repos/{world.repository}/issues/{number}/comments"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            url, json={"body": "hung"}, headers={"Authorization": f"Bearer {world.token}"}, timeout=0.3
        )
    eventually_now("what hangs is done", world.hung)
    assert there() == ["lost", "late", "hung"]
    assert comment("now") == 201
