"""Scopes are checked whole: names, paths, what they need and whom they confine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mawep.config import load_config
from mawep.config.verify import Scope as Configured
from mawep.core.model import Scope
from mawep.core.scopes import affected
from mawep.errors import ProblemsError
from tests.config.support import load

GOOD = (
    "verify.scopes=[{name: lib, paths: [./libs/], commands: [make lib]}, "
    "{name: web, paths: [web], needs: [lib], labels: [ui], confine: true}]"
)


def test_what_decisions_depend_on_is_a_rule() -> None:
    config = load(GOOD)
    assert config.rules().scopes == (
        Scope("lib", ("libs",)),
        Scope("web", ("web",), ("ui",), ("lib",), confine=True),
    )
    assert (config.verify.commands, config.verify.scope_commands) == (("make test",), ("make lib",))


def test_scopes_alone_are_a_gate() -> None:
    config = load(GOOD, "verify.commands=[]")
    assert (config.verify.commands, config.verify.scope_commands) == ((), ("make lib",))


def test_agents_are_told_where_a_command_runs() -> None:
    told = load(
        "verify.scopes=[{name: web, paths: [web], needs: [lib], commands: [x]}, {name: lib, paths: [l]}]"
    )
    assert told.verify.told() == ("make test", "x    # where web, scope lib changes")


@pytest.mark.parametrize(
    ("scopes", "sentence"),
    [
        ("{name: a, paths: [x]}, {name: a, paths: [y]}", "the name `a` is taken"),
        ("{name: 'a,b', paths: [x]}", "holds a `,` or a `:`"),
        ("{name: a, paths: []}", "has no `paths`"),
        ("{name: web, paths: [x], needs: [wep]}", "needs `wep`, which there is not; known are `web`"),
        ("{name: a, paths: [x], confine: true}", "has no `labels`"),
        ("{name: a, paths: [../x]}", "leads upwards"),
        ("{name: a, paths: [x], command: [y]}", "verify.scopes[0].command: unknown key"),
    ],
)
def test_what_cannot_be_meant_is_refused(scopes: str, sentence: str) -> None:
    with pytest.raises(ProblemsError) as refusal:
        load(f"verify.scopes=[{scopes}]")
    (problem,) = refusal.value.problems
    assert sentence in problem


def test_every_key_of_a_scope_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "mono-repos.md").read_text()
    table = page.partition("## A scope")[2].partition("##")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(Configured.model_fields)


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "mono-repos.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "mawep.yaml"
    file.write_text(f"{example}  agents: {{runtime: command, command: [agent]}}\n")
    scopes = load_config(file, (), {}).verify.scopes
    assert [scope.name for scope in scopes] == ["lib", "web", "docs"]
    assert affected([scope.rule() for scope in scopes], ["libs/a.py"]) == ("lib", "web")
