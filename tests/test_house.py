"""The rules of the house: who imports whom, sizes, purity, and what tests may not do."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
PACKAGE = HOUSE / "src" / "mawep"
DEMO_PROJECT = PACKAGE / "demo" / "project"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(DEMO_PROJECT))
MOST_LINES = 450

# Split, so that this file does not name what it forbids.
FOREIGN = [
    r"(?<![\w.$}])/wor" + "k/",
    r"(?<![\w.$}])/roo" + "t/",
    r"/opt/py" + "pi",
    r"py" + r"pi\.org",
    r"python" + r"hosted\.org",
    r"npm" + r"js\.(org|com)",
]

# Writing, starting and connecting, as the interpreter itself reports them; `open` is judged by its mode.
EFFECTS = """
os.chmod os.fork os.forkpty os.kill os.link os.mkdir os.posix_spawn os.remove os.rename os.rmdir os.symlink
os.system os.truncate shutil.rmtree socket.bind socket.connect sqlite3.connect subprocess.Popen
tempfile.mkdtemp tempfile.mkstemp _thread.start_new_thread
"""

IMPORT_THEM_ALL = """
import importlib, json, os, signal, sys

names, effects = json.loads(sys.argv[1]), set(sys.argv[2].split())
found, current = [], None
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def judge(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
    if writes or event in effects:
        found.append(f"importing {current}: {event} {arguments[:2]!r}")

def surroundings():
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return dict(os.environ), os.getcwd(), handlers, sys.stdout, sys.stderr, sys.excepthook

before = surroundings()
sys.addaudithook(judge)
for current in names:
    importlib.import_module(current)
    if surroundings() != before:
        found.append(f"importing {current}: changed the environment, a signal handler, a stream or a hook")
        before = surroundings()
current = "nothing more"
json.dump(found, sys.__stderr__)
"""


def dotted(path: Path) -> str:
    """The import name of a module of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def shown(path: Path) -> str:
    """A path as a person reads it."""
    return str(path.relative_to(HOUSE))


def tracked_files() -> Iterator[Path]:
    """Every text file that git tracks."""
    listed = subprocess.run(
        ["git", "-C", str(HOUSE), "ls-files", "-z"], capture_output=True, check=True
    ).stdout
    for name in listed.decode().split("\0"):
        if name and (HOUSE / name).is_file():
            yield HOUSE / name


def test_the_import_contracts_are_kept() -> None:
    completed = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout


def test_importing_any_module_has_no_side_effect(tmp_path: Path) -> None:
    names = [dotted(path) for path in MODULES]
    completed = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT_THEM_ALL, json.dumps(names), EFFECTS],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr.splitlines()[-1]
    assert completed.stdout == ""
    assert json.loads(completed.stderr) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_every_module_says_its_job_and_stays_small(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "a module opens with a docstring that says its one job"
    lines = text.count("\n")
    assert lines <= MOST_LINES, f"{lines} lines: look for the second room in it"


def test_the_core_reads_no_clock_and_opens_no_file() -> None:
    impure = re.compile(r"\.(now|utcnow|today|monotonic|perf_counter)\(|\bopen\(|\bprint\(|\binput\(")
    found = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path in MODULES
        if path.is_relative_to(PACKAGE / "core")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if impure.search(line)
    ]
    assert found == []


def test_nobody_waits_in_a_way_that_swallows_a_cancellation() -> None:
    """On Python 3.11 `wait_for` forgets one that comes with the result; `asyncio.timeout` does not."""
    found = [shown(path) for path in MODULES if re.search(r"\bwait_for\(", path.read_text())]
    assert found == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    foreign = re.compile("|".join(FOREIGN))
    found = [
        f"{shown(path)}:{number}: {line.strip()[:100]}"
        for path in tracked_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if foreign.search(line)
    ]
    assert found == []


def test_the_pins_carry_hashes_and_no_index() -> None:
    for path in sorted((HOUSE / "requirements").glob("*.txt")):
        text = path.read_text()
        assert "://" not in text and "--index" not in text and "--find-links" not in text, shown(path)
        for pin in re.split(r"\n(?=\S)", text.strip()):
            assert "==" in pin and "--hash=sha256:" in pin, f"{shown(path)}: {pin.splitlines()[0]}"


def sleeps(tree: ast.AST) -> Iterator[int]:
    """Line numbers of calls of `time.sleep` and `asyncio.sleep`, however they were imported.

    `sleep(0)` does not wait: it lets other tasks have their turn.
    """
    bare = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"time", "asyncio"}
        for alias in node.names
        if alias.name == "sleep"
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and [ast.unparse(argument) for argument in node.args] != ["0"]
            and (
                ast.unparse(node.func) in {"time.sleep", "asyncio.sleep"}
                or (isinstance(node.func, ast.Name) and node.func.id in bare)
            )
        ):
            yield node.lineno


def test_no_test_sleeps() -> None:
    tests = HOUSE / "tests"
    written = {*tests.rglob("test_*.py"), *tests.rglob("conftest.py"), *(tests / "support").rglob("*.py")}
    written -= {tests / "support" / "waiting.py"}  # programs that tests start may sleep as they like
    found = [
        f"{shown(path)}:{line}" for path in sorted(written) for line in sleeps(ast.parse(path.read_text()))
    ]
    assert found == [], "wait for a described condition: tests/support/waiting.py"


def test_no_benchmark_hides_a_module_of_the_standard_library() -> None:
    """Run by its path a file sees its neighbours first: `queue.py` would be everybody's `queue`."""
    names = {path.stem for path in (HOUSE / "benchmarks").iterdir()}
    assert not names & sys.stdlib_module_names
