"""Which issues are wanted: by number, label, milestone, search, board, in as few requests as GitHub allows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

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
    labels(first: 50) { nodes { name } } assignees(first: 20) { nodes { login } } %s
  }
  ... on PullRequest {
    number databaseId id title body state url createdAt updatedAt closedAt authorAssociation
    author { login } milestone { title } comments { totalCount }
    labels(first: 50) { nodes { name } } assignees(first: 20) { nodes { login } }
  }
"""
FIELD_VALUES = """
    issueFieldValues(first: 30) { nodes {
      ... on IssueFieldSingleSelectValue { name field { ... on IssueFieldSingleSelect { name } } }
      ... on IssueFieldNumberValue { number: value field { ... on IssueFieldNumber { name } } }
      ... on IssueFieldTextValue { text: value field { ... on IssueFieldText { name } } }
    } }
"""
"""What the owner of a repository says of its issues; not every server has it."""
BOARD = """
query($owner: String!, $number: Int!, $after: String) {
  repositoryOwner(login: $owner) { ... on ProjectV2Owner { projectV2(number: $number) {
    items(first: 100, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes {
        content { ... on Issue { number repository { nameWithOwner } } }
        fieldValues(first: 30) { nodes {
          ... on ProjectV2ItemFieldSingleSelectValue { name field { ... on ProjectV2FieldCommon { name } } }
          ... on ProjectV2ItemFieldNumberValue { number field { ... on ProjectV2FieldCommon { name } } }
          ... on ProjectV2ItemFieldTextValue { text field { ... on ProjectV2FieldCommon { name } } }
        } }
      }
    }
  } } }
}
"""


