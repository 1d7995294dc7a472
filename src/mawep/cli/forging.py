"""The forge that a configuration means: which repository of which server, and as whom."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from mawep.adapters.git import Repository
from mawep.adapters.git_remote import open_remote
from mawep.clock import Clock
from mawep.config import Config
from mawep.config.github import here
from mawep.errors import UsageError
from mawep.trackers.base import AllowanceObserver, App, Forge, ForgeSettings
from mawep.trackers.credentials import get_provider_config, place_of, read_private, same_host
from mawep.trackers.registry import FORGES

_API = {"gitlab": "/api/v4", "forgejo": "/api/v1"}
"""Where the API of a forge is on its host."""
SHORT_WAIT = 30.0
"""Seconds that a verb somebody is waiting for stands a limit of the forge."""


async def open_forge(
    config: Config,
    repository: Repository | None,
    clock: Clock,
    observer: AllowanceObserver | None = None,
    *,
    patient: bool = False,
    learned: Callable[[str], None] = lambda secret: None,
) -> Forge:
    """The forge of a configuration that makes use of one; close it after use.

    `patient`: wait out its limits, as a run does. `learned` is told of every secret that it signs in with, now or
    later.

    Raises:
        UsageError: it cannot be told which repository is meant, or how to sign in.
    """
    settings, _ = await forge_settings(config, repository, os.environ)
    for secret in (settings.token, settings.app.private_key if settings.app else None):
        if secret:
            learned(secret)
    wait = settings.longest_wait if patient else SHORT_WAIT
    settings = replace(settings, longest_wait=wait, learned=learned)
    kind = config.issues.tracker if config.issues.tracker in FORGES else "github"
    return FORGES[kind](settings, clock, observer)


async def forge_settings(
    config: Config, repository: Repository | None, environ: Mapping[str, str]
) -> tuple[ForgeSettings, tuple[str, ...]]:
    """The settings, and what a person should be warned of.

    Raises:
        UsageError: it cannot be told which repository is meant, or how to sign in.
    """
    if config.issues.tracker in _API:
        return await _plain(config, repository), ()
    github = config.github
    api_url, token = github.api_url, github.token
    warnings: tuple[str, ...] = ()
    if github.provider is not None:
        _, _, name = github.provider.partition(":")
        provider = get_provider_config("github", name or "default", environ=environ)
        api_url, token, warnings = provider.api_url, provider.token, provider.warnings
    settings = ForgeSettings(
        repository=github.repository or await _of_remote(config, repository, api_url),
        api_url=api_url,
        token=token,
        app=_app(config),
        max_requests_per_hour=github.max_requests_per_hour,
    )
    return settings, warnings


async def _plain(config: Config, repository: Repository | None) -> ForgeSettings:
    """GitLab and Forgejo: what is not written is told by the remote's address."""
    kind = config.issues.tracker
    section = config.gitlab if kind == "gitlab" else config.forgejo
    name, api_url = section.repository, section.api_url
    if name is None or api_url is None:
        write = f"write `{kind}.repository: owner/name` and `{kind}.api_url`"
        if repository is None:
            raise UsageError(f"which repository on {kind}?", next_step=write)
        remote = await open_remote(repository, config.landing.remote)
        place = place_of(remote.url)
        if place is None:
            raise UsageError(
                f"which repository on {kind}? The remote `{remote.name}` is not on one", next_step=write
            )
        host, _ = place
        clear = remote.url.startswith("http://") and here(host.partition(":")[0])
        api_url = api_url or f"{'http' if clear else 'https'}://{host}{_API[kind]}"
        name = name or _whole_name(remote.url)
    return ForgeSettings(name, api_url, token=section.token)


def _whole_name(url: str) -> str:
    """The name of a repository with all the groups that it lies in."""
    path = urlsplit(url).path if "://" in url else url.partition(":")[2]
    return path.strip("/").removesuffix(".git")


def _app(config: Config) -> App | None:
    app = config.github.app
    if app.id is None or app.installation is None or app.private_key_path is None:
        return None
    key = read_private(app.private_key_path, "the private key of the GitHub App")
    return App(app.id, app.installation, key)


async def _of_remote(config: Config, repository: Repository | None, api_url: str) -> str:
    """The repository that the remote's address names, if it is on that forge."""
    write = "write `github.repository: owner/name`"
    if repository is None:
        raise UsageError("which repository on GitHub?", next_step=write)
    remote = await open_remote(repository, config.landing.remote)
    place = place_of(remote.url)
    if place is None:
        raise UsageError(
            f"which repository on GitHub? The remote `{remote.name}` is not on one", next_step=write
        )
    host, name = place
    if not same_host(api_url, host):
        raise UsageError(
            f"which repository on GitHub? The remote `{remote.name}` is on {host}, which is not behind {api_url}",
            next_step=f"set `github.api_url` (https://{host}/api/v3 for GitHub Enterprise Server), or {write}",
        )
    return name
