"""The configuration file that `mawep init` writes: short, commented, holding what was found."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_PLAIN = re.compile(r"(?!(?:null|Null|NULL)$)[A-Za-z][A-Za-z0-9_./-]*")

_RUNTIME_UNKNOWN = """\
    # How are your agents driven? Name one that is installed here (claude-code, codex, gemini, opencode), or
    # uncomment one of these two.
    # runtime: acp                     # an agent that speaks the Agent Client Protocol
    # command: ["my-agent", "--acp"]
    # runtime: command                 # any program; it finds its prompt on stdin and in $MAWEP_PROMPT_FILE
    # command: ./agent.sh
"""
_GATE_UNKNOWN = """\
    # What must succeed on a tree before it lands? Uncomment and adapt.
    # commands: ["make test"]          # or ["true"] to say that you want no check
"""


def default_config_text(found: Mapping[str, object]) -> str:
    """A configuration to start from. `found` holds what the repository told, by dotted key.

    A key that nothing could tell (`agents.runtime`, `verify.commands`) is left out with a comment that says
    what to write: the configuration is then refused until a person has.
    """

    def line(key: str, default: object, comment: str) -> str:
        name = key.rpartition(".")[2]
        value = found.get(key, default)
        return f"    {name}: {_spelt(value)}".ljust(38) + f" # {comment}\n"

    runtime = _RUNTIME_UNKNOWN
    if "agents.runtime" in found:
        runtime = line("agents.runtime", None, "how agents are driven; `mawep doctor` lists what is here")
        if "agents.command" in found:
            runtime += line("agents.command", None, "the program that is the agent")
        if "agents.credentials" in found:
            runtime += line("agents.credentials", None, "login files that agents get copies of")
    gate = _GATE_UNKNOWN
    if "verify.commands" in found:
        gate = line("verify.commands", None, "must succeed on the exact tree before it lands")
    return (
        "# MAWEP: who works on which issues, and what must be true before their work lands.\n"
        "mawep:\n"
        "  orchestrator:\n"
        + line("orchestrator.target_branch", "main", "work lands on this branch")
        + line("orchestrator.max_agents", 5, "agents at work at once")
        + "  issues:\n"
        + _issues(found, line("issues.path", "issues", "a folder of Markdown files, one for each issue"))
        + "  workspace:\n"
        + line("workspace.setup", [], "commands that make a fresh worktree usable")
        + line("workspace.setup_inputs", [], "files whose change makes them run again")
        + "  agents:\n"
        + runtime
        + line("agents.env", [], "environment variables passed on to agents, such as an API key")
        + line(
            "agents.sandbox", "required", "walls around agents, set-up and gate; off: they have your rights"
        )
        + "  verify:\n"
        + gate
    )


def _issues(found: Mapping[str, object], folder: str) -> str:
    """Where issues come from: GitHub, where the repository is there and has no folder of them."""
    name = found.get("github.repository")
    if name is None:
        return folder
    mark = "" if found.get("issues.tracker") == "github" else "# "
    tracker = f"    {mark}tracker: github".ljust(38) + f" # the issues of {name}\n"
    section = (
        f"  {mark}github:\n"
        + f"  {mark}  repository: {_spelt(name)}".ljust(38)
        + " # what MAWEP signs in with may read its issues\n"
        + f"  {mark}  token: ${{GITHUB_TOKEN}}\n"
    )
    return tracker + section if not mark else folder + tracker + section


def _spelt(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(json.dumps(_escaped(item), ensure_ascii=False) for item in value)}]"
    value = _escaped(value)
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _escaped(value: object) -> object:
    return value.replace("${", "$${") if isinstance(value, str) else value
