"""The command line: one Typer application, a file per verb, exit codes in one place."""

from __future__ import annotations

import sys

import typer

from mawep.errors import MawepError

app = typer.Typer(
    name="mawep",
    help="Give issues to coding agents, gate what they make, land it, lose nothing.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def run() -> int:
    """Run the command line and return its exit code; every error is one clear text on stderr."""
    from mawep.cli import verbs

    verbs.register(app)
    try:
        result = app(standalone_mode=False)
    except MawepError as error:
        print(f"mawep: {error}", file=sys.stderr)
        return error.exit_code
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.Abort:
        return 130
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        shown = _usage(error)
        if shown is None:
            raise
        print(shown, file=sys.stderr)
        return 2
    return result if isinstance(result, int) else 0


def _usage(error: Exception) -> str | None:
    """A wrong option or argument, in Typer's words; None for anything else."""
    message = getattr(error, "format_message", None)
    return f"mawep: {message()}\n  next: `mawep --help` lists the verbs and options" if message else None
