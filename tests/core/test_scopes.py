"""Which scopes a change affects; and a verdict is one for exactly the scopes that were gated."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mawep.core import events as ev
from mawep.core.model import GateRecord, GateResult, IssueState, Rules, Scope
from mawep.core.scopes import affected, lies_in, outside
from tests.core.driver import Driver, issue

LIB = Scope("lib", ("libs/**",))
WEB = Scope("web", ("web", "*.ts"), labels=("Frontend",), needs=("lib",), confine=True)
SHOP = Scope("shop", ("shop/**",), needs=("web",))
DOCS = Scope("docs", ("docs", "*.md"), labels=("writing",))
SCOPES = (LIB, WEB, SHOP, DOCS)


def test_a_change_affects_the_scopes_that_its_paths_lie_in() -> None:
    assert affected(SCOPES, ["docs/use.md"]) == ("docs",)
    assert affected(SCOPES, ["shop/a.py", "docs/use.md", "README.md"]) == ("shop", "docs")
    assert affected(SCOPES, []) == ()


def test_it_affects_what_needs_them_directly_or_not() -> None:
    assert affected(SCOPES, ["web/page.html"]) == ("web", "shop")
    assert affected(SCOPES, ["libs/a.py"]) == ("lib", "web", "shop")


def test_what_lies_in_no_scope_affects_all() -> None:
    assert affected(SCOPES, ["docs/use.md", "Makefile"]) is None
    assert affected((), ["docs/use.md"]) is None


def test_all_of_them_is_the_whole_gate() -> None:
    assert affected(SCOPES, ["libs/a.py", "docs/use.md"]) is None


def test_labels_only_add_scopes() -> None:
    assert affected(SCOPES, ["docs/use.md"], ["frontend", "urgent"]) == ("web", "shop", "docs")
    assert affected(SCOPES, ["Makefile"], ["writing"]) is None


def test_a_label_confines_an_issue_to_its_scopes() -> None:
    paths = ["web/a.ts", "libs/b.py", "docs/c.md"]
    assert outside(SCOPES, paths, ["FRONTEND"]) == ("libs/b.py", "docs/c.md")
    assert outside(SCOPES, paths, ["frontend", "writing"]) == ("libs/b.py",)
    assert outside(SCOPES, paths, ["writing"]) == ()
    assert outside(SCOPES, paths, []) == ()


NAMES = ["a", "b", "c", "d"]
DIRECTORIES = ["a", "b", "c", "d", "e"]
scopes = st.permutations(NAMES).flatmap(
    lambda names: st.tuples(
        *(
            st.builds(
                Scope,
                st.just(name),
                st.lists(st.sampled_from(DIRECTORIES), min_size=1, max_size=2).map(tuple),
                needs=st.lists(st.sampled_from(names), max_size=2).map(tuple),
            )
            for name in names[:3]
        )
    )
)
paths = st.lists(st.builds("{}/{}".format, st.sampled_from(DIRECTORIES), st.sampled_from("xy")), max_size=4)


@given(scopes, paths, paths)
def test_a_greater_change_affects_no_less(known: tuple[Scope, ...], some: list[str], more: list[str]) -> None:
    everything = tuple(scope.name for scope in known)
    less, greater = affected(known, some), affected(known, some + more)
    assert set(everything if less is None else less) <= set(everything if greater is None else greater)


@given(scopes, paths, st.randoms())
def test_the_order_of_paths_means_nothing(known: tuple[Scope, ...], some: list[str], rng: object) -> None:
    assert affected(known, some) == affected(known, some[::-1]) == affected(known, some + some)


@given(scopes, paths)
def test_what_is_not_affected_is_not_touched_nor_needs_what_is(
    known: tuple[Scope, ...], some: list[str]
) -> None:
    found = affected(known, some)
    if found is None:
        return
    for scope in known:
        if scope.name not in found:
            assert not any(lies_in(scope, path) for path in some)
            assert set(scope.needs).isdisjoint(found)


# --- verdicts in a run


def verdict(
    tree: str, *scopes: str, whole: bool = False, result: GateResult = GateResult.GREEN
) -> ev.AnyEvent:
    return ev.GateFinished(
        GateRecord("key", tree, result, (), 1.0, "gate.log", scopes=None if whole else scopes)
    )


def imported(run: Driver, number: int, tree: str, *scopes: str) -> None:
    run.start(number).finish(number)
    intent = run.last(ev.ImportIntended)
    run.go(ev.CandidateImported(number, intent.attempt, intent.head, tree, ("x",), scopes))


def test_a_verdict_for_other_scopes_or_for_all_is_not_taken() -> None:
    run = Driver(issue(1), rules=Rules(scopes=SCOPES))
    imported(run, 1, "t-1", "docs")
    assert run.last(ev.GateIntended) == ev.GateIntended("t-1", "head-1", "#1", ("docs",))
    run.go(verdict("t-1", "shop"), verdict("t-1", whole=True))
    assert run.at(1) is IssueState.VERIFYING
    run.go(verdict("t-1", "docs"))
    assert run.at(1) is IssueState.LANDING


def test_the_same_tree_is_gated_again_where_the_composition_affects_more() -> None:
    run = Driver(issue(1), rules=Rules(scopes=SCOPES))
    imported(run, 1, "t-1", "docs")
    run.go(verdict("t-1", "docs"))
    opened = run.last(ev.LandingOpened)
    step = ev.Step(1, "m-1", "t-1", ("shop", "docs"))
    run.go(ev.LandingComposed(opened.base, (step,)))
    assert run.last(ev.GateIntended) == ev.GateIntended("t-1", "m-1", "landing #1", ("shop", "docs"))
    run.go(verdict("t-1", "shop", "docs"))
    assert run.last(ev.SealIntended).steps == (step,)


def test_the_same_tree_is_not_gated_again_for_the_same_scopes() -> None:
    run = Driver(issue(1), rules=Rules(scopes=SCOPES))
    imported(run, 1, "t-1", "docs")
    run.go(verdict("t-1", "docs"))
    opened = run.last(ev.LandingOpened)
    run.go(ev.LandingComposed(opened.base, (ev.Step(1, "m-1", "t-1", ("docs",)),)))
    assert run.count(ev.GateIntended) == 1
    assert run.last(ev.SealIntended).steps[-1].tree == "t-1"
