"""What a branch demands: rulesets, and the older branch protection, as far as we may read either."""

from __future__ import annotations

from urllib.parse import quote

from mawep.trackers.base import NotAllowed, NotThere, Refused, Required
from mawep.trackers.github.api import Api, GraphQLError
from mawep.trackers.github.decode import METHODS
from mawep.trackers.json_values import Json, number, text, thing, things

QUEUE = """
query($owner: String!, $name: String!, $branch: String!) {
  repository(owner: $owner, name: $name) { mergeQueue(branch: $branch) { id } }
}
"""


class _Demands:
    """What has been found so far."""

    def __init__(self) -> None:
        self.checks: dict[str, None] = {}
        self.approvals = 0
        self.queue = False
        self.strict = False
        self.methods: tuple[str, ...] = METHODS
        self.known = True

    def of_rule(self, kind: str, parameters: Json) -> None:
        """Take in one rule of a ruleset."""
        if kind == "required_status_checks":
            for check in things(parameters.get("required_status_checks")):
                self.checks[text(check.get("context"))] = None
            self.strict |= parameters.get("strict_required_status_checks_policy") is True
        elif kind == "pull_request":
            self.approvals = max(self.approvals, number(parameters.get("required_approving_review_count")))
            allowed = parameters.get("allowed_merge_methods")
            if isinstance(allowed, list) and allowed:
                self._narrow(*map(text, allowed))
        elif kind == "merge_queue":
            self.queue = True
        elif kind == "required_linear_history":
            self._narrow("squash", "rebase")

    def of_protection(self, data: Json) -> None:
        """Take in the older kind."""
        checks = thing(data.get("required_status_checks"))
        for context in checks.get("contexts") or ():
            self.checks[text(context)] = None
        for check in things(checks.get("checks")):
            self.checks[text(check.get("context"))] = None
        self.strict |= checks.get("strict") is True
        reviews = thing(data.get("required_pull_request_reviews"))
        self.approvals = max(self.approvals, number(reviews.get("required_approving_review_count")))
        if thing(data.get("required_linear_history")).get("enabled") is True:
            self._narrow("squash", "rebase")

    def whole(self) -> Required:
        """All of it."""
        return Required(
            checks=tuple(self.checks),
            approvals=self.approvals,
            merge_queue=self.queue,
            strict=self.strict,
            methods=() if self.methods == METHODS else self.methods,
            known=self.known,
        )

    def _narrow(self, *allowed: str) -> None:
        self.methods = tuple(method for method in self.methods if method in allowed)


async def demands(api: Api, repository: str, branch: str) -> Required:
    """See `mawep.trackers.base.Forge.required`."""
    found = _Demands()
    part = quote(branch, safe="")
    shown = thing(await api.get(f"/repos/{repository}/branches/{part}"))
    try:
        async for rule in api.pages(f"/repos/{repository}/rules/branches/{part}"):
            found.of_rule(text(rule.get("type")), thing(rule.get("parameters")))
    except NotThere:
        pass  # a server without rulesets
    except NotAllowed:
        found.known = False
    if shown.get("protected") is True:
        # Everybody who may read the branch is shown its checks; the rest is for administrators.
        found.of_protection(thing(shown.get("protection")))
        try:
            found.of_protection(thing(await api.get(f"/repos/{repository}/branches/{part}/protection")))
        except NotThere as error:
            # "Branch not protected": it is by a ruleset only, which was read.
            found.known = found.known and "not protected" in error.cause.lower()
        except NotAllowed:
            found.known = False
        found.queue = found.queue or await _has_queue(api, repository, branch)
    return found.whole()


async def _has_queue(api: Api, repository: str, branch: str) -> bool:
    owner, _, name = repository.partition("/")
    try:
        data = await api.graphql(QUEUE, owner=owner, name=name, branch=branch)
    except (GraphQLError, NotThere, Refused, NotAllowed):
        return False
    return bool(thing(data.get("repository")).get("mergeQueue"))
