"""Dependencies between repositories: what is known of them in words, and circles that no repository sees by itself."""

from __future__ import annotations

import msgspec
import pytest

from mawep.core.far import FarRecord, awaited, circle, named, waiting
from mawep.core.model import Far, FarDependency, Issue, IssueState
from tests.core.driver import issue


def far(number: int, *on: str, near: tuple[int, ...] = ()) -> Issue:
    """An issue that waits for others, of other repositories and of its own."""
    parts = [one.partition("#") for one in on]
    edges = [FarDependency(Far(repository, int(other))) for repository, _, other in parts]
    return msgspec.structs.replace(issue(number, *near), far=tuple(edges))


def test_an_issue_elsewhere_is_named_with_its_repository() -> None:
    assert str(Far("acme/api", 5)) == "acme/api#5"
    assert FarRecord(IssueState.FAILED, "gate_failed").told == "failed (gate_failed)"
    assert FarRecord(IssueState.WORKING).told == "working"


def test_what_two_sources_say_is_waited_for_once() -> None:
    twice = far(1, "acme/api#5", "acme/api#5", "acme/web#2")
    assert awaited(twice) == (Far("acme/api", 5), Far("acme/web", 2))


def test_a_circle_is_named_in_full() -> None:
    plans = {
        "acme/api": [far(1), far(2, "acme/web#7", near=(1,)), far(3, near=(2,))],
        "acme/web": [far(7, near=(8,)), far(8, "acme/api#3")],
    }
    way = [str(one) for one in circle(plans)]
    assert way == ["acme/api#2", "acme/web#7", "acme/web#8", "acme/api#3", "acme/api#2"]
    assert circle(plans, but={Far("acme/web", 8)}) == ()


def test_who_waits_for_an_issue_is_found_through_every_repository() -> None:
    plans = {
        "acme/api": [far(1), far(2, "acme/web#8", near=(1,)), far(3), far(4, near=(2, 3))],
        "acme/web": [far(7, "acme/api#1"), far(8, near=(7,)), far(9)],
    }
    found = {str(one) for one in waiting(plans, Far("acme/api", 1))}
    assert found == {"acme/api#2", "acme/api#4", "acme/web#7", "acme/web#8"}
    assert waiting(plans, Far("acme/web", 9)) == ()


def test_what_meets_again_is_no_circle() -> None:
    plans = {
        "acme/api": [far(1), far(2, near=(1,)), far(3, near=(1, 2, 3))],
        "acme/web": [far(7, "acme/api#2", "acme/api#3", "acme/docs#1", "acme/api#99")],
    }
    assert circle(plans) == ()


@pytest.mark.parametrize(
    ("word", "issue"),
    [
        ("5", Far("", 5)),
        ("#5", Far("", 5)),
        ("Acme/API#5", Far("acme/api", 5)),
        ("group/sub/name#17", Far("group/sub/name", 17)),
        ("acme/api", None),
        ("acme#5", None),
        ("acme/api#0", None),
        ("#x", None),
        ("", None),
    ],
)
def test_an_issue_is_named_by_its_number_with_or_without_its_repository(word: str, issue: Far | None) -> None:
    assert named(word) == issue
