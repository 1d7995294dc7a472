"""`mawep init`: write a configuration from what is found in the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_ATTRIBUTE = "* merge=mawep"

Target = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Where to write it; default ./mawep.yaml.", dir_okay=False),
]

Driver = Annotated[
    bool,
    typer.Option("--merge-driver", help="Have git merge with `mawep merge-file` in this clone, instead."),
]


def init(config: Target = None, merge_driver: Driver = False) -> int:
    """Write a configuration from what is found here."""
    import asyncio

    if merge_driver:
        return asyncio.run(_drive())
    return asyncio.run(_init(config or Path("mawep.yaml")))


async def _drive() -> int:
    """Name the driver in the clone's own configuration, and the files in its own attributes: nothing is committed."""
    import shlex
    import sys

    from mawep.adapters.git import find_repository

    repository = await find_repository(Path())
    command = f"{shlex.quote(sys.executable)} -m mawep merge-file --write --path %P %O %A %B"
    settings = ("config", "--file", str(repository.common_dir / "config"))
    await repository.run(*settings, "merge.mawep.name", "MAWEP merges what needs no judgement")
    await repository.run(*settings, "merge.mawep.driver", command)
    attributes = repository.common_dir / "info" / "attributes"
    lines = attributes.read_text().splitlines() if attributes.exists() else []
    if _ATTRIBUTE not in lines:
        attributes.parent.mkdir(exist_ok=True)
        attributes.write_text("\n".join([_ATTRIBUTE, *lines, ""]))  # what a person wrote there goes before it
    print(f"git merges with MAWEP in this clone ({attributes})")
    print("  to end that: git config --remove-section merge.mawep, and take the line out of that file")
    return 0


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
