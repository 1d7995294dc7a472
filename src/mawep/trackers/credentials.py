"""Sign-in data for forges: from mgit's configuration file, which is only read, and where a remote's address leads.

The file is `~/.config/mgit/config.yaml`: `global.default_provider`, and `providers`, each with `url`, `user`, `token`,
`workspace` and perhaps `type`. Only the provider that is asked for has its `${VAR}` looked up.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from mawep.adapters.yaml_lines import Tree, parse
from mawep.errors import UsageError

MOST_BYTES = 1 << 20
GITHUB_API = "https://api.github.com"

_LEGACY = {"token": ("pat", "app_password"), "url": ("org_url",)}
_HOSTS = {
    "github.com": "github",
    "bitbucket.org": "bitbucket",
    "dev.azure.com": "azuredevops",
    "visualstudio.com": "azuredevops",
}
_NAMES = {"github": "GitHub", "bitbucket": "Bitbucket", "azuredevops": "Azure DevOps"}
_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_SSH = re.compile(r"(?:[^@/:]+@)?([^@/:]+):(?!//)(.+)")


@dataclass(frozen=True)
class Provider:
    """One entry of mgit's file. `kind` is github, bitbucket, azuredevops or what the entry says.

    `warnings` say what a person should mend there.
    """

    name: str
    kind: str
    url: str
    user: str
    token: str = field(repr=False)
    workspace: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def api_url(self) -> str:
        """GitHub's API at that host.

        Raises:
            UsageError: this forge is supported by git only.
        """
        if self.kind != "github":
            name = _NAMES.get(self.kind, self.kind or "this kind of forge")
            raise UsageError(
                f"issues and pull requests on {name} are not supported (`mgit:{self.name}`)",
                cause="only its git transport is: fetching and pushing with these sign-in data",
                next_step="keep the issues in a folder, `issues.tracker: folder`, with `landing.mode: local`",
            )
        host = urlsplit(self.url).netloc.rpartition("@")[2].lower()
        return GITHUB_API if host in ("github.com", "api.github.com", "") else f"https://{host}/api/v3"


def mgit_file(environ: Mapping[str, str]) -> Path:
    """Where mgit keeps its configuration."""
    return Path(environ.get("HOME") or Path.home()) / ".config" / "mgit" / "config.yaml"


def get_provider_config(
    provider: str, org_key: str, *, environ: Mapping[str, str], file: Path | None = None
) -> Provider:
    """The sign-in data of an entry of kind `provider` (`github`).

    `org_key` is the name of an entry, or a workspace; `default` takes the default of the file, or the only entry
    of that kind.

    Raises:
        UsageError: it is not there, not clear which is meant, or cannot be used.
    """
    path = file or mgit_file(environ)
    tree = _read(path)
    entries = _mapping(tree.get("providers"))
    kinds = {name: _kind(_mapping(entry)) for name, entry in entries.items()}
    if org_key == "default":
        chosen = _text(_mapping(tree.get("global")).get("default_provider"))
        if not chosen or kinds.get(chosen) != provider:
            chosen = _only([name for name, kind in kinds.items() if kind == provider], path, provider)
    elif org_key in entries:
        chosen = org_key
    else:
        having = [
            name
            for name, entry in entries.items()
            if _text(_mapping(entry).get("workspace")) == org_key and kinds[name] == provider
        ]
        chosen = _only(having, path, f"{provider} `{org_key}`")
    return _entry(chosen, _mapping(entries[chosen]), kinds[chosen], path, environ)


def place_of(url: str) -> tuple[str, str] | None:
    """The host and `owner/name` of a remote's address, over https or ssh; None for any other."""
    parts = urlsplit(url)
    if parts.scheme in ("https", "http", "ssh", "git") and parts.hostname:
        port = f":{parts.port}" if parts.port and parts.scheme in ("https", "http") else ""
        host, path = parts.hostname + port, parts.path
    elif "://" not in url and (found := _SSH.fullmatch(url)):
        host, path = found[1], found[2]
    else:
        return None
    names = path.strip("/").removesuffix(".git").split("/")
    if len(names) < 2 or not all(names):
        return None
    return host.lower(), "/".join(names[-2:])


def same_host(api_url: str, host: str) -> bool:
    """True when the API at `api_url` is that of the forge whose repositories are at `host`."""
    server = urlsplit(api_url)
    host = "github.com" if host == "ssh.github.com" else host
    names = {host, f"api.{host}"}
    # Over ssh a port says nothing of the server behind it.
    return server.netloc.lower() in names or (":" not in host and server.hostname in names)


def read_private(path: Path, what: str) -> str:
    """The text of a file that holds a secret.

    Raises:
        UsageError: it is missing, too large, no text, or others may read it.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{what} {path} cannot be read", cause=error.strerror or "") from None
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise UsageError(
            f"{what} {path} can be read by others",
            cause=f"its mode is {stat.S_IMODE(found.st_mode):04o}, and it holds secrets",
            next_step=f"`chmod 600 {path}`",
        )
    if found.st_uid not in (os.getuid(), 0):
        raise UsageError(f"{what} {path} belongs to somebody else")
    if len(data) > MOST_BYTES:
        raise UsageError(f"{what} {path} is longer than {MOST_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{what} {path} is not UTF-8 text") from None


def _read(path: Path) -> Mapping[str, Tree]:
    parsed = parse(read_private(path, "the configuration of mgit"))
    if parsed.problems:
        line, _ = parsed.problems[0]  # what is wrong may quote a secret
        raise UsageError(f"the configuration of mgit cannot be read: {path}:{line}")
    return _mapping(parsed.tree)


def _entry(
    name: str, entry: Mapping[str, Tree], kind: str, path: Path, environ: Mapping[str, str]
) -> Provider:
    warnings: list[str] = []
    values: dict[str, str] = {}
    for key in ("url", "user", "token", "workspace"):
        text = _text(entry.get(key))
        for old in _LEGACY.get(key, ()):
            if not text and _text(entry.get(old)):
                text = _text(entry.get(old))
                warnings.append(f"{path}: `providers.{name}.{old}` is an old key; write `{key}`")
        values[key] = _expanded(text, f"{path}: providers.{name}.{key}", environ)
    if not values["token"]:
        raise UsageError(f"{path}: `providers.{name}` has no `token`")
    return Provider(name=name, kind=kind, warnings=tuple(warnings), **values)


def _expanded(text: str, where: str, environ: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1]
        if not found[0].endswith("}") or name not in environ:
            raise UsageError(f"{where}: the environment variable `{name}` is not set")
        return environ[name]

    return _VARIABLE.sub(value, text)


def _kind(entry: Mapping[str, Tree]) -> str:
    said = _text(entry.get("type")).lower().replace("-", "").replace("_", "")
    if said:
        return "azuredevops" if said == "azure" else said
    host = urlsplit(_text(entry.get("url")) or _text(entry.get("org_url"))).hostname or ""
    return next((kind for end, kind in _HOSTS.items() if host == end or host.endswith(f".{end}")), "")


def _only(names: list[str], path: Path, what: str) -> str:
    if len(names) == 1:
        return names[0]
    many = f"several are: {', '.join(names)}" if names else "none is there"
    raise UsageError(
        f"{path}: it is not clear which provider {what} means",
        cause=many,
        next_step="write its name, `github.provider: mgit:<name>`",
    )


def _mapping(value: Tree) -> Mapping[str, Tree]:
    return value if isinstance(value, dict) else {}


def _text(value: Tree) -> str:
    return value if isinstance(value, str) else ""
