"""A git directory of an agent's own: its own objects over the repository's, which it can only read, and its own refs.

What an agent writes into a repository's git directory is believed by every git that comes after it. So it gets a
skeleton, made anew by us for each process, with the settings that describe files and none that run anything. What
it commits there is brought into the repository by `private_collect`, checked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mawep.adapters.fences import LANDLOCK
from mawep.adapters.git import Repository
from mawep.adapters.git_objects import Identity
from mawep.adapters.git_refs import list_refs
from mawep.adapters.sandbox import Mount
from mawep.core.model import Sha, Value
from mawep.stages.workspace import layout
from mawep.stages.workspace.places import Places
from mawep.stages.workspace.registry import Kind, Record, Registry
from mawep.stages.workspace.trash import Trash

_SHARED_REFS = ("refs/heads/", "refs/tags/", "refs/remotes/")
_MOST_ALTERNATES = 5


class Made(Value, frozen=True):
    """What we know of a skeleton, kept where its agent cannot see it.

    `kind` are the walls that it was made for, `head` is where its branch was when we last looked.
    """

    kind: str
    head: Sha


@dataclass(frozen=True)
class PrivateGit:
    """What walls have to do with a skeleton: `git` is written, `fixed` in it not, `borrowed` are object stores.

    `pointer` is laid over the worktree's `.git`.
    """

    git: Path
    pointer: Mount
    fixed: tuple[Path, ...]
    borrowed: tuple[Path, ...]


class Private:
    """Makes the skeletons of one repository."""

    def __init__(self, repository: Repository, places: Places, registry: Registry, trash: Trash) -> None:
        self._repository = repository
        self._places = places
        self._registry = registry
        self._trash = trash

    def git_of(self, name: str) -> Path:
        """The git directory of that tree's own."""
        return self._places.private / name / "git"

    def made(self, name: str) -> Made | None:
        """What is known of the skeleton; None when there is none, or one that is half made."""
        try:
            return msgspec.json.decode(self._note(name).read_bytes(), type=Made)
        except (OSError, msgspec.MsgspecError):
            return None

    def note(self, name: str, made: Made) -> None:
        """Keep what is known of a skeleton."""
        draft = self._note(name).with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(made))
        draft.replace(self._note(name))

    def _note(self, name: str) -> Path:
        return self._places.private / name / "made.json"

    async def make(
        self, record: Record, head: Sha, kind: str, *, indexed: bool, identity: Identity | None = None
    ) -> PrivateGit:
        """A fresh skeleton at `head` for the tree of `record`; whatever was there is thrown away.

        `indexed` says that our own index of the tree is at `head`. Without an identity it is for commands that
        nobody collects from, and may change everything in it. Raises GitError.
        """
        name, git = record.name, self.git_of(record.name)
        self.remove(name)
        for directory in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "hooks", "info", "logs"):
            (git / directory).mkdir(parents=True, mode=0o700)
        borrowed = self.stores()
        (git / "objects/info/alternates").write_text(f"{borrowed[0]}\n")
        (git / "config").write_text(self._config(identity))
        (git / "info/exclude").write_text(self._excluded())
        (git / "packed-refs").write_text(await self._refs())
        branch = f"refs/heads/{record.branch}" if record.branch else ""
        if branch:
            (git / branch).parent.mkdir(parents=True, exist_ok=True)
            (git / branch).write_text(f"{head}\n")
        (git / "HEAD").write_text(f"ref: {branch}\n" if branch else f"{head}\n")
        await self._index(record, head, git / "index", indexed=indexed)
        pointer = git.with_name("pointer")
        pointer.write_text(f"gitdir: {git}\n")
        self.note(name, Made(kind, head))
        if kind == LANDLOCK:  # which lays nothing over anything
            layout.point(Path(record.path), git)
        return PrivateGit(
            git=git,
            pointer=Mount(pointer, Path(record.path) / ".git"),
            fixed=(git / "config", git / "hooks", git / "objects/info") if identity else (),
            borrowed=borrowed,
        )

    def stores(self) -> tuple[Path, ...]:
        """The repository's object store, and those that it borrows from itself."""
        return _stores(self._repository.common_dir / "objects")

    def remove(self, name: str) -> None:
        """Throw the skeleton away; one that is not there is fine."""
        self._trash.throw(self._places.private / name)

    def _config(self, identity: Identity | None) -> str:
        """The settings of the view, which run nothing, for a repository with a work tree."""
        view = (self._repository.view / "config").read_text()
        lines = [view.replace("\tbare = true\n", "\tbare = false\n").rstrip("\n")]
        if identity is not None:
            lines += ["[user]", f"\tname = {_plain(identity.name)}", f"\temail = {_plain(identity.email)}"]
        lines += [
            "[core]",
            "\tlogAllRefUpdates = true",
            "[gc]",
            "\tauto = 0",
            "[maintenance]",
            "\tauto = false",
        ]
        return "\n".join([*lines, "[commit]", "\tgpgSign = false", ""])

    def _excluded(self) -> str:
        """What the repository and its user ignore everywhere: the user's own file is not seen inside."""
        files = [self._repository.common_dir / "info" / "exclude", self._excludes_file()]
        texts = [file.read_text(errors="surrogateescape") for file in files if file and file.is_file()]
        return "\n".join(texts).encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def _excludes_file(self) -> Path | None:
        for line in (self._repository.view / "config").read_text().splitlines():
            key, _, value = line.partition(" = ")
            if key.strip() == "excludesfile":
                return Path(value.strip('"')).expanduser()
        return None

    async def _refs(self) -> str:
        """Branches, tags and what was fetched, packed; but for the branches of attempts that are there now."""
        hidden = {
            f"refs/heads/{record.branch}" for record in self._registry.all() if record.kind is Kind.ATTEMPT
        }
        refs = await list_refs(self._repository, *_SHARED_REFS)
        return "".join(f"{sha} {ref}\n" for ref, sha in sorted(refs.items()) if ref not in hidden)

    async def _index(self, record: Record, head: Sha, target: Path, *, indexed: bool) -> None:
        """Our own index of the tree, brought to `head`: what it knows of the files' times makes `status` fast."""
        known = self._registry.index(record.name)
        if known.exists():
            layout.copy_index(known, target)
        if not indexed or not known.exists():
            merge = ("-m", "-i") if known.exists() else ()
            door = self._repository.worktree(Path(record.path), None)
            await door.run("read-tree", *merge, head, index=target)


def _stores(objects: Path) -> tuple[Path, ...]:
    pending, seen = [objects], list[Path]()
    while pending and len(seen) <= _MOST_ALTERNATES:
        store = pending.pop(0)
        if store in seen or not store.is_dir():
            continue
        seen.append(store)
        alternates = store / "info" / "alternates"
        if alternates.is_file():
            lines = alternates.read_text(errors="surrogateescape").splitlines()
            named = (line for line in lines if line and not line.startswith("#"))
            pending += [Path(os.path.normpath(store / line)) for line in named]
    return tuple(seen)


def _plain(text: str) -> str:
    """A value that needs no quotes in a configuration file."""
    return "".join(char for char in text if char.isalnum() or char in "-_@. ")
