"""Stand-ins for agent CLIs on a PATH of their own: they write down how they were started, then play a part."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROGUE = Path(__file__).with_name("rogue.py")

HEADER = f"""\
#!{sys.executable} -IS
import json, os, sys
turn = len([name for name in os.listdir({{kept!r}}) if name.startswith("turn-")]) + 1
with open(os.path.join({{kept!r}}, f"turn-{{{{turn}}}}"), "w") as file:
    json.dump({{{{"argv": sys.argv[1:], "env": dict(os.environ), "stdin": {{stdin}}}}}}, file)
"""


class Bin:
    """A directory of programs."""

    def __init__(self, root: Path) -> None:
        self.path = root / "lib" / "node_modules" / ".bin"
        self.path.mkdir(parents=True)
        self._kept = root / "kept"

    @property
    def search_path(self) -> str:
        """PATH with these programs in front."""
        return f"{self.path}:{os.environ['PATH']}"

    def acp(self, name: str, *behaviour: str) -> None:
        """A program that speaks ACP as `rogue.py` does."""
        words = [sys.executable, "-I", "-S", str(ROGUE), *behaviour]
        self._write(name, "None", f"os.execv({sys.executable!r}, {words!r})\n")

    def prints(
        self, name: str, *turns: Sequence[Mapping[str, Any] | str], code: int = 0, said: str = ""
    ) -> None:
        """A program that prints these lines, in each turn its own, the last ones from then on."""
        lines = [[line if isinstance(line, str) else json.dumps(line) for line in turn] for turn in turns]
        body = f"for line in {lines!r}[min(turn, {len(lines)}) - 1]: print(line, flush=True)\n"
        self._write(name, "sys.stdin.read()", f"{body}sys.stderr.write({said!r})\nsys.exit({code})\n")

    def hangs(self, name: str, line: Mapping[str, Any]) -> None:
        """A program that prints one line and never ends."""
        self._write(
            name,
            "sys.stdin.read()",
            f"import time\nprint({json.dumps(line)!r}, flush=True)\ntime.sleep(600)\n",
        )

    def plain(self, *names: str) -> None:
        """Programs that do nothing."""
        for name in names:
            self._write(name, "None", "")

    def starts(self, name: str) -> list[dict[str, Any]]:
        """How a program was started, each time."""
        kept = self._kept / name
        return [json.loads((kept / f"turn-{n}").read_text()) for n in range(1, len(list(kept.iterdir())) + 1)]

    def _write(self, name: str, stdin: str, body: str) -> None:
        kept = self._kept / name
        kept.mkdir(parents=True)
        path = self.path / name
        path.write_text(HEADER.format(kept=str(kept), stdin=stdin) + body)
        path.chmod(0o755)
