"""Lanes under chance: whoever waits to land lands or leaves, what lands was gated, and no batch opens for nothing."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from mawep.core import events as ev
from mawep.core.model import GateRecord, GateResult, IssueState, Number, Rules, Scope, Sha
from mawep.core.scopes import affected, lies_in, reads, unread
from mawep.core.state import Progress
from tests.core.driver import Driver, issue

SCOPES = (
    Scope("lib", ("lib",)),
    Scope("api", ("api",), needs=("lib",)),
    Scope("web", ("web",)),
    Scope("docs", ("docs", "*.md")),
)
PLACES = ("lib/a", "api/a", "web/a", "web/use.md", "docs/a", "Makefile")
PEOPLE = 100
"""From this number on, a change is one that somebody pushed."""

Content = frozenset[int]
"""A tree: whose changes it holds."""


class Chance(Driver):
    """Git, gate and agents answer in any order; a tree's verdict hangs on what the gated scopes see of it alone."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.size = rng.randint(2, 7)
        self.paths = {n: tuple(rng.sample(PLACES, rng.choice((1, 1, 1, 2)))) for n in range(1, self.size + 1)}
        numbers = list(self.paths)
        self.bad = [
            frozenset(rng.sample(numbers, rng.choice((1, 2)))) for _ in range(rng.choice((0, 0, 1, 2)))
        ]
        self.apart = [set(rng.sample(numbers, 2)) for _ in range(rng.choice((0, 0, 1)))]
        self.trees: dict[Sha, Content] = {"target-0": frozenset()}
        self.seen_green: set[tuple[str, Content]] = set()
        self.opened: Counter[int] = Counter()
        self.chances = 0
        rules = Rules(
            max_agents=9,
            scopes=SCOPES,
            lanes=True,
            batch=rng.randint(1, 4),
            gate_slots=rng.randint(1, 3),
            repair_rounds=0,
            max_retries=0,
            merge_rounds=0,
        )
        super().__init__(*(issue(n) for n in numbers), rules=rules)
        self.start(*numbers)

    # --- what git knows

    def places(self, who: Content) -> list[str]:
        return [path for one in sorted(who) for path in self.paths[one]]

    def tree(self, content: Content) -> Sha:
        sha = "tree " + ",".join(map(str, sorted(content)))
        self.trees[sha] = content
        return sha

    def about(self, base: Content, content: Content) -> tuple[tuple[str, ...] | None, str | None]:
        """The scopes that differ, and the digest of what those read."""
        gated = affected(SCOPES, self.places(base ^ content))
        if gated is None or not self.state.rules.lanes:
            return gated, None
        passed_over = unread(SCOPES, gated)
        read = [
            one
            for one in sorted(content)
            if any(reads(SCOPES, passed_over, path) for path in self.paths[one])
        ]
        return gated, f"reads {read}"

    def seen(self, scope: Scope, content: Content) -> Content:
        """Whose changes the commands of a scope see; by hand."""
        known = [scope, *(one for one in SCOPES if one.name in scope.needs)]

        def sees(path: str) -> bool:
            return any(lies_in(one, path) for one in known) or not any(lies_in(one, path) for one in SCOPES)

        return frozenset(one for one in content if any(map(sees, self.paths[one])))

    # --- answers

    def composed(
        self, base: Sha, members: tuple[Number, ...]
    ) -> tuple[list[ev.Step], list[ev.MergeConflict]]:
        content, steps, left = self.trees[base], list[ev.Step](), list[ev.MergeConflict]()
        for number in members:
            rivals = {one for pair in self.apart if number in pair for one in pair} - {number}
            if rivals & content:
                with_ = () if rivals & self.trees[base] else tuple(step.issue for step in steps)
                left.append(ev.MergeConflict(number, ("a",), "", with_))
                continue
            content |= {number}
            tree = self.tree(content)
            scopes, read = self.about(self.trees[base], content)
            steps.append(ev.Step(number, tree, tree, scopes, reads=read))
        return steps, left

    def answer(self, key: str) -> ev.AnyEvent:
        match self.state.effects[key].event:
            case ev.ImportIntended(issue=number, attempt=attempt):
                base = self.trees[self.state.target]
                tree = self.tree(base | {number})
                scopes, read = self.about(base, base | {number})
                return ev.CandidateImported(number, attempt, tree, tree, ("x",), scopes, reads=read)
            case ev.GateIntended() as intent:
                return ev.GateFinished(self.gate(intent))
            case ev.LandingOpened(base=base, members=members):
                steps, left = self.composed(base, members)
                if len(members) == 1 and left:
                    return ev.LandingComposed(base, (), tuple(left), parks=False)
                return ev.LandingComposed(base, tuple(steps), tuple(left), parks=False)
            case ev.ProbeIntended(base=base, members=members):
                steps, left = self.composed(base, members)
                return ev.ProbeComposed(base, members, () if left else tuple(steps))
            case ev.SealIntended(base=base, steps=chosen):
                return ev.LandingSealed(base, chosen)
            case ev.MoveIntended(old=old, new=new, steps=chosen):
                self.passed(old, new)
                return ev.TargetMoved(old, new, chosen)
            case ev.RetireIntended(issues=issues):
                return ev.WorkspacesRetired(issues)
            case ev.StopIntended(issue=number, fence=fence, reason=reason, detail=detail):
                if reason is None:
                    return ev.AttemptInterrupted(number, fence, detail)
                return ev.AttemptFailed(number, fence, reason, detail)
            case other:
                raise AssertionError(f"nobody answers {other}")

    def gate(self, intent: ev.GateIntended) -> GateRecord:
        content = self.trees[intent.tree]
        gated = [scope for scope in SCOPES if intent.scopes is None or scope.name in intent.scopes]
        views = [(scope.name, self.seen(scope, content)) for scope in gated]
        red = any(bad <= view for bad in self.bad for _, view in views)
        result = GateResult.RED if red else GateResult.GREEN
        if self.rng.random() < 0.03:
            result = GateResult.NONE
        if result is GateResult.GREEN:
            self.seen_green |= set(views)
        about = ("key", intent.tree, result, (), 1.0, "log")
        return GateRecord(*about, scopes=intent.scopes, reads=intent.reads)

    def passed(self, old: Sha, new: Sha) -> None:
        """Every scope that the move can make a difference to was green with all that it sees of the new tree."""
        before, after = self.trees[old], self.trees[new]
        for scope in SCOPES:
            if self.seen(scope, before) != self.seen(scope, after):
                assert (scope.name, self.seen(scope, after)) in self.seen_green, (scope.name, old, new)

    # --- what happens

    def happen(self) -> None:
        """One thing that people or the machine do."""
        number, landing = self.rng.randint(1, self.size), self.state.landing
        match self.rng.randrange(4):
            case 0 if self.at(number) not in (IssueState.LANDED, IssueState.CANCELLED):
                self.go(ev.IssueCancelled(number, "ada"))
            case 1 if landing is None or not landing.moving:
                foreign = PEOPLE + len(self.paths)
                self.paths[foreign] = (self.rng.choice(PLACES),)
                self.go(ev.TargetAdvanced(self.tree(self.trees[self.state.target] | {foreign})))
            case 2 if landing is not None and landing.moving:
                self.go(ev.MoveLost(self.state.target))
            case 3:
                keeps = None if self.rng.random() < 0.7 else ()
                self.go(ev.RunResumed("another", lanes=keeps))
            case _:
                return
        self.chances += 1

    def finish_one(self) -> bool:
        """An agent that works finishes."""
        numbers = range(1, self.size + 1)
        at_work = [n for n in numbers if self.at(n) in (IssueState.ASSIGNED, IssueState.WORKING)]
        if at_work:
            self.finish_(self.rng.choice(at_work))
        return bool(at_work)

    def finish_(self, number: Number) -> None:
        if self.at(number) is IssueState.ASSIGNED:
            self.start(number)
        elif self.attempt(number).progress is Progress.RUNNING:
            self.finish(number)
        else:
            self.go(self.answer(f"stop:{number}"))

    def step(self) -> bool:
        if self.rng.random() < 0.3 and self.finish_one():
            return True
        if not self.state.effects:
            return self.finish_one()
        keys = sorted(self.state.effects)
        quick = [key for key in keys if not key.startswith(("gate:", "turn:"))]
        slow = [key for key in keys if key.startswith("gate:")]
        among = quick if quick and (not slow or self.rng.random() < 0.8) else slow
        if not among:
            return self.finish_one()
        self.go(self.answer(self.rng.choice(among)))
        return True


@given(st.integers(0, 2**32), st.sampled_from((0.0, 0.0, 0.1)))
@settings(max_examples=100)
def test_all_that_can_land_lands_and_nothing_else_and_no_batch_opens_for_nothing(
    seed: int, chance: float
) -> None:
    run = Chance(seed)
    for _ in range(2000):
        if run.chances < 6 and run.rng.random() < chance:
            run.happen()
        elif not run.step():
            break
    assert run.state.ended is not None, {n: run.at(n) for n in range(1, run.size + 1)}
    assert not run.state.queue
    assert not run.state.aside
    opened = verdicts = 0
    for recorded in run.journal:
        if isinstance(recorded.event, ev.GateFinished):
            opened, verdicts = 0, verdicts + 1
        opened += isinstance(recorded.event, ev.LandingOpened)
        assert opened <= 2 * run.size + run.chances, "batches open and are set aside without end"
