"""The repository on the server: what git says about it, merges that are really done, and git over HTTP."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

NOBODY = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
FORGE = "GitHub"


class Conflict(Exception):
    """Two commits cannot be merged."""


class Moved(Exception):
    """A ref is not where it was."""


@dataclass(frozen=True)
class Bare:
    """A bare repository at `path`. Every answer is git's own."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> Bare:
        """Make it empty, with `main` as its first branch and pushes over HTTP allowed."""
        bare = cls(path)
        path.mkdir(parents=True)
        bare.git("init", "--quiet", "--bare", "--initial-branch=main")
        bare.git("config", "http.receivepack", "true")
        bare.git("config", "gc.auto", "0")
        return bare

    def git(self, *arguments: str, check: bool = True, identity: Mapping[str, str] | None = None) -> str:
        """Standard output without its last newline."""
        ran = self.run(*arguments, identity=identity)
        if check and ran.returncode:
            raise AssertionError(f"git {' '.join(arguments)}: {ran.stderr.decode()}")
        return ran.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    def run(
        self, *arguments: str, data: bytes | None = None, identity: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """One git command, whatever it exits with."""
        return subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **NOBODY, **(identity or {})},
            input=data,
            capture_output=True,
            check=False,
        )

    def head(self, branch: str) -> str | None:
        """Where a branch is."""
        return self.git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", check=False) or None

    def commit_of(self, name: str) -> str | None:
        """The commit that a branch or an object name means."""
        for candidate in (f"refs/heads/{name}", f"refs/tags/{name}", name):
            if found := self.git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{candidate}^{{commit}}", check=False
            ):
                return found
        return None

    def refs(self) -> dict[str, str]:
        """Every ref with what it points to."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split(" ", 1) for line in lines)  # type: ignore[misc]

    def contains(self, commit: str, ancestor: str) -> bool:
        """Whether `ancestor` is reachable from `commit`."""
        return self.run("merge-base", "--is-ancestor", ancestor, commit).returncode == 0

    def between(self, old: str, new: str) -> list[str]:
        """The commits of `new` that `old` lacks, oldest first."""
        return self.git("rev-list", "--reverse", "--topo-order", f"{old}..{new}").split()

    def merged_tree(self, ours: str, theirs: str) -> str:
        """The tree of a merge of two commits. Raises Conflict."""
        ran = self.run("merge-tree", "--write-tree", "--no-messages", ours, theirs)
        if ran.returncode == 1:
            raise Conflict(f"{ours[:8]} and {theirs[:8]}")
        assert ran.returncode == 0, ran.stderr.decode()
        return ran.stdout.decode().split()[0]

    def commit_tree(self, tree: str, parents: Sequence[str], message: str, login: str) -> str:
        """Make a commit as the forge does, in the name of `login`."""
        identity = {
            "GIT_AUTHOR_NAME": login,
            "GIT_AUTHOR_EMAIL": f"{login}@example.org",
            "GIT_COMMITTER_NAME": FORGE,
            "GIT_COMMITTER_EMAIL": "noreply@example.org",
        }
        parents_of = [argument for parent in parents for argument in ("-p", parent)]
        return self.git("commit-tree", tree, *parents_of, "-m", message, identity=identity)

    def rebased(self, base: str, head: str, login: str) -> str:
        """`head`'s own commits made again on `base`. Raises Conflict."""
        tip = base
        for commit in self.between(base, head):
            if len(self.git("show", "-s", "--format=%P", commit).split()) > 1:
                continue
            # The tip's tree on the commit's own parent: so that parent is the base of the merge.
            beside = self.commit_tree(f"{tip}^{{tree}}", [f"{commit}^"], "beside", login)
            tree = self.merged_tree(beside, commit)
            message = self.git("show", "-s", "--format=%B", commit)
            tip = self.commit_tree(tree, [tip], message, login)
        return tip

    def move(self, branch: str, new: str, old: str) -> None:
        """Move a branch from `old` to `new`. Raises Moved."""
        if self.run("update-ref", f"refs/heads/{branch}", new, old).returncode:
            raise Moved(branch)

    def backend(
        self, environment: Mapping[str, str], data: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Answer one request of git's own protocol: status, headers, body."""
        ran = subprocess.run(
            ["git", "http-backend"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": "/nonexistent",
                **NOBODY,
                "GIT_PROJECT_ROOT": str(self.path),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REMOTE_ADDR": "127.0.0.1",
                **environment,
            },
            input=data,
            capture_output=True,
            check=False,
        )
        head, _, body = ran.stdout.partition(b"\r\n\r\n")
        status, headers = 200, []
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name.lower() == "status":
                status = int(value.split()[0])
            elif name:
                headers.append((name, value))
        return status, headers, body
