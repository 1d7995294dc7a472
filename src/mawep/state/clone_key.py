"""A secret of this clone: what MAWEP signs with when it has to know its own texts again, in whatever run."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from mawep.errors import InfrastructureError
from mawep.state.runs import home

BYTES = 32


def clone_key(common_dir: Path) -> bytes:
    """The secret, made now if there is none. Processes that ask at the same moment get the same one.

    Raises:
        InfrastructureError: its file can be read by others, or does not hold one.
    """
    directory = home(common_dir) / "keys"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / "reports.key"
    if not path.exists():
        _publish(path, secrets.token_bytes(BYTES))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise InfrastructureError(
            f"The key {path} can be read by others", next_step=f"`chmod 600 {path}`, if nobody has read it"
        )
    key = path.read_bytes()
    if len(key) != BYTES:
        raise InfrastructureError(
            f"The key {path} is not whole", cause=f"it has {len(key)} bytes, not {BYTES}"
        )
    return key


def _publish(path: Path, content: bytes) -> None:
    """Put a whole file there, durably; one that another process has put there meanwhile stays."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
