"""Before a run: can this machine and this repository carry it? Everything that stands in the way, at once.

Nothing is touched. What git would do differently than a person expects (missing objects, filters, replaced
objects, signatures) is refused rather than half supported.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.git import Repository
from mawep.adapters.git_inspect import Facts, inspect
from mawep.adapters.git_objects import list_tree
from mawep.adapters.git_refs import list_refs
from mawep.adapters.git_worktrees import Listed
from mawep.core.claims import covers
from mawep.core.model import Number, Sha

HEADS = "refs/heads/"
SHOWN = 10
"""So many names are told in one problem."""

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_PROGRAM = re.compile(r"[\w./+-]+")
_OF_THE_SHELL = re.compile(
    r"\.|alias|bg|break|case|cd|command|continue|echo|eval|exec|exit|export|false|fc|fg|for|function|getopts|hash|if"
    r"|jobs|kill|printf|pwd|read|readonly|return|set|shift|test|time|times|trap|true|type|ulimit|umask|unalias|unset"
    r"|until|wait|while"
)
"""Words that a shell knows by itself; `_PROGRAM` leaves out those of other characters, such as `[`."""


@dataclass(frozen=True)
class Needs:
    """What a run will need.

    `target` is a branch name, `ref` the ref that says where it is. `setup`, `gate` and `scopes` are shell commands;
    `agents` are the agents' commands with their arguments, by the key that says them; `scripts` is where a script for
    each of `issues` must lie, None when none is needed. `provided` are paths that are linked or copied into every
    worktree, `search_path` is PATH as programs will see it. `disk_floor_gb` is in 10⁹ bytes. `goes_along`: checkouts
    of the target are brought up to date by landing.
    """

    target: str
    ref: str
    worktree_base: Path
    disk_floor_gb: float
    setup: tuple[str, ...]
    provided: tuple[str, ...]
    gate: tuple[str, ...]
    agents: Mapping[str, tuple[str, ...]]
    scripts: Path | None
    issues: tuple[Number, ...]
    search_path: str
    scopes: tuple[str, ...] = ()
    goes_along: bool = True


@dataclass(frozen=True)
class Findings:
    """What preflight found: `problems` forbid a start, `warnings` are to be shown."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()


async def preflight(repository: Repository | None, needs: Needs) -> Findings:
    """Look at everything that a run needs. `repository` is None when it could not be opened at all.

    Raises:
        GitError: git itself failed at looking.
    """
    base = needs.worktree_base
    problems = [*_writable(base), *_programs(needs), *_scripts(needs)]
    if repository is None:
        return Findings((*problems, *_room(needs, base)))
    facts = await inspect(repository, needs.ref)
    problems += _room(needs, base, repository.common_dir)
    problems += _repository(facts)
    problems += [problem async for problem in _target(repository, facts, needs)]
    problems += _base(base, repository)
    if facts.commit is not None:
        for key, command in needs.agents.items():
            problems += [problem async for problem in _agent(repository, facts.commit, needs, key, command)]
    checkout = repository.work_tree
    warning = (
        f"the worktree base {base} is inside {checkout}: tools that climb directories see both"
        if checkout and base.resolve().is_relative_to(checkout.resolve())
        else ""
    )
    return Findings(tuple(problems), (warning,) if warning else ())


def _repository(facts: Facts) -> Iterator[str]:
    if facts.shallow:
        yield "the repository is a shallow clone; complete it with `git fetch --unshallow`"
    if facts.partial_clone:
        yield "the repository is a partial clone, and MAWEP does not fetch what is missing; clone it in full"
    if facts.ref_format != "files":
        yield f"the repository keeps refs as {facts.ref_format}, which is not supported; clone it with refs as files"
    if facts.submodules:
        yield f"submodules are not supported yet: {_some(facts.submodules)}; choose a target branch without them"
    if facts.lfs:
        yield "files in Git LFS are not supported yet; choose a target branch without them"
    for name in facts.filters:
        if name != "lfs" and any(key.startswith(f"filter.{name}.") for key in facts.configured_drivers):
            yield f"the filter `{name}` changes files on checkout, which is not supported; take it off .gitattributes"
    if facts.signing_required:
        yield (
            "git is told to sign every commit, which MAWEP does not do; "
            "if unsigned commits are fine in this repository, say `git config commit.gpgSign false` in it"
        )
    if facts.replaced_objects:
        yield "objects are replaced (refs/replace), so that you and MAWEP would see different files; work in a clone"
    if facts.ignores_case and facts.case_collisions:
        groups = [" and ".join(group) for group in facts.case_collisions]
        yield f"paths differ only in case, on a disk that ignores case: {_some(groups)}; rename all but one"


