"""Which issues are wanted: by number, label, milestone, search, board, in as few requests as GitHub allows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mawep.core.model import Number
from mawep.trackers.base import ForgeIssue, NotThere, Query, Refused
from mawep.trackers.github import decode
from mawep.trackers.github.api import Api, GraphQLError
from mawep.trackers.json_values import Json, moment, number, text, thing, things, word

AT_ONCE = 100
"""Issues asked for by number in one query."""
MOST_FOUND = 1000
"""GitHub shows no more of what a search finds."""
FEW = 3
"""So many are asked for one by one."""

FIELDS = """
  __typename
  ... on Issue {
    number databaseId id title body state stateReason url createdAt updatedAt closedAt authorAssociation
    author { login } milestone { title } comments { totalCount }
    labels(first: 50) { nodes { name } } assignees(first: 20) { nodes { login } }
  }
  ... on PullRequest {
    number databaseId id title body state url createdAt updatedAt closedAt authorAssociation
    author { login } milestone { title } comments { totalCount }
    labels(first: 50) { nodes { name } } assignees(first: 20) { nodes { login } }
  }
"""
BOARD = """
query($owner: String!, $number: Int!, $after: String) {
  repositoryOwner(login: $owner) { ... on ProjectV2Owner { projectV2(number: $number) {
    items(first: 100, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { content { ... on Issue { number repository { nameWithOwner } } } }
    }
  } } }
}
"""


async def choose(api: Api, repository: str, wanted: Query) -> list[ForgeIssue]:
    """The issues that `wanted` describes; see `mawep.trackers.base.Forge.issues`."""
    if wanted.numbers:
        found = await _numbered(api, repository, wanted.numbers)
        if wanted == Query(numbers=wanted.numbers):
            return sorted(found, key=lambda issue: issue.number)
        listed = [issue for issue in found if not issue.is_pull and _fits(issue, wanted)]
        if wanted.query is not None:
            named = {issue.number for issue in await _searched(api, repository, wanted)}
            listed = [issue for issue in listed if issue.number in named]
    elif wanted.query is not None:
        listed = await _searched(api, repository, wanted)
    else:
        listed = await _listed(api, repository, wanted)
    if wanted.project is not None:
        on_board = await _on_board(api, repository, wanted.project)
        listed = [issue for issue in listed if issue.number in on_board]
    return sorted(listed, key=lambda issue: issue.number)


def stamp(moment: datetime) -> str:
    """A time as GitHub takes it, in whole seconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


async def _listed(api: Api, repository: str, wanted: Query) -> list[ForgeIssue]:
    params: dict[str, Any] = {"state": wanted.state, "sort": "created", "direction": "asc"}
    if wanted.labels:
        params["labels"] = ",".join(wanted.labels)
    if wanted.milestone is not None:
        params["milestone"] = await _milestone(api, repository, wanted.milestone)
    if wanted.since is not None:
        params["since"] = stamp(wanted.since)
    found = [
        decode.issue(data, repository) async for data in api.pages(f"/repos/{repository}/issues", **params)
    ]
    return [issue for issue in found if not issue.is_pull]


async def _milestone(api: Api, repository: str, title: str) -> int:
    async for data in api.pages(f"/repos/{repository}/milestones", state="all"):
        if text(data.get("title")) == title:
            return number(data.get("number"))
    raise NotThere(f"there is no milestone `{title}` in {repository}")


async def _searched(api: Api, repository: str, wanted: Query) -> list[ForgeIssue]:
    words = [f"repo:{repository}", "is:issue"]
    if wanted.state != "all":
        words.append(f"state:{wanted.state}")
    words += [f'label:"{label}"' for label in wanted.labels]
    if wanted.milestone is not None:
        words.append(f'milestone:"{wanted.milestone}"')
    if wanted.since is not None:
        words.append(f"updated:>={stamp(wanted.since)}")
    question = " ".join([*words, wanted.query or ""])
    found = [data async for data in api.pages("/search/issues", key="items", q=question)]
    if len(found) >= MOST_FOUND:
        raise Refused(f"the search finds more than GitHub shows ({MOST_FOUND})", next_step="narrow it")
    ours = f"/repos/{repository}".lower()
    return [
        decode.issue(data, repository)
        for data in found
        # The words are the user's own, and may name other repositories.
        if text(data.get("repository_url")).lower().endswith(ours) and not data.get("pull_request")
    ]


