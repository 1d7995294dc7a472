"""`python -m tests.clis`: install the pinned agents if need be, and print where they are."""

from __future__ import annotations

import sys

from tests.clis.install import NotInstalled, install


def main() -> int:
    """Print the directory of the installation; 1 when the agents cannot be had."""
    try:
        print(install().parent)
    except NotInstalled as error:
        print(f"the agents of the end-to-end tests are not installed: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
