"""The agents are pinned, their lock files name no host, and where they cannot be installed that is said."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.clis.install import ADAPTERS, AGENTS, CLIS, HERE
from tests.support.installation import NotInstalled


@pytest.mark.parametrize("folder", [AGENTS, ADAPTERS])
def test_every_agent_is_pinned_and_locked_without_a_host(folder: str) -> None:
    wanted = json.loads((HERE / folder / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    locked = json.loads((HERE / folder / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    for name, package in locked.items():
        assert "resolved" not in package
        assert not name or "integrity" in package


@pytest.mark.parametrize(
    ("npm", "said"),
    [("", "npm is not on PATH"), ("#!/bin/sh\necho no registry >&2\nexit 1\n", "no registry")],
    ids=["no npm", "no registry"],
)
def test_agents_that_cannot_be_installed_are_a_failure(
    npm: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    if npm:
        (programs / "npm").write_text(npm)
        (programs / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("MAWEP_CLIS", str(tmp_path / "clis"))
    with pytest.raises(NotInstalled, match=said):
        CLIS.install()
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]
