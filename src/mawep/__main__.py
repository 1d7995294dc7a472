"""`python -m mawep`, and what the `mawep` command runs."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. `--version` alone is answered at once: people and scripts ask it all day."""
    if sys.argv[1:] == ["--version"]:
        from mawep import __version__

        print(f"mawep {__version__}")
        return
    try:
        from mawep.cli.main import run
    except KeyboardInterrupt:  # while there was nothing yet to interrupt
        sys.exit(130)
    sys.exit(run())


if __name__ == "__main__":
    main()
