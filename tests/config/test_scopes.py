"""Scopes are checked whole: names, paths, what they need and whom they confine."""

from __future__ import annotations

import pytest

from mawep.core.model import Scope
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
    assert config.verify.every_command == ("make test", "make lib")


def test_scopes_alone_are_a_gate() -> None:
    config = load(GOOD, "verify.commands=[]")
    assert config.verify.every_command == ("make lib",)


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
