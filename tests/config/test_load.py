"""A configuration is read once and checked whole: all problems at once, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.config import load_config
from mawep.core.model import Rules
from mawep.errors import UsageError
from tests.config.support import ENOUGH, load, problems, write

RUNTIMES = (
    "`claude-code`, `codex`, `gemini`, `opencode`, `claude-code-headless`, `codex-headless`, "
    "`acp`, `command` or `scripted`"
)


def test_the_least_configuration_takes_every_default(tmp_path: Path) -> None:
    config = load_config(write(tmp_path), (), {})
    assert config.orchestrator.max_agents == 5
    assert config.orchestrator.target_branch == "main"
    assert config.agents.command == ("./agent.sh",)
    assert config.agents.sandbox == "required"
    assert config.verify.commands == ("make test",)
    assert config.workspace.copy_ == ()
    assert config.monitoring.prometheus_port is None
    assert config.workspace.branch_prefixes == {"default": "feature", "bug": "defect", "hotfix": "hotfix"}
    assert config.rules() == Rules(merge_rounds=2, tell_breaks=True)


def test_all_problems_are_told_at_once_in_reading_order(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """\
mawep:
  orchestrator:
    max_agents: 0
    target_brnch: main
  issues: {tracker: folder, max_agents: 3}
  agents:
    runtime: comand
    max_retries: many
    max_retries: 2
    turn_timeout_minutes: 0
  verify:
    commands: []
    slots: [1]
  landing: nowhere
  zoo: {}
