"""`python -m tests.forge`: install the pinned servers if need be, and print where they are."""

from __future__ import annotations

import sys

from tests.forge.install import NotInstalled, install


def main() -> int:
    """Print the directory of the installation; 1 when the servers cannot be had."""
    try:
        print(install())
    except NotInstalled as error:
        print(f"the servers that stand for GitHub are not installed: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
