"""What can be known without asking: the branch, how a project is tested, where its issues are, which agent is here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mawep.adapters.git import Repository
from mawep.adapters.git_refs import list_refs
from mawep.adapters.git_remote import open_remote
from mawep.adapters.git_worktrees import list_worktrees
from mawep.cli.agents_here import agents_here
from mawep.errors import UsageError
from mawep.trackers.credentials import place_of

ISSUE_FOLDERS = ("issues", "docs/issues", ".issues")


async def discover(repository: Repository, folder: Path, environ: Mapping[str, str]) -> dict[str, object]:
    """The keys of a configuration that can be known, by dotted name; paths are relative to `folder`."""
    found: dict[str, object] = {}
    top = repository.work_tree or folder
    if branch := await _branch(repository):
        found["orchestrator.target_branch"] = branch
    for name in ISSUE_FOLDERS:
        if (folder / name).is_dir():
            found["issues.path"] = name
            break
    if on_github := await _on_github(repository):
        found["github.repository"] = on_github
        if "issues.path" not in found:
            found["issues.tracker"] = "github"
    if command := _test_command(top):
        found["verify.commands"] = [command]
    for inputs, command in _SETUPS:
        if (top / inputs).is_file():
            found["workspace.setup"] = [command]
            found["workspace.setup_inputs"] = [inputs]
            break
    found |= _agent(environ)
    return found


async def _on_github(repository: Repository) -> str | None:
    """`owner/name` when the remote is on github.com."""
    try:
        place = place_of((await open_remote(repository, "origin")).url)
    except UsageError:
        return None
    return place[1] if place and place[0] in {"github.com", "www.github.com", "ssh.github.com"} else None


def _agent(environ: Mapping[str, str]) -> dict[str, object]:
    """The first agent that is installed, with what it can sign in with: a key that is set, else its login."""
    here = next((one for one in agents_here(environ) if one.usable), None)
    if here is None:
        return {}
    found: dict[str, object] = {"agents.runtime": here.name}
    if here.keys:
        found["agents.env"] = list(here.keys)
    elif here.logins:
        found["agents.credentials"] = [f"~/{file}" for file in here.logins]
    return found


async def _branch(repository: Repository) -> str | None:
    """The branch that is checked out where we are, else main or master."""
    for tree in list_worktrees(repository):
        if tree.path == repository.work_tree and tree.branch:
            return tree.branch.removeprefix("refs/heads/")
    heads = await list_refs(repository, "refs/heads/")
    return next((name for name in ("main", "master") if f"refs/heads/{name}" in heads), None)


_SETUPS = (("package-lock.json", "npm ci"), ("pnpm-lock.yaml", "pnpm install --frozen-lockfile"))


def _test_command(top: Path) -> str | None:
    return next(_test_commands(top), None)


def _test_commands(top: Path) -> Iterator[str]:
    """How the project is tested, the surest sign first."""
    if re.search(r"^test\s*:", _read(top / "Makefile"), re.MULTILINE):
        yield "make test"
    if (top / "Cargo.toml").is_file():
        yield "cargo test"
    if (top / "go.mod").is_file():
        yield "go test ./..."
    if "test" in _npm_scripts(top):
        yield "npm test"
    configured = (top / "pytest.ini").is_file() or "[tool.pytest" in _read(top / "pyproject.toml")
    configured = configured or "[tool:pytest]" in _read(top / "setup.cfg")
    tests = [path for place in ("tests", "test", ".") for path in sorted((top / place).glob("test_*.py"))]
    if configured or any(re.search(r"^\s*(import|from) pytest", _read(path), re.MULTILINE) for path in tests):
        yield "python3 -m pytest -q"
    if any("unittest" in _read(path) for path in tests):
        yield "python3 -m unittest -q"
    if tests:
        yield "python3 -m pytest -q"


def _npm_scripts(top: Path) -> dict[str, object]:
    try:
        scripts = json.loads(_read(top / "package.json") or "{}").get("scripts")
    except (ValueError, AttributeError):
        return {}
    return scripts if isinstance(scripts, dict) else {}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
