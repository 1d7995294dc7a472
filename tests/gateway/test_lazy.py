"""A run without the gateway pays nothing for it."""

from __future__ import annotations

import subprocess
import sys

LOOK = """
import sys
import mawep.gateway.serve, mawep.gateway.gateway, mawep.gateway.door
print(sorted({"httpx", "starlette", "uvicorn"} & sys.modules.keys()))
"""


def test_the_libraries_of_the_gateway_are_loaded_when_it_is_served() -> None:
    seen = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"
