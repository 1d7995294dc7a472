"""Where benchmarks of real agents take place: a home of their own, so that nobody's settings and logins are touched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IDENTITY = "[user]\n    name = A Person\n    email = person@example.org\n[init]\n    defaultBranch = main\n"


@contextmanager
def own_home() -> Iterator[Path]:
    """Live in a fresh home, with TMPDIR and runtime directory; its parent is for everything else."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="mb-", dir="/tmp") as place:
        root = Path(place)
        for name in ("home", "tmp", "run"):
            (root / name).mkdir(mode=0o700)
        (root / "home" / ".gitconfig").write_text(IDENTITY)
        for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_"))]:
            del os.environ[name]
        os.environ |= {
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "XDG_RUNTIME_DIR": str(root / "run"),
        }
        tempfile.tempdir = None
        try:
            yield root
        finally:
            os.environ.clear()
            os.environ |= before
            tempfile.tempdir = None
