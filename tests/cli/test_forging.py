"""From a configuration to a forge: which repository of which server, as whom; and what `mawep doctor` says of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository
from mawep.cli.check import Check
from mawep.cli.forge_check import check_forge
from mawep.cli.forging import forge_settings
from mawep.cli.landing import remote_of
from mawep.config import Config, load_config
from mawep.errors import UsageError
from mawep.trackers.base import Permission
from tests.support.forge import FakeForge
from tests.support.forge_world import World
from tests.support.github_stub import GitHubStub
from tests.support.repos import git, make_repository


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    make_repository(tmp_path / "shop")
    git(tmp_path / "shop", "remote", "add", "origin", "git@github.com:acme/shop.git")
    return await find_repository(tmp_path / "shop")


@pytest.fixture
async def stub(tmp_path: Path) -> AsyncIterator[GitHubStub]:
    make_repository(tmp_path / "bare.git", bare=True)
    async with GitHubStub(World(git=tmp_path / "bare.git")).running() as running:
        yield running


def configured(tmp_path: Path, *overrides: str, **environ: str) -> Config:
    file = tmp_path / "mawep.yaml"
    file.write_text(
        "mawep:\n  issues: {tracker: github}\n  agents: {runtime: claude-code}\n  verify: {commands: ['true']}\n"
    )
    return load_config(file, overrides, {"HOME": str(tmp_path), **environ})


async def test_the_remote_says_which_repository(tmp_path: Path, repository: Repository) -> None:
    settings, _ = await forge_settings(configured(tmp_path), repository, {})
    assert (settings.repository, settings.api_url) == ("acme/shop", "https://api.github.com")
    written = configured(tmp_path, "github.repository=acme/other")
    assert (await forge_settings(written, repository, {}))[0].repository == "acme/other"


async def test_a_remote_elsewhere_is_told_with_what_to_write(tmp_path: Path, repository: Repository) -> None:
    company = configured(tmp_path, "github.api_url=https://ghe.example/api/v3")
    with pytest.raises(UsageError, match=r"on github\.com, which is not behind https://ghe\.example"):
        await forge_settings(company, repository, {})
    git(tmp_path / "shop", "remote", "set-url", "origin", "/srv/shop.git")
    with pytest.raises(UsageError, match=r"github\.repository"):
        await forge_settings(configured(tmp_path), repository, {})


async def test_sign_in_data_of_mgit_bring_their_server(tmp_path: Path, repository: Repository) -> None:
    file = tmp_path / ".config" / "mgit" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("providers: {work: {type: github, url: 'https://ghe.example', pat: abc}}")
    file.chmod(0o600)
    git(tmp_path / "shop", "remote", "set-url", "origin", "ssh://git@ghe.example:2222/acme/shop.git")
    config = configured(tmp_path, "github.provider=mgit:work")
    settings, warnings = await forge_settings(config, repository, {"HOME": str(tmp_path)})
    assert (settings.api_url, settings.token) == ("https://ghe.example/api/v3", "abc")
    assert "old key" in warnings[0] and "abc" not in f"{settings} {warnings}"


async def test_the_key_of_an_app_is_read_from_a_private_file(tmp_path: Path, repository: Repository) -> None:
    key = tmp_path / "app.pem"
    key.write_text("pem")
    key.chmod(0o600)
    config = configured(tmp_path, f"github.app={{id: 5, installation: 7, private_key_path: {key}}}")
    settings, _ = await forge_settings(config, repository, {})
    assert settings.app is not None and (settings.app.id, settings.app.private_key) == (5, "pem")
    key.chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others"):
        await forge_settings(config, repository, {})


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://ghe.example/acme/shop.git", True),
        ("http://ghe.example/acme/shop.git", False),
        ("https://elsewhere.example/acme/shop.git", False),
        ("/srv/shop.git", False),
    ],
)
async def test_hazard_git_signs_in_only_where_the_token_belongs(
    tmp_path: Path, repository: Repository, url: str, signed: bool
) -> None:
    git(tmp_path / "shop", "remote", "set-url", "origin", url)
    where = ("github.repository=acme/shop", "github.api_url=https://ghe.example/api/v3")
    remote = await remote_of(configured(tmp_path, *where), repository, FakeForge(World()))
    login = await remote.sign_in()
    assert (login is not None) == signed


async def test_git_signs_in_with_what_mgit_knows(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".config" / "mgit" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("providers: {work: {type: github, url: 'https://ghe.example', token: abc}}")
    file.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    git(tmp_path / "shop", "remote", "set-url", "origin", "https://ghe.example/acme/shop.git")
    remote = await remote_of(
        configured(tmp_path, "github.provider=mgit:work"), repository, FakeForge(World())
    )
    assert await remote.sign_in() is not None


async def looked(config: Config, repository: Repository) -> list[Check]:
    return [check async for check in check_forge(config, repository)]


async def test_doctor_says_as_whom_and_how_much_is_left(
    tmp_path: Path, repository: Repository, stub: GitHubStub
) -> None:
    where = ("github.repository=acme/shop", f"github.api_url={stub.url}", f"github.token={stub.token}")
    (check,) = await looked(configured(tmp_path, *where), repository)
    assert check.status == "ok"
    assert check.detail == (
        "acme/shop: signed in as mawep-bot with repo, workflow, may write, requests left: 4000 of 5000 (core)"
    )
    assert all(seen.method == "GET" for seen in stub.requests)
    assert stub.token not in json.dumps(check.detail)


async def test_doctor_says_what_is_missing(tmp_path: Path, repository: Repository, stub: GitHubStub) -> None:
    where = ("github.repository=acme/shop", f"github.api_url={stub.url}")
    (nobody,) = await looked(configured(tmp_path, *where), repository)
    assert nobody.status == "failed" and "github.token" in nobody.detail
    (wrong,) = await looked(configured(tmp_path, *where, "github.token=wrong-token"), repository)
    assert wrong.status == "failed" and "401 Bad credentials" in wrong.detail
    assert "wrong-token" not in wrong.detail
    stub.world.people[stub.world.login] = Permission.READ
    (reader,) = await looked(configured(tmp_path, *where, f"github.token={stub.token}"), repository)
    assert reader.status == "failed" and "may read" in reader.detail and "has to write there" in reader.detail


async def test_without_a_forge_there_is_nothing_to_look_at(tmp_path: Path, repository: Repository) -> None:
    assert await looked(configured(tmp_path, "issues.tracker=folder"), repository) == []
