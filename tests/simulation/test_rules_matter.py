"""The simulator can fail: without any one of the safety rules it says which promise is broken."""

from __future__ import annotations

import pytest

from mawep.core import rules, scopes
from mawep.core.model import Scope
from mawep.simulate import Invariant, Violation, repository, simulate

MOST_SEEDS = 80

WITHOUT = [
    ("dependencies_landed", True, Invariant.DEPENDENCIES_FIRST),
    ("fence_is_current", True, Invariant.LATE_CHANGES_NOTHING),
    ("claims_are_free", True, Invariant.CLAIMS_EXCLUSIVE),
    ("changes_are_settled", True, Invariant.CHANGES_FIRST),
    ("slot_is_free", True, Invariant.ONE_ISSUE_A_SLOT),
    ("lease_holds", True, Invariant.WAKES_LATER),
    ("candidate_may_queue", True, Invariant.QUEUED_GREEN),
    ("candidate_is_approved", True, Invariant.QUEUED_APPROVED),
    ("reviewer_is_free", True, Invariant.REVIEWED_IN_ORDER),
    ("merge_is_left", True, Invariant.NOTHING_LOST),
    ("tree_may_land", True, Invariant.GATED_EXACTLY),
    ("target_is_unmoved", True, Invariant.COMPOSED_ON_TARGET),
    ("batch_is_free", True, Invariant.ONE_BATCH),
    ("merge_is_free", True, Invariant.ONE_MERGE),
    ("not_landed_yet", True, Invariant.LANDED_ONCE),
    ("failure_blocks", False, Invariant.BLOCKED_BELOW),
    ("provider_allows", True, Invariant.NOT_WHILE_LIMITED),
    ("budget_is_left", True, Invariant.NOT_PAST_BUDGET),
    ("limit_is_over", False, Invariant.WAKES_LATER),
    ("input_is_overdue", False, Invariant.WAKES_LATER),
]


def broken(seed: int) -> Invariant | None:
    """The invariant that this seed breaks."""
    try:
        simulate(seed)
    except Violation as violation:
        assert violation.seed == seed
        return violation.invariant
    return None


def test_every_rule_is_tried() -> None:
    own = {name for name, value in vars(rules).items() if getattr(value, "__module__", "") == rules.__name__}
    of_groups = {"far_is_lost", "agent_is_left"}  # see test_groups
    assert own - of_groups == {name for name, _, _ in WITHOUT}


@pytest.mark.parametrize(("name", "answer", "invariant"), WITHOUT, ids=[name for name, _, _ in WITHOUT])
def test_without_it_a_promise_is_broken(
    name: str, answer: bool, invariant: Invariant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, name, lambda *_: answer)
    assert any(broken(seed) is invariant for seed in range(MOST_SEEDS))


def forget_needs(known: object, names: set[str]) -> set[str]:
    return names


def nowhere_is_docs(scope: Scope, path: str) -> bool:
    return scope.name == ("docs" if path == "README.md" else path.partition("/")[0])


@pytest.mark.parametrize(("name", "wrong"), [("_needing", forget_needs), ("lies_in", nowhere_is_docs)])
def test_where_scopes_are_told_wrongly_something_is_not_gated(
    name: str, wrong: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scopes, name, wrong)
    assert any(broken(seed) is Invariant.QUEUED_GREEN for seed in range(MOST_SEEDS))


def only_its_own(known: tuple[Scope, ...], gated: tuple[str, ...]) -> tuple[Scope, ...]:
    return tuple(scope for scope in known if scope.name not in gated)


def test_where_a_lane_forgets_what_its_scopes_need_something_is_not_gated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repository, "unread", only_its_own)
    assert any(broken(seed) is Invariant.GATED_EXACTLY for seed in range(MOST_SEEDS))
