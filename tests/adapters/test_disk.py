"""What directories take and hold, against what the system's own tool says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mawep.adapters.disk import bytes_on_disk, bytes_to_read, files_over


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files deep down, with two names, with a hole, and links that lead out and round."""
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "a").write_bytes(b"x" * 100_000)
    (tree / "deep" / "er" / "b").write_bytes(b"y" * 5_000)
    (tree / "deep" / "hard").hardlink_to(tree / "a")
    (tree / "outside").symlink_to("/usr")
    (tree / "loop").symlink_to(tree)
    with (tree / "sparse").open("wb") as sparse:
        os.truncate(sparse.fileno(), 10_000_000)
    return tree


def test_what_is_allocated_is_counted_each_file_once(tree: Path) -> None:
    told = subprocess.run(["du", "-s", "-B1", tree], capture_output=True, text=True, check=True).stdout
    own = tree.lstat().st_blocks * 512
    assert bytes_on_disk(tree) == int(told.split()[0]) - own
    assert bytes_on_disk(tree / "deep" / "er", tree / "deep" / "er") == 2 * bytes_on_disk(
        tree / "deep" / "er"
    )


def test_what_would_be_read_counts_holes(tree: Path) -> None:
    assert bytes_to_read(tree) == 100_000 + 5_000 + 10_000_000
    assert bytes_to_read(tree / "deep" / "er") == 5_000


def test_large_files_are_found_under_every_name(tree: Path) -> None:
    sizes = {tree / "a": 100_000, tree / "deep" / "hard": 100_000, tree / "sparse": 10_000_000}
    assert files_over(99_999, tree) == sizes
    assert files_over(100_000, tree) == {tree / "sparse": 10_000_000}


def test_what_is_not_there_takes_nothing(tmp_path: Path) -> None:
    assert bytes_on_disk(tmp_path / "gone") == bytes_to_read(tmp_path / "gone") == 0
