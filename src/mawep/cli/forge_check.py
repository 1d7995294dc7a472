"""Does the forge let us in, as whom, and how much does it take? Nothing is written there, and no token is shown."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from mawep.adapters.git import Repository
from mawep.cli.check import Check
from mawep.cli.forging import forge_settings, open_forge
from mawep.clock import SystemClock
from mawep.config import Config
from mawep.errors import MawepError
from mawep.trackers.base import About, Forge, SignedIn
from mawep.trackers.registry import FORGES


async def check_forge(config: Config, repository: Repository) -> AsyncIterator[Check]:
    """What a run would find at the forge; nothing when it needs none."""
    if not config.uses_forge:
        return
    try:
        settings, warnings = await forge_settings(config, repository, os.environ)
        for warning in warnings:
            yield Check("forge", "warning", warning)
        section = config.issues.tracker if config.issues.tracker in FORGES else "github"
        if settings.token is None and settings.app is None:
            yield Check("forge", "failed", f"there is nothing to sign in with; set `{section}.token`")
            return
        forge = await open_forge(config, repository, SystemClock())
        try:
            yield await _look(forge)
        finally:
            await forge.close()
    except MawepError as error:
        sentence = "; ".join(part for part in (error.what, error.cause, error.next_step) if part)
        yield Check("forge", "failed", sentence)


async def _look(forge: Forge) -> Check:
    signed_in, about = await forge.signed_in(), await forge.about()
    detail = _sentence(signed_in, about)
    if not about.permission.may_write:
        return Check("forge", "failed", f"{detail}; a run has to write there: give it more")
    if about.archived or not about.issues:
        return Check("forge", "failed", f"{detail}; it is archived, or has its issues switched off")
    return Check("forge", "ok", detail)


def _sentence(signed_in: SignedIn, about: About) -> str:
    left = ", ".join(f"{one.left} of {one.limit} ({one.resource})" for one in signed_in.allowances)
    scopes = "" if signed_in.scopes is None else f" with {', '.join(signed_in.scopes) or 'no scopes'}"
    parts = [
        f"{about.repository}: signed in as {signed_in.login}{scopes}",
        f"may {about.permission}",
        f"requests left: {left}" if left else "",
    ]
    return ", ".join(filter(None, parts))
