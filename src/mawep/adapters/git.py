"""The door to git: every host git command of MAWEP passes here, with nothing of the repository able to run.

What a repository, its work trees or the user's settings could make git execute or read (hooks, fsmonitor,
filters, diff and merge drivers, aliases, pagers, credential helpers, replace refs, `config.worktree`,
attributes) is out of reach: git sees the repository through a view (`git_view`) and a fixed set of settings and
environment variables. A nested repository that an agent made is never entered.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from mawep.adapters.finishing import finished
from mawep.adapters.git_process import MARK, Completed, execute, owner_mark
from mawep.adapters.git_resident import Answer, NoAnswerError, Read, Resident, read_from
from mawep.adapters.git_view import empty, make_view
from mawep.errors import GitError, UsageError

Sha = str
"""A git object name in hexadecimal."""

OLDEST_GIT = (2, 38)

_HARDENED = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.untrackedCache=false",
    "core.pager=cat",
    "core.editor=:",
    "core.askPass=",
    "core.safecrlf=false",
    "core.commitGraph=false",  # a file beside the objects that could lie about who is whose parent
    "core.logAllRefUpdates=true",
    "core.filesRefLockTimeout=5000",
    "core.packedRefsTimeout=5000",
    "protocol.ext.allow=never",
    "credential.helper=",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "submodule.recurse=false",
    "rerere.enabled=false",
    "merge.conflictStyle=zdiff3",
    "advice.detachedHead=false",
    "safe.directory=*",  # its point is that nothing of a foreign repository runs: here nothing of any does
)
HARDENED = tuple(part for setting in _HARDENED for part in ("-c", setting))
"""Settings of every git call; they win over any file."""

DURABLE = ("-c", "core.fsync=all", "-c", "core.fsyncMethod=fsync")
"""Settings of a call whose objects and refs must survive a power cut."""

_DESCENDS = frozenset({"status", "diff", "diff-files", "diff-index"})
_REFUSED = frozenset({"add", "commit", "stash", "submodule"})

_LOCKED = re.compile(rb"Unable to create '(?P<path>.+\.lock)': File exists")


class LockHeldError(GitError):
    """Another git holds the lock file `path`; the command changed nothing and can be repeated."""

    def __init__(self, command: tuple[str, ...], done: Completed, path: Path) -> None:
        super().__init__(command, done.code, done.stdout, done.stderr)
        self.path = path
        # Git's own words end with the advice to remove the file, which is how an index gets lost.
        self.cause = f"{path} exists"
        self.next_step = f"let the git command that holds {path} finish"


class NotStartedError(GitError):
    """git could not be started where it was to run; it did nothing."""

    def __init__(self, command: tuple[str, ...], where: Path, error: OSError) -> None:
        super().__init__(command, 127, b"", str(error).encode())
        self.what = f"git {command[1]} cannot be started in {where}"
        self.next_step = "see that the directory is there and git is on PATH, then resume"


class Door:
    """A place to run git: a git directory seen through the view, with or without a work tree."""

    def __init__(
        self,
        common_dir: Path,
        view: Path,
        git_dir: Path,
        *,
        tree: Path | None = None,
        index: Path | None = None,
    ) -> None:
        self.common_dir = common_dir
        self.view = view
        self.git_dir = git_dir
        self._tree = tree
        self._index = index
        self._environment = {**_host_environment(common_dir, view), "GIT_COMMON_DIR": str(view)}

    async def run(
        self,
        *args: str,
        input: bytes | None = None,
        check: bool = True,
        fsync: bool = False,
        cwd: Path | None = None,
        index: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run `git args` and return its stdout.

        `fsync` makes everything written durable; `index` is used instead of the door's own; `env` is added.
        Raises LockHeldError or GitError when it exits non-zero and `check` is true, and NotStartedError.
        """
        done = await self.call(*args, input=input, fsync=fsync, cwd=cwd, index=index, env=env)
        if check and done.code != 0:
            raise failure(("git", *args), done)
        return done.stdout

    async def call(
        self,
        *args: str,
        input: bytes | None = None,
        fsync: bool = False,
        cwd: Path | None = None,
        index: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run `git args` and return its exit code and outputs, whatever they are.

        Raises NotStartedError.
        """
        argv, environment, where = self._invocation(args, fsync=fsync, cwd=cwd, index=index, env=env)
        try:
            return await execute(argv, env=environment, cwd=where, stdin=input)
        except OSError as error:
            raise NotStartedError(("git", *args), where, error) from error

    def _invocation(
        self,
        args: Sequence[str],
        *,
        fsync: bool = False,
        cwd: Path | None = None,
        index: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> tuple[list[str], dict[str, str], Path]:
        """Command line, environment and directory of a git here."""
        place = ["git", f"--git-dir={self.git_dir}"]
        if self._tree is not None:
            place.append(f"--work-tree={self._tree}")
        environment = {**self._environment, **(env or {})}
        if chosen := index or self._index:
            environment["GIT_INDEX_FILE"] = str(chosen)
        argv = [*place, *HARDENED, *(DURABLE if fsync else ()), *args]
        return argv, environment, cwd or self._tree or empty(self.view)

    async def ask(self, *args: str, question: bytes, read: Read[Answer], fsync: bool = False) -> Answer:
        """Put a question to `git args`, which reads questions from its stdin and answers them one by one.

        Raises LockHeldError or GitError when it ends without an answer, and NotStartedError.
        """
        done = await self.call(*args, input=question, fsync=fsync)
        if done.code != 0:
            raise failure(("git", *args), done)
        return await read_from(done.stdout, read)


class WorkTree(Door):
    """The door bound to one work tree; `name` is its entry under `worktrees/`, None for the main one.

    A link in the index to a nested repository would make git run another git inside it, with that repository's
    settings: commands that look into links are told not to, and those that cannot be told are refused. Who has
    made sure that an index holds no link may still go past this with `Door.call`.
    """

    def __init__(self, repository: Repository, path: Path, name: str | None) -> None:
        home = repository.common_dir
        super().__init__(home, repository.view, home / "worktrees" / name if name else home, tree=path)
        self.repository = repository
        self.path = path
        self.name = name

    async def call(
        self,
        *args: str,
        input: bytes | None = None,
        fsync: bool = False,
        cwd: Path | None = None,
        index: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run `git args` here, as `Door.call` does. Raises ValueError for a command that enters links."""
        command, *rest = args
        if command in _REFUSED:
            raise ValueError(f"git {command} enters nested repositories")
        if command in _DESCENDS:
            args = (command, "--ignore-submodules=all", *rest)
        return await super().call(*args, input=input, fsync=fsync, cwd=cwd, index=index, env=env)

    async def ask(self, *args: str, question: bytes, read: Read[Answer], fsync: bool = False) -> Answer:
        """As the repository does: what is asked this way is about objects and refs."""
        return await self.repository.ask(*args, question=question, read=read, fsync=fsync)


class Repository(Door):
    """The door to a repository's objects and refs; no command run here touches a work tree or its index.

    `work_tree` is the checkout it was found from, `main_work_tree` the first one; None where there is none.
    """

    def __init__(
        self,
        common_dir: Path,
        view: Path,
        *,
        work_tree: Path | None,
        main_work_tree: Path | None,
        object_format: str,
    ) -> None:
        # The index that git would find in the common directory is the one of the user's checkout.
        super().__init__(common_dir, view, common_dir, index=view / "index")
        self.work_tree = work_tree
        self.main_work_tree = main_work_tree
        self.object_format = object_format
        self.worktrees_lock = asyncio.Lock()
        self._residents: dict[tuple[str, ...], Resident] | None = None

    @asynccontextmanager
    async def resident(self) -> AsyncIterator[None]:
        """While this lasts, a git that was asked something stays for the next question."""
        self._residents = {}
        try:
            yield
        finally:
            residents, self._residents = self._residents, None
            await finished(asyncio.gather(*(resident.close() for resident in residents.values())))

    async def ask(self, *args: str, question: bytes, read: Read[Answer], fsync: bool = False) -> Answer:
        """As `Door.ask`, but by a process that stays, if there may be one."""
        if self._residents is None:
            return await super().ask(*args, question=question, read=read, fsync=fsync)
        argv, environment, where = self._invocation(args, fsync=fsync)
        resident = self._residents.setdefault(tuple(argv), Resident(argv, env=environment, cwd=where))
        try:
            return await resident.ask(question, read)
        except NoAnswerError as error:
            raise failure(("git", *args), error.done) from error
        except OSError as error:
            raise NotStartedError(("git", *args), where, error) from error

    @property
    def null(self) -> Sha:
        """The object name that means "does not exist"."""
        return "0" * (40 if self.object_format == "sha1" else 64)

    def worktree(self, path: Path, name: str | None) -> WorkTree:
        """The door bound to the work tree at `path` with the entry `name` (None: the main work tree)."""
        return WorkTree(self, path, name)


async def find_repository(path: Path) -> Repository:
    """Open the repository that `path` lies in.

    Raises UsageError when git is missing or too old, `path` is in no repository, or that has no commits.
    """
    await _require_git()
    found = await _discover(
        path,
        *("rev-parse", "--path-format=absolute"),
        *("--is-inside-work-tree", "--show-object-format", "--git-common-dir"),
    )
    inside, object_format, common = os.fsdecode(found).split("\n", 2)
    common_dir = Path(os.path.realpath(common.removesuffix("\n")))
    work_tree = None
    if inside == "true":
        top = await _discover(path, "rev-parse", "--path-format=absolute", "--show-toplevel")
        work_tree = Path(os.fsdecode(top).removesuffix("\n"))
    settings = {key: values[-1] for key, values in (await effective_settings(common_dir)).items()}
    try:
        view = make_view(common_dir, _with_excludes(settings), object_format)
    except OSError as error:
        next_step = "let this user write to the repository"
        raise UsageError(
            f"{common_dir}/mawep cannot be used", cause=str(error), next_step=next_step
        ) from error
    repository = Repository(
        common_dir,
        view,
        work_tree=work_tree,
        main_work_tree=_main_work_tree(common_dir, settings, work_tree),
        object_format=object_format,
    )
    if not await _has_commits(repository):
        next_step = "make a first commit on the target branch"
        raise UsageError(f"the repository {common_dir} has no commits", next_step=next_step)
    return repository


async def _has_commits(repository: Repository) -> bool:
    head = await repository.call("rev-parse", "--quiet", "--verify", "HEAD^{commit}")
    return head.code == 0 or bool(await repository.run("for-each-ref", "--count=1", "refs/heads/"))


def _main_work_tree(common_dir: Path, settings: Mapping[str, str], found: Path | None) -> Path | None:
    """Where the main work tree is, judged from the settings and the work tree that was found."""
    if is_true(settings.get("core.bare")):
        return None
    if configured := settings.get("core.worktree"):
        return Path(os.path.realpath(common_dir / configured))
    if common_dir.name == ".git":
        return common_dir.parent
    pointer = found / ".git" if found else None
    if pointer and pointer.is_file():
        target = pointer.read_text(errors="surrogateescape").removeprefix("gitdir: ").rstrip("\n")
        return found if os.path.realpath(pointer.parent / target) == str(common_dir) else None
    return None


async def effective_settings(common_dir: Path) -> dict[str, tuple[str, ...]]:
    """Every setting that the user's own git would see for this repository; listing them runs nothing."""
    environment = _environment(os.environ.get("HOME", "/"))
    if xdg := os.environ.get("XDG_CONFIG_HOME"):
        environment["XDG_CONFIG_HOME"] = xdg
    argv = ["git", f"--git-dir={common_dir}", "config", "--list", "-z"]
    done = await execute(argv, env=environment, cwd=common_dir)
    if done.code != 0:
        raise failure(("git", "config", "--list"), done)
    settings: dict[str, tuple[str, ...]] = {}
    for entry in done.stdout.decode("utf-8", "surrogateescape").split("\0"):
        key, equals, value = entry.partition("\n")
        if key:
            # A key without a value means true.
            settings[key] = (*settings.get(key, ()), value if equals else "true")
    return settings


def is_true(value: str | None) -> bool:
    """What git makes of a setting that is on or off; one that is not there is off."""
    return value is not None and value.lower() in {"true", "yes", "on", "1"}


def _host_environment(common_dir: Path, view: Path) -> dict[str, str]:
    """The environment of every git call; nothing named GIT_* is inherited."""
    return {
        **_environment(str(empty(view))),
        MARK: owner_mark(common_dir),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def failure(command: tuple[str, ...], done: Completed) -> GitError:
    """The error for a git command that failed: LockHeldError when another git was in the way."""
    if locked := _LOCKED.search(done.stderr):
        return LockHeldError(command, done, Path(os.fsdecode(locked["path"])))
    return GitError(command, done.code, done.stdout, done.stderr)


def _environment(home: str) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": ":",
        "GIT_PAGER": "cat",
    }


def _with_excludes(settings: dict[str, str]) -> dict[str, str]:
    """The settings with the user's own ignore file spelt out, since git is not told where home is."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    ignore = Path(settings.get("core.excludesfile") or home / "git" / "ignore").expanduser()
    return {**settings, "core.excludesfile": str(ignore)}


async def _require_git() -> None:
    next_step = f"install git {'.'.join(map(str, OLDEST_GIT))} or newer"
    try:
        version = await git_version()
    except OSError as error:
        raise UsageError("git cannot be run", cause=str(error), next_step=next_step) from error
    if version < OLDEST_GIT:
        raise UsageError(f"git {'.'.join(map(str, version))} is too old", next_step=next_step)


async def git_version() -> tuple[int, ...]:
    """The version of the git on PATH, such as (2, 39, 5)."""
    done = await execute(["git", "--version"], env=_environment("/"), cwd=Path("/"))
    numbers = re.search(rb"\d+(\.\d+)+", done.stdout)
    if done.code != 0 or numbers is None:
        raise failure(("git", "--version"), done)
    return tuple(int(part) for part in numbers[0].split(b"."))


async def _discover(path: Path, *args: str) -> bytes:
    environment = {**_environment("/"), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    try:
        done = await execute(["git", *HARDENED, *args], env=environment, cwd=path)
    except OSError as error:
        raise UsageError(f"{path} is not a directory that can be entered", cause=str(error)) from error
    if done.code != 0:
        raise UsageError(
            f"{path} is not in a git repository",
            cause=done.stderr.decode(errors="replace").strip(),
            next_step="run mawep in a git repository, or name one in orchestrator.repo_path",
        )
    return done.stdout
