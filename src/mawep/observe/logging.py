"""Where log lines go and what is on them: for people on a terminal, JSON elsewhere, and a file for each run.

Rooms log through `structlog.get_logger()` or the standard library; both end here. Whatever `about()` has
bound (run, issue, attempt, agent, trace id) is on every line of that task, and of the tasks it starts.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Collection, Iterable, MutableMapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "***"
LONGEST_VALUE = 10_000
SHORTEST_LEARNED = 8
"""Characters of a secret that is learned on the way."""
URL_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]+(?=@)")
# A terminal obeys control characters, and some of the text on a line was written by an agent.
UNPRINTABLE = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def about(
    *,
    run: str | None = None,
    issue: int | None = None,
    attempt: int | None = None,
    agent: str | None = None,
    trace_id: str | None = None,
) -> AbstractContextManager[None]:
    """Put what is given on every line that is logged inside the `with` block."""
    fields = {"run": run, "issue": issue, "attempt": attempt, "agent": agent, "trace_id": trace_id}
    return structlog.contextvars.bound_contextvars(
        **{name: value for name, value in fields.items() if value is not None}
    )


class Logs:
    """The log of this process, from when it is made until it is closed."""

    def __init__(
        self,
        level: str = "INFO",
        style: str = "auto",
        *,
        stream: TextIO | None = None,
        secrets: Iterable[str] = (),
        aside: Collection[str] = (),
    ) -> None:
        """Log lines of at least `level` to `stream` (standard error when None).

        Lines of the loggers named in `aside` go to kept files only. `style` is `console`, `json`, or `auto`:
        console when the stream is a terminal. No value of `secrets` and no password in a URL is ever written.
        Other people's libraries are heard from WARNING up.
        """
        self._stream = sys.stderr if stream is None else stream
        self._mask = _Mask(secrets)
        self._handlers: list[logging.StreamHandler[TextIO]] = []
        self._files: list[TextIO] = []
        self._ours = logging.getLogger("mawep")
        self._ours.setLevel(level)
        logging.captureWarnings(True)
        for_people = style == "console" or (style == "auto" and self._stream.isatty())
        shown = self._add(self._stream, _console(self._stream.isatty()) if for_people else _json())
        shown.addFilter(lambda line: line.name not in aside)
        self._before = structlog.get_config()
        structlog.configure(
            processors=[structlog.stdlib.filter_by_level, *COMMON, ProcessorFormatter.wrap_for_formatter],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=False,
        )

    def mask(self, secret: str) -> None:
        """Never write this secret from now on, nor any of its lines that is long enough to be told from a word."""
        self._mask.add(secret)

    def keep(self, path: Path, run: str | None = None) -> None:
        """Write every line to `path` too, as JSON, readable by its owner only; of a `run`, all but those of others.

        Raises:
            OSError: it cannot be written.
        """
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8")
        self._files.append(file)
        kept = self._add(file, _json())
        if run is not None:
            kept.addFilter(lambda line: _run_of(line) in (None, run))

    def close(self) -> None:
        """Stop logging and close the files."""
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()
        for file in self._files:
            file.close()
        self._handlers.clear()
        self._files.clear()
        self._ours.setLevel(logging.NOTSET)
        logging.captureWarnings(False)
        structlog.configure(**self._before)

    def __enter__(self) -> Logs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, stream: TextIO, renderers: list[Processor]) -> logging.Handler:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(
            ProcessorFormatter(
                foreign_pre_chain=COMMON,
                processors=[ProcessorFormatter.remove_processors_meta, self._mask, *renderers],
            )
        )
        logging.getLogger().addHandler(handler)
        self._handlers.append(handler)
        return handler


def _run_of(line: logging.LogRecord) -> object:
    """The run that a line of ours is about; others' libraries do not say."""
    return line.msg.get("run") if isinstance(line.msg, dict) else None


COMMON: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.format_exc_info,
]


def _json() -> list[Processor]:
    return [_in_order, structlog.processors.JSONRenderer(ensure_ascii=False)]


def _console(colours: bool) -> list[Processor]:
    return [
        _printable,
        structlog.dev.ConsoleRenderer(
            timestamp_key="at",
            colors=colours,
            pad_event_to=0,
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


class _Mask:
    """Takes secrets out of every text on a line, shortens the longest, and makes text of unknown things."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._known = {secret for secret in secrets if secret}
        self._compile()

    def add(self, secret: str) -> None:
        """One more; a key of several lines is seldom shown whole."""
        new = {one for one in (secret, *secret.splitlines()) if len(one) >= SHORTEST_LEARNED} - self._known
        if new:
            self._known |= new
            self._compile()

    def _compile(self) -> None:
        written = sorted(self._known, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, written))) if written else None

    def __call__(self, logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
        return {name: self._value(value) for name, value in line.items()}

    def _value(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, MutableMapping):
            return {str(name): self._value(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(inner) for inner in value]
        return self._text(value if isinstance(value, str) else str(value))

    def _text(self, text: str) -> str:
        text = URL_PASSWORD.sub(rf"\1:{MASK}", text)
        if self._secrets is not None:
            text = self._secrets.sub(MASK, text)
        if len(text) > LONGEST_VALUE:
            return f"{text[:LONGEST_VALUE]}… ({len(text)} characters)"
        return text


def _in_order(logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
    first = {name: line[name] for name in ("at", "level", "event") if name in line}
    return {**first, **line}


def _printable(logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
    return {
        name: value.translate(UNPRINTABLE) if isinstance(value, str) else value
        for name, value in line.items()
    }
