"""Lanes: what cannot affect one another does not wait for one another's gate, and nobody is overtaken for ever."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given

from mawep.core import events as ev
from mawep.core.lanes import free_members
from mawep.core.model import GateRecord, GateResult, IssueState, Rules, Scope
from mawep.core.schedule import refusals
from mawep.core.scopes import affected, reads, unread
from tests.core.driver import Driver, issue
from tests.core.test_scopes import SCOPES as NEEDY
from tests.core.test_scopes import paths, scopes

SCOPES = (Scope("api", ("api",)), Scope("web", ("web",)), Scope("docs", ("docs",)))
GREEN, RED, NONE = GateResult.GREEN, GateResult.RED, GateResult.NONE


# --- what scopes read


def test_a_scope_reads_itself_what_it_needs_and_what_lies_in_no_scope() -> None:
    passed_over = unread(NEEDY, ["shop"])
    assert [scope.name for scope in passed_over] == ["docs"]
    found = [
        path
        for path in ("shop/a", "web/b", "libs/c", "Makefile", "docs/d.md")
        if reads(NEEDY, passed_over, path)
    ]
    assert found == ["shop/a", "web/b", "libs/c", "Makefile"]


def test_what_lies_in_two_scopes_is_read_by_both() -> None:
    known = (Scope("all", ("*.md",)), Scope("docs", ("docs",)))
    assert reads(known, unread(known, ["all"]), "docs/use.md")
    assert not reads(known, unread(known, ["all"]), "docs/use.txt")


@given(scopes, paths, paths)
def test_no_scope_reads_what_does_not_affect_it(
    known: tuple[Scope, ...], some: list[str], more: list[str]
) -> None:
    """What a change does not affect has the same verdict with and without it."""
    everything = {scope.name for scope in known}
    untouched = everything - set(everything if (found := affected(known, some)) is None else found)
    passed_over = unread(known, untouched)
    assert not untouched or not any(reads(known, passed_over, path) for path in some)


# --- a run with lanes


class Run(Driver):
    """Candidates change one scope each; `reads` of a scope is its name and what landed in it."""

    def __init__(self, affects: Mapping[int, tuple[str, ...] | None], **rules: object) -> None:
        self.affects = affects
        known = Rules(scopes=SCOPES, **{"max_agents": 9, "gate_slots": 4, "lanes": True, **rules})  # type: ignore[arg-type]
        super().__init__(*(issue(number) for number in affects), rules=known)

    def queue(self, *numbers: int) -> Run:
        """Their candidates pass their gates."""
        for number in numbers:
            self.made(number)
        for number in numbers:
            self.gated(self.attempt(number).gate)
        return self

    def made(self, number: int) -> Run:
        """Its candidate waits for its gate."""
        self.start(number).finish(number)
        about = (f"c-{number}", f"t-{number}", ("x",), self.affects[number])
        self.go(ev.CandidateImported(number, 1, *about, reads=f"own-{number}"))
        return self

    def composed(self, reads: str, *scopes: str) -> ev.Step:
        """Everybody in the open batch merges, and each part of it that is asked for; together they read this."""
        opened = self.last(ev.LandingOpened)
        steps = self._read(opened.base, opened.members, reads, scopes)
        self.go(ev.LandingComposed(opened.base, steps, parks=False))
        while self.state.landing and (
            parts := [part for part, made in self.state.landing.parts.items() if made is None]
        ):
            made = [self._read(opened.base, part, f"{reads} of {part}", scopes) for part in parts]
            self.go(*(ev.ProbeComposed(opened.base, *both) for both in zip(parts, made, strict=True)))
        return steps[-1]

    def _read(
        self, base: str, members: tuple[int, ...], reads: str, scopes: tuple[str, ...]
    ) -> tuple[ev.Step, ...]:
        *front, last = self.steps(members, f"u-{base}")
        return (*front, ev.Step(last.issue, last.commit, last.tree, scopes, reads=reads))

    def gated(self, name: str, result: GateResult = GREEN) -> None:
        """The gate that runs under this name has ended."""
        intent = self.state.effects[f"gate:{name}"].event
        assert isinstance(intent, ev.GateIntended)
        about = ("key", intent.tree, result, (), 1.0, "log")
        self.go(ev.GateFinished(GateRecord(*about, scopes=intent.scopes, reads=intent.reads)))

    def landed(self) -> None:
        self.seal()
        self.move()

    @property
    def open(self) -> tuple[int, ...]:
        return self.state.landing.members if self.state.landing else ()


def api_is_gated_while_web_waits(**rules: object) -> tuple[Run, ev.Step]:
    run = Run({1: ("api",), 2: ("api",), 3: ("web",)}, **rules)
    run.queue(1, 2)
    assert run.open == (1, 2)
    step = run.composed("api-1-2", "api")
    assert run.open == (1, 2), "there is nobody else yet"
    return run.queue(3), step


def test_another_lane_lands_while_a_batch_is_gated_which_lands_with_the_verdict_it_waits_for() -> None:
    run, step = api_is_gated_while_web_waits()
    assert "beside another lane" in refusals(run.state, 1, run.now)[0].detail
    aside = run.last(ev.LandingSetAside)
    assert (aside.members, aside.gates[0]) == ((1, 2), step.gate)
    assert (run.open, run.at(1), run.at(3)) == ((3,), IssueState.QUEUED, IssueState.LANDING)
    run.composed("own-3", "web")
    gates = run.count(ev.GateIntended)
    assert run.last(ev.SealIntended).steps[-1].reads == "own-3", "what it reads is what its own gate saw"
    run.landed()
    assert (run.at(3), run.open) == (IssueState.LANDED, ())
    run.gated(step.gate)
    assert run.last(ev.LandingOpened) == ev.LandingOpened(run.state.target, (1, 2))
    again = run.composed("api-1-2", "api")
    assert again.tree != step.tree
    assert run.count(ev.GateIntended) == gates
    run.landed()
    assert {run.at(1), run.at(2)} == {IssueState.LANDED}


def test_without_lanes_it_waits() -> None:
    run, _ = api_is_gated_while_web_waits(lanes=False)
    assert (run.open, run.at(3), run.count(ev.LandingSetAside)) == ((1, 2), IssueState.QUEUED, 0)


def test_what_the_same_scopes_read_otherwise_is_gated_again() -> None:
    run, _ = api_is_gated_while_web_waits()
    run.composed("somebody pushed", "web")
    assert run.last(ev.GateIntended).reads == "somebody pushed"


def test_a_red_batch_set_aside_is_searched_when_it_is_taken_up_again() -> None:
    run, step = api_is_gated_while_web_waits()
    run.composed("own-3", "web")
    run.landed()
    run.gated(step.gate, RED)
    run.composed("api-1-2", "api")
    assert run.last(ev.ProbeIntended).base == run.state.target


def test_a_batch_is_not_set_aside_for_what_it_can_affect() -> None:
    run = Run({1: ("api",), 2: ("api", "web"), 3: None})
    run.queue(1).composed("api-1", "api")
    run.queue(2, 3)
    assert (run.open, run.count(ev.LandingSetAside)) == ((1,), 0)


def test_nobody_overtakes_whom_it_could_affect() -> None:
    run = Run({1: ("api",), 2: ("api", "web"), 3: ("web",), 4: ("docs",)})
    run.queue(1).composed("api-1", "api")
    run.queue(2)
    run.queue(3)
    assert run.open == (1,), "#3 could affect #2, which waits for #1"
    run.queue(4)
    assert run.open == (4,)


def test_what_affects_everything_is_waited_for_by_all() -> None:
    run = Run({1: ("api",), 2: None, 3: ("docs",)})
    run.queue(1).composed("api-1", "api")
    run.queue(2, 3)
    assert run.open == (1,)


def test_who_could_affect_one_another_go_together_and_no_more_than_a_batch() -> None:
    run = Run({1: ("docs",), 2: ("api",), 3: ("web",), 4: ("api", "web"), 5: ("web",)}, batch=2)
    for number in (1, 2, 3, 4, 5):
        run.made(number)
    for number in (1, 2, 3, 4, 5):
        run.tell(ev.CandidateQueued(number))
    assert free_members(run.state) == (1,)
    run.tell(ev.LandingOpened("target-0", (1,)))
    assert free_members(run.state) == (2,), (
        "#3 is of no lane with #2, and #4 could affect #3, which is ahead of it"
    )
    run.tell(ev.IssueCancelled(3, "ada"))
    assert free_members(run.state) == (2, 4), "#5 is one too many"


def test_a_suspect_goes_alone_in_its_lane_too() -> None:
    run = Run({1: ("api",), 2: ("api",), 3: ("api",)})
    run.queue(1, 2, 3)
    run.tell(ev.CandidateSetApart(2))
    assert free_members(run.state) == (2,)
    run.settle()
    assert run.open == (2,)


def test_a_lane_waits_for_what_is_about_to_finish_in_it_and_for_nothing_else() -> None:
    run = Run({1: ("api",), 2: ("web",), 3: ("api",)})
    run.made(2).made(3).queue(1)
    assert not run.open
    run.gated(run.attempt(3).gate, RED)
    assert run.open == (1,), "#2 is still gated, in another lane"


def test_a_batch_that_gets_no_slot_makes_way_for_one_that_a_verdict_came_for() -> None:
    run = Run({1: ("api",), 3: ("web",)}, gate_slots=1)
    run.queue(3, 1)
    run.composed("otherwise", "web")
    assert run.last(ev.GateIntended).reads == "otherwise"
    assert (run.open, run.state.aside[0].members) == ((1,), (3,))
    run.composed("otherwise too", "api")
    assert (run.open, run.count(ev.LandingSetAside)) == ((1,), 1), "there is no slot, and nobody else"
    run.gated(run.state.aside[0].gates[0])
    assert run.last(ev.GateIntended).reads == "otherwise too"
    assert (run.open, run.state.aside[0].members) == ((3,), (1,))


def test_who_is_cancelled_meanwhile_leaves_its_batch() -> None:
    run, step = api_is_gated_while_web_waits()
    run.go(ev.IssueCancelled(1, "ada"))
    assert [one.members for one in run.state.aside] == [(2,)]
    run.go(ev.IssueCancelled(2, "ada"))
    assert (run.state.aside, run.at(2)) == ((), IssueState.CANCELLED)
    run.composed("own-3", "web")
    run.landed()
    run.gated(step.gate)
    assert run.open == ()


def test_a_whole_batch_cancelled_while_it_lands_is_not_set_aside() -> None:
    run = Run({1: ("api",), 3: ("web",)})
    run.queue(1).composed("api-1", "api")
    run.go(ev.IssueCancelled(1, "ada"))
    run.queue(3)
    assert (run.state.aside, run.at(1)) == ((), IssueState.CANCELLED)


def test_a_run_resumed_without_lanes_believes_no_verdict_for_another_tree() -> None:
    """The gate may have commands by now that read everything."""
    run, _ = api_is_gated_while_web_waits()
    run.composed("own-3", "web")
    run.go(ev.RunResumed("host", gate="other", lanes=()))
    assert (run.state.aside, run.open) == ((), (1, 2, 3))
    opened = run.last(ev.LandingOpened)
    steps = run.steps(opened.members)
    run.go(ev.LandingComposed(opened.base, steps, parks=False))
    assert run.last(ev.GateIntended).tree == steps[-1].tree


def test_a_move_that_began_is_completed_without_lanes() -> None:
    run, _ = api_is_gated_while_web_waits()
    run.composed("own-3", "web")
    run.seal()
    run.tell(ev.RunResumed("host", lanes=()))
    run.move()
    assert run.at(3) is IssueState.LANDED
