"""`python -m tests.clis`: install the pinned agents if need be, and print where they are."""

from __future__ import annotations

import sys

from tests.clis.install import CLIS

sys.exit(CLIS.print_where())
