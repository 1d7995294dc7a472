"""From what a tracker knows to the issues of a run."""

from __future__ import annotations

import pytest

from mawep.core.model import Dependency, Issue
from mawep.errors import UsageError
from mawep.stages.intake import Selection, Wanted, select, wanted

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
    assert chosen(select(SPRINT, ALL)) == [101, 102, 103, 104, 105]
    assert chosen(select(SPRINT, Wanted((101, 103)))) == [101, 103]
    assert chosen(select([*SPRINT, issue(9, label="ui")], Wanted(label="ui"), with_dependencies=True)) == [
        9,
        101,
        104,
        105,
    ]


def test_an_unknown_number_is_told() -> None:
    assert problems(select(SPRINT, Wanted((101, 99, 98)))) == [
        "#99 is not an issue of the tracker",
        "#98 is not an issue of the tracker",
    ]


def test_an_open_dependency_outside_the_set_is_told() -> None:
    assert problems(select(SPRINT, Wanted((105, 102)))) == [
        "#102 (issues/102.md) depends on #101 (front matter), which is open and not in the set; "
        "add it, or take `--with-dependencies`",
        "#105 (issues/105.md) depends on #104 (front matter), which is open and not in the set; "
        "add it, or take `--with-dependencies`",
    ]


def test_dependencies_are_taken_in_when_asked_for() -> None:
    selection = select(SPRINT, Wanted((105,)), with_dependencies=True)
    assert chosen(selection) == [101, 104, 105]
    assert selection.graph is not None
    assert selection.graph.dependencies[105] == (104,)


def test_an_unknown_dependency_is_told_with_its_source() -> None:
    issues = [issue(1, 7, source="body"), issue(2, 8, source="native")]
    for with_dependencies in (False, True):
        assert problems(select(issues, ALL, with_dependencies=with_dependencies)) == [
            "#1 (issues/1.md) depends on #7 (text), which the tracker does not know",
            "#2 (issues/2.md) depends on #8 (native), which the tracker does not know",
        ]


def test_a_cycle_is_printed_in_full_beside_the_other_problems() -> None:
    issues = [issue(101, 104), issue(104, 101), issue(1, 2)]
    assert problems(select(issues, ALL)) == [
        "#1 (issues/1.md) depends on #2 (front matter), which the tracker does not know",
        "these issues wait for each other: 101 → 104 → 101; take one of the dependencies away",
    ]


def test_two_issues_of_one_number_are_told() -> None:
    twin = Issue(101, "Twin", origin="issues/twin.md")
    assert problems(select([*SPRINT, twin], ALL)) == [
        "#101 (issues/twin.md) has the same number as #101 (issues/101.md)"
    ]


def test_a_dependency_that_has_landed_is_met() -> None:
    selection = select(SPRINT, Wanted((102, 105)), landed={101: SHA, 104: SHA})
    assert chosen(selection) == [102, 105]
    assert selection.graph is not None
    assert selection.graph.dependencies == {102: (), 105: ()}
    assert chosen(select([issue(3, 1)], ALL, landed={1: SHA})) == [3]


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
    selection = select(SPRINT, asked, landed={101: SHA, 102: SHA})
    assert chosen(selection) == rest
    assert selection.already_landed == dict.fromkeys(done, SHA)


def test_what_landed_and_left_the_tracker_is_done_too() -> None:
    selection = select(SPRINT, Wanted((99, 101)), landed={99: SHA})
    assert chosen(selection) == [101]
    assert selection.already_landed == {99: SHA}


@pytest.mark.parametrize("asked", [ALL, Wanted(label="ui")])
def test_when_all_has_landed_nothing_is_left_and_nothing_is_wrong(asked: Wanted) -> None:
    selection = select(SPRINT, asked, landed=dict.fromkeys(range(101, 106), SHA))
    assert selection.problems == ()
    assert selection.graph is not None and not selection.graph.issues
    assert selection.already_landed


def test_who_asks_by_number_for_what_has_landed_is_told_where() -> None:
    (problem,) = problems(select(SPRINT, Wanted((101,)), landed={101: SHA}))
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
    assert problems(select(issues, asked)) == [problem]
