"""How each agent CLI is started: what it is told, what it is not shown, and what it needs to be seen."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mawep.agents.base import AgentFailed, AgentSession, Launch, ModelEndpoint, ToolEndpoint
from mawep.agents.options import Options
from mawep.agents.programs import visible
from mawep.agents.registry import RUNTIMES
from mawep.config.routes import NAMED_AGENTS
from mawep.config.routes import RUNTIMES as KNOWN
from tests.agents.conftest import Stage, events
from tests.agents.stub_cli import Bin

GATEWAY = ModelEndpoint("http://127.0.0.1:20009", "token-of-the-attempt")
REAL_KEYS = {
    "ANTHROPIC_API_KEY": "sk-real",
    "CLAUDE_CODE_OAUTH_TOKEN": "sk-real",
    "OPENAI_API_KEY": "sk-real",
    "GEMINI_API_KEY": "sk-real",
}
PROGRAM = {
    "claude-code": "claude-agent-acp",
    "codex": "codex-acp",
    "gemini": "gemini",
    "opencode": "opencode",
}
MODES = {"claude-code": "default", "codex": "agent-full-access", "gemini": "default"}


@pytest.fixture
def bin_(stage: Stage) -> Bin:
    return Bin(stage.root)


def launch(stage: Stage, bin_: Bin, **env: str) -> Launch:
    return stage.launch(env={"PATH": bin_.search_path, **env})


async def started(stage: Stage, bin_: Bin, runtime: str, ready: Launch) -> dict[str, Any]:
    """How the program of a runtime is started."""
    modes = {"currentModeId": "x", "availableModes": [{"id": mode, "name": mode} for mode in MODES.values()]}
    opened = f"session/new={json.dumps({'sessionId': 's', 'modes': modes})}"
    bin_.acp(PROGRAM[runtime], opened)
    if runtime == "claude-code":
        bin_.plain("claude")
    session = await RUNTIMES[runtime]().open(ready, stage.supervisor, stage.policy, resume=None)
    await session.close()
    (start,) = bin_.starts(PROGRAM[runtime])
    return start


def sent(stage: Stage, method: str) -> dict[str, Any]:
    found = (f["msg"] for f in stage.frames() if f["dir"] == "out" and f["msg"].get("method") == method)
    params: dict[str, Any] = next(found)["params"]
    return params


def test_the_configuration_knows_every_runtime() -> None:
    assert set(KNOWN) == set(RUNTIMES)


@pytest.mark.parametrize("runtime", PROGRAM)
async def test_behind_a_gateway_no_key_of_the_users_is_shown(stage: Stage, bin_: Bin, runtime: str) -> None:
    ready = replace(launch(stage, bin_, **REAL_KEYS), model=GATEWAY, model_name="maker/model")
    start = await started(stage, bin_, runtime, ready)
    everything = json.dumps(start)
    assert "sk-real" not in everything
    assert GATEWAY.url in everything
    assert GATEWAY.token in everything
    assert GATEWAY.token not in json.dumps(start["argv"])
    own = {"claude-code": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY"}.get(runtime, "OPENAI_API_KEY")
    assert start["env"][own] == GATEWAY.token


@pytest.mark.parametrize("runtime", PROGRAM)
async def test_it_is_kept_from_everything_but_its_work(stage: Stage, bin_: Bin, runtime: str) -> None:
    start = await started(stage, bin_, runtime, launch(stage, bin_))
    quiet = {
        "claude-code": {
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            "DISABLE_TELEMETRY",
            "DISABLE_AUTOUPDATER",
        },
        "codex": {"CODEX_CONFIG", "INITIAL_AGENT_MODE"},
        "gemini": {"GEMINI_TELEMETRY_ENABLED", "GEMINI_CLI_NO_RELAUNCH"},
        "opencode": {"OPENCODE_DISABLE_AUTOUPDATE", "OPENCODE_DISABLE_MODELS_FETCH", "OPENCODE_DB"},
    }
    assert quiet[runtime] <= set(start["env"])


@pytest.mark.parametrize("runtime", MODES)
async def test_it_works_in_its_mode(stage: Stage, bin_: Bin, runtime: str) -> None:
    await started(stage, bin_, runtime, launch(stage, bin_))
    assert sent(stage, "session/set_mode")["modeId"] == MODES[runtime]


@pytest.mark.parametrize("runtime", PROGRAM)
async def test_it_is_offered_no_file_system(stage: Stage, bin_: Bin, runtime: str) -> None:
    await started(stage, bin_, runtime, launch(stage, bin_))
    offered = sent(stage, "initialize").get("clientCapabilities", {})
    assert not offered.get("terminal")
    assert not offered.get("fs", {}).get("readTextFile")


async def test_claude_uses_the_program_that_was_looked_up(stage: Stage, bin_: Bin) -> None:
    ready = replace(launch(stage, bin_, ANTHROPIC_API_KEY="sk-mine"), model_name="claude-sonnet-4-5")
    env = (await started(stage, bin_, "claude-code", ready))["env"]
    assert env["CLAUDE_CODE_EXECUTABLE"] == str(bin_.path / "claude")
    assert (env["ANTHROPIC_MODEL"], env["ANTHROPIC_API_KEY"]) == ("claude-sonnet-4-5", "sk-mine")


async def test_codex_is_configured_by_its_environment(stage: Stage, bin_: Bin) -> None:
    ready = replace(launch(stage, bin_), model=GATEWAY, model_name="gpt-5.5")
    config = json.loads((await started(stage, bin_, "codex", ready))["env"]["CODEX_CONFIG"])
    assert config["model"] == "gpt-5.5"
    assert config["model_providers"]["mawep"]["base_url"] == "http://127.0.0.1:20009/v1"
    assert config["features"] == {"plugins": False, "apps": False, "remote_plugin": False}
    assert config["sandbox_mode"] == "danger-full-access"


async def test_codex_without_a_key_is_left_to_its_login(stage: Stage, bin_: Bin) -> None:
    config = json.loads((await started(stage, bin_, "codex", launch(stage, bin_)))["env"]["CODEX_CONFIG"])
    assert "model_provider" not in config


@pytest.mark.parametrize(
    ("key", "method"), [({"GEMINI_API_KEY": "k"}, "gemini-api-key"), ({}, "oauth-personal")]
)
async def test_gemini_logs_in_with_what_there_is(
    stage: Stage, bin_: Bin, key: dict[str, str], method: str
) -> None:
    home = stage.root / "home"
    start = await started(stage, bin_, "gemini", replace(launch(stage, bin_, **key), home=home))
    assert sent(stage, "authenticate") == {"methodId": method}
    assert start["env"]["GEMINI_CLI_HOME"] == str(home)
    settings = home / ".gemini" / "settings.json"
    assert json.loads(settings.read_text())["security"]["auth"]["selectedType"] == method
    assert settings.stat().st_mode & 0o777 == 0o600
    assert start["env"]["HOME"] == str(home)


async def test_gemini_without_a_key_is_left_to_the_users_login_and_settings(stage: Stage, bin_: Bin) -> None:
    start = await started(stage, bin_, "gemini", launch(stage, bin_))
    assert "GEMINI_CLI_HOME" not in start["env"]
    assert sent(stage, "authenticate") == {"methodId": "oauth-personal"}


async def test_what_an_agent_put_in_the_way_of_its_files_is_not_followed(stage: Stage, bin_: Bin) -> None:
    home, victim = stage.root / "home", stage.root / "victim.json"
    (home / ".gemini").mkdir(parents=True)
    victim.write_text("mine")
    (home / ".gemini" / "settings.json").symlink_to(victim)
    await started(stage, bin_, "gemini", replace(launch(stage, bin_), home=home))
    assert victim.read_text() == "mine"
    assert not (home / ".gemini" / "settings.json").is_symlink()


async def test_nor_a_directory_that_it_put_there(stage: Stage, bin_: Bin) -> None:
    home, victim = stage.root / "home", stage.root / "victim"
    home.mkdir()
    victim.mkdir()
    (home / ".gemini").symlink_to(victim)
    bin_.plain("gemini")
    with pytest.raises(AgentFailed, match="cannot be written for the agent"):
        await RUNTIMES["gemini"]().open(
            replace(launch(stage, bin_), home=home), stage.supervisor, stage.policy, resume=None
        )
    assert list(victim.iterdir()) == []


async def test_the_server_of_codex_is_told_our_settings_too(stage: Stage, bin_: Bin) -> None:
    codex = bin_.path.parent / "@openai" / "codex" / "bin" / "codex.js"
    codex.parent.mkdir(parents=True)
    codex.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    codex.chmod(0o755)
    start = await started(stage, bin_, "codex", replace(launch(stage, bin_), home=stage.root / "home"))
    server = start["env"]["CODEX_PATH"]
    words = subprocess.run([server, "app-server"], capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    assert words[0] == "app-server"
    assert {"features.plugins=false", 'sandbox_mode="danger-full-access"'} <= set(words)


async def test_gemini_continues_in_the_minute_of_its_start(stage: Stage, bin_: Bin) -> None:
    home, name = stage.root / "home", "0b8910f5-0000-4000-8000-000000000000"
    chats = home / ".gemini" / "tmp" / "x" / "chats"
    chats.mkdir(parents=True)
    (chats / "session-2026-11-22T17-36-0b8910f5.jsonl").touch()
    hello = json.dumps({"protocolVersion": 1, "agentCapabilities": {"loadSession": True}})
    bin_.acp("gemini", f"initialize={hello}")
    ready = replace(launch(stage, bin_), home=home)
    session = await RUNTIMES["gemini"]().open(ready, stage.supervisor, stage.policy, resume=name)
    await session.close()
    assert [path.name for path in chats.iterdir()] == ["session-2000-01-01T00-00-0b8910f5.jsonl"]


@pytest.mark.parametrize(
    ("model", "library", "url"),
    [
        ("anthropic/claude-sonnet-4-5", "@ai-sdk/anthropic", "http://127.0.0.1:20009/v1"),
        ("google/gemini-2.5-pro", "@ai-sdk/google", "http://127.0.0.1:20009/v1beta"),
        ("house/own", "@ai-sdk/openai-compatible", "http://127.0.0.1:20009/v1"),
    ],
)
async def test_opencode_speaks_to_the_provider_of_its_model(
    stage: Stage, bin_: Bin, model: str, library: str, url: str
) -> None:
    ready = replace(launch(stage, bin_), model=GATEWAY, model_name=model)
    config = json.loads((await started(stage, bin_, "opencode", ready))["env"]["OPENCODE_CONFIG_CONTENT"])
    (provider,) = config["provider"].values()
    assert (provider["npm"], provider["options"]["baseURL"]) == (library, url)
    assert provider["options"]["apiKey"] == "{env:OPENAI_API_KEY}"
    assert (config["model"], config["permission"]["edit"]) == (model, "ask")


async def test_opencode_behind_a_gateway_has_to_be_told_its_model(stage: Stage, bin_: Bin) -> None:
    bin_.plain("opencode")
    ready = replace(launch(stage, bin_), model=GATEWAY)
    with pytest.raises(AgentFailed, match="not told which model") as failed:
        await RUNTIMES["opencode"]().open(ready, stage.supervisor, stage.policy, resume=None)
    assert "agents.model" in failed.value.next_step


async def test_it_is_given_our_tools(stage: Stage, bin_: Bin) -> None:
    ready = replace(launch(stage, bin_), tools=ToolEndpoint(("relay",), {"MAWEP_TOOLS_TOKEN": "t"}))
    await started(stage, bin_, "claude-code", ready)
    assert [server["name"] for server in sent(stage, "session/new")["mcpServers"]] == ["mawep"]


# --- what it needs


@pytest.mark.parametrize("runtime", NAMED_AGENTS)
def test_a_program_that_is_missing_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, runtime: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AgentFailed, match="there is no program") as failed:
        RUNTIMES[runtime]().needs(())
    assert "npm install -g " in failed.value.next_step
    assert failed.value.next_step.count("@") >= 1


def test_both_programs_are_named_when_both_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AgentFailed, match="`claude-agent-acp` and `claude`"):
        RUNTIMES["claude-code"]().needs(())


@pytest.mark.parametrize("runtime", PROGRAM)
def test_its_needs_are_what_the_quirks_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, runtime: str
) -> None:
    bin_ = Bin(tmp_path)
    bin_.plain("claude", "claude-agent-acp", "codex-acp", "gemini", "opencode")
    monkeypatch.setenv("PATH", bin_.search_path)
    needs = RUNTIMES[runtime]().needs(())
    assert needs.own_home
    assert needs.keys
    assert needs.logins
    assert needs.api == {"claude-code": "anthropic", "gemini": "gemini"}.get(runtime, "openai")
    assert bin_.path / PROGRAM[runtime] in needs.visible
    assert bin_.path.parent in needs.visible  # all of node_modules
    assert any(path.name.startswith("python") for path in needs.visible)  # what runs the script


def test_the_api_of_opencode_is_that_of_its_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bin_ = Bin(tmp_path)
    bin_.plain("opencode")
    monkeypatch.setenv("PATH", bin_.search_path)
    assert RUNTIMES["opencode"](Options(model="anthropic/claude-sonnet-4-5")).needs(()).api == "anthropic"


def test_everything_between_a_name_and_a_program_is_visible(tmp_path: Path) -> None:
    node = tmp_path / "versions" / "node"
    node.parent.mkdir()
    node.write_bytes(b"\x7fELF")
    node.chmod(0o755)
    (tmp_path / "node").symlink_to(node)
    script = tmp_path / "lib" / "node_modules" / "@maker" / "cli" / "index.js"
    script.parent.mkdir(parents=True)
    script.write_text("#!/usr/bin/env -S node --no-warnings\n")
    (tmp_path / "middle").symlink_to("lib/node_modules/@maker/cli/index.js")
    (tmp_path / "cli").symlink_to("middle")
    assert visible(tmp_path / "cli", str(tmp_path)) == (
        tmp_path / "cli",
        tmp_path / "middle",
        script,
        tmp_path / "lib" / "node_modules",
        tmp_path / "node",
        node,
    )


async def test_a_turn_of_an_agent_by_name(stage: Stage, bin_: Bin) -> None:
    bin_.acp("codex-acp")
    session: AgentSession = await RUNTIMES["codex"]().open(
        launch(stage, bin_), stage.supervisor, stage.policy, resume=None
    )
    assert (await events(session))[-1].stop == "end_turn"  # type: ignore[union-attr]
    await session.close()
