"""The report in Markdown: complete, and safe whatever stands in it."""

from __future__ import annotations

import re

from syrupy.assertion import SnapshotAssertion

from mawep.core import events as ev
from mawep.core.model import CommandResult, FailureReason, GateRecord, GateResult, Issue
from mawep.observe.report import report, text
from tests.observe.play import USAGE, Part, Play, payment_sprint


def written(play: Play) -> str:
    return report(play.state, play.records, play.clock.now())


def test_the_report_of_a_sprint(snapshot: SnapshotAssertion) -> None:
    play = payment_sprint(i102=Part(6.0, fails=FailureReason.STALLED, detail="no sign of life", usage=USAGE))
    play.finish()
    assert written(play) == snapshot


def test_every_landed_issue_names_the_gate_that_its_target_passed() -> None:
    play = payment_sprint()
    play.finish()
    for move in (r.event for r in play.records if isinstance(r.event, ev.TargetMoved)):
        assert f"- the target moved to `{move.new}`, whose tree was gated:" in written(play)
        assert f"  - gate on tree `{move.steps[-1].tree[:12]}`: passed in 2.0 s" in written(play)


def test_a_run_that_is_not_finished_can_be_reported() -> None:
    play = payment_sprint()
    assert "**not finished**: 0 of 5 issues landed on `main`." in written(play)
    assert "| agents busy | unknown |" in written(play)
    assert "## Timeline" not in written(play)
    play.until(20)
    play.tell(ev.RunStopped("the disk is full"))
    assert "**stopped**: 1 of 5 issues" in written(play)
    assert "- stopped because: the disk is full" in written(play)
    assert "### Attempt 1: running" in written(play)


def test_hunks_of_a_parked_issue_are_shown() -> None:
    play = payment_sprint(i101=Part(3.0, conflict=()))
    play.finish()
    assert "```text\n<<<<<<< ours\na\n=======\nb\n>>>>>>>\n```" in written(play)


def test_text_of_strangers_stays_text() -> None:
    evil = "# x | <script>alert(1)</script> [a](http://e) ![i](http://e) `code` @everyone \x1b[2J\n\n## y"
    detail = "````\n# not a heading\n\x1b[31m```"
    play = Play((Issue(1, evil),), {1: Part(3.0, fails=FailureReason.AGENT_ERROR, detail=detail)})
    play.finish()
    document = written(play)
    assert "\x1b" not in document
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", document, flags=re.MULTILINE | re.DOTALL)
    assert "\n# not a heading" not in outside
    assert re.findall(r"(?<!\\)<script|(?<!\\)\]\(|(?<!\\)@everyone", outside) == []
    assert [line for line in outside.splitlines() if line.startswith("#")] == [
        f"# MAWEP run {play.state.run}",
        "## Issues",
        "## Timeline",
        f"## #1 {text(evil)}",
        "### Attempt 1: failed",
    ]


def test_a_gate_command_with_backticks_stays_code() -> None:
    play = payment_sprint()
    play.until(8.5)
    commands = (
        CommandResult("echo `date`", None, 9, 1.0, "0" * 64),
        CommandResult("true", None, None, 1.0, "0" * 64, timed_out=True),
    )
    (tree,) = play.state.gating
    play.tell(ev.GateFinished(GateRecord("k", tree, GateResult.RED, commands, 2.0, "gate.log")))
    document = written(play)
    assert "  - `` echo `date` ``: signal 9, 1.0 s" in document
    assert "  - `true`: timed out, 1.0 s" in document
