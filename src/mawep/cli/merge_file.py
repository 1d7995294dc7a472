"""`mawep merge-file`: merge three texts by the rules, as a command or as a merge driver of git."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Text = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A file with that text.")
]
Name = Annotated[str, typer.Option("--path", help="The file's path in the repository: rules go by it.")]
All = Annotated[bool, typer.Option("--all", help="Apply every rule, also such as need a look afterwards.")]
Write = Annotated[bool, typer.Option("--write", help="Write into OURS instead of printing, as git wants it.")]


def merge_file(
    base: Text, ours: Text, theirs: Text, path: Name = "", all_: All = False, write: Write = False
) -> int:
    """Merge three texts by rules that lose nothing."""
    import sys

    texts = [file.read_bytes() for file in (base, ours, theirs)]
    if any(b"\0" in text for text in texts):
        print(f"{path or ours}: binary, left as it is in OURS", file=sys.stderr)
        merged, code = texts[1], 1
    else:
        merged, code = _merge(texts, path or ours.name, everything=all_)
    if write:
        ours.write_bytes(merged)
    else:
        sys.stdout.buffer.write(merged)
        sys.stdout.buffer.flush()
    return code


def _merge(texts: list[bytes], path: str, *, everything: bool) -> tuple[bytes, int]:
    import sys

    from mawep.merging.candidates import candidates
    from mawep.merging.markers import marked
    from mawep.merging.offers import Trust
    from mawep.merging.rungs import trusted

    base, ours, theirs = (text.decode("utf-8", "surrogateescape") for text in texts)
    rungs = trusted(Trust.GUESS if everything else Trust.CERTAIN)
    found = next(candidates(base, ours, theirs, path, rungs), None)
    if found is None:
        text, hunks = marked(base, ours, theirs, path, rungs)
        print(f"{path}: {hunks} conflict{'s' * (hunks != 1)} left", file=sys.stderr)
        return text.encode("utf-8", "surrogateescape"), 1
    for applied in found.applied:
        print(f"{path}: {applied.rung}: {applied.why}", file=sys.stderr)
    return found.text.encode("utf-8", "surrogateescape"), 0
