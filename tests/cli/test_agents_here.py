"""What `init` and `doctor` find of coding agents, with programs that only claim to be them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.site import Site
from tests.support.repos import commit, make_repository


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, and a PATH that has no agent on it yet."""
    place = tmp_path / "home"
    place.mkdir()
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_TOKEN"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("PATH", f"{place / 'bin'}:/usr/bin:/bin")
    return place


@pytest.fixture
def shop(tmp_path: Path) -> Site:
    """A repository with a test command and an issue."""
    return Site(
        make_repository(
            tmp_path / "shop", {"Makefile": "test:\n\ttrue\n", "issues/1.md": "---\nnumber: 1\n---\n"}
        )
    )


def _install(home: Path, name: str, package: str, version: str) -> None:
    """As npm does it: a package, and a link to its program."""
    folder = home / "lib" / "node_modules" / package
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": package, "version": version}))
    (folder / "cli.js").write_text("#!/bin/sh\necho 0.0.0\n")
    (folder / "cli.js").chmod(0o755)
    (home / "bin").mkdir(exist_ok=True)
    (home / "bin" / name).symlink_to(folder / "cli.js")


def _claude(home: Path) -> None:
    _install(home, "claude", "@anthropic-ai/claude-code", "2.1.330")
    _install(home, "claude-agent-acp", "@agentclientprotocol/claude-agent-acp", "0.99.0")


def _checks(site: Site, *arguments: str) -> dict[str, tuple[str, str]]:
    document = site.mawep("doctor", "--json", *arguments).document
    return {check["name"]: (check["status"], check["detail"]) for check in document["checks"]}


def test_init_names_the_agent_that_is_installed_and_its_key(
    home: Path, shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    _claude(home)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-very-secret")
    said = shop.mawep("init", code=0)
    text = (shop.repository / "mawep.yaml").read_text()
    assert "runtime: claude-code" in text
    assert 'env: ["ANTHROPIC_API_KEY"]' in text
    assert "sk-very-secret" not in text + said.out
    status, detail = _checks(shop)["claude-code"]
    assert status == "ok"
    assert "claude-agent-acp 0.99.0 (tried with 0.101.0), claude 2.1.330" in detail
    assert "ANTHROPIC_API_KEY is passed on" in detail


def test_init_lends_a_login_where_no_key_is_set(home: Path, shop: Site) -> None:
    _claude(home)
    (home / ".claude").mkdir()
    (home / ".claude" / ".credentials.json").write_text('{"token": "very-secret"}')
    shop.mawep("init", code=0)
    text = (shop.repository / "mawep.yaml").read_text()
    assert 'credentials: ["~/.claude/.credentials.json"]' in text
    assert "very-secret" not in text
    status, detail = _checks(shop)["claude-code"]
    assert (status, "~/.claude/.credentials.json is lent" in detail) == ("ok", True)
    (home / ".claude" / ".credentials.json").unlink()
    status, detail = _checks(shop)["claude-code"]
    assert status == "warning"
    assert "sign in with `claude`, or set ANTHROPIC_API_KEY" in detail


def test_doctor_says_what_to_install_and_what_an_attempt_does_not_get(
    home: Path, shop: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(home, "claude", "@anthropic-ai/claude-code", "2.1.330")
    commit(
        shop.repository,
        {"mawep.yaml": "mawep:\n  agents: {runtime: claude-code}\n  verify: {commands: ['true']}\n"},
    )
    checks = _checks(shop)
    assert checks["claude-code"][0] == "failed"
    assert "npm install -g @agentclientprotocol/claude-agent-acp@0.101.0" in checks["claude-code"][1]
    assert checks["gemini"] == (
        "ok",
        "no `gemini`: install it with `npm install -g @google/gemini-cli@0.61.0`",
    )
    _install(home, "claude-agent-acp", "@agentclientprotocol/claude-agent-acp", "0.101.0")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-very-secret")
    status, detail = _checks(shop)["claude-code"]
    assert status == "warning"
    assert "name ANTHROPIC_API_KEY in `agents.env`" in detail
    assert "sk-very-secret" not in str(checks)
    assert _checks(shop, "--set", "agents.env=[ANTHROPIC_API_KEY]")["claude-code"][0] == "ok"


def test_a_program_that_is_no_package_is_asked_for_its_version(home: Path, shop: Site) -> None:
    (home / "bin").mkdir()
    for name, answer in (("gemini", "gemini v9.8.7 (build 1)"), ("opencode", "what?")):
        (home / "bin" / name).write_text(f"#!/bin/sh\necho '{answer}'\n")
        (home / "bin" / name).chmod(0o755)
    shop.mawep("init", code=0)
    checks = _checks(shop)
    assert "gemini 9.8.7" in checks["gemini"][1]
    assert "opencode of a version it does not tell" in checks["opencode"][1]


def test_a_login_outside_of_the_home_is_refused(home: Path, shop: Site) -> None:
    shop.mawep("init", code=0)
    said = shop.mawep("doctor", "--set", "agents.credentials=[/etc/shadow]", code=2).out
    assert "is not below your home" in said
