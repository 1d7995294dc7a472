"""The command line: one Typer application, a file per verb, exit codes in one place."""

from __future__ import annotations

import errno
import os
import sys

import typer

from mawep.cli.streams import mend, nobody_reads
from mawep.cli.verbs import VERBS, register
from mawep.errors import MawepError

PROGRAM = "mawep"
COMPLETION = "_MAWEP_COMPLETE"
BROKEN = 3
_OF_THE_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
    | {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)
"""What the machine may refuse without anybody's defect: room, leave, a disk that answers, descriptors, memory."""


def application(verb: str | None = None) -> typer.Typer:
    """The application, with all verbs or with one."""
    app = typer.Typer(
        name=PROGRAM,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(mawep)
    register(app, VERBS if verb is None else (verb,))
    return app


def mawep(
    version: bool = typer.Option(False, "--version", help="Show the version and leave."),
) -> None:
    """Give issues to coding agents, gate what they make, land it, lose nothing."""
    if version:
        from mawep import __version__

        print(f"mawep {__version__}")
        raise typer.Exit


def run() -> int:
    """Run the command line and return its exit code; every error is one clear text on stderr."""
    mend()
    arguments = sys.argv[1:] or ["--help"]
    verb = arguments[0] if arguments[0] in VERBS and COMPLETION not in os.environ else None
    try:
        result = application(verb)(args=arguments, prog_name=PROGRAM, standalone_mode=False)
    except MawepError as error:
        return _say(str(error), error.exit_code)
    except typer.Exit as leaving:
        return leaving.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except (BrokenPipeError, SystemExit):  # libraries leave with SystemExit when nobody reads
        nobody_reads()
        return 0
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE:
            return _say(_broken(error), BROKEN)
        return _say(_refused(error), BROKEN)
    except Exception as error:
        if (usage := getattr(error, "format_message", None)) is not None:
            return _say(f"{usage()}\n  next: `mawep --help` lists the verbs and options", 2)
        return _say(_broken(error), BROKEN)
    return result if isinstance(result, int) else 0


def _say(text: str, code: int) -> int:
    print(f"mawep: {text}", file=sys.stderr)
    return code


def _refused(error: OSError) -> str:
    """What the machine did not let us do; without a file it was standard output."""
    what = f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror}, while writing"
    if not error.filename:
        nobody_reads()
    return f"The machine refused what MAWEP needs\n  cause: {what}\n  next: mend that, then say it again"


def _broken(error: Exception) -> str:
    """A defect of ours, in one line, with the whole story in a file."""
    import tempfile
    import traceback

    what = f"MAWEP itself broke: {type(error).__name__}: {error}".partition("\n")[0]
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="mawep-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return what
    return f"{what}\n  next: please report it with {file.name}; `mawep resume` goes on with a run"
