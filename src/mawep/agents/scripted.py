"""The scripted agent as a runtime: a real ACP agent of our own that does what a file says."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import mawep
from mawep.adapters.process import Supervisor
from mawep.agents.acp import AcpRuntime, AcpSession
from mawep.agents.base import AgentFailed, Launch, Needs, PathPolicy
from mawep.agents.options import Options
from mawep.agents.scripted_session import STATE


class ScriptedRuntime:
    """Runs the script `<issue>.yaml` out of the one directory that `launch.command` names.

    The issue is `launch.env["MAWEP_ISSUE"]`; a relative directory counts from the worktree. The agent keeps
    its sessions in its own HOME, else beside the transcript, unless the environment says where.
    """

    name = "scripted"

    def __init__(self, options: Options = Options()) -> None:  # noqa: B008 (frozen)
        self._options = options

    def needs(self, command: tuple[str, ...]) -> Needs:
        """It is a program of ours, and of the Python that runs this."""
        return Needs(
            visible=(
                Path(sys.prefix),
                Path(sys.base_prefix),
                Path(mawep.__file__).parent,
                *map(Path, command),
            )
        )

    async def open(
        self, launch: Launch, supervisor: Supervisor, policy: PathPolicy, *, resume: str | None
    ) -> AcpSession:
        """See Runtime.open."""
        scripts = launch.cwd.joinpath(*launch.command)
        script = scripts / f"{launch.env['MAWEP_ISSUE']}.yaml"
        if not script.is_file():
            raise AgentFailed("there is no script for this issue", cause=f"{script} does not exist")
        argv = (sys.executable, "-I", "-m", "mawep.agents.scripted_agent", "--script", str(script))
        env = {STATE: str((launch.home or launch.transcript.parent) / "scripted"), **launch.env}
        return await AcpRuntime(self._options).open(
            replace(launch, command=argv, env=env), supervisor, policy, resume=resume
        )
