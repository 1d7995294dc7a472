"""The gate of a pair: the tests of the merged tree, and those that each feature brought, as that feature wrote them."""

from __future__ import annotations

import ast
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.pairs.projects import HERE, Pair, Project

SLOWEST = 120
"""Seconds after which tests are red."""


@dataclass
class Gate:
    """Runs a pair's tests on trees; a tree that was run is not run again."""

    pair: Pair
    verdicts: dict[str, bool] = field(default_factory=dict)

    def green(self, tree: str) -> bool:
        """Whether all tests pass on a tree."""
        if tree not in self.verdicts:
            with tempfile.TemporaryDirectory(prefix="mawep-pairs-") as folder:
                self.verdicts[tree] = self._run(tree, Path(folder))
        return self.verdicts[tree]

    def _run(self, tree: str, folder: Path) -> bool:
        project = self.pair.project
        archive = subprocess.run(
            ["git", "archive", tree], cwd=project.repository, stdout=subprocess.PIPE, check=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as unpacked:
            unpacked.extractall(folder, filter="data")
        brought = [file for name in (self.pair.one, self.pair.other) for file in _brought(project, name)]
        commands = _node(folder, brought) if project.javascript else _pytest(project, folder, brought)
        return all(_passes(command, project, folder) for command in commands)


@dataclass(frozen=True)
class Brought:
    """A file with tests that a feature changed, as it left it."""

    feature: str
    path: str
    text: str
    new: tuple[str, ...]
    """The tests that the feature added."""


def _brought(project: Project, feature: str) -> Iterator[Brought]:
    commit = project.features[feature]
    for path in project.git("diff", "--name-only", project.base, commit).splitlines():
        name = path.rpartition("/")[2]
        text = project.show(commit, path)
        if project.javascript and path.startswith("test/"):
            yield Brought(feature, path, text, ())
        elif name.startswith("test_") and name.endswith(".py"):
            known = set(_tests(project.show(project.base, path)))
            yield Brought(feature, path, text, tuple(test for test in _tests(text) if test not in known))


def _tests(text: str) -> Iterator[str]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}::{test}" for test in _functions(node.body))
        yield from _functions([node])


def _functions(nodes: list[ast.stmt]) -> list[str]:
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    return [function.name for function in functions if function.name.startswith("test_")]


def _pytest(project: Project, folder: Path, brought: list[Brought]) -> Iterator[list[str]]:
    """What each feature added, beside the merged files; then everything as it was merged."""
    pytest = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    added = []
    for file in brought:
        copy = f"{file.path.removesuffix('.py')}_{file.feature.replace('-', '_')}.py"
        (folder / copy).write_text(file.text)
        added += [f"{copy}::{test}" for test in file.new]
    yield [*pytest, *added]
    yield [*pytest, *dict.fromkeys([*project.tests, *(file.path for file in brought)])]


def _node(folder: Path, brought: list[Brought]) -> Iterator[list[str]]:
    shutil.copytree(HERE / "tape", folder / "node_modules" / "tape")
    for file in brought:
        (folder / file.path).write_text(file.text)
    yield from (["node", str(test)] for test in sorted((folder / "test").glob("*.js")))


def _passes(command: list[str], project: Project, folder: Path) -> bool:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder / project.import_from), str(project.libraries)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    try:
        return not subprocess.run(
            command,
            cwd=folder,
            env=environment,
            timeout=SLOWEST,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ).returncode
    except subprocess.TimeoutExpired:
        return False
