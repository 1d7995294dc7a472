"""`python -m tests.models PORT DIRECTORY [LOG]`: serve the scenarios (*.json) of a directory; port 0 takes any."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.models.server import stand

if len(sys.argv) not in {3, 4}:
    sys.exit(__doc__)
stand(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) == 4 else None)
