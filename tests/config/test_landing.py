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


SCOPES = "verify.scopes=[{name: web, paths: [web], commands: ['true']}]"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (
            ("landing.mode=pull_request", SCOPES, "verify.commands=[]"),
            "by pull requests one lands after the other",
        ),
        (("verify.commands=['true']",), "needs `verify.scopes`"),
        ((SCOPES, "verify.commands=['true']"), "goes without `verify.commands`"),
    ],
)
def test_lanes_need_scopes_that_say_all(settings: tuple[str, ...], why: str) -> None:
    with pytest.raises(ProblemsError, match=why):
        load("landing.lanes=true", *settings)


def test_lanes_are_for_a_gate_of_nothing_but_scopes() -> None:
    assert load("landing.lanes=true", SCOPES, "verify.commands=[]").rules().lanes
