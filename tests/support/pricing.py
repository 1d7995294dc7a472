"""Two issues whose work conflicts: both insert a line at one place, and only one order of the two may be right."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.world import World

PRICE = "def price(x):\n{}    return x\n\n\nprint(price(2))\n"
MORE, TWICE = "    x = x + 3\n", "    x = x * 2\n"
ALONE = (2, 5, 4)
"""What it prints as it is, and with the work of each."""
MORE_FIRST, TWICE_FIRST = 10, 7

GATE = """\
import pathlib, subprocess, sys, time
said = subprocess.run([sys.executable, "-B", "price.py"], capture_output=True, text=True, check=True).stdout.strip()
with open({gated!r}, "a") as gated:
    print(said, file=gated)
while {together!r} and said in "54" and len(set(pathlib.Path({gated!r}).read_text().split()) & set("54")) < 2:
    time.sleep(0.02)
both = [line for line in pathlib.Path({gated!r}).read_text().split() if line in ("7", "10")]
sys.exit(int(said) not in {right!r} and not ({together!r} and said != both[0]))
"""


def pricing(root: Path, right: Iterable[int], *, together: bool = False, **config: Any) -> World:
    """#101 lands first; #102, which began as early, then conflicts. The gate lets `right` results pass.

    It writes each result that it sees to `gated`. `together`: both wait to land before either does, and of
    the results of both only the first that it sees is wrong.
    """
    root.mkdir(parents=True, exist_ok=True)
    gate = root / "gate.py"
    gate.write_text(GATE.format(gated=str(root / "gated"), right=[*ALONE, *right], together=together))
    verify = {"commands": [f"python3 {gate}"], **config.pop("verify", {})}
    world = World(root / "world", {"price.py": PRICE.format("")}, verify=verify, **config)
    world.issues({101: [], 102: []})
    landed = 'git -C "$root/repo" log --format=%s main | grep -q "Merge #101"'
    both = 'touch "$root/$MAWEP_ISSUE"; while [ ! -e "$root/101" ] || [ ! -e "$root/102" ]; do sleep 0.02; done\n'
    world.agent(101, f"{both}{_write(MORE)}")
    wait = "" if together else f"until {landed}; do sleep 0.05; done\n"
    world.agent(102, f"{both}{wait}{_write(TWICE)}")
    return world


def _write(line: str) -> str:
    return f"cat > price.py <<'END'\n{PRICE.format(line)}END\n"
