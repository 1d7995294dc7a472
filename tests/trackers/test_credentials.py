"""Sign-in data of mgit: read only, strictly, and from a file that nobody else can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.errors import UsageError
from mawep.trackers.credentials import get_provider_config, mgit_file, place_of, same_host

SECRET = "s3cret-of-mgit"
FILE = """
global: {default_provider: work_gh, default_concurrency: 4}
providers:
  work_gh: {url: https://github.com, user: octo, token: "${GH_TOK}", workspace: my-org}
  ghes: {type: github, url: https://ghe.example.test, user: octo, token: t2, workspace: tools}
  old: {org_url: https://github.com/old, pat: t5, workspace: old-org}
  bb: {url: https://api.bitbucket.org/2.0, user: u, app_password: t3, workspace: w}
  ado: {url: https://dev.azure.com/acme, user: "", token: t4, workspace: ""}
  empty: {url: https://github.com, token: ""}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with mgit's file, as mgit leaves it."""
    file = tmp_path / ".config" / "mgit" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(FILE)
    file.chmod(0o600)
    return tmp_path


def environ(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "GH_TOK": SECRET}


def test_an_entry_is_found_by_name_workspace_or_as_the_default(home: Path) -> None:
    work = get_provider_config("github", "work_gh", environ=environ(home))
    assert (work.token, work.user, work.workspace) == (SECRET, "octo", "my-org")
    assert work.api_url == "https://api.github.com" and work.warnings == ()
    assert get_provider_config("github", "my-org", environ=environ(home)) == work
    assert get_provider_config("github", "default", environ=environ(home)) == work
    company = get_provider_config("github", "ghes", environ=environ(home))
    assert company.api_url == "https://ghe.example.test/api/v3"


def test_a_token_is_not_shown(home: Path) -> None:
    assert SECRET not in repr(get_provider_config("github", "work_gh", environ=environ(home)))


def test_only_the_entry_that_is_asked_for_has_its_variables_looked_up(home: Path) -> None:
    nothing = {"HOME": str(home)}
    assert get_provider_config("github", "ghes", environ=nothing).token == "t2"
    with pytest.raises(UsageError, match="`GH_TOK` is not set"):
        get_provider_config("github", "work_gh", environ=nothing)


def test_old_keys_are_taken_with_a_warning(home: Path) -> None:
    old = get_provider_config("github", "old", environ=environ(home))
    assert old.token == "t5" and old.api_url == "https://api.github.com"
    assert len(old.warnings) == 2 and "`providers.old.pat` is an old key; write `token`" in " ".join(
        old.warnings
    )


@pytest.mark.parametrize(("name", "forge"), [("bb", "Bitbucket"), ("ado", "Azure DevOps")])
def test_other_forges_say_that_only_git_is_supported(home: Path, name: str, forge: str) -> None:
    provider = get_provider_config("github", name, environ=environ(home))
    assert provider.token  # for git
    with pytest.raises(UsageError, match=f"on {forge} are not supported") as refusal:
        _ = provider.api_url
    assert "git transport" in str(refusal.value) and provider.token not in str(refusal.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(home: Path, mode: int) -> None:
    mgit_file(environ(home)).chmod(mode)
    with pytest.raises(UsageError, match="can be read by others"):
        get_provider_config("github", "work_gh", environ=environ(home))


def test_a_missing_file_an_unknown_and_an_unclear_name_are_said(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        get_provider_config("github", "default", environ={"HOME": str(tmp_path / "nobody")})
    with pytest.raises(UsageError, match="none is there"):
        get_provider_config("github", "nothing", environ=environ(home))
    with pytest.raises(UsageError, match="has no `token`"):
        get_provider_config("github", "empty", environ=environ(home))
    file = mgit_file(environ(home))
    file.write_text(FILE.replace("default_provider: work_gh", "x: y"))
    with pytest.raises(UsageError, match="several are: work_gh, ghes, old, empty"):
        get_provider_config("github", "default", environ=environ(home))


def test_a_broken_file_is_told_without_quoting_it(home: Path) -> None:
    file = mgit_file(environ(home))
    file.write_text(f"providers: {{x: {{token: {SECRET}")
    with pytest.raises(UsageError) as refusal:
        get_provider_config("github", "x", environ=environ(home))
    assert "config.yaml:1" in str(refusal.value) and SECRET not in str(refusal.value)


def test_reading_leaves_everything_as_it_was(home: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*"))
    get_provider_config("github", "work_gh", environ=environ(home))
    assert sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*")) == before


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://github.com/acme/shop.git", ("github.com", "acme/shop")),
        ("https://github.com/acme/shop", ("github.com", "acme/shop")),
        ("https://me:secret@GitHub.com/acme/shop.git", ("github.com", "acme/shop")),
        ("git@github.com:acme/shop.git", ("github.com", "acme/shop")),
        ("ssh://git@ghe.example:2222/acme/shop.git", ("ghe.example", "acme/shop")),
        ("http://127.0.0.1:4831/acme/shop.git", ("127.0.0.1:4831", "acme/shop")),
        ("/srv/git/shop.git", None),
        ("file:///srv/git/shop.git", None),
        ("https://github.com/shop", None),
    ],
)
def test_where_a_remote_leads(url: str, place: tuple[str, str] | None) -> None:
    assert place_of(url) == place


def test_which_api_belongs_to_a_host() -> None:
    assert same_host("https://api.github.com", "github.com")
    assert same_host("https://api.github.com", "ssh.github.com")
    assert same_host("https://ghe.example/api/v3", "ghe.example")
    assert not same_host("https://api.github.com", "ghe.example")
