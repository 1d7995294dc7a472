"""Gemini CLI, which speaks ACP itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mawep.agents.programs import Program
from mawep.agents.quirks import Manners, Quirks, Site, Start

GEMINI = Program("gemini", "@google/gemini-cli", "0.61.0")

_SESSION = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")

SETTINGS, LOGIN = ".gemini/settings.json", "oauth-personal"

QUIET = {
    "GEMINI_TELEMETRY_ENABLED": "false",
    "GEMINI_CLI_NO_RELAUNCH": "true",  # else it starts itself again, with twice the memory and the time
    "DO_NOT_TRACK": "1",
    "NO_UPDATE_NOTIFIER": "1",
}


def _auth(site: Site) -> str:
    with_key = site.gateway is not None or site.env.get("GEMINI_API_KEY")
    return "gemini-api-key" if with_key else LOGIN


def _settings(site: Site) -> str:
    return json.dumps(
        {
            "security": {"auth": {"selectedType": _auth(site)}, "folderTrust": {"enabled": False}},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "general": {
                "enableAutoUpdate": False,
                "enableAutoUpdateNotification": False,
                "disableAutoUpdate": True,
                "disableUpdateNag": True,
            },
            "tools": {"useRipgrep": False},  # it would be downloaded
        }
    )


def _start(site: Site) -> Start:
    model = ("-m", site.model) if site.model else ()
    argv = (str(site.programs[GEMINI.name]), "--acp", *model, "--skip-trust")
    auth = _auth(site)
    if not site.own_home and auth == LOGIN:
        return Start(argv, auth=auth)  # the login is in the user's home, and so are the settings that hold
    env = {"GEMINI_CLI_HOME": str(site.place)}
    if site.gateway is not None:
        env |= {"GOOGLE_GEMINI_BASE_URL": site.gateway.url, "GEMINI_API_KEY": site.gateway.token}
    return Start(argv, env, {SETTINGS: _settings(site)}, auth, home=site.place)


def _set_aside(home: Path, session: str) -> None:
    """Give the file of a conversation an older name.

    It is called after the minute of its start. A process that loads it begins a file of its own under such a name
    first, and within the same minute that is the same file: it would be emptied before it is read.
    """
    if not _SESSION.fullmatch(session):
        return
    for path in home.glob(f".gemini/tmp/*/chats/session-*-{session[:8]}.jsonl"):
        if path.resolve().is_relative_to(home.resolve()):  # the agent may have put a link there
            path.rename(path.with_name(f"session-2000-01-01T00-00-{session[:8]}.jsonl"))


GEMINI_CLI = Quirks(
    name="gemini",
    programs=(GEMINI,),
    api="gemini",
    keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    logins=(".gemini/oauth_creds.json", ".gemini/google_accounts.json"),
    quiet=QUIET,
    start=_start,
    before_resume=_set_aside,
    # Offered our file system, it cannot write a file that does not exist yet. Its plan it keeps to itself:
    # of the tool call that changes it one hears a number.
    manners=Manners(mode="default", usage="turn"),
)
