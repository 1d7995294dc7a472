"""What `mawep doctor` says of coding agents: there, in which version, with what to sign in, lent to attempts or not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mawep.cli.agents_here import Here, agents_here
from mawep.cli.check import Check
from mawep.cli.driving import ways
from mawep.config import Config


def check_agents(config: Config | None) -> Iterator[Check]:
    """A check for every agent known by name; one that the configuration uses must be able to work."""
    used = (
        {way.runtime.removesuffix("-headless"): way.env for way in ways(config.agents).values()}
        if config
        else {}
    )
    for here in agents_here(os.environ):
        yield _check(here, config, used.get(here.name))


def _check(here: Here, config: Config | None, passed: tuple[str, ...] | None) -> Check:
    """`passed`: the variables that it is given; None when nothing uses it."""
    if not here.usable:
        there = "" if not here.found else f"{_versions(here)}; "
        names = " and ".join(f"`{program.name}`" for program in here.missing)
        return Check(
            here.name,
            "ok" if passed is None else "failed",
            f"{there}no {names}: install it with `{here.install}`",
        )
    if config is None or passed is None:
        return Check(here.name, "ok", f"{_versions(here)}; {_signed_in(here)}; not used")
    means = list(_means(here, config, passed))
    if means:
        return Check(here.name, "ok", f"{_versions(here)}; {', '.join(means)}")
    return Check(here.name, "warning", f"{_versions(here)}; {_signed_in(here)}, {_advice(here)}")


def _versions(here: Here) -> str:
    tested = {program.name: program.tested for program in here.quirks.programs}
    return ", ".join(
        f"{name} {version or 'of a version it does not tell'}"
        + ("" if version in {tested[name], ""} else f" (tried with {tested[name]})")
        for name, version in here.found.items()
    )


def _signed_in(here: Here) -> str:
    signs = [*(f"{name} is set" for name in here.keys), *(f"~/{file} is there" for file in here.logins)]
    return ", ".join(signs) or "no key and no login found"


def _means(here: Here, config: Config, passed: tuple[str, ...]) -> Iterator[str]:
    """What an attempt will really have to sign in with."""
    for name in here.keys:
        if config.agents.gateway == "on":
            yield f"the gateway holds {name}"
        elif name in passed:
            yield f"{name} is passed on"
    lent = {_below_home(file) for file in config.agents.credentials}
    yield from (f"~/{file} is lent" for file in here.logins if Path(file) in lent)


def _below_home(file: Path) -> Path:
    home = Path(os.environ.get("HOME") or Path.home())
    return file.relative_to(home) if file.is_relative_to(home) else file


def _advice(here: Here) -> str:
    if here.keys:
        return f"but attempts do not get it: name {here.keys[0]} in `agents.env`"
    if here.logins:
        return f"but attempts do not get it: name `~/{here.logins[0]}` in `agents.credentials`"
    return f"sign in with `{here.quirks.programs[-1].name}`, or set {here.quirks.keys[0]}"