sandbox: off
""",
    )
    assert problems(path) == [
        "mawep.yaml:3: orchestrator.max_agents: expected at least 1, not `0`",
        "mawep.yaml:4: orchestrator.target_brnch: unknown key; did you mean `target_branch`?",
        "mawep.yaml:5: issues.max_agents: unknown key; did you mean `orchestrator.max_agents`?",
        f"mawep.yaml:7: agents.runtime: expected {RUNTIMES}; did you mean `command`?",
        "mawep.yaml:8: agents.max_retries: expected a whole number, not `many`",
        "mawep.yaml:9: `max_retries` is given twice, first on line 8",
        "mawep.yaml:10: agents.turn_timeout_minutes: expected more than 0, not `0`",
        "mawep.yaml:12: verify.commands: is missing: there is no gate command; "
        'write `["true"]` to say that you want no check',
        "mawep.yaml:13: verify.slots: expected a whole number",
        "mawep.yaml:14: landing: expected a section with `key: value` lines, not `nowhere`",
        "mawep.yaml:15: zoo: unknown key",
        "mawep.yaml:16: sandbox: unknown key; everything in this file goes below `mawep:`",
    ]


def test_what_has_no_default_is_asked_for() -> None:
    assert problems(None) == [
        f"configuration: agents.runtime: is missing; write {RUNTIMES}: how are your agents driven?",
        "configuration: verify.commands: is missing: there is no gate command; "
        'write `["true"]` to say that you want no check',
    ]


@pytest.mark.parametrize("runtime", ["acp", "command"])
def test_a_runtime_that_starts_a_program_needs_one(runtime: str) -> None:
    assert problems(None, f"agents.runtime={runtime}", "verify.commands=[x]") == [
        "--set agents.runtime: agents.command: is missing; "
        "write the program that is the agent, as a list or as one text"
    ]


def test_scripted_agents_need_their_scripts() -> None:
    assert problems(None, "agents.runtime=scripted", "verify.commands=[x]") == [
        "--set agents.runtime: agents.script_dir: is missing; write the folder that holds a script for every issue"
    ]


def test_a_section_out_of_use_requires_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "mawep: {issues: {path: work}}\n")
    config = load_config(path, (), {}, uses=("orchestrator", "issues"))
    assert (config.agents.runtime, config.verify.commands) == ("", ())
    assert problems(path, "agents.runtime=comand", uses=("issues",)) == [
        f"--set agents.runtime: expected {RUNTIMES}; did you mean `command`?"
    ]


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    config = load_config(
        write(tmp_path), ("issues.path=work", "orchestrator.worktree_base=~/trees"), {"HOME": "/h"}
    )
    assert config.orchestrator.repo_path == tmp_path
    assert config.issues.path == tmp_path / "work"
    assert config.orchestrator.worktree_base == Path("/h/trees")


def test_without_a_file_relative_paths_start_at_the_working_directory() -> None:
    assert load().issues.path == Path.cwd() / "issues"


def test_a_text_is_a_text_whatever_yaml_takes_it_for(tmp_path: Path) -> None:
    path = write(tmp_path, ENOUGH + "  orchestrator: {target_branch: 2024}\n  issues: {path: no}\n")
    config = load_config(path, ("verify.commands=[true, 1.0]",), {})
    assert config.orchestrator.target_branch == "2024"
    assert config.issues.path == tmp_path / "no"
    assert config.verify.commands == ("true", "1.0")


@pytest.mark.parametrize("word", ["off", "no", "false", "Off", "NO", "False", '"off"'])
@pytest.mark.parametrize("key", ["agents.sandbox", "agents.gateway"])
def test_a_bare_off_no_or_false_means_off(key: str, word: str) -> None:
    assert getattr(load(f"{key}={word}").agents, key.partition(".")[2]) == "off"


@pytest.mark.parametrize("word", ["on", "yes", "true", "off", "no", "false"])
def test_switches_take_the_words_of_yaml(word: str) -> None:
    assert load(f"issues.with_dependencies={word}").issues.with_dependencies is (
        word in {"on", "yes", "true"}
    )


def test_times_may_be_parts_of_a_minute() -> None:
    config = load("agents.stall_timeout_minutes=0.05", "verify.timeout_minutes=.5")
    assert (config.agents.stall_timeout_minutes, config.verify.timeout_minutes) == (0.05, 0.5)


@pytest.mark.parametrize(("count", "accepted"), [("0", False), ("1", True), ("1000", True), ("1001", False)])
def test_max_agents_goes_from_1_to_1000(count: str, accepted: bool) -> None:
    if accepted:
        assert load(f"orchestrator.max_agents={count}").orchestrator.max_agents == int(count)
    else:
        assert len(problems(None, f"orchestrator.max_agents={count}")) == 3


def test_every_agent_gets_ten_ports_below_65536() -> None:
    assert load("workspace.ports_from=65486").workspace.ports_from == 65486
    with pytest.raises(UsageError, match="expected at most 64536, as 100 agents"):
        load("orchestrator.max_agents=100", "workspace.ports_from=65000")


def test_an_agent_command_in_one_text_is_run_by_a_shell() -> None:
    assert load("agents.command=./agent.sh $MAWEP_PROMPT_FILE").agents.command == (
        "sh",
        "-c",
        "./agent.sh $MAWEP_PROMPT_FILE",
    )


def test_branch_prefixes_are_added_to_the_default() -> None:
    prefixes = load("workspace.branch_prefixes={docs: doc, bug: fix}").workspace.branch_prefixes
    assert prefixes == {"default": "feature", "bug": "fix", "hotfix": "hotfix", "docs": "doc"}


@pytest.mark.parametrize(
    "name", ["a b", "-x", "a..b", "/a", "a/", "a.lock", "a@{b", "@", "a~1", ".a", "a/.b", "a."]
)
def test_a_branch_has_a_name_that_git_accepts(name: str) -> None:
    with pytest.raises(UsageError, match="is not a name that git accepts for a branch"):
        load(f"orchestrator.target_branch='{name}'")


@pytest.mark.parametrize("path", ["../secrets", "/etc", "~/x", "a\\b", "C:x", "."])
def test_paths_of_the_repository_stay_in_it(path: str) -> None:
    with pytest.raises(UsageError, match=r"--set workspace.copy: workspace.copy\[0\]: `"):
        load(f"workspace.copy=['{path}']")


def test_a_protection_can_be_taken_away() -> None:
    assert load("verify.protected_paths=['!.claude/**', ./secret]").verify.protected_paths == (
        "!.claude/**",
        "secret",
    )


@pytest.mark.parametrize("name", ["$KEY", "KEY=1", "1KEY", ""])
def test_env_lists_names_of_variables(name: str) -> None:
    with pytest.raises(UsageError, match="is not the name of an environment variable"):
        load(f"agents.env=['{name}']")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "mawep: [\n",
            "mawep.yaml:2: is not valid YAML: expected the node content, but found '<stream end>'",
        ),
        (
            "mawep:\n\tagents: {}\n",
            "mawep.yaml:2: is not valid YAML: found character '\\t' that cannot start any token",
        ),
        ("- mawep\n", "mawep.yaml:1: expected `mawep:` and sections below it"),
        ("mawep: on\n", "mawep.yaml:1: mawep: expected sections below it"),
        ("mawep: {agents: &a {}, verify: *a}\n", "anchors and aliases are not supported"),
        ("mawep: {agents: !agents {}}\n", "the YAML tag `!agents` is not supported"),
        ("mawep: " + "[" * 5000, "mawep.yaml:1: is nested too deeply"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert any(problem in line for line in problems(write(tmp_path, text)))


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mawep init") as refusal:
        load_config(tmp_path / "mawep.yaml", (), {})
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_bytes(b"mawep: \xff")])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, make: object) -> None:
    path = tmp_path / "mawep.yaml"
    assert callable(make)
    make(path)
    with pytest.raises(UsageError, match=r"the configuration file .* cannot be read"):
        load_config(path, (), {})


def test_an_empty_file_is_a_configuration_without_values(tmp_path: Path) -> None:
    assert len(problems(write(tmp_path, "# nothing yet\n"))) == 2


def test_the_worktree_base_is_outside_any_checkout_by_default() -> None:
    config = load()
    one = config.worktree_base(Path("/src/shop/.git"), {"HOME": "/h"})
    other = config.worktree_base(Path("/src/old/shop/.git"), {"HOME": "/h"})
    assert one != other
    assert one.name == "worktrees"
    assert one.parent.name.startswith("shop-")
    assert one.parent.parent == Path("/h/.local/state/mawep")
    assert config.worktree_base(Path("/src/shop.git"), {"XDG_STATE_HOME": "/s"}).is_relative_to("/s/mawep")
    assert load("orchestrator.worktree_base=/t").worktree_base(Path("/src/.git"), {}) == Path("/t")


def test_rules_are_seconds() -> None:
    rules = load(
        "orchestrator.on_failure=halt", "agents.on_lost=reassign", "agents.input_timeout_minutes=0.5"
    ).rules()
    assert (rules.halt_on_failure, rules.reassign_lost, rules.input_timeout) == (True, True, 30.0)


def test_walls_are_required_but_for_agents_that_mawep_brings_along() -> None:
    scripted = ("agents.runtime=scripted", "agents.script_dir=scripts")
    routed = "agents.routes=[{label: easy, runtime: scripted}]"
    for overrides, walls in {
        (): "required",
        ("agents.sandbox=off",): "off",
        ("agents.sandbox=landlock",): "landlock",
        scripted: "off",
        (*scripted, "agents.sandbox=required"): "required",
        (routed, "agents.script_dir=scripts"): "required",
    }.items():
        assert load(*overrides).agents.walls == walls, overrides
    mixed = load(routed, "agents.script_dir=scripts").agents
    assert (mixed.walls_of("scripted"), mixed.walls_of("command")) == ("off", "required")


@pytest.mark.parametrize("walls", ["off", "landlock"])
@pytest.mark.parametrize("network", ["none", "model-only"])
def test_only_the_required_walls_keep_an_agent_off_the_network(walls: str, network: str) -> None:
    found = problems(None, f"agents.sandbox={walls}", f"agents.network={network}", "agents.gateway=on")
    assert any("takes `sandbox: required`" in problem for problem in found)
