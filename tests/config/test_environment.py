"""`${VAR}` comes from the environment only, and what it stands for is never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mawep.config import Config, load_config
from mawep.errors import ProblemsError
from tests.config.support import ENOUGH, load, problems, write

SECRET = "s3cret-value"


def test_a_variable_is_put_in() -> None:
    config = load("agents.command=[agent, '--key=${KEY}-${N}']", environ={"KEY": "k", "N": "2"})
    assert config.agents.command == ("agent", "--key=k-2")


def test_a_number_may_come_from_the_environment() -> None:
    assert load("orchestrator.max_agents=${N}", environ={"N": "12"}).orchestrator.max_agents == 12


def test_a_variable_that_is_not_set_is_an_error(tmp_path: Path) -> None:
    path = write(
        tmp_path, ENOUGH + "  issues: {path: '${NOWHERE}/issues'}\n  workspace: {setup: ['${GONE} x']}\n"
    )
    assert problems(path) == [
        "mawep.yaml:7: issues.path: the environment variable `NOWHERE` is not set; "
        "set it, or write `$${NOWHERE}` for the plain text",
        "mawep.yaml:8: workspace.setup[0]: the environment variable `GONE` is not set; "
        "set it, or write `$${GONE}` for the plain text",
    ]


def test_a_section_out_of_use_is_not_looked_up() -> None:
    config = load("github.token=${GITHUB_TOKEN}")
    assert config.github.token == "${GITHUB_TOKEN}"
    assert "github" not in config.public()


def test_a_key_without_a_feature_is_not_looked_up() -> None:
    with pytest.raises(ProblemsError) as refusal:
        load("message_bus.url=redis://:${PASSWORD}@host")
    assert len(refusal.value.problems) == 1


def test_two_dollars_write_one() -> None:
    config = load("agents.command=[agent, '$${HOME}', $HOME, $5]", "verify.commands=['echo $${X}']")
    assert config.agents.command == ("agent", "${HOME}", "$HOME", "$5")
    assert config.verify.commands == ("echo ${X}",)


@pytest.mark.parametrize("text", ["${", "${}", "${A-b}", "${1}"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ProblemsError, match="is not understood"):
        load(f"issues.path='{text}'")


def test_a_shell_reads_its_variables_itself() -> None:
    """So the value is in no argument list, and in no record of the gate."""
    config = load(
        "verify.commands=['curl -H ${TOKEN} ${MAWEP_PORT} ${HOME} ${N:-1}']",
        "workspace.setup=['login ${USER_KEY}']",
        "agents.command=agent ${API_KEY} ${TOKEN}",
        "agents.env=[TOKEN]",
        environ={"TOKEN": SECRET, "USER_KEY": SECRET, "API_KEY": SECRET},
    )
    assert config.verify.commands == ("curl -H ${TOKEN} ${MAWEP_PORT} ${HOME} ${N:-1}",)
    assert config.verify.env == ("TOKEN", "USER_KEY")
    assert config.agents.command == ("sh", "-c", "agent ${API_KEY} ${TOKEN}")
    assert config.agents.env == ("TOKEN", "API_KEY")


@pytest.fixture
def with_secret() -> Config:
    return load(
        "agents.command=[agent, '${KEY}']",
        "issues.path=/srv/${KEY}",
        "workspace.branch_prefixes={docs: '${KEY}'}",
        environ={"KEY": SECRET},
    )


def test_secrets_are_in_no_repr(with_secret: Config) -> None:
    assert with_secret.agents.command == ("agent", SECRET)
    for value in (with_secret, with_secret.agents, with_secret.issues, with_secret.workspace):
        assert SECRET not in repr(value) + str(value) + f"{value}"


def test_what_logs_must_not_show_is_known() -> None:
    environ = {
        "KEY": SECRET,
        "TOKEN": "t0ken-value",
        "CI": "true",
        "HOME": "/home/me",
        "OTHER": "other-value",
    }
    config = load(
        "agents.command=[agent, '${KEY}', '${HOME}', '$${OTHER}']",
        "verify.commands=['x ${TOKEN}']",
        "verify.env=[CI]",
        environ=environ,
    )
    assert config.secrets(environ) == (SECRET, "t0ken-value")
    assert config.secrets({}) == ()


def test_the_public_form_keeps_what_was_written(with_secret: Config) -> None:
    public = json.loads(json.dumps(with_secret.public()))
    assert SECRET not in str(public)
    assert public["agents"]["command"] == ["agent", "${KEY}"]
    assert public["issues"]["path"] == "/srv/${KEY}"
    assert public["verify"]["commands"] == ["make test"]


def test_secrets_are_in_no_problem(tmp_path: Path) -> None:
    keys = {
        "agents.runtime": "${KEY}",
        "orchestrator.max_agents": "${KEY}",
        "orchestrator.target_branch": "a ${KEY}",
        "workspace.copy": "[/${KEY}]",
        "verify.env": "['${KEY}']",
        "issues.with_dependencies": "${KEY}",
        "agents.sandbox": "${KEY}",
        "landing": "${KEY}",
        "agents.gateway": "${KEY}",
    }
    found = problems(
        write(tmp_path), *(f"{key}={value}" for key, value in keys.items()), environ={"KEY": SECRET}
    )
    assert len(found) == len(keys)
    assert SECRET not in "\n".join(found)
    with pytest.raises(ProblemsError) as refusal:
        load_config(None, ("agents.runtime=${KEY}",), {"KEY": SECRET})
    assert refusal.value.__cause__ is None