async def _target(repository: Repository, facts: Facts, needs: Needs) -> AsyncIterator[str]:
    target = needs.target
    if facts.commit is None and needs.ref.startswith(HEADS):
        heads = await list_refs(repository, HEADS)
        known = ", ".join(f"`{ref.removeprefix(HEADS)}`" for ref in list(heads)[:SHOWN])
        others = f", or set `orchestrator.target_branch` to one that does ({known})" if known else ""
        yield f"the target branch `{target}` does not exist; make it{others}"
    for checkout in facts.checkouts if needs.goes_along else ():
        if checkout.under_way:
            yield f"a {checkout.under_way} is under way in {checkout.path}, which is on `{target}`; finish or abort it"
        elif changed := await _changed(repository, checkout):
            yield (
                f"{checkout.path} is on `{target}` and is not clean: {_some(changed)}; "
                "commit or stash these changes, as landing brings that checkout up to date"
            )
    if facts.hidden:
        yield (
            f"git is told not to look at files that are checked out (sparse, assume-unchanged): {_some(facts.hidden)}; "
            f"take the mark off them, or check out another branch than `{target}`"
        )


async def _changed(repository: Repository, checkout: Listed) -> list[str]:
    """Tracked files of the checkout that differ from its commit, staged or not."""
    tree = repository.worktree(checkout.path, checkout.name)
    output = await tree.run("status", "--porcelain", "-z", "--untracked-files=no", "--no-renames")
    return [line[3:] for line in output.decode("utf-8", "surrogateescape").split("\0")[:-1]]


async def _agent(
    repository: Repository, commit: Sha, needs: Needs, key: str, command: Sequence[str]
) -> AsyncIterator[str]:
    """A program that is named by a path in the worktree has to be in every worktree."""
    program = _program_of(command)
    if program is None or "/" not in program or program.startswith("/") or needs.setup:
        return
    path = os.path.normpath(program)
    if path.startswith("..") or any(covers(provided, path) for provided in needs.provided):
        return
    if not await list_tree(repository, commit, path):
        yield (
            f"`{key}`: `{program}` is not on `{needs.target}`, so that no worktree has it; "
            "commit it, or write its full path"
        )


def _base(base: Path, repository: Repository) -> Iterator[str]:
    """Worktrees inside another repository would be taken for a part of it by tools that climb directories."""
    elsewhere = "set `orchestrator.worktree_base` to another place"
    resolved = base.resolve()
    if resolved.is_relative_to(repository.common_dir):
        yield f"the worktree base {base} is inside the git directory; {elsewhere}"
        return
    around = next((place for place in (resolved, *resolved.parents) if _is_repository(place)), None)
    if around is None:
        return
    if around == resolved:
        yield f"the worktree base {base} is itself a repository or a checkout of one; {elsewhere}"
    elif repository.work_tree is None or around != repository.work_tree.resolve():
        yield (
            f"the worktree base {base} is inside another repository, {around}; "
            "set `orchestrator.worktree_base` to a place outside of it"
        )


def _is_repository(place: Path) -> bool:
    return (place / ".git").exists() or all((place / part).exists() for part in ("HEAD", "objects", "refs"))


def _writable(base: Path) -> Iterator[str]:
    place = _existing(base)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        yield f"the worktree base {base} cannot be made in {place}; set `orchestrator.worktree_base` to another place"


def _room(needs: Needs, *places: Path) -> Iterator[str]:
    disks: dict[int, Path] = {}
    for place in map(_existing, places):
        disks.setdefault(place.stat().st_dev, place)
    for place in disks.values():
        free = shutil.disk_usage(place).free / 1e9
        if free < needs.disk_floor_gb:
            yield (
                f"not enough disk: {free:.1f} GB are free at {place}, "
                f"below `workspace.disk_floor_gb`, which is {needs.disk_floor_gb:g}; make room"
            )


def _existing(path: Path) -> Path:
    """`path`, or what exists of the way to it."""
    return next(place for place in (path, *path.parents) if place.exists())


def _programs(needs: Needs) -> Iterator[str]:
    commands: list[tuple[str, Sequence[str]]] = [*needs.agents.items()]
    commands += [("verify.commands", ("sh", "-c", command)) for command in needs.gate]
    commands += [("verify.scopes", ("sh", "-c", command)) for command in needs.scopes]
    commands += [("workspace.setup", ("sh", "-c", command)) for command in needs.setup]
    for key, command in commands:
        program = _program_of(command)
        if program is None or ("/" in program and not program.startswith("/")):
            continue
        if shutil.which(program, path=needs.search_path) is None:
            yield f"`{key}`: there is no program `{program}`; install it, or correct the command"


def _program_of(command: Sequence[str]) -> str | None:
    """The program that a command starts; None when there is none or only a shell could tell."""
    words = list(command[:1])
    if tuple(command[:2]) == ("sh", "-c"):
        try:
            words = shlex.split(command[2], comments=True)
        except ValueError:
            return None
    word = next((word for word in words if not _ASSIGNMENT.fullmatch(word)), "")
    return word if _PROGRAM.fullmatch(word) and not _OF_THE_SHELL.fullmatch(word) else None


def _scripts(needs: Needs) -> Iterator[str]:
    if needs.scripts is None:
        return
    names = [f"{number}.yaml" for number in needs.issues]
    missing = [name for name in names if not (needs.scripts / name).is_file()]
    if missing:
        yield f"scripts are missing in {needs.scripts} (`agents.script_dir`): {_some(missing)}; write them"


def _some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
