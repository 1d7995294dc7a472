"""An agent CLI by its name: its quirks, and the one adapter that drives them all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mawep.adapters.process import Supervisor
from mawep.agents.acp import AcpRuntime, AcpSession
from mawep.agents.base import AgentFailed, Launch, Needs, PathPolicy
from mawep.agents.confined import put
from mawep.agents.options import Options
from mawep.agents.programs import located, visible, without
from mawep.agents.quirks import MODEL_KEYS, Quirks, Site, Start


class NamedRuntime:
    """Drives one CLI over ACP; `launch.command` is not used."""

    def __init__(self, quirks: Quirks, options: Options = Options()) -> None:  # noqa: B008 (frozen)
        self._quirks = quirks
        self._options = options

    @property
    def name(self) -> str:
        """See Runtime.name."""
        return self._quirks.name

    def needs(self, command: tuple[str, ...]) -> Needs:
        """See Runtime.needs."""
        return needs_of(self._quirks, self._options, os.environ)

    async def open(
        self, launch: Launch, supervisor: Supervisor, policy: PathPolicy, *, resume: str | None
    ) -> AcpSession:
        """See Runtime.open."""
        site = site_of(self._quirks, launch)
        start = self._quirks.start(site)
        put_files(site.place, start.files)
        if resume is not None and self._quirks.before_resume is not None:
            await asyncio.to_thread(self._quirks.before_resume, start.home or home_of(launch), resume)
        runtime = AcpRuntime(self._options, manners=self._quirks.manners, auth=start.auth)
        return await runtime.open(launched(self._quirks, launch, start), supervisor, policy, resume=resume)


def needs_of(quirks: Quirks, options: Options, environ: Mapping[str, str]) -> Needs:
    """What a CLI has to find on this machine. Raises AgentFailed when a program of it is missing."""
    search_path = environ.get("PATH", os.defpath)
    programs = located(quirks.programs, search_path)
    paths = [path for program in programs.values() for path in visible(program, search_path)]
    provider = (options.model or "").partition("/")[0]
    return Needs(
        visible=tuple(dict.fromkeys(paths)),
        keys=quirks.keys,
        logins=quirks.logins,
        api=quirks.other_apis.get(provider, quirks.api),
        own_home=True,
    )


def site_of(quirks: Quirks, launch: Launch) -> Site:
    """What this start has to go by. Raises AgentFailed when a program is missing."""
    return Site(
        programs=located(quirks.programs, launch.env.get("PATH", os.defpath)),
        place=launch.home or launch.transcript.parent,
        own_home=launch.home is not None,
        env=launch.env,
        model=launch.model_name,
        gateway=launch.model,
        tools=launch.tools,
    )


def home_of(launch: Launch) -> Path:
    """Where the CLI keeps what it remembers."""
    return launch.home or Path(launch.env.get("HOME", "/nonexistent"))


def launched(quirks: Quirks, launch: Launch, start: Start) -> Launch:
    """The launch of the CLI itself. What the user passes on wins over what keeps it quiet, not over the rest."""
    env = without(launch.env, {*MODEL_KEYS, *quirks.keys}) if launch.model else dict(launch.env)
    home = {"HOME": str(launch.home)} if launch.home else {}
    return replace(launch, command=start.argv, env={**quirks.quiet, **env, **home, **start.env})


def put_files(place: Path, files: Mapping[str, str]) -> None:
    """Write its files, for nobody else to read; a text that names what runs it is made a program.

    Raises:
        AgentFailed: something of the agent's is in the way.
    """
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, text in files.items():
        mode = 0o700 if text.startswith("#!") else 0o600
        try:
            put(place, Path(name).parts, text.encode(), mode)
        except OSError as error:
            raise AgentFailed(
                f"{name} cannot be written for the agent", cause=f"{place}: {error.strerror}"
            ) from error
