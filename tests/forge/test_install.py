"""The servers are pinned, their locks name no host, and where they cannot be installed that is said."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.forge.install import FORGE, HERE, SERVERS
from tests.forge.openapi import GITHUB_JSON, sliced
from tests.support.installation import NotInstalled


def test_every_server_is_pinned_and_locked_without_a_host() -> None:
    wanted = json.loads((HERE / SERVERS / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    locked = json.loads((HERE / SERVERS / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    for name, package in locked.items():
        assert "resolved" not in package
        assert not name or "integrity" in package or package.get("inBundle")
    node = (HERE / SERVERS / "node.txt").read_text()
    assert "://" not in node
    assert re.match(r"[\w-]+==22\.\d+\.\d+ ", node)
    assert "--hash=sha256:" in node


def test_servers_that_cannot_be_installed_are_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no index >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    monkeypatch.setenv("MAWEP_FORGE_SERVERS", str(tmp_path / "servers"))
    with pytest.raises(NotInstalled, match="no index"):
        FORGE.install()
    assert [path.name for path in tmp_path.iterdir()] == ["python"]


def test_a_slice_has_what_it_refers_to_and_nothing_else() -> None:
    def content(schema: str) -> dict[str, object]:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}

    def operation(schema: str) -> dict[str, object]:
        return {"get": {"responses": {"200": {"content": content(schema)}}}}

    whole = {
        "openapi": "3.0.3",
        "paths": {"/user": operation("user"), "/gists": operation("gist")},
        "components": {
            "schemas": {
                "user": {"properties": {"plan": {"$ref": "#/components/schemas/plan"}}},
                "plan": {"type": "string"},
                "gist": {"type": "string"},
            }
        },
    }
    cut = sliced(whole)
    assert list(cut["paths"]) == ["/user"]
    assert sorted(cut["components"]["schemas"]) == ["plan", "user"]
    assert GITHUB_JSON in cut["paths"]["/user"]["get"]["responses"]["200"]["content"]
