"""Another repository reached through the door: facts, refusals, and credentials that nobody sees."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository
from mawep.adapters.git_remote import (
    Login,
    PushRefusedError,
    Remote,
    RemoteUnreachableError,
    SignIn,
    open_remote,
)
from mawep.errors import UsageError
from tests.support.remotes import hook, make_remote, served, somebody_pushes
from tests.support.repos import commit, git, head, make_repository

LOGIN = "bot:s3cret-t0ken"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo")


@pytest.fixture
def bare(checkout: Path, tmp_path: Path) -> Path:
    return make_remote(checkout, tmp_path / "srv" / "shop.git")


@pytest.fixture
async def repository(checkout: Path) -> Repository:
    return await find_repository(checkout)


def signing_in(login: str) -> SignIn:
    async def sign_in() -> Login:
        user, _, password = login.partition(":")
        return Login(user, password)

    return sign_in


async def test_it_is_fetched_and_pushed_to(checkout: Path, bare: Path, repository: Repository) -> None:
    remote = await open_remote(repository, "origin")
    theirs = somebody_pushes(bare, {"theirs.txt": "1\n"})
    assert await remote.fetch("main") == theirs
    assert git(checkout, "rev-parse", "refs/remotes/origin/main") == theirs
    assert not (checkout / ".git/FETCH_HEAD").exists()
    git(checkout, "merge", "--quiet", "--ff-only", theirs)
    ours = commit(checkout, {"ours.txt": "1\n"})
    await remote.push(ours, "main", dry_run=True)
    assert head(bare, "main") == theirs
    await remote.push(ours, "main")
    await remote.push(ours, "main")
    assert head(bare, "main") == ours


async def test_a_branch_that_is_not_there_is_none_and_a_push_makes_it(
    checkout: Path, bare: Path, repository: Repository
) -> None:
    remote = await open_remote(repository, "origin")
    assert await remote.fetch("release") is None
    await remote.push(head(checkout), "release")
    assert await remote.fetch("release") == head(checkout)


async def test_push_is_never_forced_and_says_that_others_were_quicker(
    checkout: Path, bare: Path, repository: Repository
) -> None:
    remote = await open_remote(repository, "origin")
    theirs = somebody_pushes(bare, {"theirs.txt": "1\n"})
    with pytest.raises(PushRefusedError) as refused:
        await remote.push(commit(checkout, {"ours.txt": "1\n"}), "main")
    assert refused.value.raced
    assert head(bare, "main") == theirs


async def test_a_hook_that_declines_is_quoted(checkout: Path, bare: Path, repository: Repository) -> None:
    hook(bare, "pre-receive", "echo only on weekdays; exit 1")
    remote = await open_remote(repository, "origin")
    with pytest.raises(PushRefusedError) as refused:
        await remote.push(commit(checkout, {"ours.txt": "1\n"}), "main")
    assert not refused.value.raced
    assert "only on weekdays" in str(refused.value)


async def test_one_that_is_gone_is_named_with_the_cause(bare: Path, repository: Repository) -> None:
    remote = await open_remote(repository, "origin")
    shutil.rmtree(bare)
    with pytest.raises(RemoteUnreachableError) as gone:
        await remote.fetch("main")
    assert "origin" in gone.value.what
    assert "does not appear to be a git repository" in gone.value.cause


async def test_one_that_does_not_exist_is_wrong_usage(bare: Path, repository: Repository) -> None:
    with pytest.raises(UsageError) as refusal:
        await open_remote(repository, "upstream")
    assert "choose one of origin" in refusal.value.next_step


async def test_the_persons_shorthands_for_addresses_hold(
    checkout: Path, bare: Path, repository: Repository
) -> None:
    git(checkout, "config", f"url.file://{bare.parent}/.insteadOf", "work:")
    git(checkout, "remote", "set-url", "origin", "work:shop.git")
    assert (await open_remote(repository, "origin")).url == f"file://{bare}"


async def test_a_relative_path_is_told_from_the_checkout(
    checkout: Path, bare: Path, repository: Repository
) -> None:
    git(checkout, "remote", "set-url", "origin", "../srv/shop.git")
    assert await (await open_remote(repository, "origin")).fetch("main") == head(checkout)


async def test_hooks_of_this_repository_do_not_run(
    checkout: Path, bare: Path, repository: Repository, tmp_path: Path
) -> None:
    for name in ("pre-push", "reference-transaction"):
        hook(checkout / ".git", name, f"touch {tmp_path}/ran")
    git(checkout, "config", "core.sshCommand", f"touch {tmp_path}/ran;")
    git(checkout, "config", "credential.helper", f"!touch {tmp_path}/ran;")
    remote = await open_remote(repository, "origin")
    await remote.push(await _next(checkout), "main")
    await remote.fetch("main")
    assert not (tmp_path / "ran").exists()


async def _next(checkout: Path) -> str:
    tree = git(checkout, "rev-parse", "HEAD^{tree}")
    return git(checkout, "commit-tree", tree, "-p", "HEAD", "-m", "next")


# --- credentials


async def test_a_token_is_given_where_nobody_can_read_it(
    checkout: Path, bare: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = tmp_path / "said"
    recorder = tmp_path / "bin" / "git"
    recorder.parent.mkdir()
    recorder.write_text(f'#!/bin/sh\necho "$@" >> {place}\nexec {shutil.which("git")} "$@"\n')
    recorder.chmod(0o700)
    with served(bare.parent, LOGIN) as address:
        git(checkout, "remote", "set-url", "origin", f"{address}/shop.git")
        remote = await open_remote(repository, "origin", lambda url: signing_in(LOGIN))
        monkeypatch.setenv("PATH", f"{recorder.parent}:/usr/bin:/bin")
        signed = Remote(await find_repository(checkout), remote.name, remote.url, remote.sign_in)
        await signed.push(await _next(checkout), "main")
        assert await signed.fetch("main") == head(bare, "main")
    said = place.read_text()
    assert "push" in said
    assert not any(secret in said for secret in ("s3cret", Login("bot", "s3cret-t0ken").header[-20:]))
    assert "s3cret" not in repr(signed)


async def test_a_token_that_is_not_accepted_is_said_without_it(
    checkout: Path, bare: Path, repository: Repository
) -> None:
    with served(bare.parent, LOGIN) as address:
        git(checkout, "remote", "set-url", "origin", f"{address}/shop.git")
        remote = await open_remote(repository, "origin", lambda url: signing_in("bot:wr0ng-one"))
        with pytest.raises(RemoteUnreachableError) as refused:
            await remote.fetch("main")
        assert "wr0ng" not in str(refused.value)
        with pytest.raises(RemoteUnreachableError):
            await (await open_remote(repository, "origin")).fetch("main")


async def test_credentials_in_an_address_are_used_and_never_shown(
    checkout: Path, bare: Path, repository: Repository
) -> None:
    with served(bare.parent, LOGIN) as address:
        git(checkout, "remote", "set-url", "origin", f"{address}/shop.git".replace("://", f"://{LOGIN}@"))
        remote = await open_remote(repository, "origin")
        assert "s3cret" not in f"{remote!r} {remote.url}"
        assert await remote.fetch("main") == head(bare, "main")
