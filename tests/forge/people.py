"""The people and machines around a run: continuous integration, and a reviewer who reads what is proposed."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.forge.world import REVIEWER, ForgeWorld, Verdict

ISSUE = re.compile(r"[a-z]+/(?P<number>\d+)-")
LOOK_SECONDS = 0.5
"""How often people look: whoever asks them to act all the time would use up what the forge lets a person ask."""
RUNS = Verdict("unit", conclusion="")
"""A check that goes on until its commit is reviewed: before, who is told could be told half of a review."""


@dataclass
class People:
    """The first commit of `red` fails its check; the first of `disputed` gets a comment on a line and a request.

    `act` looks once and does what is due; everything else is approved.
    """

    forge: ForgeWorld
    red: int
    disputed: int
    was_red: list[str] = field(default_factory=list)
    was_disputed: list[str] = field(default_factory=list)
    approved: set[str] = field(default_factory=set)
    looked: float = float("-inf")

    def __post_init__(self) -> None:
        self.forge.protect(checks=("unit",), approvals=1)
        self.forge.on_push(self._check)

    def _check(self, branch: str, sha: str) -> Sequence[Verdict]:
        if self._issue(branch) == self.red and not self.was_red:
            self.was_red.append(sha)
            return [Verdict("unit", "failure", "1 failed", "test_declined_codes failed: say whose they are")]
        if self._issue(branch) == self.disputed:
            return [RUNS]
        return [Verdict("unit")] if self._issue(branch) else []

    def act(self) -> None:
        """Review what is open and not reviewed yet, if the last look was long enough ago."""
        if time.monotonic() - self.looked < LOOK_SECONDS:
            return
        self.looked = time.monotonic()
        for pull in self.forge.pulls("open"):
            number, sha = int(pull["number"]), str(pull["head"]["sha"])
            if sha in {*self.approved, *self.was_disputed}:
                continue
            if self._issue(pull["head"]["ref"]) == self.disputed and not self.was_disputed:
                self.was_disputed.append(sha)
                self.forge.review_comment(
                    number, "payments/providers/wallet.py", 1, "Please say why.", by=REVIEWER
                )
                self.forge.review(number, "REQUEST_CHANGES", "One remark.", by=REVIEWER)
            else:
                self.approved.add(sha)
                self.forge.review(number, "APPROVE", by=REVIEWER)
            if self._issue(pull["head"]["ref"]) == self.disputed:
                self.forge.checks(sha, Verdict("unit"))

    @staticmethod
    def _issue(branch: str) -> int | None:
        found = ISSUE.match(branch)
        return int(found["number"]) if found else None