class Chooser:
    """Finds the issues of one repository."""

    def __init__(self, api: Api, repository: str) -> None:
        self._api = api
        self._repository = repository
        self._path = f"/repos/{repository}/issues"
        self._query_field_values = True

    async def choose(self, wanted: Query) -> list[ForgeIssue]:
        """The issues that `wanted` describes; see `mawep.trackers.base.Forge.issues`."""
        if wanted.numbers:
            found = await self._numbered(wanted.numbers)
            if wanted == Query(numbers=wanted.numbers):
                return sorted(found, key=lambda issue: issue.number)
            listed = [issue for issue in found if not issue.is_pull and _fits(issue, wanted)]
            if wanted.query is not None:
                named = {issue.number for issue in await self._searched(wanted)}
                listed = [issue for issue in listed if issue.number in named]
        elif wanted.query is not None:
            listed = await self._searched(wanted)
        else:
            listed = await self._listed(wanted)
        if wanted.project is not None:
            on_board = await self._on_board(wanted.project)
            listed = [
                msgspec.structs.replace(issue, fields={**issue.fields, **on_board[issue.number]})
                for issue in listed
                if issue.number in on_board
            ]
        return sorted(listed, key=lambda issue: issue.number)

    async def _listed(self, wanted: Query) -> list[ForgeIssue]:
        params: dict[str, Any] = {"state": wanted.state, "sort": "created", "direction": "asc"}
        if wanted.labels:
            params["labels"] = ",".join(wanted.labels)
        if wanted.milestone is not None:
            params["milestone"] = await self._milestone(wanted.milestone)
        if wanted.since is not None:
            params["since"] = stamp(wanted.since)
        found = [decode.issue(data, self._repository) async for data in self._api.pages(self._path, **params)]
        return [issue for issue in found if not issue.is_pull]

    async def _milestone(self, title: str) -> int:
        async for data in self._api.pages(f"/repos/{self._repository}/milestones", state="all"):
            if text(data.get("title")) == title:
                return number(data.get("number"))
        raise NotThere(f"there is no milestone `{title}` in {self._repository}")

    async def _searched(self, wanted: Query) -> list[ForgeIssue]:
        words = [f"repo:{self._repository}", "is:issue"]
        if wanted.state != "all":
            words.append(f"state:{wanted.state}")
        words += [f'label:"{label}"' for label in wanted.labels]
        if wanted.milestone is not None:
            words.append(f'milestone:"{wanted.milestone}"')
        if wanted.since is not None:
            words.append(f"updated:>={stamp(wanted.since)}")
        question = " ".join([*words, wanted.query or ""])
        found = [data async for data in self._api.pages("/search/issues", key="items", q=question)]
        if len(found) >= MOST_FOUND:
            raise Refused(f"the search finds more than GitHub shows ({MOST_FOUND})", next_step="narrow it")
        ours = f"/repos/{self._repository}".lower()
        return [
            decode.issue(data, self._repository)
            for data in found
            # The words are the user's own, and may name other repositories.
            if text(data.get("repository_url")).lower().endswith(ours) and not data.get("pull_request")
        ]

    async def _numbered(self, numbers: Sequence[Number]) -> list[ForgeIssue]:
        wanted = sorted(set(numbers))
        if len(wanted) > FEW:
            try:
                return await self._by_query(wanted)
            except (GraphQLError, NotThere):
                pass  # this server has no GraphQL, or an older one
        found = []
        for one in wanted:
            try:
                data = thing(await self._api.get(f"{self._path}/{one}"))
            except NotThere:
                continue
            found.append(decode.issue(data, self._repository))
        return found

    async def _by_query(self, numbers: Sequence[Number]) -> list[ForgeIssue]:
        found: list[ForgeIssue] = []
        for start in range(0, len(numbers), AT_ONCE):
            entries = thing((await self._asked(numbers[start : start + AT_ONCE])).get("repository"))
            found += [_issue(thing(entry)) for entry in entries.values() if entry]
        return found

    async def _asked(self, numbers: Sequence[Number]) -> Json:
        """Issues by alias; those that do not exist are empty."""
        asked = "\n".join(f"i{one}: issueOrPullRequest(number: {one}) {{ ...Fields }}" for one in numbers)
        fields = FIELDS % (FIELD_VALUES if self._query_field_values else "")
        query = (
            "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { "
            f"{asked} }} }} fragment Fields on IssueOrPullRequest {{ {fields} }}"
        )
        owner, _, name = self._repository.partition("/")
        try:
            return await self._api.graphql(query, owner=owner, name=name)
        except GraphQLError as error:
            if error.kinds <= {"NOT_FOUND", ""} and error.data.get("repository"):
                return error.data
            if not (error.unsupported and self._query_field_values):
                raise
        self._query_field_values = False
        return await self._asked(numbers)

    async def _on_board(self, board: int) -> dict[Number, dict[str, str]]:
        """The fields of the issues on a board."""
        owner = self._repository.partition("/")[0]
        found: dict[Number, dict[str, str]] = {}
        after: str | None = None
        while True:
            try:
                data = await self._api.graphql(BOARD, owner=owner, number=board, after=after)
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
                if home.lower() == self._repository.lower():
                    found[number(content.get("number"))] = decode.named(
                        map(_field, _nodes(node.get("fieldValues")))
                    )
            page = thing(items.get("pageInfo"))
            cursor = word(page.get("endCursor"))
            if page.get("hasNextPage") is not True or cursor in (None, after):
                return found
            after = cursor


def stamp(moment: datetime) -> str:
    """A time as GitHub takes it, in whole seconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


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
        fields=decode.named(map(_field, _nodes(data.get("issueFieldValues")))),
    )


def _field(data: Json) -> tuple[str, Any]:
    values = (data.get(kind) for kind in ("name", "number", "text"))
    return text(thing(data.get("field")).get("name")), next((one for one in values if one is not None), None)


def _fits(issue: ForgeIssue, wanted: Query) -> bool:
    return (
        wanted.state in ("all", issue.state)
        and set(wanted.labels) <= set(issue.labels)
        and wanted.milestone in (None, issue.milestone)
        and (wanted.since is None or issue.updated_at is None or issue.updated_at >= wanted.since)
    )


def _nodes(value: object) -> list[Json]:
    return things(thing(value).get("nodes"))
