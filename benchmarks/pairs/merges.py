"""Merging a pair: the files that git leaves in conflict, and the trees that come of resolving them."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks.pairs.projects import Pair, Project
from mawep.merging.best_first import best_first
from mawep.merging.candidates import candidates
from mawep.merging.offers import Rung, Trust
from mawep.merging.rungs import RUNGS, trusted

MOST = 6
"""Trees that a gate may try."""


@dataclass(frozen=True)
class File:
    """A file in conflict."""

    path: str
    base: str
    ours: str
    theirs: str


@dataclass(frozen=True)
class Conflict:
    """What git makes of a pair."""

    project: Project
    tree: str
    """With markers in the files in conflict."""
    files: tuple[File, ...]

    def resolved(self, texts: Sequence[str]) -> str:
        """The tree with these texts in the place of the files in conflict."""
        with tempfile.TemporaryDirectory(prefix="mawep-pairs-") as folder:
            index = Path(folder) / "index"
            self.project.git("read-tree", self.tree, index=index)
            for file, text in zip(self.files, texts, strict=True):
                blob = subprocess.run(
                    ["git", "hash-object", "-w", "--stdin"],
                    cwd=self.project.repository,
                    input=text.encode(),
                    stdout=subprocess.PIPE,
                    check=True,
                ).stdout.decode()
                entry = f"100644,{blob.strip()},{file.path}"
                self.project.git("update-index", "--cacheinfo", entry, index=index)
            return self.project.git("write-tree", index=index).strip()


def conflict(pair: Pair) -> Conflict:
    """Merge the pair's commits as git does."""
    project = pair.project
    one, other = (project.features[name] for name in (pair.one, pair.other))
    told = project.git("merge-tree", "--write-tree", "--name-only", "--no-messages", one, other, check=False)
    tree, *paths = told.splitlines()
    files = [
        File(path, *(project.show(commit, path) for commit in (project.base, one, other))) for path in paths
    ]
    return Conflict(project, tree, tuple(files))


Strategy = Callable[[File], Sequence[str]]
"""Whole texts of a file, the best first."""


def git_union(file: File) -> Sequence[str]:
    """Both sides of every hunk, ours first."""
    with tempfile.TemporaryDirectory(prefix="mawep-pairs-") as folder:
        paths = [Path(folder) / name for name in ("ours", "base", "theirs")]
        for path, text in zip(paths, (file.ours, file.base, file.theirs), strict=True):
            path.write_text(text)
        command = ["git", "merge-file", "--union", "-p", *map(str, paths)]
        made = subprocess.run(command, stdout=subprocess.PIPE, env=os.environ, check=False)
    return [made.stdout.decode()]


def best_of(rungs: Sequence[Rung]) -> Strategy:
    """The first text that these rungs make."""
    return lambda file: [
        made.text for made in candidates(file.base, file.ours, file.theirs, file.path, rungs, 1)
    ]


def ladder(file: File) -> Sequence[str]:
    """What the landing queue tries: what rules say first, then the guesses."""
    texts = (file.base, file.ours, file.theirs, file.path)
    found = [
        made.text for rungs in (trusted(Trust.LIKELY), RUNGS) for made in candidates(*texts, rungs, MOST)
    ]
    return list(dict.fromkeys(found))


def trees(found: Conflict, strategy: Strategy, most: int = MOST) -> Iterator[str]:
    """Whole trees, the best first."""
    options = [strategy(file) for file in found.files]
    if all(options):
        yield from (found.resolved(texts) for texts in islice(best_first(options), most))


def strategies() -> Mapping[str, Strategy]:
    """Each way to merge without a choice, by its name."""
    by_name = {rung.name: rung for rung in RUNGS}
    return {
        "union as git makes it": git_union,
        **{name: best_of([rung]) for name, rung in by_name.items()},
        "all rules, no guesses": best_of(trusted(Trust.LIKELY)),
        "all rungs, the first answer": best_of(RUNGS),
    }
