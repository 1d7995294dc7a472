"""From what a tracker knows to the issues of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from mawep.core.model import Dependency, Issue
from mawep.errors import UsageError
from mawep.stages.intake import Found, Outside, Selection, Wanted, select, wanted

ALL = Wanted()
SHA = "5ca1ab1e" * 5


def issue(number: int, *on: int, label: str = "", source: str = "front_matter") -> Issue:
    return Issue(
        number,
        f"Issue {number}",
        labels=(label,) if label else (),
        depends_on=tuple(Dependency(other, source) for other in on),
        origin=f"issues/{number}.md",
    )


SPRINT = [issue(101), issue(102, 101), issue(103, 101), issue(104, 101), issue(105, 104, label="ui")]


def pick(issues: Iterable[Issue], asked: Wanted, **more: Any) -> Selection:
    """What is selected of issues that a tracker knows all of."""
    return select(Found(tuple(issues)), asked, **more)


def chosen(selection: Selection) -> list[int]:
    assert selection.problems == ()
    assert selection.graph is not None
    return sorted(selection.graph.issues)


def problems(selection: Selection) -> list[str]:
    assert selection.graph is None
    return list(selection.problems)


@pytest.mark.parametrize(
    ("issues", "label", "expected"),
    [
        ("101,102", None, Wanted((101, 102))),
        ("#101, #102 101", None, Wanted((101, 102))),
        ("all", None, ALL),
        (None, "ui", Wanted(label="ui")),
    ],
)
def test_what_a_person_asks_for(issues: str | None, label: str | None, expected: Wanted) -> None:
    assert wanted(issues, label) == expected


@pytest.mark.parametrize(
    ("issues", "label"), [(None, None), ("101", "ui"), ("101,x", None), ("", None), ("0", None)]
)
def test_anything_else_is_refused(issues: str | None, label: str | None) -> None:
    with pytest.raises(UsageError, match="which issues") as refusal:
        wanted(issues, label)
    assert refusal.value.exit_code == 2
    assert "--issues 101,102" in refusal.value.next_step


def test_all_numbers_or_a_label() -> None:
    assert chosen(pick(SPRINT, ALL)) == [101, 102, 103, 104, 105]
    assert chosen(pick(SPRINT, Wanted((101, 103)))) == [101, 103]
    assert chosen(pick([*SPRINT, issue(9, label="ui")], Wanted(label="ui"), with_dependencies=True)) == [
        9,
        101,
        104,
        105,
    ]


def test_an_unknown_number_is_told() -> None:
    assert problems(pick(SPRINT, Wanted((101, 99, 98)))) == [
        "#99 is not an issue of the tracker",
        "#98 is not an issue of the tracker",
    ]


def test_an_open_dependency_outside_the_set_is_told() -> None:
    assert problems(pick(SPRINT, Wanted((105, 102)))) == [
        "#102 (issues/102.md) depends on #101 (front matter), which is open and not in the set; "
        "add it, or take `--with-dependencies`",
        "#105 (issues/105.md) depends on #104 (front matter), which is open and not in the set; "
        "add it, or take `--with-dependencies`",
    ]


def test_dependencies_are_taken_in_when_asked_for() -> None:
    selection = pick(SPRINT, Wanted((105,)), with_dependencies=True)
    assert chosen(selection) == [101, 104, 105]
    assert selection.graph is not None
    assert selection.graph.dependencies[105] == (104,)


def test_an_unknown_dependency_is_told_with_its_source() -> None:
    issues = [issue(1, 7, source="body"), issue(2, 8, source="native")]
    for with_dependencies in (False, True):
        assert problems(pick(issues, ALL, with_dependencies=with_dependencies)) == [
            "#1 (issues/1.md) depends on #7 (text), which the tracker does not know",
            "#2 (issues/2.md) depends on #8 (native), which the tracker does not know",
        ]


def test_a_cycle_is_printed_in_full_beside_the_other_problems() -> None:
    issues = [issue(101, 104), issue(104, 101), issue(1, 2)]
    assert problems(pick(issues, ALL)) == [
        "#1 (issues/1.md) depends on #2 (front matter), which the tracker does not know",
        "these issues wait for each other: 101 → 104 → 101; take one of the dependencies away",
    ]


def test_two_issues_of_one_number_are_told() -> None:
    twin = Issue(101, "Twin", origin="issues/twin.md")
    assert problems(pick([*SPRINT, twin], ALL)) == [
        "#101 (issues/twin.md) has the same number as #101 (issues/101.md)"
    ]


def test_a_dependency_that_has_landed_is_met() -> None:
    selection = pick(SPRINT, Wanted((102, 105)), landed={101: SHA, 104: SHA})
    assert chosen(selection) == [102, 105]
    assert selection.graph is not None
    assert selection.graph.dependencies == {102: (), 105: ()}
    assert chosen(pick([issue(3, 1)], ALL, landed={1: SHA})) == [3]


@pytest.mark.parametrize(
    ("asked", "rest", "done"),
    [
        (ALL, [103, 104, 105], [101, 102]),
        (Wanted((102, 103)), [103], [102]),
        (Wanted((101, 103, 102)), [103], [101, 102]),
        (Wanted((103,)), [103], []),
    ],
)
def test_what_has_landed_is_done_and_the_rest_goes_on(
    asked: Wanted, rest: list[int], done: list[int]
) -> None:
    selection = pick(SPRINT, asked, landed={101: SHA, 102: SHA})
    assert chosen(selection) == rest
    assert selection.already_landed == dict.fromkeys(done, SHA)


def test_what_landed_and_left_the_tracker_is_done_too() -> None:
    selection = pick(SPRINT, Wanted((99, 101)), landed={99: SHA})
    assert chosen(selection) == [101]
    assert selection.already_landed == {99: SHA}


@pytest.mark.parametrize("asked", [ALL, Wanted(label="ui")])
def test_when_all_has_landed_nothing_is_left_and_nothing_is_wrong(asked: Wanted) -> None:
    selection = pick(SPRINT, asked, landed=dict.fromkeys(range(101, 106), SHA))
    assert selection.problems == ()
    assert selection.graph is not None and not selection.graph.issues
    assert selection.already_landed


def test_who_asks_by_number_for_what_has_landed_is_told_where() -> None:
    (problem,) = problems(pick(SPRINT, Wanted((101,)), landed={101: SHA}))
    assert SHA[:12] in problem and "#101 has landed already" in problem


@pytest.mark.parametrize(
    ("issues", "asked", "problem"),
    [
        ([], ALL, "the tracker has no issues"),
        (SPRINT, Wanted(label="uii"), "no issue has the label `uii`; did you mean `ui`?"),
        (SPRINT, Wanted(label="zzz"), "no issue has the label `zzz`"),
    ],
)
def test_a_question_that_nothing_answers_is_told(issues: list[Issue], asked: Wanted, problem: str) -> None:
    assert problems(pick(issues, asked)) == [problem]


def test_what_issues_have_to_fit_comes_together() -> None:
    assert wanted(None, "ui", "v2", "is:open", 7) == Wanted((), "ui", "v2", "is:open", 7)
    with pytest.raises(UsageError, match="which issues"):
        wanted("all", None, milestone="v2")


def test_what_was_closed_before_the_run_is_met() -> None:
    found = Found(
        (issue(1, 7, source="native+body"), issue(2, 8), issue(3, 9), issue(4, 10, source="native")),
        outside={7: Outside.DONE, 8: Outside.DROPPED, 9: Outside.OPEN, 10: Outside.PULL},
    )
    selection = select(found, Wanted((1, 2)))
    assert chosen(selection) == [1, 2]
    assert selection.notes == (
        "#2 (issues/2.md) depends on #8 (front matter), which was closed as not planned: it counts as met",
    )
    assert problems(select(found, ALL)) == [
        "#3 (issues/3.md) depends on #9 (front matter), which is open and not in the set; "
        "add it, or take `--with-dependencies`",
        "#4 (issues/4.md) depends on #10 (native), which is an open pull request: merge or close it first",
    ]


def test_what_is_wrong_with_an_issue_matters_once_it_is_chosen() -> None:
    found = Found((issue(1), issue(2)), problems={2: ("line 3: `#12abc` cannot be read",)})
    assert chosen(select(found, Wanted((1,)))) == [1]
    assert problems(select(found, ALL)) == ["#2 (issues/2.md): line 3: `#12abc` cannot be read"]


def test_a_stranger_keeps_nobody_from_starting() -> None:
    found = Found((issue(1), issue(2)), frozenset({1, 2}), refused={2: "is by eve"})
    selection = select(found, ALL)
    assert chosen(selection) == [1]
    assert selection.notes == ("#2 (issues/2.md) is by eve; it is left out",)


def test_who_asks_for_or_waits_for_a_refused_issue_is_told() -> None:
    found = Found((issue(1), issue(2, 1), issue(3)), frozenset({1, 2, 3}), refused={1: "is by eve"})
    assert problems(select(found, Wanted((1, 3)))) == ["#1 (issues/1.md) is by eve"]
    for with_dependencies in (False, True):
        assert problems(select(found, Wanted((2,)), with_dependencies=with_dependencies)) == [
            "#2 (issues/2.md) depends on #1 (front matter), which is by eve"
        ]


def parent(number: int, *on: int) -> Issue:
    return issue(number, *on, source="sub_issue")


def test_choosing_a_parent_chooses_its_sub_issues_and_their_dependents_wait_for_those() -> None:
    issues = (parent(10, 11, 12), parent(12, 13), issue(11), issue(13), issue(20, 10, 11), issue(99))
    selection = select(Found(issues, parents=frozenset({10, 12})), Wanted((10, 20)))
    assert chosen(selection) == [11, 13, 20]
    assert selection.graph is not None
    assert sorted(selection.graph.dependencies[20]) == [11, 13]
    assert selection.notes == (
        "#10 has no work of its own: it is done when #11, #12 landed",
        "#12 has no work of its own: it is done when #13 landed",
    )
    assert {number: one.part_of for number, one in selection.graph.issues.items()} == {
        11: (10,),
        13: (10, 12),
        20: (),
    }


def test_a_parent_with_work_of_its_own_comes_after_its_sub_issues() -> None:
    selection = pick([parent(10, 11), issue(11)], Wanted((10,)))
    assert chosen(selection) == [10, 11]
    assert selection.graph is not None and selection.graph.order == (11, 10)


def test_a_parent_whose_sub_issues_are_done_leaves_nothing_to_do() -> None:
    found = Found((parent(10, 11),), outside={11: Outside.DONE}, parents=frozenset({10}))
    selection = select(found, Wanted((10,)))
    assert selection.graph is not None and not selection.graph.issues
    assert selection.notes == ("#10 has no work of its own, and all its sub-issues are done",)


def test_a_sub_issue_that_waits_for_its_parent_is_a_cycle() -> None:
    found = Found((parent(10, 11), issue(11, 10)), parents=frozenset({10}))
    assert problems(select(found, Wanted((10,)))) == [
        "these issues wait for each other: 10 → 11 → 10; take one of the dependencies away"
    ]


def test_a_number_that_is_no_work_is_told_why() -> None:
    found = Found((issue(1),), frozenset({1}), absent={7: "is a pull request", 8: "is closed"})
    assert problems(select(found, Wanted((1, 7, 8)))) == ["#7 is a pull request", "#8 is closed"]
