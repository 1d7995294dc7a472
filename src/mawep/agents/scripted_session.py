"""How far a scripted session got, kept on disk so that another process can go on."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

STATE = "MAWEP_SCRIPTED_STATE"
"""The environment variable that names the directory of sessions."""


@dataclass
class Session:
    """One conversation. `done` counts the steps of turn number `turn` that are behind us.

    `open` says that the turn has not ended: the next prompt goes on with it instead of beginning another.
    """

    id: str
    cwd: str
    turn: int = -1
    done: int = 0
    open: bool = False
    answer: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    def begin(self) -> None:
        """Take a prompt."""
        if not self.open:
            self.turn, self.done, self.open = self.turn + 1, 0, True


class Sessions:
    """The sessions in one directory, a file each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def new(self, cwd: str) -> Session:
        """A session that nobody has prompted yet."""
        session = Session(secrets.token_hex(8), cwd)
        self.save(session)
        return session

    def load(self, session_id: str, cwd: str) -> Session | None:
        """The session as it was last saved, or None when it is not known."""
        try:
            saved = json.loads(self._path(session_id).read_text())
        except FileNotFoundError:
            return None
        return Session(**{**saved, "cwd": cwd})

    def save(self, session: Session) -> None:
        """Replace what was saved, in one step."""
        path = self._path(session.id)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(session)))
        os.replace(fresh, path)  # noqa: PTH105 (the same, and says what it does)

    def _path(self, session_id: str) -> Path:
        return self._directory / f"{Path(session_id).name}.json"
