"""The walls around one agent: what it may write, what it may read, and nothing else of this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mawep.adapters.fences import OFF, REQUIRED, around
from mawep.adapters.programs import own_python, with_real
from mawep.adapters.sandbox import Mount, Walls
from mawep.agents.base import AgentFailed, Launch, Needs
from mawep.core.model import FailureReason
from mawep.inside import ports
from mawep.stages.workspace import CollectError, Workspace, Workspaces
from mawep.worker.desk import Desk, WorkerSettings, author_of, directory_of, launch_of

SOCKETS = Path("/run/mawep")
"""Where the sockets of the gateway and of the tools are inside the walls."""

NO_NETWORK, MODEL_ONLY = "none", "model-only"


@dataclass(frozen=True)
class Raised:
    """Walls as they stand: `prefix` goes in front of the agent's command, `env` into its environment."""

    prefix: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    home: Path | None = None


def socket_inside(kind: str, name: str, socket: Path) -> Path:
    """Where an agent finds a socket of ours, which `walls_of` was given under that name."""
    return SOCKETS / f"{name}.sock" if kind == REQUIRED else socket


def bridge(port: int, socket: Path) -> tuple[str, ...]:
    """What to put in front of a command, so that it finds `socket` at that port of its loopback."""
    return (sys.executable, "-I", "-S", str(Path(ports.__file__)), str(port), str(socket), "--")


def gateway_port(workspace: Workspace) -> int:
    """The port of an attempt's own at which it finds the gateway: the last of its block."""
    return workspace.ports[-1]


async def walls_of(
    settings: WorkerSettings,
    desk: Desk,
    needs: Needs,
    workspaces: Workspaces,
    *,
    sockets: Mapping[str, Path] | None = None,
    gateway: Path | None = None,
) -> Raised:
    """Raise the walls that a desk's way of driving agents has, for one process of its agent.

    `sockets` are those that it may speak to, by name: see `socket_inside`. `gateway` is the socket to bridge to
    `gateway_port`, also where there are no walls. What an earlier process committed is collected first.
    Raises AgentFailed when that cannot be taken, TreeGoneError or GitError.
    """
    driving = settings.driving(desk.work.runtime)
    kind, given = driving.sandbox, {**(sockets or {}), **({"gateway": gateway} if gateway else {})}
    behind = (
        bridge(gateway_port(desk.at), socket_inside(kind, "gateway", gateway)) if gateway is not None else ()
    )
    home = workspaces.home(desk.at) if kind != OFF or needs.own_home else None
    env = {"HOME": str(home)} if home else {}
    if kind == OFF:
        return Raised(behind, env, home)
    try:
        git = await workspaces.seclude(desk.at, kind, author_of(desk))
    except CollectError as error:
        raise _refused(error) from error
    guarded = await workspaces.existing(desk.at, [*desk.work.claims_of_others, *desk.work.protected])
    launch = launch_of(settings, desk)
    papers = (launch.prompt_file, launch.feedback_file, directory_of(settings, desk) / "issue.md")
    seen = (*settings.shown, *own_python(), *needs.visible, *named(driving.command))
    walls = Walls(
        cwd=desk.at.path,
        writable=(desk.at.path, desk.at.tmp, git.git, *((home,) if home else ())),
        read_only=(
            *with_real(path for path in seen if path.is_absolute()),
            *git.borrowed,
            *git.fixed,
            *guarded,
            *papers,
        ),
        mounts=(
            git.pointer,
            *(
                Mount(socket, socket_inside(kind, name, socket), writable=True)
                for name, socket in given.items()
            ),
        ),
        network=driving.network not in {NO_NETWORK, MODEL_ONLY},
    )
    return Raised((*around(kind, walls), *behind), env, home)


def named(command: tuple[str, ...]) -> tuple[Path, ...]:
    """The files that a command names in full: a user who writes a program means it to be there."""
    return tuple(path for path in map(Path, command) if path.is_absolute() and path.is_file())


async def walled(
    settings: WorkerSettings, desk: Desk, workspaces: Workspaces, *, gateway: Path | None = None
) -> Launch:
    """The launch of a desk's agent, behind its walls and with its logins. Raises what `walls_of` and `lend` raise."""
    launch, driving = launch_of(settings, desk), settings.driving(desk.work.runtime)
    sockets = {"tools": desk.tools.path} if desk.tools else {}
    needs = driving.runtime.needs(driving.command)
    raised = await walls_of(settings, desk, needs, workspaces, sockets=sockets, gateway=gateway)
    secrets = launch.secrets
    if raised.home is not None:
        secrets += settings.logins.lend(desk.at.name, raised.home, needs.logins)
    env, tools = {**launch.env, **raised.env}, launch.tools
    if desk.tools is not None:
        tools = desk.tools.endpoint(socket_inside(driving.sandbox, "tools", desk.tools.path))
        env |= tools.env
    return replace(launch, prefix=raised.prefix, env=env, home=raised.home, tools=tools, secrets=secrets)


async def collect(workspaces: Workspaces, workspace: Workspace) -> None:
    """Bring what the agent committed into the repository. Raises AgentFailed when it cannot be taken."""
    try:
        await workspaces.collect(workspace)
    except CollectError as error:
        raise _refused(error) from error


def _refused(error: CollectError) -> AgentFailed:
    return AgentFailed(error.what, cause=error.cause, reason=FailureReason.IMPORT_REFUSED)
