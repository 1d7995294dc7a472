"""Which kind of walls a program gets: bubblewrap's, Landlock's, or none."""

from __future__ import annotations

from mawep.adapters.landlock import launcher
from mawep.adapters.sandbox import Walls

REQUIRED, LANDLOCK, OFF = "required", "landlock", "off"


def around(kind: str, walls: Walls) -> tuple[str, ...]:
    """What to put in front of a command, so that it runs within `walls` of that kind."""
    if kind == REQUIRED:
        return walls.argv()
    return launcher(walls) if kind == LANDLOCK else ()
