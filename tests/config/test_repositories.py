"""`repositories`: what is written for all holds in each, and an entry says otherwise for itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.config import load_config, load_members
from mawep.errors import ProblemsError, UsageError
from tests.config.support import write

TWO = """\
mawep:
  orchestrator: {max_agents: 3, worktree_base: trees}
  agents: {runtime: command, command: ["./agent.sh"]}
  verify: {commands: ["make test"], slots: 2}
  monitoring: {prometheus_port: 9464}
  repositories:
    - name: acme/api
      path: ../api
    - name: acme/Web
      path: ../web
      orchestrator: {target_branch: develop}
      issues: {path: docs/issues}
      verify:
        commands: ["npm test"]
"""


def wrong(folder: Path, text: str) -> list[str]:
    """What is wrong with a configuration; file names without their folder."""
    with pytest.raises(ProblemsError) as refusal:
        load_members(write(folder, text), (), {})
    return [problem.removeprefix(f"{folder}/") for problem in refusal.value.problems]


def test_an_entry_is_laid_over_what_is_written_for_all(tmp_path: Path) -> None:
    api, web = load_members(write(tmp_path, TWO), (), {}).values()
    assert api.orchestrator.max_agents == web.orchestrator.max_agents == 3
    assert (api.orchestrator.target_branch, web.orchestrator.target_branch) == ("main", "develop")
    assert (api.verify.commands, web.verify.commands) == (("make test",), ("npm test",))
    assert api.verify.slots == web.verify.slots == 2


def test_what_must_differ_does_though_nobody_writes_it(tmp_path: Path) -> None:
    api, web = load_members(write(tmp_path, TWO), (), {}).values()
    assert api.orchestrator.repo_path == tmp_path / "../api"
    assert (api.issues.path, web.issues.path) == (tmp_path / "../api/issues", tmp_path / "../web/docs/issues")
    assert api.orchestrator.worktree_base == tmp_path / "trees/acme-api"
    assert web.orchestrator.worktree_base == tmp_path / "trees/acme-Web"
    assert (api.monitoring.prometheus_port, web.monitoring.prometheus_port) == (9464, 9465)


def test_a_forge_knows_each_by_its_name(tmp_path: Path) -> None:
    text = TWO.replace("  verify: {", "  issues: {tracker: github}\n  verify: {", 1).replace(
        "issues: {path: docs/issues}", "github: {repository: other/web}"
    )
    api, web = load_members(write(tmp_path, text), (), {}).values()
    assert (api.github.repository, web.github.repository) == ("acme/api", "other/web")


def test_what_is_said_on_the_command_line_holds_for_all(tmp_path: Path) -> None:
    members = load_members(write(tmp_path, TWO), ("verify.slots=4",), {})
    assert [config.verify.slots for config in members.values()] == [4, 4]


def test_without_repositories_there_is_one_without_a_name(tmp_path: Path) -> None:
    members = load_members(write(tmp_path), (), {})
    assert list(members) == [""]
    assert members[""].public() == load_config(write(tmp_path), (), {}).public()


def test_who_wants_one_is_told_that_there_are_several(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="about several repositories"):
        load_config(write(tmp_path, TWO), (), {})


def test_a_wrong_value_is_named_where_it_stands(tmp_path: Path) -> None:
    text = TWO.replace('commands: ["npm test"]', "slots: many")
    assert wrong(tmp_path, text) == [
        "mawep.yaml:14: repositories[1].verify.slots: expected a whole number, not `many`"
    ]
    text = TWO.replace("slots: 2", "slots: many")
    assert wrong(tmp_path, text) == ["mawep.yaml:4: verify.slots: expected a whole number, not `many`"]


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ("[]", "mawep.yaml:5: repositories: expected a list of repositories"),
        ("[api]", "mawep.yaml:5: repositories[0]: expected `name:` and `path:`"),
        ("[{path: a}]", "mawep.yaml:5: repositories[0].name: expected `owner/name`"),
        ("[{name: api, path: a}]", "mawep.yaml:5: repositories[0].name: expected `owner/name`"),
        ("[{name: a/b}]", "mawep.yaml:5: repositories[0].path: expected the path of a clone"),
        (
            "[{name: a/b, path: a}, {name: A/B, path: b}]",
            "mawep.yaml:5: repositories[1].name: `A/B` is there already",
        ),
        (
            "[{name: a/b, path: a, vrify: {}}]",
            "mawep.yaml:5: repositories[0].vrify: unknown key; did you mean `verify`?",
        ),
        (
            "[{name: a/b, path: a, monitoring: {}}]",
            "mawep.yaml:5: repositories[0].monitoring: holds for all repositories",
        ),
        (
            "[{name: a/b, path: a, orchestrator: {max_agents: 2}}]",
            "mawep.yaml:5: repositories[0].orchestrator.max_agents: holds for all",
        ),
        (
            "[{name: a/b, path: a, orchestrator: {repo_path: b}}]",
            "mawep.yaml:5: repositories[0].orchestrator.repo_path: is what `path` says",
        ),
        (
            "[{name: a/b, path: a, verify: {slotz: 2}}]",
            "mawep.yaml:5: repositories[0].verify.slotz: unknown key; did you mean `slots`?",
        ),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, entries: str, problem: str) -> None:
    text = (
        "mawep:\n  agents: {runtime: command, command: [x]}\n  verify:\n    commands: [x]\n  repositories: "
        + entries
    )
    found = wrong(tmp_path, text + "\n")
    assert len(found) == 1
    assert found[0].startswith(problem)