async def _numbered(api: Api, repository: str, numbers: Sequence[Number]) -> list[ForgeIssue]:
    wanted = sorted(set(numbers))
    if len(wanted) > FEW:
        try:
            return await _by_query(api, repository, wanted)
        except (GraphQLError, NotThere):
            pass  # this server has no GraphQL, or an older one
    found = []
    for one in wanted:
        try:
            found.append(decode.issue(thing(await api.get(f"/repos/{repository}/issues/{one}")), repository))
        except NotThere:
            continue
    return found


async def _by_query(api: Api, repository: str, numbers: Sequence[Number]) -> list[ForgeIssue]:
    found = []
    for start in range(0, len(numbers), AT_ONCE):
        some = numbers[start : start + AT_ONCE]
        asked = "\n".join(f"i{one}: issueOrPullRequest(number: {one}) {{ ...Fields }}" for one in some)
        query = (
            "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { "
            f"{asked} }} }} fragment Fields on IssueOrPullRequest {{ {FIELDS} }}"
        )
        owner, _, name = repository.partition("/")
        try:
            data = await api.graphql(query, owner=owner, name=name)
        except GraphQLError as error:
            if not error.kinds <= {"NOT_FOUND", ""} or not error.data.get("repository"):
                raise
            data = error.data
        entries = thing(data.get("repository"))
        found += [_issue(thing(entry)) for entry in entries.values() if entry]
    return found


def _issue(data: Json) -> ForgeIssue:
    """An issue as GraphQL shows it. What it says nothing about is None."""
    return ForgeIssue(
        number=number(data.get("number")),
        title=text(data.get("title")),
        id=number(data.get("databaseId")),
        node_id=text(data.get("id")),
        body=text(data.get("body")),
        state="open" if text(data.get("state")).upper() == "OPEN" else "closed",
        state_reason=(word(data.get("stateReason")) or "").lower() or None,
        author=decode.login(data.get("author")),
        association=word(data.get("authorAssociation")) or "NONE",
        labels=tuple(text(node.get("name")) for node in _nodes(data.get("labels"))),
        assignees=tuple(text(node.get("login")) for node in _nodes(data.get("assignees"))),
        milestone=word(thing(data.get("milestone")).get("title")),
        created_at=moment(data.get("createdAt")),
        updated_at=moment(data.get("updatedAt")),
        closed_at=moment(data.get("closedAt")),
        url=text(data.get("url")),
        comments=number(thing(data.get("comments")).get("totalCount")),
        is_pull=data.get("__typename") == "PullRequest",
    )


async def _on_board(api: Api, repository: str, board: int) -> frozenset[Number]:
    owner = repository.partition("/")[0]
    numbers: set[Number] = set()
    after: str | None = None
    while True:
        try:
            data = await api.graphql(BOARD, owner=owner, number=board, after=after)
        except GraphQLError as error:
            if error.unsupported:
                raise Refused("this server has no projects", cause=error.message) from None
            raise NotThere(f"there is no project {board} of {owner}", cause=error.message) from None
        project = thing(thing(data.get("repositoryOwner")).get("projectV2"))
        if not project:
            raise NotThere(f"there is no project {board} of {owner}, or we may not read it")
        items = thing(project.get("items"))
        for node in things(items.get("nodes")):
            content = thing(node.get("content"))
            home = text(thing(content.get("repository")).get("nameWithOwner"))
            if home.lower() == repository.lower():
                numbers.add(number(content.get("number")))
        page = thing(items.get("pageInfo"))
        cursor = word(page.get("endCursor"))
        if page.get("hasNextPage") is not True or cursor in (None, after):
            return frozenset(numbers)
        after = cursor


def _fits(issue: ForgeIssue, wanted: Query) -> bool:
    return (
        wanted.state in ("all", issue.state)
        and set(wanted.labels) <= set(issue.labels)
        and wanted.milestone in (None, issue.milestone)
        and (wanted.since is None or issue.updated_at is None or issue.updated_at >= wanted.since)
    )


def _nodes(value: object) -> list[Json]:
    return things(thing(value).get("nodes"))
