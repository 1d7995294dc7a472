"""`mawep demo`: a sprint of five issues on a small real project, from nothing to landed commits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mawep.cli.options import Json

Directory = Annotated[
    Path | None,
    typer.Option("--directory", help="Where to make it; default is a fresh directory for temporary files."),
]
Keep = Annotated[bool, typer.Option("--keep/--no-keep", help="Leave the project there afterwards.")]


def demo(directory: Directory = None, keep: Keep = True, json: Json = False) -> int:
    """Let five scripted agents land five issues of a small project."""
    import asyncio

    return asyncio.run(_demo(directory, keep=keep, json=json))


async def _demo(directory: Path | None, *, keep: bool, json: bool) -> int:
    import shutil
    import sys
    import tempfile

    from mawep.cli.running import begin_run
    from mawep.demo import create
    from mawep.stages.intake import Wanted

    scratch = directory or Path(tempfile.mkdtemp(prefix="mawep-demo-"))
    project = create(scratch / "payments" if directory is None else scratch)
    print(f"A payments library with five issues: {project}\n", file=sys.stderr)
    overrides = [f"orchestrator.worktree_base={project.parent / (project.name + '-worktrees')}"]
    try:
        code = await begin_run(
            project / "mawep.yaml", overrides, Wanted(), with_dependencies=False, json=json
        )
    finally:
        if not keep:
            for made in (project, Path(overrides[0].partition("=")[2]), *(() if directory else (scratch,))):
                shutil.rmtree(made, ignore_errors=True)
    if keep and not json:
        print(_where(project))
    return code


def _where(project: Path) -> str:
    return (
        f"\nEverything is in {project}\n"
        f"  cd {project}\n"
        "  git log --graph --oneline   the five merge commits\n"
        "  mawep report                what became of the run\n"
        "  mawep explain 104           why one issue went the way it went\n"
        "  mawep logs 102              what its agent said and did\n"
        "  mawep audit                 that what landed was gated, and by what"
    )
