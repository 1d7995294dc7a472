"""The few errors a caller may catch: each names the thing, the cause, the next step, and its exit code.

Exit codes: 0 all landed, 1 some issue did not land, 2 wrong usage or configuration and nothing touched,
3 infrastructure failed and the run can be resumed, 130 interrupted and the run can be resumed.
"""

from __future__ import annotations

from collections.abc import Sequence


class MawepError(Exception):
    """Something went wrong that a person has to know about."""

    exit_code = 3

    def __init__(self, what: str, *, cause: str = "", next_step: str = "") -> None:
        self.what = what
        self.cause = cause
        self.next_step = next_step
        super().__init__(what)

    def __str__(self) -> str:
        parts = [self.what]
        if self.cause:
            parts.append(f"cause: {self.cause}")
        if self.next_step:
            parts.append(f"next: {self.next_step}")
        return "\n  ".join(parts)

    @property
    def line(self) -> str:
        """All of it in one line."""
        return "; ".join(part for part in (self.what, self.cause, self.next_step) if part)


class UsageError(MawepError):
    """The command cannot be carried out as asked; nothing was touched."""

    exit_code = 2


class ProblemsError(UsageError):
    """Several things are wrong at once; all of them are listed and nothing was touched."""

    def __init__(self, title: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(title)

    def __str__(self) -> str:
        return "\n".join([self.what, *(f"  - {problem}" for problem in self.problems)])


class InfrastructureError(MawepError):
    """Something MAWEP itself stands on failed; the run is stopped and can be resumed."""

    exit_code = 3


class GitError(InfrastructureError):
    """A git command failed; carries the command, its exit code and both outputs."""

    def __init__(self, command: Sequence[str], code: int, stdout: bytes, stderr: bytes) -> None:
        self.command = tuple(command)
        self.code = code
        self.stdout = stdout
        self.stderr = stderr
        reason = stderr.decode(errors="replace").strip() or "git printed no reason"
        super().__init__(f"`{' '.join(command)}` exited {code}", cause=reason)


class BusGoneError(InfrastructureError):
    """The message bus does not answer."""


class LeaseLostError(MawepError):
    """The lease this work was done under is no longer held; its result is quarantined, not used."""


class StaleFenceError(LeaseLostError):
    """A greater fence has been accepted; this holder is out of date."""


class JournalError(InfrastructureError):
    """The journal cannot be read, written or trusted."""
