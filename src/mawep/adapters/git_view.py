"""Builds the view: a private skeleton that shows a repository's objects and refs, but not its configuration.

Git takes configuration, attributes, hooks and grafts from the common directory. With `GIT_COMMON_DIR` set to
the view it finds ours: harmless settings only, no drivers, no hooks, no `config.worktree`.
Objects, refs, reflogs and worktree entries are symbolic links to the real ones, so locks are the real locks.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

LINKED = ("objects", "refs", "packed-refs", "logs", "worktrees", "shallow")

KEPT = (
    "core.filemode",
    "core.symlinks",
    "core.ignorecase",
    "core.precomposeunicode",
    "core.autocrlf",
    "core.eol",
    "core.excludesfile",
    "core.sharedrepository",
    "core.trustctime",
    "core.checkstat",
    "core.bigfilethreshold",
)
"""Settings that describe the files and run nothing; every other setting of the repository is left out."""

ATTRIBUTES = "* !filter !diff !merge !conflict-marker-size\n"
"""Wins over any attributes file in a tree or where git happens to run: even a bare merge reads those there."""


def make_view(common_dir: Path, settings: Mapping[str, str], object_format: str) -> Path:
    """Make or refresh `<common_dir>/mawep/view` and return it; safe beside other processes doing the same."""
    home = common_dir / "mawep"
    home.mkdir(mode=0o700, exist_ok=True)
    view = home / "view"
    (view / "info").mkdir(parents=True, exist_ok=True)
    empty(view).mkdir(mode=0o500, exist_ok=True)
    for name in LINKED:
        _link(view / name, Path("../..") / name)
    _link(view / "info" / "exclude", Path("../../../info/exclude"))
    (common_dir / "logs").mkdir(exist_ok=True)
    _write(view / "info" / "attributes", ATTRIBUTES)
    _write(view / "config", _config(settings, object_format))
    _write(view / "HEAD", "ref: refs/heads/mawep-none\n")
    return view


def empty(view: Path) -> Path:
    """The empty directory in which git runs when it has no work tree."""
    return view / "empty"


def _config(settings: Mapping[str, str], object_format: str) -> str:
    """The view's configuration file."""
    lines = ["[core]", "\tbare = true", f"\trepositoryformatversion = {0 if object_format == 'sha1' else 1}"]
    lines += [f"\t{key.partition('.')[2]} = {_quoted(settings[key])}" for key in KEPT if key in settings]
    if object_format != "sha1":
        lines += ["[extensions]", f"\tobjectFormat = {object_format}"]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _link(path: Path, target: Path) -> None:
    try:
        path.symlink_to(target)
    except FileExistsError:
        # Only a link of ours is accepted: a real directory here would hide the repository's own.
        if path.readlink() != target:
            raise


def _write(path: Path, text: str) -> None:
    """Replace the file at once, and only when it differs."""
    if path.is_file() and path.read_text() == text:
        return
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    Path(name).replace(path)
