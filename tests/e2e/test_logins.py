"""Agents that are signed in by files get copies, and what they renew comes back; they see nothing else of a home."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.site import make_site

pytestmark = pytest.mark.e2e

LOGIN = ".agent/login.json"
RENEWS = f"""
set -e
cat $HOME/{LOGIN} >> seen-$MAWEP_ISSUE.txt
ls -A $HOME >> seen-$MAWEP_ISSUE.txt
if [ $MAWEP_ISSUE = 101 ]; then
  echo '{{"token": "second"}}' > $HOME/.agent/new
  mv $HOME/.agent/new $HOME/{LOGIN}
fi
"""


def test_a_renewed_login_reaches_the_person_and_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / LOGIN).parent.mkdir(parents=True)
    (home / LOGIN).write_text(json.dumps({"token": "first"}))
    (home / "private.txt").write_text("nobody else's business")
    monkeypatch.setenv("HOME", str(home))
    site = make_site(tmp_path / "site", {101: [], 102: [101]}, agent=RENEWS)
    options = ("--set", "agents.sandbox=required", "--set", f"agents.credentials=[~/{LOGIN}]")
    site.mawep("start", "--issues", "all", *options, code=0)
    assert json.loads((home / LOGIN).read_text()) == {"token": "second"}
    first, second = ((site.repository / f"seen-{number}.txt").read_text() for number in (101, 102))
    assert '"first"' in first
    assert '"second"' in second
    assert "private.txt" not in first + second


def test_a_login_that_is_not_there_keeps_a_run_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    site = make_site(tmp_path / "site")
    said = site.mawep("start", "--issues", "all", "--set", f"agents.credentials=[~/{LOGIN}]", code=2)
    assert f"agents.credentials: {tmp_path / LOGIN} is not there" in said.err
    assert not site.runs.exists()


def test_a_lent_token_that_an_agent_prints_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, token = tmp_path / "home", "rt_" + "a1B2" * 8
    (home / LOGIN).parent.mkdir(parents=True)
    (home / LOGIN).write_text(json.dumps({"token": token}))
    monkeypatch.setenv("HOME", str(home))
    site = make_site(tmp_path / "site", {101: []}, agent=f"cat $HOME/{LOGIN}; echo work > work.txt")
    options = ("--set", "agents.sandbox=required", "--set", f"agents.credentials=[~/{LOGIN}]")
    site.mawep("start", "--issues", "all", *options, code=0)
    kept = [path for path in site.runs.rglob("*") if path.is_file()]
    assert any(b"[redacted]" in path.read_bytes() for path in kept)
    assert [path.name for path in kept if token.encode() in path.read_bytes()] == []
