"""Which way of driving agents an issue gets: its own word, else the first route of one of its labels."""

from __future__ import annotations

import pytest

from mawep.cli.driving import Way, routing, way_of, ways, ways_of, ways_taken
from mawep.config import Config
from mawep.core.model import Issue, Routed
from mawep.core.state import State
from mawep.errors import ProblemsError, UsageError
from tests.config.support import load

DOCS = "{label: Docs, runtime: acp, command: [writer, --acp], env: [WRITER_KEY], model: small}"
CHORES = "{label: chores, runtime: command, command: './fix.sh ${FIX_KEY}'}"


def config(*routes: str, **environ: str) -> Config:
    return load(
        "agents.runtime=acp",
        "agents.command=[agent, --acp]",
        "agents.env=[AGENT_KEY]",
        f"agents.routes=[{', '.join(routes)}]",
        environ={"AGENT_KEY": "a" * 8, "WRITER_KEY": "w" * 8, "FIX_KEY": "f" * 8, **environ},
    )


def test_a_way_has_the_name_of_its_runtime_and_of_its_label_where_another_has_that_name() -> None:
    found = ways(config(DOCS, CHORES).agents)
    assert list(found) == ["acp", "acp:Docs", "command"]
    assert found["acp"] == Way("acp", ("agent", "--acp"), ("AGENT_KEY", "FIX_KEY"), None)
    assert found["acp:Docs"] == Way("acp", ("writer", "--acp"), ("WRITER_KEY",), "small")


def test_routes_that_say_the_same_are_one_way() -> None:
    found = ways(config("{label: a, runtime: acp}", "{label: b, runtime: acp, model: big}").agents)
    assert list(found) == ["acp", "acp:b"]
    assert (found["acp:b"].command, found["acp:b"].model) == (("agent", "--acp"), "big")


def test_the_shell_of_a_route_gets_the_variables_that_it_reads() -> None:
    route = "{label: x, runtime: command, command: 'run ${FIX_KEY}', env: [WRITER_KEY]}"
    way = ways(config(route).agents)["command"]
    assert way.command == ("sh", "-c", "run ${FIX_KEY}")
    assert way.env == ("WRITER_KEY", "FIX_KEY")


def test_values_of_a_route_are_kept_out_of_logs() -> None:
    environ = {"AGENT_KEY": "a" * 8, "WRITER_KEY": "w" * 8}
    assert "w" * 8 in config(DOCS).secrets(environ)


def test_the_first_route_that_fits_a_label_counts_and_the_issue_has_the_last_word() -> None:
    agents = config(DOCS, CHORES).agents
    found = routing(
        agents,
        [
            Issue(1, "plain"),
            Issue(2, "docs", labels=("bug", "DOCS")),
            Issue(3, "both", labels=("chores", "docs")),
            Issue(4, "own word", labels=("docs",), runtime="command"),
            Issue(5, "own word is the default", labels=("docs",), runtime="acp"),
        ],
    )
    assert found.problems == ()
    assert found.routed == {
        2: Routed("acp:Docs", "its label `DOCS`"),
        3: Routed("acp:Docs", "its label `docs`"),
        4: Routed("command", "the issue says so"),
    }


def test_an_issue_that_names_what_nobody_knows_is_told_with_its_file() -> None:
    agents = config(DOCS).agents
    found = routing(
        agents, [Issue(1, "a", runtime="Gemini", origin="issues/1.md"), Issue(2, "b", runtime="command")]
    )
    unknown, bare = found.problems
    assert unknown.startswith("issues/1.md: runtime: there is no `Gemini`; known are `acp`, `acp:Docs`, ")
    assert bare == "#2: runtime: `command` needs more than its name; write a route with it in `agents.routes`"


def test_what_a_run_needs_is_what_its_issues_take() -> None:
    agents = config(DOCS, CHORES).agents
    used, scripted = ways_taken(agents, [Issue(1, "a", labels=("docs",)), Issue(2, "b", runtime="nobody")])
    assert [(way.key, way.command) for way in used] == [("agents.routes[0].command", ("writer", "--acp"))]
    assert scripted == ()
    everything, _ = ways_taken(agents, ())
    assert [way.key for way in everything] == [
        "agents.command", "agents.routes[0].command", "agents.routes[1].command",
    ]  # fmt: skip


def test_scripts_are_needed_for_the_issues_that_are_driven_by_them() -> None:
    agents = load(
        "agents.script_dir=scripts", "agents.routes=[{label: demo, runtime: scripted}]", "agents.command=[x]"
    ).agents
    used, scripted = ways_taken(agents, [Issue(1, "a"), Issue(2, "b", labels=("demo",))])
    assert [way.runtime for way in used] == ["command", "scripted"]
    assert scripted == (2,)
    assert way_of(agents, "scripted") == used[1]


def test_a_run_is_not_resumed_when_a_way_of_it_is_not_described_any_more() -> None:
    from immutables import Map

    state = State(runtime="acp", routed=Map({7: Routed("acp:Docs", "its label `docs`")}))
    assert list(ways_of(config(DOCS).agents, state)) == ["acp", "acp:Docs"]
    with pytest.raises(UsageError, match="`acp:Docs`, which the configuration does not describe"):
        ways_of(config(CHORES).agents, state)


@pytest.mark.parametrize(
    ("route", "problem"),
    [
        ("{label: x}", "runtime: "),
        ("{runtime: acp}", "label: "),
        ("{label: x, runtime: comand}", "did you mean `command`?"),
        ("{label: x, runtime: command}", "the route of `x` needs a `command`"),
        ("{label: x, runtime: scripted}", "the route of `x` needs `agents.script_dir`"),
        ("{label: x, runtime: acp}, {label: X, runtime: acp}", "has the label `X` already"),
        ("{label: x, runtime: acp, modell: y}", "unknown key"),
    ],
)
def test_a_route_that_cannot_be_taken_is_a_problem(route: str, problem: str) -> None:
    with pytest.raises(ProblemsError) as refusal:
        config(route)
    (found,) = refusal.value.problems
    assert found.startswith("--set agents.routes: ") and problem in found
