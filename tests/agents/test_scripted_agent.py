"""The scripted agent, driven over the Agent Client Protocol like any other."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from mawep.adapters.process import lock_is_free
from mawep.agents.base import (
    Activity,
    AgentFailed,
    BreakingChange,
    MessageText,
    PermissionDecided,
    PlanChanged,
    ProcessStarted,
    QuestionAsked,
    ResumeUnsupported,
    ToolCall,
    TurnEnded,
    UsageReported,
)
from mawep.core.model import FailureReason, Usage
from tests.agents.conftest import Stage, events
from tests.support.waiting import eventually


def git(stage: Stage, *arguments: str) -> str:
    command = ["git", "-C", str(stage.worktree), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def test_plans_edits_runs_and_commits_and_reports_each(stage: Stage) -> None:
    (stage.worktree / "notes.txt").write_text("one\ntwo\n")
    session = await stage.scripted(
        {"say": "Let me see.", "title": "look"},
        {"think": "hm"},
        {"write": {"path": "src/new.py", "text": "x = 1\n"}, "title": "write it"},
        {"append": {"path": "notes.txt", "text": "three\n"}},
        {"replace": {"path": "notes.txt", "old": "two", "new": "2"}},
        {"replace": {"path": "notes.txt", "old": "not there", "new": "?"}},
        {"run": "cat notes.txt && exit 4"},
        {"commit": "feat: add something", "title": "commit"},
        {"usage": {"input": 100, "output": 20, "cost_usd": 0.25}},
        {"say": "Done."},
    )
    assert session.loadable
    assert session.session_id
    assert Path(f"/proc/{session.pid}").exists()
    seen = await events(session)
    await session.close()

    assert (stage.worktree / "src/new.py").read_text() == "x = 1\n"
    assert (stage.worktree / "notes.txt").read_text() == "one\n2\nthree\n"
    assert git(stage, "log", "--format=%an %s").strip() == "mawep-agent feat: add something"
    assert git(stage, "status", "--porcelain") == ""

    plans = [[entry.status for entry in event.entries] for event in seen if isinstance(event, PlanChanged)]
    assert plans[0] == ["in_progress", "pending", "pending"]
    assert plans[-1] == ["completed", "completed", "completed"]
    assert next(e.text for e in seen if isinstance(e, MessageText)) == "Let me see."
    assert Activity("thinking") in seen
    edits = [e for e in seen if isinstance(e, ToolCall) and e.kind == "edit" and e.status == "completed"]
    assert [(e.paths, e.diff_paths) for e in edits] == [
        (("src/new.py",), ("src/new.py",)),
        (("notes.txt",), ("notes.txt",)),
        (("notes.txt",), ("notes.txt",)),
    ]
    runs = [e.status for e in seen if isinstance(e, ToolCall) and e.kind == "execute"]
    assert runs == ["in_progress", "failed", "in_progress", "completed"]
    assert all(e.allowed and not e.why for e in seen if isinstance(e, PermissionDecided))
    usage = [e.usage for e in seen if isinstance(e, UsageReported)][-1]
    assert usage == Usage(
        input_tokens=100, output_tokens=20, cost_usd=0.25, context_used=120, context_size=200_000
    )
    assert seen[-1] == TurnEnded(
        "end_turn", "Let me see.\n\nnotes.txt does not contain the text to replace\n\nDone."
    )
    assert [e.text for e in seen if isinstance(e, MessageText)][-1] == "Done."


async def test_a_rejected_edit_is_not_made_and_the_turn_goes_on(stage: Stage) -> None:
    session = await stage.scripted(
        {"write": {"path": "locked.txt", "text": "mine"}}, {"write": {"path": "free.txt", "text": "mine"}}
    )
    seen = await events(session)
    await session.close()
    assert (
        PermissionDecided(
            "write locked.txt", ("locked.txt",), allowed=False, why="locked.txt is declared by issue 7"
        )
        in seen
    )
    assert not (stage.worktree / "locked.txt").exists()
    assert (stage.worktree / "free.txt").exists()


async def test_a_rejected_edit_can_end_the_turn(stage: Stage) -> None:
    session = await stage.scripted(
        {"write": {"path": "locked.txt", "text": "mine"}, "on_reject": "stop"},
        {"write": {"path": "free.txt", "text": "mine"}},
    )
    assert isinstance((await events(session))[-1], TurnEnded)
    await session.close()
    assert not (stage.worktree / "free.txt").exists()


async def test_waits_for_a_person_and_uses_the_answer(stage: Stage) -> None:
    session = await stage.scripted(
        {"ask": {"text": "Which?", "options": ["a", "b"]}},
        {"write": {"path": "choice.txt", "text": "${ANSWER}"}},
        {"announce": {"file": "api.py", "change": "renamed", "affects": ["x.py"], "migration": "rename"}},
    )
    seen = []
    async for event in session.prompt("do it"):
        seen.append(event)
        if isinstance(event, QuestionAsked):
            assert (event.question.text, event.question.options) == ("Which?", ("a", "b"))
            await session.answer(event.question.id, "b")
    await session.close()
    assert (stage.worktree / "choice.txt").read_text() == "b"
    assert BreakingChange("api.py", "renamed", ("x.py",), "rename") in seen


async def test_a_cancelled_question_ends_the_turn(stage: Stage) -> None:
    session = await stage.scripted({"ask": {"text": "Which?"}})
    seen = []
    async for event in session.prompt("do it"):
        seen.append(event)
        if isinstance(event, QuestionAsked):
            await session.cancel()
    await session.close()
    assert seen[-1] == TurnEnded("cancelled", "")


async def test_refuses(stage: Stage) -> None:
    session = await stage.scripted({"say": "I would rather not."}, {"refuse": True}, {"say": "never said"})
    assert (await events(session))[-1] == TurnEnded("refusal", "I would rather not.")
    await session.close()


async def test_finishes_without_a_change_and_without_usage(stage: Stage) -> None:
    session = await stage.scripted()
    assert await events(session) == [TurnEnded("end_turn", "")]
    await session.close()


async def test_does_the_steps_of_each_repair_and_then_nothing(stage: Stage) -> None:
    session = await stage.scripted({"say": "first"}, on_repair=[[{"say": "second"}], [{"say": "third"}]])
    texts = [(await events(session))[-1] for _ in range(4)]
    await session.close()
    assert texts == [TurnEnded("end_turn", text) for text in ("first", "second", "third", "")]


async def test_a_step_can_belong_to_one_attempt_only(stage: Stage) -> None:
    session = await stage.scripted({"say": "one", "only_attempt": 1}, {"say": "two", "only_attempt": 2})
    assert (await events(session))[-1] == TurnEnded("end_turn", "one")
    await session.close()


@pytest.mark.parametrize(
    ("crash", "cause"), [(17, "it exited with code 17"), ("kill", "it was ended by SIGKILL")]
)
async def test_a_crash_fails_with_how_it_ended_and_the_last_words(
    stage: Stage, crash: int | str, cause: str
) -> None:
    session = await stage.scripted({"leave": "setsid"}, {"crash": crash})
    with pytest.raises(AgentFailed) as failed:
        await events(session)
    assert failed.value.reason is FailureReason.AGENT_ERROR
    assert failed.value.cause == cause
    assert failed.value.detail == f"scripted crash: {crash}"
    assert lock_is_free(stage.root / "run" / "lock")
    await session.close()


async def test_a_malformed_frame_fails_the_turn_and_ends_the_agent(stage: Stage) -> None:
    session = await stage.scripted({"garbage": True}, {"hang": True})
    with pytest.raises(AgentFailed, match="middle of a turn") as failed:
        await events(session)
    assert "'this is not a frame'" in failed.value.cause
    assert lock_is_free(stage.root / "run" / "lock")
    await session.close()


async def test_a_sleep_is_cancelled(stage: Stage) -> None:
    session = await stage.scripted({"say": "before"}, {"sleep": 600}, {"say": "after"})
    seen = []
    async for event in session.prompt("do it"):
        seen.append(event)
        if isinstance(event, Activity):
            await session.cancel()
    assert seen[-1] == TurnEnded("cancelled", "before")
    await session.close()


async def test_a_running_command_is_ended_by_a_cancel(stage: Stage) -> None:
    session = await stage.scripted({"run": "touch began; sleep 600"})
    turn = session.prompt("do it")
    assert isinstance(await anext(turn), ProcessStarted)
    assert isinstance(await anext(turn), ToolCall)
    await eventually("the command has begun", (stage.worktree / "began").exists)
    await session.cancel()
    assert [event async for event in turn][-1] == TurnEnded("cancelled", "")
    await session.close()


async def test_after_kill_9_another_process_loads_the_session_and_does_only_the_rest(stage: Stage) -> None:
    steps = ({"append": {"path": "log.txt", "text": "once\n"}}, {"sleep": 600}, {"say": "unreached"})
    session = await stage.scripted(*steps, on_repair=[[{"say": "repaired"}]])
    turn = session.prompt("do it")
    while not (isinstance(event := await anext(turn), ToolCall) and event.status == "completed"):
        pass
    saved = stage.root / "run" / "scripted" / f"{session.session_id}.json"
    await eventually("the first step is saved", lambda: '"done": 1' in saved.read_text())
    os.kill(session.pid, signal.SIGKILL)
    with pytest.raises(AgentFailed, match="in the middle of a turn"):
        await anext(turn)
    await session.close()

    rest = (steps[0], {"say": "the rest"})
    again = await stage.scripted(*rest, on_repair=[[{"say": "repaired"}]], resume=session.session_id)
    assert again.session_id == session.session_id
    assert await events(again) == [
        Activity("writing"),
        MessageText("the rest"),
        TurnEnded("end_turn", "the rest"),
    ]
    assert (await events(again))[-1] == TurnEnded("end_turn", "repaired")
    await again.close()
    assert (stage.worktree / "log.txt").read_text() == "once\n"


async def test_a_session_that_crashed_is_past_its_crash_once_loaded(stage: Stage) -> None:
    steps = ({"crash": 1}, {"say": "alive"})
    session = await stage.scripted(*steps)
    with pytest.raises(AgentFailed):
        await events(session)
    await session.close()
    again = await stage.scripted(*steps, resume=session.session_id)
    assert (await events(again))[-1] == TurnEnded("end_turn", "alive")
    await again.close()


async def test_an_unknown_session_cannot_be_continued(stage: Stage) -> None:
    with pytest.raises(ResumeUnsupported, match="cannot continue session nope") as refused:
        await stage.scripted(resume="nope")
    assert refused.value.reason is FailureReason.LOST
    assert lock_is_free(stage.root / "run" / "lock")


async def test_an_issue_without_a_script_fails_by_naming_the_file(stage: Stage) -> None:
    stage.script([])
    (stage.root / "scripts" / "101.yaml").unlink()
    launch = stage.launch(str(stage.root / "scripts"))
    with pytest.raises(AgentFailed) as failed:
        from mawep.agents.registry import RUNTIMES

        await RUNTIMES["scripted"]().open(launch, stage.supervisor, stage.policy, resume=None)
    assert "101.yaml does not exist" in failed.value.cause


async def test_a_script_that_cannot_be_read_fails_with_what_is_wrong(stage: Stage) -> None:
    with pytest.raises(AgentFailed) as failed:
        await stage.scripted({"sing": "la"})
    assert "steps, step 1: exactly one action is needed" in failed.value.detail
    assert failed.value.cause == "it exited with code 2"


async def test_the_transcript_has_every_frame_and_only_its_owner_reads_it(stage: Stage) -> None:
    session = await stage.scripted({"say": "hello"})
    await events(session, "the prompt")
    await session.close()
    frames = stage.frames()
    assert stage.transcript.stat().st_mode & 0o777 == 0o600
    assert [f["msg"].get("method") for f in frames if f["dir"] == "out"] == [
        "initialize",
        "session/new",
        "session/prompt",
    ]
    assert any(f["dir"] == "in" and "hello" in str(f["msg"]) for f in frames)
    assert all(f["at"].endswith("+00:00") for f in frames)
