"""Where the providers are, and the keys for them: taken from MAWEP's own environment, and never handed on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Provider:
    """What is known of a provider: the variables that may hold its key and its address, and its own address.

    `tokens` are variables of which the value goes into `Authorization`, whatever the shape says.
    """

    keys: tuple[str, ...]
    tokens: tuple[str, ...]
    addresses: tuple[str, ...]
    own: str


PROVIDERS = {
    "anthropic": Provider(
        ("ANTHROPIC_API_KEY",),
        ("ANTHROPIC_AUTH_TOKEN",),
        ("ANTHROPIC_BASE_URL",),
        "https://api.anthropic.com",
    ),
    "openai": Provider(("OPENAI_API_KEY",), (), ("OPENAI_BASE_URL",), "https://api.openai.com/v1"),
    "gemini": Provider(
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        (),
        ("GOOGLE_GEMINI_BASE_URL",),
        "https://generativelanguage.googleapis.com",
    ),
}

KEYS = frozenset({"CLAUDE_CODE_OAUTH_TOKEN"}).union(
    *((*provider.keys, *provider.tokens) for provider in PROVIDERS.values())
)
"""Every variable that may hold a key. With the gateway on, none of them reaches an agent."""
ADDRESSES = frozenset(name for one in PROVIDERS.values() for name in one.addresses)
"""Every variable that may hold a provider's address. With the gateway on, an agent gets the gateway's."""


@dataclass(frozen=True)
class Upstream:
    """One provider as it is reached: `base` has no slash at its end; `bearer`: the key goes into `Authorization`."""

    api: str
    base: str
    key: str | None = field(repr=False)
    bearer: bool = False

    @property
    def usable(self) -> bool:
        """True when a call could be made: the provider's own address takes nobody without a key."""
        return self.key is not None or self.base != PROVIDERS[self.api].own

    @property
    def problem(self) -> str | None:
        """What is wrong with it, for a person; None when it can be used."""
        provider = PROVIDERS[self.api]
        parts = urlsplit(self.base)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            return f"{' or '.join(provider.addresses)} is not an address that begins with http:// or https://"
        if not self.usable:
            names = " or ".join((*provider.keys, *provider.tokens))
            return f"there is no key for {self.api} models: set {names} in the environment of mawep"
        return None


def upstream(api: str, environ: Mapping[str, str]) -> Upstream:
    """The provider of an API, as the environment has it."""
    provider = PROVIDERS[api]
    base = next(_set(provider.addresses, environ), provider.own).rstrip("/")
    key = next(_set(provider.keys, environ), None)
    token = next(_set(provider.tokens, environ), None)
    return Upstream(api, base, key or token, bearer=key is None and token is not None)


def upstreams(environ: Mapping[str, str]) -> dict[str, Upstream]:
    """All of them, by API."""
    return {api: upstream(api, environ) for api in PROVIDERS}


def pointers(url: str, token: str, apis: Iterable[str]) -> dict[str, str]:
    """The variables by which programs find a provider, for a program that is to find the gateway in its place."""
    found: dict[str, str] = {}
    for api in apis:
        provider = PROVIDERS[api]
        path = urlsplit(provider.own).path  # clients of OpenAI expect it in the address
        found |= dict.fromkeys(provider.addresses, url + path) | dict.fromkeys(provider.keys, token)
    return found


def _set(names: tuple[str, ...] | list[str], environ: Mapping[str, str]) -> Iterator[str]:
    return (environ[name].strip() for name in names if environ.get(name, "").strip())
