"""The `github` section: used when something needs it, checked then, and its secrets shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.config import load_config
from mawep.errors import ProblemsError
from tests.config.support import write

IN_USE = "landing.push=true"
TOKEN = "ghx_" + "a1B2" * 9


def refused(tmp_path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ProblemsError) as refusal:
        load_config(write(tmp_path), (IN_USE, *overrides), {"HOME": "/home/me", "TOKEN": TOKEN})
    return list(refusal.value.problems)


def test_its_secrets_are_never_shown(tmp_path: Path) -> None:
    overrides = (IN_USE, f"github.token={TOKEN}", "github.repository=acme/shop")
    config = load_config(write(tmp_path), overrides, {})
    assert config.github.token == TOKEN
    assert config.public()["github"]["repository"] == "acme/shop"
    assert config.public()["github"]["token"] == "(hidden)"
    assert TOKEN in config.secrets({})
    assert TOKEN not in f"{config} {config!r} {config.github!r} {config.public()}"


def test_a_token_of_the_environment_is_shown_as_it_was_written(tmp_path: Path) -> None:
    config = load_config(write(tmp_path), (IN_USE, "github.token=${TOKEN}"), {"TOKEN": TOKEN})
    assert config.github.token == TOKEN
    assert config.public()["github"]["token"] == "${TOKEN}"
    assert TOKEN in config.secrets({"TOKEN": TOKEN})


def test_out_of_use_it_is_not_looked_at(tmp_path: Path) -> None:
    config = load_config(write(tmp_path), ("github.token=${TOKEN}", "github.repository=${WHERE}"), {})
    assert "github" not in config.public()
    assert config.secrets({}) == ()


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("github.repository=shop", "is not `owner/name`"),
        ("github.repository=acme/shop/more", "is not `owner/name`"),
        ("github.repository=acme/..", "is not `owner/name`"),
        ("github.repository='acme/shop?x=1'", "is not `owner/name`"),
        ("github.token='a b'", "is not a token"),
        ("github.api_url=ghe.example", "is not an address"),
        ("github.api_url=https://me@ghe.example/api/v3", "holds a user name"),
        ("github.api_url=http://ghe.example/api/v3", "in clear"),
        ("github.provider=ngit:x", "a provider in the configuration of mgit"),
        ("github.max_requests_per_hour=1", "at least 60"),
        ("github.app.id=3", "is missing: a GitHub App takes all three keys"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, override: str, problem: str) -> None:
    assert problem in " ".join(refused(tmp_path, override))


def test_a_refused_secret_is_not_shown(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, f"github.token={TOKEN} {TOKEN}")
    assert TOKEN not in problem


def test_there_is_one_way_to_sign_in(tmp_path: Path) -> None:
    assert refused(tmp_path, "github.token=${TOKEN}", "github.provider=mgit") == [
        "--set github.provider: says another way to sign in than `github.token`; write one of them"
    ]


def test_this_machine_may_be_spoken_to_in_clear(tmp_path: Path) -> None:
    config = load_config(write(tmp_path), (IN_USE, "github.api_url=http://127.0.0.1:80/api/v3/"), {})
    assert config.github.api_url == "http://127.0.0.1:80/api/v3"


def test_an_address_that_holds_a_token_is_not_shown(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, f"github.api_url=https://x:{TOKEN}@ghe.example/api/v3")
    assert TOKEN not in problem


@pytest.mark.parametrize("section", ["agents", "verify"])
def test_hazard_the_token_of_the_forge_is_passed_on_to_nobody(tmp_path: Path, section: str) -> None:
    (problem,) = refused(tmp_path, "github.token=${TOKEN}", f"{section}.env=[TOKEN]")
    assert problem == (
        f"--set {section}.env: `TOKEN` signs MAWEP in at the forge; agents and gates get another credential, or none"
    )
    load_config(write(tmp_path), (IN_USE, f"{section}.env=[TOKEN]"), {"TOKEN": TOKEN})
