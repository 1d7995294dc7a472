"""The `github` section: which repository, as whom, and how much may be asked for."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo

from mawep.adapters.yaml_lines import Tree
from mawep.config.fields import Choice, RepositoryPath, Section, SomePath, Text, refused, surroundings
from mawep.core.model import IssueState

HIDDEN = ("token", "webhook_secret")
"""Keys whose values are shown nowhere."""
SHORTEST_SECRET = 16
"""Characters."""
_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?/(?!\.{1,2}$)[A-Za-z0-9._-]+")
_PROVIDER = re.compile(r"mgit(?::[^\s:]+)?")


def _in_use(info: ValidationInfo) -> bool:
    """False: a `${VAR}` may still stand where a value will."""
    return "github" in surroundings(info).uses


def _repository(value: str, info: ValidationInfo) -> str:
    if _in_use(info) and not _REPOSITORY.fullmatch(value):
        raise refused("is not `owner/name`")
    return value


def _api_url(value: str, info: ValidationInfo) -> str:
    if not _in_use(info):
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise refused("is not an address, such as `https://ghe.example/api/v3`")
    if "@" in parts.netloc:
        raise refused("holds a user name; write the token in `github.token`")
    if parts.scheme == "http" and not here(parts.hostname):
        raise refused("would send the token in clear; write `https://`")
    return value.rstrip("/")


def here(host: str) -> bool:
    """True for this machine, to which a token may go in clear."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _provider(value: str, info: ValidationInfo) -> str:
    if _in_use(info) and not _PROVIDER.fullmatch(value):
        raise refused("expected `mgit` or `mgit:<name>`, a provider in the configuration of mgit")
    return value


def _filled(value: str, info: ValidationInfo) -> str:
    if _in_use(info) and (not value.strip() or not value.isprintable() or " " in value):
        raise refused("is not a token")
    return value


def _secret(value: str, info: ValidationInfo) -> str:
    if _in_use(info) and len(value) < SHORTEST_SECRET:
        raise refused(f"is too short to sign with; write at least {SHORTEST_SECRET} characters")
    return value


class GitHubApp(Section):
    """A GitHub App that MAWEP acts as, instead of a token."""

    id: int | None = Field(None, ge=1, description="The App's number.", examples=["12345"])
    installation: int | None = Field(
        None, ge=1, description="The number of its installation for the repository.", examples=["678"]
    )
    private_key_path: SomePath | None = Field(
        None, description="The PEM file of its private key, readable by you alone.", examples=["~/app.pem"]
    )


class GitHub(Section):
    """The repository on GitHub or a GitHub Enterprise Server: looked at when issues or pull requests are there."""

    repository: Annotated[Text, AfterValidator(_repository)] | None = Field(
        None, description="`owner/name`; null: from the address of `landing.remote`.", examples=["acme/shop"]
    )
    token: Annotated[Text, AfterValidator(_filled)] | None = Field(
        None, description="What MAWEP signs in with; agents get none.", examples=["${GITHUB_TOKEN}"]
    )
    app: GitHubApp = Field(
        GitHubApp.model_construct(), description="A GitHub App to act as, instead of a token."
    )
    api_url: Annotated[Text, AfterValidator(_api_url)] = Field(
        "https://api.github.com", description="The API.", examples=["https://ghe.example/api/v3"]
    )
    provider: Annotated[Text, AfterValidator(_provider)] | None = Field(
        None,
        description="Sign-in data of mgit instead: `mgit:<name>` names a provider in its configuration file, `mgit` "
        "takes its default.",
        examples=["mgit:work"],
    )
    max_requests_per_hour: int = Field(
        2000, ge=60, le=15000, description="The most requests that are sent in any hour.", examples=["500"]
    )
    poll_seconds: int = Field(
        60,
        ge=10,
        le=86400,
        description="How often is looked for what people change and say there: two requests each time. With "
        "[webhooks](forges.md#webhooks) every ten minutes.",
        examples=["30"],
    )
    webhook_secret: Annotated[Text, AfterValidator(_secret)] | None = Field(
        None,
        description="What deliveries of webhooks are signed with, for [`mawep serve --webhooks`](forges.md#webhooks).",
        examples=["${WEBHOOK_SECRET}"],
    )
    labels: dict[Annotated[str, Choice(tuple(IssueState))], Text] = Field(
        {},
        description="Labels that issues have while they are in a state, by its name; other labels are let be.",
        examples=['{working: "mawep: working"}'],
    )
    summary_issue: int | None = Field(
        None, ge=1, description="The issue on which the end of each run is told; null: none.", examples=["7"]
    )
    update_template_path: RepositoryPath | None = Field(
        None,
        description="A file of the target branch that takes the place of MAWEP's template for the comment on each "
        "issue.",
        examples=[".mawep/update.md.j2"],
    )

    def at_odds(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What does not go together, as a path in this section and a sentence."""
        app = {name: getattr(self.app, name) for name in GitHubApp.model_fields}
        missing = [name for name, value in app.items() if value is None]
        if 0 < len(missing) < len(app):
            yield ("app", missing[0]), "is missing: a GitHub App takes all three keys"
        ways = [
            name
            for name, given in (("token", self.token), ("app", not missing), ("provider", self.provider))
            if given
        ]
        if len(ways) > 1:
            yield (ways[1],), f"says another way to sign in than `github.{ways[0]}`; write one of them"

    def secrets(self) -> tuple[str, ...]:
        """What is shown nowhere."""
        return tuple(value for name in HIDDEN if (value := getattr(self, name)))

    def public(self) -> dict[str, Any]:
        """What may be shown, fit for JSON."""
        values = self.model_dump(mode="json", by_alias=True)
        return values | {name: "(hidden)" for name in HIDDEN if values[name] is not None}


def forge_wanted(tree: dict[str, Tree], uses: Collection[str]) -> bool:
    """True when what is written makes use of GitHub."""

    def said(section: str, key: str) -> Tree:
        values = tree.get(section)
        return values.get(key) if section in uses and isinstance(values, dict) else None

    pushes = str(said("landing", "push")).lower() == "true"
    return (
        said("issues", "tracker") == "github"
        or said("landing", "mode") == "pull_request"
        or (pushes and isinstance(tree.get("github"), dict))
    )
