"""What the overlay answers by itself has the shape that GitHub describes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.forge.install import SLICE
from tests.forge.judge import Judge, judge
from tests.forge.world import BOT, OWNER, ForgeWorld, Verdict
from tests.support.repos import commit, git, make_repository

pytestmark = pytest.mark.forge


@pytest.fixture
def by_description(forge_servers: Path) -> Judge:
    """GitHub's description."""
    return judge(forge_servers / SLICE)


def test_every_answer_of_our_own_is_as_described(
    forge_world: ForgeWorld, by_description: Judge, tmp_path: Path
) -> None:
    world = forge_world
    work = make_repository(tmp_path / "work", {"a.txt": "one\n"})
    world.push(work)
    one, two = (world.issue(title, labels=["bug"], milestone=None) for title in ("one", "two"))
    wrong: list[str] = []

    def asks(
        method: str, path: str, body: object = None, *, by: str = BOT, **query: object
    ) -> dict[str, object]:
        reply = world.raw(method, path, body, by=by, **query)
        where = path if path.startswith("/") else f"/repos/{world.repository}/{path}".rstrip("/")
        answer = reply.json() if reply.content else None
        wrong.extend(by_description.of_answer(method, where, reply.status_code, answer))
        return answer if isinstance(answer, dict) else {}

    blocker = {"issue_id": world.show(one)["id"]}
    asks("POST", f"issues/{two}/dependencies/blocked_by", blocker)
    asks("GET", f"issues/{two}/dependencies/blocked_by")
    asks("GET", f"issues/{one}/dependencies/blocking")
    asks("DELETE", f"issues/{two}/dependencies/blocked_by/{blocker['issue_id']}")
    asks("POST", f"issues/{one}/sub_issues", {"sub_issue_id": world.show(two)["id"]})
    asks("GET", f"issues/{one}/sub_issues")
    asks("GET", f"issues/{two}/parent")
    asks("GET", f"issues/{one}/parent")
    asks("DELETE", f"issues/{one}/sub_issue", {"sub_issue_id": world.show(two)["id"]})
    asks("GET", f"collaborators/{BOT}/permission")
    asks("GET", "collaborators/nobody-at-all/permission")
    git(work, "checkout", "--quiet", "-b", "feature")
    sha = commit(work, {"b.txt": "two\n"})
    world.push(work, "feature:refs/heads/feature")
    asks("POST", f"statuses/{sha}", {"state": "success", "context": "unit"})
    asks("GET", f"commits/{sha}/status")
    asks("GET", f"commits/{sha}/statuses")
    world.checks(sha, Verdict("lint", "failure"))
    asks("GET", f"compare/main...{sha}")
    pull = asks("POST", "pulls", {"title": "it", "head": "feature", "base": "main"})
    asks("POST", "pulls", {"title": "it", "head": "feature", "base": "main"})
    asks("GET", "pulls")
    asks("GET", f"pulls/{pull['number']}")
    asks("GET", "issues", state="all")
    asks("GET", f"issues/{pull['number']}")
    world.comment(one, "hello", by="stranger")
    asks("GET", "issues/comments")
    asks("POST", f"issues/{one}/comments", {"body": "said"})
    said = world.review_comment(int(str(pull["number"])), "b.txt", 1, "why?")
    asks("POST", f"pulls/{pull['number']}/comments/{said}/replies", {"body": "so"})
    world.protect(checks=("unit",), approvals=1, classic=True)
    asks("GET", "branches/main")
    asks("GET", "branches/main/protection", by=OWNER)
    asks("GET", "branches/main/protection")
    world.protect(checks=("unit",), approvals=1, queue=True)
    asks("GET", "rules/branches/main")
    asks("PUT", f"pulls/{pull['number']}/merge", {})
    world.protect()
    asks("PUT", f"pulls/{pull['number']}/merge", {"sha": "0" * 40})
    asks("PUT", f"pulls/{pull['number']}/merge", {"sha": sha})
    asks("GET", f"pulls/{pull['number']}/merge")
    asks("GET", "")
    asks("GET", "/rate_limit")
    assert not wrong, "\n".join(dict.fromkeys(wrong))


def test_the_judge_finds_what_is_wrong(by_description: Judge) -> None:
    of = by_description.of_request
    root = "/repos/acme/payments"
    assert of("GET", f"{root}/issues", {"state": "open", "per_page": "100"}, None) == []
    assert of("POST", f"{root}/issues/1/comments", {}, {"body": "fine"}) == []
    for method, path, query, body in (
        ("GET", f"{root}/nowhere", {}, None),
        ("GET", f"{root}/issues", {"sate": "open"}, None),
        ("GET", f"{root}/issues", {"state": "ajar"}, None),
        ("PATCH", f"{root}/issues/1", {}, {"state": "ajar"}),
        ("POST", f"{root}/issues/1/comments", {}, {}),
        ("POST", f"{root}/issues/1/comments", {}, None),
        ("POST", f"{root}/issues/1/dependencies/blocked_by", {}, {"issue_id": "7"}),
    ):
        assert of(method, path, query, body), (method, path, query, body)
