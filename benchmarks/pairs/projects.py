"""The frozen projects: fetched by their pins, with a commit for every feature, all on one base."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
FROZEN = HERE / "frozen"
LIBRARIES = ["text-unidecode==1.3"]
"""What the projects import beside themselves."""


@dataclass(frozen=True)
class Project:
    """A project at rest: its repository, and what the tests need to run."""

    name: str
    part: str
    repository: Path
    base: str
    features: Mapping[str, str]
    """Commits by the names of features."""
    tests: tuple[str, ...]
    import_from: str
    libraries: Path

    @property
    def javascript(self) -> bool:
        """Whether its tests are run by node."""
        return (self.repository / "package.json").exists()

    def git(self, *words: str, check: bool = True, index: Path | None = None) -> str:
        """What git prints."""
        return git(self.repository, *words, check=check, index=index)

    def show(self, commit: str, path: str) -> str:
        """A file as it is in a commit; empty when it is not there."""
        return self.git("show", f"{commit}:{path}", check=False)


@dataclass(frozen=True)
class Pair:
    """Two features of which git cannot merge one with the other."""

    project: Project
    one: str
    other: str
    same_line: bool
    same_signature: bool


def git(where: Path, *words: str, check: bool = True, index: Path | None = None) -> str:
    """What git prints; `index` stands for the repository's own."""
    names = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for role in ("AUTHOR", "COMMITTER"):
        names |= {
            f"GIT_{role}_NAME": "pairs",
            f"GIT_{role}_EMAIL": "pairs@example.org",
            f"GIT_{role}_DATE": "@0 +0000",
        }
    if index:
        names["GIT_INDEX_FILE"] = str(index)
    run = subprocess.run(["git", *words], cwd=where, env=os.environ | names, capture_output=True, check=False)
    if check and run.returncode:
        raise SystemExit(f"git {' '.join(words)} failed in {where}")
    return run.stdout.decode("utf-8", "replace")


def projects(cache: Path, wanted: list[str]) -> Iterator[Project]:
    """Each frozen project, fetched when the cache does not have it."""
    libraries = cache / "libraries"
    if not libraries.exists():
        pip("install", "--no-deps", "--target", str(libraries), *LIBRARIES)
    for folder in sorted(path for path in FROZEN.iterdir() if not wanted or path.name in wanted):
        yield _prepared(folder, cache, libraries)


def pairs(project: Project) -> Iterator[Pair]:
    """The frozen pairs of a project."""
    with (FROZEN / project.name / "pairs.tsv").open() as table:
        for row in csv.DictReader(table, delimiter="\t"):
            yield Pair(
                project, row["one"], row["other"], row["same line"] == "yes", row["same signature"] == "yes"
            )


def pip(*words: str) -> None:
    """Run pip, silently."""
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *words], check=True, stderr=subprocess.DEVNULL)


def _prepared(folder: Path, cache: Path, libraries: Path) -> Project:
    pin = json.loads((folder / "pin.json").read_text())
    repository = cache / pin["package"]
    shutil.rmtree(repository, ignore_errors=True)
    with tarfile.open(_archive(pin, cache)) as archive:
        top = archive.getnames()[0].split("/")[0]
        archive.extractall(cache / "unpacked", filter="data")
    (cache / "unpacked" / top).rename(repository)
    git(repository, "init", "--quiet")
    git(repository, "add", "--all", "--force")
    git(repository, "commit", "--quiet", "--message", f"{pin['package']} {pin['version']}")
    base = git(repository, "rev-parse", "HEAD").strip()
    features = {}
    for patch in sorted(folder.glob("*.patch")):
        git(repository, "read-tree", base)
        git(repository, "apply", "--cached", str(patch))
        tree = git(repository, "write-tree").strip()
        features[patch.stem] = git(repository, "commit-tree", tree, "-p", base, "-m", patch.stem).strip()
    return Project(
        pin["package"],
        pin["part"],
        repository,
        base,
        features,
        tuple(pin["tests"]),
        pin["import_from"],
        libraries,
    )


def _archive(pin: Mapping[str, str], cache: Path) -> Path:
    """The project as it was published, exactly."""
    archive = cache / pin["archive"]
    what = f"{pin['package']}{'@' if pin['from'] == 'npm' else '=='}{pin['version']}"
    if not archive.exists() and pin["from"] == "npm":
        subprocess.run(["npm", "pack", "--silent", what], cwd=cache, check=True, stdout=subprocess.DEVNULL)
    elif not archive.exists():
        pip("download", "--no-deps", "--no-binary", ":all:", "--dest", str(cache), what)
    if hashlib.sha256(archive.read_bytes()).hexdigest() != pin["sha256"]:
        raise SystemExit(f"{archive.name} is not what was pinned")
    return archive
