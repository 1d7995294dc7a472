"""Another repository, reached through the door: fetched from and pushed to, never by force.

Its address and what git signs in with travel in the environment, as settings of that one call: an argument list can be
read by everybody on the machine. Git answers no questions here, follows no redirection with a credential in hand, and
speaks only the protocols that move objects.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from mawep.adapters.git import Repository, Sha, effective_settings
from mawep.adapters.git_process import Completed
from mawep.errors import InfrastructureError, UsageError

PATIENCE = 300.0
"""Seconds that one fetch or push may take."""
STANDSTILL = 30
"""Seconds without a byte after which git gives an https connection up."""

_PROTOCOLS = "file:git:http:https:ssh"
_SSH = f"ssh -o BatchMode=yes -o ConnectTimeout={STANDSTILL}"
_PASSED_ON = ("SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
_KEPT = ("http.proxy", "http.sslcainfo", "http.sslcapath", "http.sslbackend", "http.version")
"""The person's own settings that say how to reach the network; they run nothing."""
_REFUSED = re.compile(r"^!\t(?P<refs>[^\t]*)\t\[(?P<kind>[^\]]*)\](?: \((?P<why>.*)\))?$", re.MULTILINE)
_RACED = ("cannot lock ref", "failed to update ref", "incorrect old value", "reference already exists")
"""What the other side says when somebody else was a moment quicker."""
_NO_SUCH_REF = b"couldn't find remote ref"
_SECRET_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True)
class Login:
    """What git signs in with over http."""

    username: str
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        """The header of a request that carries it."""
        pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return f"Authorization: Basic {pair}"


SignIn = Callable[[], Awaitable[Login | None]]
"""Asked before every call, as what one signs in with may be short-lived; None: nothing is needed."""


class RemoteUnreachableError(InfrastructureError):
    """The other repository does not answer, or does not let us in."""


class PushRefusedError(InfrastructureError):
    """The other repository answered and does not take the commits. `raced`: somebody else was quicker."""

    def __init__(self, remote: str, branch: str, *, why: str, raced: bool) -> None:
        self.why = why
        self.raced = raced
        super().__init__(
            f"{remote} does not take what landed on {branch}",
            cause=why,
            next_step=f"let whoever runs MAWEP push to {branch} on {remote}, then `mawep resume`",
        )


async def nobody() -> Login | None:
    """Sign in with nothing."""
    return None


@dataclass(frozen=True)
class Remote:
    """A repository that ours knows as `name`. `url` holds no credentials, and may be shown."""

    repository: Repository
    name: str
    url: str
    sign_in: SignIn = field(default=nobody, repr=False)
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)

    def tracking(self, branch: str) -> str:
        """The ref that says where the remote's branch was when we last looked."""
        return f"refs/remotes/{self.name}/{branch}"

    async def fetch(self, branch: str) -> Sha | None:
        """Bring the remote's branch here, durably, and say where it is; None: there is no such branch.

        Raises:
            RemoteUnreachableError: no answer, or not for us.
        """
        ref = f"refs/heads/{branch}"
        done = await self._call(
            *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
            *("--no-auto-maintenance", self.name, f"+{ref}:{self.tracking(branch)}"),
        )
        if done.code != 0 and _NO_SUCH_REF in done.stderr:
            return None
        if done.code != 0:
            raise self._unreachable(done)
        found = await self.repository.run("rev-parse", "--verify", self.tracking(branch))
        return found.decode().strip()

    async def push(self, commit: Sha, branch: str, *, dry_run: bool = False) -> None:
        """Let the remote's branch go forward to the commit; there already, nothing happens.

        Raises:
            PushRefusedError: it is not a step forward there, or it is not allowed.
            RemoteUnreachableError: no answer, or not for us.
        """
        done = await self._call(
            *("push", "--porcelain", "--no-verify", "--no-recurse-submodules", "--no-follow-tags"),
            *(["--dry-run"] if dry_run else []),
            *(self.name, f"{commit}:refs/heads/{branch}"),
        )
        said = done.stdout.decode(errors="replace")
        if refused := _REFUSED.search(said):
            hook = _remote_words(done.stderr)
            kind, why = refused["kind"], refused["why"] or ""
            raced = kind == "rejected" or any(word in f"{why} {hook}" for word in _RACED)
            raise PushRefusedError(
                f"{self.name} ({self.url})",
                branch,
                why="; ".join(filter(None, (f"{kind} {why}".strip(), hook))),
                raced=raced,
            )
        if done.code != 0:
            raise self._unreachable(done)

    async def _call(self, *args: str) -> Completed:
        login = await self.sign_in()
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.repository.call(*args, fsync=True, env=self._environment(login))
        except TimeoutError:
            raise RemoteUnreachableError(
                f"{self.name} ({self.url}) cannot be reached",
                cause=f"git {args[0]} took longer than {PATIENCE:g} seconds",
                next_step=_AGAIN,
            ) from None

    def _environment(self, login: Login | None) -> dict[str, str]:
        settings = {
            **self.settings,
            f"remote.{self.name}.url": self.url,
            f"remote.{self.name}.fetch": f"+refs/heads/*:refs/remotes/{self.name}/*",
            "http.lowSpeedLimit": "1",
            "http.lowSpeedTime": str(STANDSTILL),
            "http.emptyAuth": "false",
        }
        if login is not None and self.url.startswith(("http://", "https://")):
            settings["http.followRedirects"] = "false"  # a credential goes where it was meant to go
            settings[f"http.{self.url}.extraHeader"] = login.header
        environment = {
            "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
            "GIT_SSH_COMMAND": _SSH,
            "GIT_SSH_VARIANT": "ssh",
            "GIT_CONFIG_COUNT": str(len(settings)),
        }
        for position, (key, value) in enumerate(settings.items()):
            environment[f"GIT_CONFIG_KEY_{position}"] = key
            environment[f"GIT_CONFIG_VALUE_{position}"] = value
        passed = {n: v for n, v in os.environ.items() if n in _PASSED_ON or n.lower() in _PROXIES}
        return {**passed, **environment}

    def _unreachable(self, done: Completed) -> RemoteUnreachableError:
        said = without_secrets(done.stderr.decode(errors="replace")).strip() or "git printed no reason"
        return RemoteUnreachableError(
            f"{self.name} ({self.url}) cannot be reached", cause=said, next_step=_AGAIN
        )


