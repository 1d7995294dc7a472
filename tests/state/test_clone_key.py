"""The clone's secret: made once, private, the same for everybody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mawep.errors import InfrastructureError
from mawep.state.clone_key import BYTES, clone_key


def test_the_same_for_every_run_and_private(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: clone_key(tmp_path), range(8)))
    [path] = (tmp_path / "mawep" / "keys").iterdir()
    assert keys == {path.read_bytes()}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_one_that_others_could_read_is_refused(tmp_path: Path) -> None:
    clone_key(tmp_path)
    (tmp_path / "mawep" / "keys" / "reports.key").chmod(0o644)
    with pytest.raises(InfrastructureError, match="can be read by others"):
        clone_key(tmp_path)


def test_one_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    assert len(clone_key(tmp_path)) == BYTES
    (tmp_path / "mawep" / "keys" / "reports.key").write_bytes(b"short")
    with pytest.raises(InfrastructureError, match="not whole"):
        clone_key(tmp_path)
