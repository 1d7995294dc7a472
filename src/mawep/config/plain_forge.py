"""The `gitlab` and `forgejo` sections: which repository, and with which token. Both are experimental."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo

from mawep.config.fields import RepositoryName, Section, Text, refused, surroundings
from mawep.config.github import here

PLAIN_FORGES = ("gitlab", "forgejo")


def _address(value: str, info: ValidationInfo) -> str:
    if not set(PLAIN_FORGES).intersection(surroundings(info).uses):
        return value  # a `${VAR}` may still stand here
    parts = urlsplit(value)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or "@" in parts.netloc:
        raise refused("is not an address, such as `https://forge.example/api/v4`")
    if parts.scheme == "http" and not here(parts.hostname):
        raise refused("would send the token in clear; write `https://`")
    return value.rstrip("/")


class PlainForge(Section):
    """A repository on a forge, and the token that MAWEP signs in with."""

    repository: RepositoryName | None = Field(
        None, description="`owner/name`; null: from the address of `landing.remote`.", examples=["acme/shop"]
    )
    token: Text | None = Field(
        None, description="What MAWEP signs in with; agents get none.", examples=["${FORGE_TOKEN}"]
    )

    def secrets(self) -> tuple[str, ...]:
        """What is shown nowhere."""
        token: str | None = getattr(self, "token", None)
        return (token,) if token else ()

    def public(self) -> dict[str, Any]:
        """What may be shown, fit for JSON."""
        values = self.model_dump(mode="json", by_alias=True)
        return values | ({"token": "(hidden)"} if values["token"] is not None else {})


class GitLab(PlainForge):
    """A project on GitLab, with `issues.tracker: gitlab`. Experimental: never tried against a real server."""

    api_url: Annotated[Text, AfterValidator(_address)] | None = Field(
        None,
        description="The API; null: `/api/v4` on the host of `landing.remote`.",
        examples=["https://gitlab.example/api/v4"],
    )


class Forgejo(PlainForge):
    """A repository on Forgejo or Gitea, with `issues.tracker: forgejo`. Experimental, as GitLab is."""

    api_url: Annotated[Text, AfterValidator(_address)] | None = Field(
        None,
        description="The API; null: `/api/v1` on the host of `landing.remote`.",
        examples=["https://codeberg.example/api/v1"],
    )
