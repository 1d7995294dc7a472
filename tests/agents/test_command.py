"""The command runtime: its contract with the program, and the programs that print too much."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

import pytest

from mawep.agents.base import AgentFailed, Output, ResumeUnsupported, TurnEnded
from mawep.agents.command import finished_before
from mawep.agents.registry import RUNTIMES
from tests.agents.conftest import Stage, events
from tests.support.leaks import descriptors


async def test_starts_in_the_worktree_with_the_prompt_on_stdin_and_in_a_file(stage: Stage) -> None:
    script = (
        'pwd; cat; echo; cat "$MAWEP_PROMPT_FILE"; echo; echo "${MAWEP_FEEDBACK_FILE-unset} $MAWEP_ISSUE"'
    )
    session = await stage.shell(script)
    assert session.pid == 0
    seen = await events(session, "build a bridge")
    await session.close()
    lines = [event.line for event in seen if isinstance(event, Output)]
    assert lines == [str(stage.worktree), "build a bridge", "build a bridge", "unset 101"]
    assert seen[-1] == TurnEnded("end_turn", "\n".join(lines))
    assert (stage.root / "run" / "prompt.md").stat().st_mode & 0o777 == 0o600


async def test_a_repair_round_runs_it_again_with_the_feedback(stage: Stage) -> None:
    session = await stage.shell(
        'cat; echo; cat "$MAWEP_PROMPT_FILE"; echo; cat "${MAWEP_FEEDBACK_FILE:-/dev/null}"'
    )
    await events(session, "the prompt")
    seen = await events(session, "the gate is red")
    await session.close()
    assert [event.line for event in seen if isinstance(event, Output)] == [
        "the prompt",
        "",
        "the gate is red",
        "the prompt",
        "the gate is red",
    ]


async def test_another_session_of_the_attempt_gives_feedback_on_the_same_prompt(stage: Stage) -> None:
    first = await stage.shell("true")
    await events(first, "the prompt")
    await first.close()
    second = await stage.shell('cat "$MAWEP_PROMPT_FILE" "$MAWEP_FEEDBACK_FILE"', resume="anything")
    seen = await events(second, " and the feedback")
    await second.close()
    assert Output("the prompt and the feedback") in seen


async def test_feedback_on_a_prompt_that_is_gone_is_refused(stage: Stage) -> None:
    with pytest.raises(ResumeUnsupported, match="cannot be given feedback"):
        await stage.shell("true", resume="anything")


async def test_a_failure_comes_with_the_last_twenty_lines_of_both_streams(stage: Stage) -> None:
    session = await stage.shell('for i in $(seq 30); do echo "out $i"; done; echo "no good" >&2; exit 7')
    with pytest.raises(AgentFailed, match="the program failed") as failed:
        await events(session)
    await session.close()
    assert failed.value.cause == "it exited with code 7"
    assert failed.value.detail.splitlines() == [*(f"out {i}" for i in range(12, 31)), "no good"]


async def test_a_program_that_does_not_exist_fails_by_name(stage: Stage) -> None:
    launch = stage.launch("no-such-program-anywhere")
    session = await RUNTIMES["command"]().open(launch, stage.supervisor, stage.policy, resume=None)
    with pytest.raises(AgentFailed, match="no-such-program-anywhere"):
        await events(session)
    await session.close()


async def test_binary_output_and_very_long_lines_are_survived_and_cut(stage: Stage) -> None:
    noise = stage.root / "noise"
    noise.write_bytes(
        bytes(range(256)) * 40 + b"\n" + b"\xff" * 3_000_000 + b"\n\x1b[31mred\x1b[0m\rtext\nlast"
    )
    session = await stage.shell(f"cat {shlex.quote(str(noise))}")
    seen = await events(session)
    await session.close()
    lines = [event.line for event in seen if isinstance(event, Output)]
    assert lines[-2:] == ["redtext", "last"]
    assert all((len(line) < 5000 and line.isprintable()) or "\t" in line for line in lines)
    assert any(line.endswith("… (line cut)") for line in lines)
    assert stage.transcript.stat().st_size < 200_000


async def test_a_program_that_does_not_read_its_prompt_can_finish(stage: Stage) -> None:
    session = await stage.shell("echo done")
    assert (await events(session, "x" * 1_000_000))[-1] == TurnEnded("end_turn", "done")
    await session.close()


async def test_a_cancel_that_comes_while_it_is_started_ends_it(stage: Stage) -> None:
    session = await stage.shell("sleep 600")
    seen, _ = await asyncio.gather(events(session), session.cancel())
    assert seen == [TurnEnded("cancelled", "")]
    await session.close()


@pytest.mark.parametrize(("script", "finished"), [("true", True), ("exit 1", False)])
async def test_what_finished_unseen_is_known_to_have_finished(
    stage: Stage, script: str, finished: bool
) -> None:
    launch = stage.launch("sh", "-c", script)
    assert not finished_before(launch)
    session = await RUNTIMES["command"]().open(launch, stage.supervisor, stage.policy, resume=None)
    try:
        await events(session)
    except AgentFailed:
        assert not finished
    await session.close()
    assert finished_before(launch) is finished
    another = stage.launch("true")
    Path(another.status_file).write_bytes(launch.status_file.read_bytes())
    assert not finished_before(another)


async def test_a_repair_that_died_has_not_finished_because_the_turn_before_it_had(stage: Stage) -> None:
    launch = stage.launch("sh", "-c", 'test -z "$MAWEP_FEEDBACK_FILE" || kill -9 $$')
    session = await RUNTIMES["command"]().open(launch, stage.supervisor, stage.policy, resume=None)
    await events(session)
    assert finished_before(launch)
    with pytest.raises(AgentFailed):
        await events(session)
    await session.close()
    assert not finished_before(launch)


async def test_the_transcript_says_what_went_in_and_out(stage: Stage) -> None:
    session = await stage.shell("echo one; echo two >&2")
    await events(session, "the prompt")
    await session.close()
    assert [(frame["dir"], frame["msg"]) for frame in stage.frames()] == [
        ("out", {"command": ["sh", "-c", "echo one; echo two >&2"], "stdin": "the prompt"}),
        ("in", "one"),
        ("in", "two"),
        ("mawep", {"exit": {"code": 0, "signal": None}}),
    ]


async def test_a_close_that_is_cancelled_still_ends_the_program_and_the_record(stage: Stage) -> None:
    for turns in range(1, 5):
        session = await stage.shell("echo begun; sleep 600")
        prompting = session.prompt("do it")
        while not isinstance(await anext(prompting), Output):
            pass
        closing = asyncio.create_task(session.close())
        for _ in range(turns):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait({closing})
        assert str(stage.transcript) not in descriptors().values(), f"cancelled after {turns} turns"
        assert not [event async for event in prompting if isinstance(event, Output)]
