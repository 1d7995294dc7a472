"""Disk that worktrees take, against what the system's own tool says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from mawep.observe.disk import bytes_below


def test_it_counts_what_is_allocated_each_file_once(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "a").write_bytes(b"x" * 100_000)
    (tree / "deep" / "er" / "b").write_bytes(b"y" * 5_000)
    (tree / "deep" / "hard").hardlink_to(tree / "a")
    (tree / "outside").symlink_to("/usr")
    (tree / "loop").symlink_to(tree)
    with (tree / "sparse").open("wb") as sparse:
        os.truncate(sparse.fileno(), 10_000_000)
    told = subprocess.run(["du", "-s", "-B1", tree], capture_output=True, text=True, check=True).stdout
    own = tree.lstat().st_blocks * 512
    assert bytes_below(tree) == int(told.split()[0]) - own


def test_what_is_not_there_takes_nothing(tmp_path: Path) -> None:
    assert bytes_below(tmp_path / "gone") == 0
