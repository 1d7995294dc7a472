"""Every test has a home of its own and is watched: it leaves no process, task, descriptor or directory."""

from __future__ import annotations

import asyncio
import inspect
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog.dev
from hypothesis import settings

from tests.support.leaks import MARK, RepositoryState, Territory, nothing_left
from tests.support.waiting import eventually

GIT_IDENTITY = """\
[user]
    name = A Person
    email = person@example.org
[init]
    defaultBranch = main
[commit]
    gpgSign = false
"""
INHERITED = ("GIT_", "XDG_", "MAWEP_RUN", "MAWEP_ISSUE", "MAWEP_ATTEMPT", "MAWEP_AGENT", "MAWEP_PORT")
SCRATCH = pytest.StashKey[Path]()

# Tests run on machines that are busy: no example is failed for being slow.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


def pytest_configure(config: pytest.Config) -> None:
    """Give this process, and what tests start, a short-named home, TMPDIR and runtime directory."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    # Drawing a traceback, with the local variables of every frame, holds the event loop for seconds: like mawep itself.
    *before, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*before, plain])
    scratch = Path(tempfile.mkdtemp(prefix="mw-", dir="/tmp"))
    config.stash[SCRATCH] = scratch
    for name in ("home", "tmp", "run"):
        (scratch / name).mkdir(mode=0o700)
    (scratch / "home" / ".gitconfig").write_text(GIT_IDENTITY)
    for name in [name for name in os.environ if name.startswith(INHERITED)]:
        del os.environ[name]
    os.environ |= {
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch / "tmp"),
        "XDG_RUNTIME_DIR": str(scratch / "run"),
        MARK: scratch.name,
    }
    tempfile.tempdir = None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take the scratch directory away again."""
    shutil.rmtree(config.stash[SCRATCH], ignore_errors=True)


@pytest.fixture(scope="session")
def territory(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Territory:
    """The mark and the directories by which things of this test process are known."""
    scratch = pytestconfig.stash[SCRATCH]
    return Territory(
        mark=scratch.name, scratch=scratch, directories=(str(scratch), str(tmp_path_factory.getbasetemp()))
    )


@pytest.fixture(autouse=True)
def leaves_nothing_behind(territory: Territory) -> Iterator[None]:
    """Fail the test that leaves a process, a file descriptor or a temporary entry."""
    with nothing_left(territory):
        yield


@pytest.fixture(autouse=True)
def leaves_no_task_behind(request: pytest.FixtureRequest, leaves_nothing_behind: None) -> None:
    """Fail the asynchronous test that leaves a task on its loop; others get no loop for it."""
    function = getattr(request, "function", None)
    target = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    if inspect.iscoroutinefunction(target):
        request.getfixturevalue("_tasks_watched")


@pytest_asyncio.fixture
async def _tasks_watched() -> AsyncIterator[None]:
    """Torn down after every fixture that the test asked for and before its loop is closed."""
    yield

    def left() -> set[asyncio.Task[object]]:
        return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    try:
        await eventually("no task is left on the loop", lambda: not left(), timeout=3.0)
    except AssertionError:
        names = sorted(repr(task) for task in left())
        raise AssertionError("the test left tasks on its loop:\n  " + "\n  ".join(names)) from None


@pytest.fixture
def clean_repository() -> Iterator[Callable[..., None]]:
    """Watch a repository: `clean_repository(path, keep=("refs/mawep/…", "/a/worktree"))`."""
    watched: list[tuple[Path, RepositoryState, tuple[str, ...]]] = []

    def watch(path: Path, keep: tuple[str, ...] = ()) -> None:
        watched.append((path, RepositoryState.of(path), keep))

    yield watch
    left = [
        line for path, before, keep in watched for line in RepositoryState.of(path).left_since(before, keep)
    ]
    assert not left, "the test left in its repository:\n  " + "\n  ".join(left)
