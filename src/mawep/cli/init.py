"""`mawep init`: write a configuration from what is found in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Target = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Where to write it; default ./mawep.yaml.", dir_okay=False),
]


def init(config: Target = None) -> int:
    """Write a configuration from what is found here."""
    import asyncio

    return asyncio.run(_init(config or Path("mawep.yaml")))


async def _init(path: Path) -> int:
    import os

    from mawep.adapters.git import find_repository
    from mawep.cli.discovery import discover
    from mawep.config import default_config_text
    from mawep.errors import UsageError

    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a directory", next_step="name a file in one that exists")
    repository = await find_repository(folder)
    found = await discover(repository, folder, os.environ)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(default_config_text(found))
    except FileExistsError:
        raise UsageError(
            f"{path} is there already", next_step="change it by hand, or name another file with -c"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written", cause=str(error)) from error
    print(f"{path} is written, for the repository {repository.work_tree or repository.common_dir}")
    for key, value in found.items():
        print(f"  {key}: {value}")
    print("Next:")
    if "agents.runtime" not in found:
        print(f"  - say in {path} how your agents are driven (agents.runtime)")
    elif not found.keys() & {"agents.env", "agents.credentials"}:
        print(f"  - sign in with {found['agents.runtime']}, or set its key; `mawep doctor` tells how")
    if "verify.commands" not in found:
        print(f"  - say in {path} what must succeed before work lands (verify.commands)")
    if found.get("issues.tracker") == "github":
        print("  - export GITHUB_TOKEN, `mawep plan`, `mawep start --issues 101,102`")
    else:
        print("  - write an issue, `mawep plan`, `mawep start --issues all`")
    return 0
