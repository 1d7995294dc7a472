"""`python -m tests.forge`: install the pinned servers if need be, and print where they are."""

from __future__ import annotations

import sys

from tests.forge.install import FORGE

sys.exit(FORGE.print_where())
