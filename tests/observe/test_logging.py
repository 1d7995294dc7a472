"""What is on a log line, where it goes, and what is never on it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from mawep.observe.logging import LONGEST_VALUE, Logs, about


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logs(stream: io.StringIO) -> Iterator[Logs]:
    with Logs("INFO", stream=stream, secrets=["s3cret", 'quo"ted', ""]) as logs:
        yield logs


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def log() -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("mawep.tests")
    return logger


def test_a_line_off_a_terminal_is_json_with_time_level_and_logger(logs: Logs, stream: io.StringIO) -> None:
    log().info("landed", commit="abc")
    (line,) = lines(stream)
    assert list(line)[:3] == ["at", "level", "event"]
    assert line["at"].endswith("Z")
    assert line | {"at": ""} == {
        "at": "",
        "level": "info",
        "event": "landed",
        "logger": "mawep.tests",
        "commit": "abc",
    }


def test_a_line_on_a_terminal_is_key_and_value() -> None:
    terminal = Terminal()
    with Logs("INFO", stream=terminal):
        log().info("landed", commit="abc")
    with pytest.raises(json.JSONDecodeError):
        json.loads(terminal.getvalue())
    assert "landed" in terminal.getvalue()
    assert "commit" in terminal.getvalue()


@pytest.mark.parametrize(("style", "is_json"), [("json", True), ("console", False)])
def test_the_style_can_be_chosen(style: str, is_json: bool) -> None:
    stream = Terminal() if is_json else io.StringIO()
    with Logs("INFO", style, stream=stream):
        log().info("landed")
    assert stream.getvalue().startswith("{") is is_json


async def test_what_a_line_is_about_is_on_it_and_stays_with_its_task(logs: Logs, stream: io.StringIO) -> None:
    async def work(issue: int) -> None:
        with about(issue=issue, attempt=1, agent=f"agent-{issue}"):
            await asyncio.gather(asyncio.to_thread(log().info, "working"))

    with about(run="r", trace_id="t"):
        await asyncio.gather(work(1), work(2))
    log().info("outside")
    *inside, outside = lines(stream)
    expected = [
        {"run": "r", "trace_id": "t", "issue": issue, "attempt": 1, "agent": f"agent-{issue}"}
        for issue in (1, 2)
    ]
    names = ("run", "trace_id", "issue", "attempt", "agent")
    said = [{name: line[name] for name in names} for line in inside]
    assert sorted(said, key=lambda line: line["issue"]) == expected
    assert "run" not in outside


def test_the_standard_library_logs_to_the_same_place(logs: Logs, stream: io.StringIO) -> None:
    with about(run="r"):
        logging.getLogger("mawep.adapters").info("from a %s", "door")
    logging.getLogger("somebody.else").info("chatter")
    logging.getLogger("somebody.else").warning("trouble")
    assert [(line["event"], line.get("run")) for line in lines(stream)] == [
        ("from a door", "r"),
        ("trouble", None),
    ]


def test_lines_below_the_level_are_left_out(stream: io.StringIO) -> None:
    with Logs("WARNING", stream=stream):
        log().info("small")
        log().warning("big")
    assert [line["event"] for line in lines(stream)] == ["big"]


def test_the_file_of_a_run_is_json_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "mawep.log"
    for _ in range(2):
        with Logs("INFO", "console", stream=io.StringIO()) as logs:
            logs.keep(path)
            log().info("started", run="r")
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["started", "started"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_secret_is_written(logs: Logs, stream: io.StringIO, tmp_path: Path) -> None:
    logs.keep(tmp_path / "mawep.log")
    try:
        raise ValueError("refused s3cret")
    except ValueError:
        log().exception(
            "s3cret",
            nested={"of": ["s3cret", ('quo"ted',)]},
            url="redis://worker:pass@127.0.0.1/0",
            thing=Path("/tmp/s3cret"),
        )
    for written in (stream.getvalue(), (tmp_path / "mawep.log").read_text()):
        assert "s3cret" not in written
        assert "quo" not in written
        assert "pass@" not in written
        assert "redis://worker:***@127.0.0.1/0" in written
        assert "ValueError: refused ***" in written


def test_a_secret_that_is_learned_on_the_way_is_not_written_from_then_on(
    logs: Logs, stream: io.StringIO
) -> None:
    logs.mask("ghs_abcdefgh")
    logs.mask("-----BEGIN KEY-----\nAAAABBBBCCCC\nDD\n-----END KEY-----")
    logs.mask("short")
    log().info("ghs_abcdefgh short", part="line AAAABBBBCCCC of it DD")
    [line] = lines(stream)
    assert (line["event"], line["part"]) == ("*** short", "line *** of it DD")


def test_hostile_text_cannot_drive_the_terminal_or_fill_the_file(tmp_path: Path) -> None:
    terminal = Terminal()
    with Logs("INFO", stream=terminal) as logs:
        logs.keep(tmp_path / "mawep.log")
        log().info("said", text="\x1b]0;owned\x07", flood="x" * (LONGEST_VALUE + 5))
    assert "\x1b]0;" not in terminal.getvalue()
    assert "\x07" not in terminal.getvalue()
    assert (tmp_path / "mawep.log").stat().st_size < LONGEST_VALUE + 500


def test_closing_puts_everything_back(stream: io.StringIO) -> None:
    handlers, configured = list(logging.getLogger().handlers), structlog.get_config()
    Logs("DEBUG", stream=stream).close()
    assert logging.getLogger().handlers == handlers
    assert structlog.get_config() == configured