_AGAIN = "see that it answers and lets you in, then `mawep resume`"


async def open_remote(
    repository: Repository, name: str, sign_in: Callable[[str], SignIn] = lambda url: nobody
) -> Remote:
    """The remote of that name, as the person's own git would reach it.

    A user name and password in its address are used, and shown nowhere; `sign_in` says for an address without them
    how one signs in there.

    Raises:
        UsageError: there is no such remote.
    """
    settings = await effective_settings(repository.common_dir)
    key = f"remote.{name}.url"
    written = settings.get(f"remote.{name}.pushurl", ()) or settings.get(key, ())
    if not written:
        known = sorted(
            k.removeprefix("remote.").removesuffix(".url")
            for k in settings
            if k.startswith("remote.") and k.endswith(".url")
        )
        others = (
            f"choose one of {', '.join(known)} (`landing.remote`)"
            if known
            else f"`git remote add {name} URL`"
        )
        raise UsageError(f"there is no remote `{name}`", next_step=others)
    url = _instead_of(written[0], settings)
    kept = {key: settings[key][-1] for key in _KEPT if key in settings}
    bare, login = _split(url, repository)

    async def as_written() -> Login | None:
        return login

    return Remote(repository, name, bare, as_written if login else sign_in(bare), kept)


def _instead_of(url: str, settings: Mapping[str, tuple[str, ...]]) -> str:
    """What git makes of the address by `url.<base>.insteadOf`: the longest beginning that fits."""
    found = [
        (beginning, key.removeprefix("url.").rpartition(".")[0])
        for key, values in settings.items()
        if key.startswith("url.") and key.endswith((".insteadof", ".pushinsteadof"))
        for beginning in values
        if url.startswith(beginning)
    ]
    if not found:
        return url
    beginning, base = max(found, key=lambda pair: len(pair[0]))
    return base + url[len(beginning) :]


def _split(url: str, repository: Repository) -> tuple[str, Login | None]:
    """An address without its credentials, and those; a path is told from where git stands."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and "@" in parts.netloc:
        host = parts.netloc.rpartition("@")[2]
        bare = SplitResult(parts.scheme, host, parts.path, parts.query, "").geturl()
        return bare, Login(unquote(parts.username or ""), unquote(parts.password or ""))
    local = not parts.scheme and not re.match(r"[^/]+:", url)
    if local:
        home = repository.main_work_tree or repository.common_dir
        return f"file://{quote(str(Path(os.path.realpath(home / url))))}", None
    return url, None


def without_secrets(text: str) -> str:
    """The text without what stands before the host in an address."""
    return _SECRET_IN_URL.sub("", text)


def _remote_words(stderr: bytes) -> str:
    """What the other side's hooks said."""
    lines = stderr.decode(errors="replace").splitlines()
    said = (line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:"))
    return " ".join(filter(None, said))[:1000]
