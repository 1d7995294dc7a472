"""What preflight has to know about a repository, collected in one call; nothing is decided here."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.git import Repository, Sha, effective_settings, git_version, is_true
from mawep.adapters.git_checkout import checkouts_of
from mawep.adapters.git_objects import SUBMODULE, Entry, list_tree, read_blob
from mawep.adapters.git_refs import read_ref
from mawep.adapters.git_worktrees import Listed

_FILTER = re.compile(r"\sfilter=(?P<name>\S+)")
_MERGE = re.compile(r"\smerge=(?P<name>\S+)")
_BUILT_IN_MERGES = frozenset({"text", "binary", "union"})


@dataclass(frozen=True)
class Facts:
    """One look at a repository and one of its branches.

    `commit` is the branch's head, None when the branch does not exist; `unborn` says that HEAD names a branch
    without commits. `filters` and `merge_drivers` are those that attributes of the commit or of the repository
    ask for; `configured_drivers` are the settings that name a program for one (`filter.lfs.clean`).
    `case_collisions` lists groups of paths that differ only in case. `checkouts` are the work trees on the
    branch, `hidden` the files there that their index tells git not to look at (sparse, assume-unchanged).
    """

    git_version: tuple[int, ...]
    object_format: str
    ref_format: str
    bare: bool
    unborn: bool
    shallow: bool
    partial_clone: bool
    commit: Sha | None
    submodules: tuple[str, ...]
    filters: tuple[str, ...]
    merge_drivers: tuple[str, ...]
    configured_drivers: tuple[str, ...]
    signing_required: bool
    ignores_case: bool
    case_collisions: tuple[tuple[str, ...], ...]
    replaced_objects: bool
    checkouts: tuple[Listed, ...]
    hidden: tuple[str, ...]

    @property
    def lfs(self) -> bool:
        """True when files of the commit are kept in Git LFS."""
        return "lfs" in self.filters


async def inspect(repository: Repository, branch: str) -> Facts:
    """Collect the facts about the repository and its branch `branch` (full ref). Raises GitError."""
    settings = await effective_settings(repository.common_dir)
    commit = await read_ref(repository, branch)
    entries = await list_tree(repository, commit) if commit else ()
    attributes = await _attributes(repository, entries)
    head = await repository.call("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    checkouts = checkouts_of(repository, branch)
    replaced = await repository.run("for-each-ref", "--count=1", "refs/replace/")
    return Facts(
        git_version=await git_version(),
        object_format=repository.object_format,
        ref_format=settings.get("extensions.refstorage", ("files",))[-1],
        bare=repository.main_work_tree is None,
        unborn=head.code != 0,
        shallow=(repository.common_dir / "shallow").exists(),
        partial_clone=_is_partial(settings),
        commit=commit,
        submodules=tuple(entry.path for entry in entries if entry.mode == SUBMODULE),
        filters=_named(_FILTER, attributes),
        merge_drivers=tuple(name for name in _named(_MERGE, attributes) if name not in _BUILT_IN_MERGES),
        configured_drivers=tuple(sorted(key for key in settings if _names_a_program(key))),
        signing_required=is_true(settings.get("commit.gpgsign", ("",))[-1]),
        ignores_case=is_true(settings.get("core.ignorecase", ("",))[-1]),
        case_collisions=_collisions(entry.path for entry in entries),
        replaced_objects=bool(replaced),
        checkouts=checkouts,
        hidden=tuple([path for tree in checkouts for path in await _hidden(repository, tree)]),
    )


async def _hidden(repository: Repository, tree: Listed) -> list[str]:
    """Files of the work tree whose index entry is marked skip-worktree (S) or assume-unchanged (lower case)."""
    listed = await repository.worktree(tree.path, tree.name).run("ls-files", "-v", "-z")
    lines = listed.decode("utf-8", "surrogateescape").split("\0")[:-1]
    return [line[2:] for line in lines if line[0] == "S" or line[0].islower()]


async def _attributes(repository: Repository, entries: Iterable[Entry]) -> str:
    """The text of every attributes file that git would apply to the commit."""
    files = [entry.sha for entry in entries if entry.path.rpartition("/")[2] == ".gitattributes"]
    texts = [(await read_blob(repository, sha)).decode(errors="replace") for sha in files]
    return "\n".join([_read(repository.common_dir / "info" / "attributes"), *texts])


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _named(pattern: re.Pattern[str], attributes: str) -> tuple[str, ...]:
    lines = (line for line in attributes.splitlines() if not line.lstrip().startswith("#"))
    return tuple(sorted({match["name"] for line in lines for match in pattern.finditer(line)}))


def _collisions(paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of files or directories that are one on a file system that ignores case."""
    spellings: defaultdict[str, set[str]] = defaultdict(set)
    for path in paths:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            prefix = "/".join(parts[:depth])
            spellings[prefix.casefold()].add(prefix)
    return tuple(tuple(sorted(group)) for group in spellings.values() if len(group) > 1)


def _is_partial(settings: Mapping[str, tuple[str, ...]]) -> bool:
    return "extensions.partialclone" in settings or any(
        key.startswith("remote.") and key.endswith(".promisor") for key in settings
    )


def _names_a_program(key: str) -> bool:
    section, _, rest = key.partition(".")
    return (section == "filter" and rest.rpartition(".")[2] in {"clean", "smudge", "process"}) or (
        section == "merge" and rest.endswith(".driver")
    )
