"""Small real repositories for tests: fixed identity and dates, nothing of the user's own settings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

IDENTITY = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_AUTHOR_DATE": "@1750000000 +0000",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
    "GIT_COMMITTER_DATE": "@1750000000 +0000",
}


def git(path: Path, *args: str, input: bytes | None = None, check: bool = True) -> str:
    """Run plain git, as a user would, in `path`; return stdout without the last newline.

    The repository's own configuration, hooks and drivers are in force; the user's and the system's are not.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **IDENTITY,
    }
    done = subprocess.run(
        ["git", *args], cwd=path, env=environment, input=input, capture_output=True, check=False
    )
    if check and done.returncode != 0:
        raise AssertionError(f"git {' '.join(args)} exited {done.returncode}: {done.stderr.decode()}")
    return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")


def make_repository(
    path: Path,
    files: Mapping[str, str | bytes] | None = None,
    *,
    branch: str = "main",
    bare: bool = False,
) -> Path:
    """Make a repository at `path` with one commit of `files` (default: a README) and return `path`."""
    path.mkdir(parents=True, exist_ok=True)
    git(path, "init", "--quiet", f"--initial-branch={branch}", *(["--bare"] if bare else []))
    if not bare:
        commit(path, files or {"README.md": "hello\n"}, "first")
    return path


def commit(path: Path, files: Mapping[str, str | bytes | None], message: str = "change") -> str:
    """Write `files` (None removes one), commit exactly those, and return the commit."""
    for name, content in files.items():
        if content is None:
            (path / name).unlink()
        else:
            write(path / name, content)
    git(path, "--literal-pathspecs", "add", "--force", "--", *files)
    git(path, "commit", "--quiet", "--allow-empty", "-m", message)
    return head(path)


def write(path: Path, content: str | bytes) -> Path:
    """Write a file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def branch(path: Path, name: str, files: Mapping[str, str | bytes | None], message: str = "change") -> str:
    """Commit `files` on a new branch made from HEAD, go back to where HEAD was, and return the commit."""
    back = git(path, "symbolic-ref", "--short", "HEAD")
    git(path, "switch", "--quiet", "-c", name)
    made = commit(path, files, message)
    git(path, "switch", "--quiet", back)
    return made


def head(path: Path, revision: str = "HEAD") -> str:
    """The commit that `revision` names."""
    return git(path, "rev-parse", "--verify", f"{revision}^{{commit}}")
