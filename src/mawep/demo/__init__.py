"""The demonstration: a small real project, a sprint of five issues, and a script for the agent of each."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from mawep.errors import GitError, InfrastructureError, UsageError

HERE = Path(__file__).parent
PARTS = ("issues", "scripts", "mawep.yaml")
DERIVED = shutil.ignore_patterns("__pycache__")
IDENTITY = ("-c", "user.name=A Person", "-c", "user.email=person@example.org", "-c", "commit.gpgSign=false")


def create(directory: Path) -> Path:
    """Make the project in `directory`, new or empty: a repository with one commit on `main`.

    The issues, the scripts and the configuration are part of that commit. Returns the absolute path.
    UsageError if there is something in `directory` already, GitError or InfrastructureError if git refuses
    or is missing.
    """
    directory = directory.absolute()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(
            f"{directory} is not an empty directory", next_step="name a directory that does not exist yet"
        )
    shutil.copytree(HERE / "project", directory, dirs_exist_ok=True, ignore=DERIVED)
    for part in PARTS:
        source, target = HERE / part, directory / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=DERIVED)
        else:
            shutil.copy(source, target)
    make_repository(directory, "feat: exact money and a ledger")
    return directory


def make_repository(directory: Path, message: str) -> None:
    """Make `directory` a repository with one commit on `main` that holds all its files.

    GitError or InfrastructureError if git refuses or is missing.
    """
    _git(directory, "init", "--quiet", "--initial-branch=main")
    _git(directory, "add", "--all")
    _git(directory, *IDENTITY, "commit", "--quiet", "--no-verify", "--message", message)


def _git(directory: Path, *arguments: str) -> None:
    command = ("git", *arguments)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    unread = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    try:
        completed = subprocess.run(
            command,
            cwd=directory,
            env=clean | unread,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as missing:
        raise InfrastructureError(
            "git is not installed", cause=str(missing), next_step="install git"
        ) from None
    if completed.returncode:
        raise GitError(command, completed.returncode, completed.stdout, completed.stderr)
