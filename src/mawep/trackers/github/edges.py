"""GitHub's own dependencies and sub-issues: by GraphQL many issues at once, else issue by issue.

A server that lacks the feature answers 404 or knows no such field: then it is "not supported here", which is found
out once and remembered.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mawep.core.model import Number
from mawep.trackers.base import Edges, NotThere, Reference, Refused, Unreachable
from mawep.trackers.github import decode
from mawep.trackers.github.api import Api, GraphQLError
from mawep.trackers.json_values import Json, number, text, thing, things, word

AT_ONCE = 250
"""Issues in one query, until the server shows that it cannot do so many."""
LEAST_AT_ONCE = 25
FIRST = 50
"""Edges of each kind taken from a query; GitHub allows 50 blockers. Of an issue with more the rest is asked for."""

NODE = "number state stateReason title url repository { nameWithOwner }"
BLOCKED = f"blockedBy(first: {FIRST}) {{ totalCount nodes {{ {NODE} }} }}"
NESTED = f"subIssues(first: {FIRST}) {{ totalCount nodes {{ {NODE} }} }} parent {{ {NODE} }}"


class EdgeReader:
    """Reads edges the cheapest way that this server has."""

    def __init__(self, api: Api, repository: str) -> None:
        self._api = api
        self._repository = repository
        self._at_once = AT_ONCE
        self._dependencies = True
        self._sub_issues = True
        self._query_blocked = True
        self._query_nested = True

    async def edges(self, numbers: Collection[Number]) -> Edges:
        """The edges of these issues; see `mawep.trackers.base.Forge.edges`."""
        blocked: dict[Number, tuple[Reference, ...]] = {}
        nested: dict[Number, tuple[Reference, ...]] = {}
        parents: dict[Number, Reference] = {}
        wanted = sorted(set(numbers))
        done = 0
        while done < len(wanted):
            some = wanted[done : done + self._at_once]
            try:
                answer = await self._ask(some)
            except (Unreachable, GraphQLError):
                if len(some) <= LEAST_AT_ONCE:
                    raise
                self._at_once = max(LEAST_AT_ONCE, len(some) // 4)  # it may have taken the server too long
                continue
            done += len(some)
            for one in some:
                entry = thing(answer.get(f"i{one}"))
                await self._blockers(one, entry, blocked)
                await self._children(one, entry, nested, parents)
        return Edges(blocked, nested, parents, self._dependencies, self._sub_issues)

    async def _ask(self, numbers: Sequence[Number]) -> Json:
        """By GraphQL, as far as this server's schema goes; issues by alias."""
        while self._query_blocked or self._query_nested:
            fields = " ".join(
                part for part, on in ((BLOCKED, self._query_blocked), (NESTED, self._query_nested)) if on
            )
            asked = "\n".join(f"i{one}: issue(number: {one}) {{ ...Fields }}" for one in numbers)
            query = (
                "query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { "
                f"{asked} }} }} fragment Fields on Issue {{ {fields} }}"
            )
            owner, _, name = self._repository.partition("/")
            try:
                data = await self._api.graphql(query, owner=owner, name=name)
            except GraphQLError as error:
                if error.data.get("repository"):
                    data = error.data  # some of the issues are gone, or pull requests
                elif error.unsupported:
                    self._lacking(error.message)
                    continue
                else:
                    raise
            except (NotThere, Refused):
                self._query_blocked = self._query_nested = False
                break
            return thing(data.get("repository"))
        return {}

    def _lacking(self, message: str) -> None:
        """One of the fields is unknown here; where it is not named, both are."""
        blocked, nested = "blockedBy" in message, "subIssues" in message or "'parent'" in message
        if blocked or not nested:
            self._query_blocked = False
        if nested or not blocked:
            self._query_nested = False

    async def _blockers(self, one: Number, entry: Json, into: dict[Number, tuple[Reference, ...]]) -> None:
        found = thing(entry.get("blockedBy"))
        nodes = things(found.get("nodes"))
        references: tuple[Reference, ...] = tuple(self._reference(node) for node in nodes)
        if not self._dependencies:
            return
        if not found or number(found.get("totalCount")) > len(nodes):
            if entry == {} and self._query_blocked:
                return  # no such issue
            listed = await self._listed(f"{self._path(one)}/dependencies/blocked_by", one)
            self._dependencies = listed is not None
            references = listed or ()
        if references:
            into[one] = references

    async def _children(
        self,
        one: Number,
        entry: Json,
        into: dict[Number, tuple[Reference, ...]],
        parents: dict[Number, Reference],
    ) -> None:
        found = thing(entry.get("subIssues"))
        nodes = things(found.get("nodes"))
        references: tuple[Reference, ...] = tuple(self._reference(node) for node in nodes)
        if not self._sub_issues:
            return
        if not found or number(found.get("totalCount")) > len(nodes):
            if entry == {} and self._query_nested:
                return
            listed = await self._listed(f"{self._path(one)}/sub_issues", one)
            self._sub_issues = listed is not None
            references = listed or ()
            if self._sub_issues and not found:
                await self._parent(one, parents)
        elif thing(entry.get("parent")):
            parents[one] = self._reference(thing(entry.get("parent")))
        if references:
            into[one] = references

    async def _parent(self, one: Number, into: dict[Number, Reference]) -> None:
        try:
            into[one] = decode.reference(
                thing(await self._api.get(f"{self._path(one)}/parent")), self._repository
            )
        except NotThere:
            return

    async def _listed(self, path: str, one: Number) -> tuple[Reference, ...] | None:
        """None: this server has no such list."""
        try:
            return tuple([decode.reference(data, self._repository) async for data in self._api.pages(path)])
        except NotThere:
            await self._api.get(self._path(one))  # raises NotThere when it is the issue that is gone
            return None

    def _path(self, one: Number) -> str:
        return f"/repos/{self._repository}/issues/{one}"

    def _reference(self, node: Json) -> Reference:
        home = text(thing(node.get("repository")).get("nameWithOwner"))
        return Reference(
            repository=home or self._repository,
            number=number(node.get("number")),
            state="open" if text(node.get("state")).upper() == "OPEN" else "closed",
            state_reason=(word(node.get("stateReason")) or "").lower() or None,
            title=text(node.get("title")),
            url=text(node.get("url")),
        )
