"""The forge that a configuration names: which repository of which server, and as whom."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from mawep.adapters.git import Repository
from mawep.adapters.git_remote import open_remote
from mawep.clock import Clock
from mawep.config import Config
from mawep.errors import UsageError
from mawep.trackers.base import AllowanceObserver, Forge, ForgeSettings
from mawep.trackers.registry import FORGES

_SCP_LIKE = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.-]+):(?!//)(?P<path>.+)")


async def open_forge(
    config: Config, repository: Repository | None, clock: Clock, observer: AllowanceObserver | None = None
) -> Forge:
    """The forge that issues come from; close it after use.

    Raises:
        UsageError: it cannot be told which repository is meant.
    """
    settings = await forge_settings(config, repository)
    return FORGES[config.issues.tracker](settings, clock, observer)


async def forge_settings(config: Config, repository: Repository | None) -> ForgeSettings:
    """Which repository of which server, and as whom; see `open_forge`."""
    section = config.github
    name = section.repository
    if name is None:
        remote = config.landing.remote
        if repository is None:
            raise UsageError("which repository on GitHub?", next_step="write `github.repository: owner/name`")
        url = (await open_remote(repository, remote)).url
        place = place_of(url)
        if place is None or not _serves(section.api_url, place[0]):
            raise UsageError(
                f"which repository on GitHub? The remote `{remote}` does not say",
                cause=f"its address is {url}",
                next_step="write `github.repository: owner/name`, and `github.api_url` for a server of your own",
            )
        name = place[1]
    return ForgeSettings(name, section.api_url, token=section.token)


def place_of(url: str) -> tuple[str, str] | None:
    """Host and `owner/name` by the address of a remote; None: it is no address of a forge."""
    parts = urlsplit(url)
    if parts.scheme in {"http", "https", "ssh", "git"}:
        host, path = parts.netloc.rpartition("@")[2], parts.path
        if parts.scheme == "ssh":
            host = host.partition(":")[0]
    elif found := _SCP_LIKE.fullmatch(url):
        host, path = found["host"], found["path"]
    else:
        return None
    name = path.strip("/").removesuffix(".git")
    return (host.lower(), name) if "/" in name else None


def _serves(api_url: str, host: str) -> bool:
    """True when the API is that of the host: `api.github.com` of github.com, else on the host itself."""
    server = urlsplit(api_url)
    ports_apart = server.hostname in {host.partition(":")[0], f"api.{host.partition(':')[0]}"}
    return server.netloc in {host, f"api.{host}"} or (":" not in host and ports_apart)
