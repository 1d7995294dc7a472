"""What a reviewer says of a candidate: a verdict, its reasons, and what it took to come to it."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

from mawep.core.model import Number, Sha, Usage, Value


class Verdict(StrEnum):
    """What a reviewer answered. NONE: it did not come to an answer, or it was none; that is no approval."""

    APPROVE = "approve"
    REQUEST_CHANGES = "request_changes"
    NONE = "none"


class Remark(Value, frozen=True):
    """One comment of a reviewer, on a line of a file if it says so."""

    text: str
    path: str = ""
    line: int | None = None


class ReviewRecord(Value, frozen=True):
    """A review of what one attempt made: `number` counts those of the issue from 1, `runtime` is who reviewed.

    `summary` says why; without a verdict, why there is none. `usage` is what the reviewer consumed.
    """

    number: int
    attempt: int
    commit: Sha
    tree: Sha
    verdict: Verdict
    summary: str = ""
    remarks: tuple[Remark, ...] = ()
    runtime: str = ""
    seconds: float = 0.0
    transcript: str = ""
    usage: Usage = Usage()

    def approves(self, tree: Sha) -> bool:
        """True when this tree was looked at and found good."""
        return self.verdict is Verdict.APPROVE and self.tree == tree

    @property
    def reasons(self) -> str:
        """Summary and comments as text: the reviewer's own words."""
        return "\n".join(filter(None, (self.summary, *map(_line, self.remarks))))


def review_digest(record: ReviewRecord) -> str:
    """The sha256 of a record's JSON form: what a landing commit's `Mawep-Review` trailer names."""
    return hashlib.sha256(msgspec.json.encode(record, order="deterministic")).hexdigest()


def _line(remark: Remark) -> str:
    where = f"{remark.path}:{remark.line}" if remark.path and remark.line else remark.path
    return f"- {where}: {remark.text}" if where else f"- {remark.text}"


def parked_because(number: Number, record: ReviewRecord, requests: int) -> str:
    """Why what nobody approves does not land."""
    who = f"the reviewer ({record.runtime})" if record.runtime else "the reviewer"
    if record.verdict is Verdict.NONE:
        return f"review: no verdict on #{number}: {who} {record.summary}"
    times = "once" if requests == 1 else f"{requests} times"
    return f"review: {who} has asked for changes {times}, and this is left:\n{record.reasons}"
