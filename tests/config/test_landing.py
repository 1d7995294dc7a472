"""How work lands, and what does not go together with that."""

from __future__ import annotations

import pytest

from mawep.errors import ProblemsError
from tests.config.support import load


@pytest.mark.parametrize("tracker", ["gitlab", "forgejo"])
def test_pull_requests_are_for_github_only(tracker: str) -> None:
    with pytest.raises(ProblemsError) as refusal:
        load("landing.mode=pull_request", f"issues.tracker={tracker}", f"{tracker}.token=secret-enough")
    (problem,) = refusal.value.problems
    assert problem.startswith("--set landing.mode: ")
    assert f"pull requests are for GitHub only, and issues come from {tracker}" in problem


def test_what_is_proposed_is_not_pushed_to_the_target() -> None:
    with pytest.raises(
        ProblemsError, match=r"goes with `landing\.mode: local` only, not with `pull_request`"
    ):
        load("landing.mode=pull_request", "landing.push=true")
