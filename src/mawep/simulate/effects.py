"""The effects of intents on git, the gate and the target's checkout: each happens, then is reported."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import msgspec

from mawep.core import events as ev
from mawep.core.model import FailureReason, GateRecord, GateResult, Number, Sha, Usage
from mawep.core.verdict import ReviewRecord, Verdict
from mawep.simulate.repository import Commit
from mawep.simulate.scenario import Import
from mawep.simulate.world import World

FILES = ("src/a.py",)


def carry_out(
    world: World, intent: ev.Recorded, seconds: tuple[float, float], effect: Callable[[], ev.AnyEvent]
) -> None:
    """The effect happens after a while, and a while later the hall hears of it."""

    def happen() -> None:
        done = effect()
        wait = world.rng.uniform(0, 2)
        world.agenda.after(wait, lambda: world.hall.conclude(intent, done), mortal=True)

    world.agenda.after(world.rng.uniform(*seconds), happen, mortal=True)


class Effects:
    """Carries out every intent that is not a worker's. `moved` is told of every move of the target by us."""

    def __init__(self, world: World, moved: Callable[[ev.MoveIntended], None]) -> None:
        self._world, self._rng, self._scenario = world, world.rng, world.scenario
        self._repository, self._truth, self._moved = world.repository, world.truth, moved
        self.dirty = False

    def begin(self, intent: ev.Recorded) -> None:
        """Start the effect of an intent that the journal has, for the first time or once more."""
        match intent.event:
            case ev.ImportIntended() as event:
                self._run(intent, (1, 5), partial(self._import, event))
            case ev.GateIntended() as event:
                self._run(intent, self._scenario.gate_seconds, partial(self._gate, event))
            case ev.ReviewIntended() as event:
                self._run(intent, (5, 200), partial(self._review, event))
            case ev.LandingOpened(base=base, members=members):
                candidates = self._candidates(members)
                self._run(intent, (1, 5), partial(self._compose, base, candidates))
            case ev.ProbeIntended(base=base, members=members):
                candidates = self._candidates(members)
                self._run(intent, (1, 5), partial(self._probe, base, candidates))
            case ev.SealIntended() as event:
                self._run(intent, (1, 5), partial(self._seal, event))
            case ev.MoveIntended() as event:
                self._run(intent, (1, 5), partial(self._move, event))
            case ev.BreaksSought() as event:
                self._run(intent, (1, 5), partial(self._look_for_breaks, event))
            case ev.RetireIntended(issues=issues):
                self._run(intent, (1, 5), partial(ev.WorkspacesRetired, issues))
            case _:
                pass

    def _run(
        self, intent: ev.Recorded, seconds: tuple[float, float], effect: Callable[[], ev.AnyEvent]
    ) -> None:
        carry_out(self._world, intent, seconds, effect)

    # --- candidates

    def _import(self, event: ev.ImportIntended) -> ev.AnyEvent:
        commit = self._repository[event.head]
        turn = commit.own.turn if commit.own else None
        if turn is None or turn.imported is Import.ACCEPTED:
            scopes = self._repository.affected({event.issue})
            made = ev.CandidateImported(event.issue, event.attempt, commit.sha, commit.tree, FILES, scopes)
            return msgspec.structs.replace(made, reads=self._repository.reads(commit.sha, scopes))
        repairable = turn.imported is Import.REPAIRABLE
        self._truth.causes[event.issue].add(turn.reason)
        return ev.ImportRefused(event.issue, event.attempt, turn.reason, "not like this", repairable)

    def _gate(self, event: ev.GateIntended) -> ev.AnyEvent:
        commit = self._repository[event.commit]
        parts = self._repository.parts if event.scopes is None else frozenset(event.scopes)
        result = GateResult.GREEN if self._repository.is_green(commit.patches, parts) else GateResult.RED
        if self._rng.random() < self._scenario.chances.no_verdict:
            result = GateResult.NONE
        if result is GateResult.GREEN:
            self._truth.green[event.tree] |= parts
            self._truth.seen.update((part, self._repository.seen_by(part, event.tree)) for part in parts)
        else:
            self._not_green(commit)
        return ev.GateFinished(
            GateRecord(
                *(event.tree, event.tree, result, (), 1.0, "gate.log", result.value),
                scopes=event.scopes,
                reads=event.reads,
            )
        )

    def _not_green(self, commit: Commit) -> None:
        for issue in self._repository.contained(commit.sha):
            self._truth.causes[issue].add(FailureReason.GATE_FAILED)
            if commit.own is None or commit.own.who < 0:
                self._truth.unfit.add(issue)

    def _review(self, event: ev.ReviewIntended) -> ev.AnyEvent:
        """The reviewer approves, asks for changes, or does not come to an answer."""
        chances, luck = self._scenario.chances, self._rng.random()
        verdict = Verdict.APPROVE
        if luck < chances.no_answer:
            verdict = Verdict.NONE
        elif luck < chances.no_answer + chances.request_changes:
            verdict = Verdict.REQUEST_CHANGES
        if verdict is Verdict.APPROVE:
            self._truth.approved.add((event.issue, event.tree))
        else:
            self._truth.unfit.add(event.issue)
        limited = verdict is Verdict.NONE and self._rng.random() < 0.5
        until = self._world.clock.now() + timedelta(seconds=600) if limited and luck < 0.05 else None
        used = Usage(output_tokens=self._rng.randint(1, 100))
        about = event.number, event.attempt, event.commit, event.tree
        record = ReviewRecord(*about, verdict, "look again", runtime=event.runtime, usage=used)
        return ev.ReviewFinished(event.issue, record, limited=limited, until=until)

    def _look_for_breaks(self, event: ev.BreaksSought) -> ev.AnyEvent:
        """Some of what is under way uses what has changed; who has ended meanwhile may still be named."""
        issues, runs = self._world.hall.state.issues, [n for n in event.issues if self._rng.random() < 0.5]
        found = (ev.Broken(n, issues[n].runs, "f(a) is gone") for n in runs)
        return ev.BreaksFound(event.old, event.new, tuple(found))

    # --- landing

    def _candidates(self, members: tuple[Number, ...]) -> dict[Number, Sha]:
        issues = self._world.hall.state.issues
        found = ((number, issues[number].attempt) for number in members)
        return {number: attempt.commit for number, attempt in found if attempt and attempt.commit}

    def _compose(self, base: Sha, candidates: dict[Number, Sha]) -> ev.AnyEvent:
        if self._repository.target != base:
            return ev.TargetAdvanced(self._repository.target)
        if len(candidates) == 1 and (found := self._alone(base, *candidates.items())):
            return found
        steps, conflicts = self._merge_all(base, candidates)
        return ev.LandingComposed(base, steps, conflicts, parks=False)

    def _alone(self, base: Sha, candidate: tuple[Number, Sha]) -> ev.LandingComposed | None:
        """Every way to merge a candidate that does not merge cleanly."""
        issue, target, own = candidate[0], self._repository[base], self._repository[candidate[1]]
        if isinstance(self._repository.merge(target, own), Commit):
            return None
        found = self._repository.ways(target, own)
        parts = self._repository.parts
        if not any(self._repository.is_green(way.patches, parts) for way in found):
            self._truth.unfit.add(issue)
        ways = tuple(self._scoped(base, ev.Step(issue, way.sha, way.tree)) for way in found)
        return ev.LandingComposed(base, (), (ev.MergeConflict(issue, FILES, "<<<<<<<"),), ways, parks=False)

    def _probe(self, base: Sha, candidates: dict[Number, Sha]) -> ev.AnyEvent:
        steps, conflicts = self._merge_all(base, candidates)
        return ev.ProbeComposed(base, tuple(candidates), () if conflicts else steps)

    def _merge_all(
        self, base: Sha, candidates: dict[Number, Sha]
    ) -> tuple[tuple[ev.Step, ...], tuple[ev.MergeConflict, ...]]:
        target = top = self._repository[base]
        steps: list[ev.Step] = []
        conflicts: list[ev.MergeConflict] = []
        for issue, sha in candidates.items():
            own = self._repository[sha]
            merged = self._repository.merge(top, own)
            ways = [] if isinstance(merged, Commit) else self._repository.ways(top, own)
            resolved = ("by rule",) if ways and issue in self._scenario.sure else ()
            merged = ways[0] if resolved else merged
            if isinstance(merged, Commit):
                top = merged
                steps.append(ev.Step(issue, top.sha, top.tree, resolved=resolved))
                continue
            with_target = not isinstance(self._repository.merge(target, own), Commit)
            conflicts.append(ev.MergeConflict(issue, FILES, "<<<<<<<", () if with_target else merged))
        if steps:
            steps[-1] = self._scoped(base, steps[-1])
        return tuple(steps), tuple(conflicts)

    def _scoped(self, base: Sha, step: ev.Step) -> ev.Step:
        scopes = self._repository.affected(self._repository.differing(base, step.commit))
        reads = self._repository.reads(step.commit, scopes)
        return msgspec.structs.replace(step, scopes=scopes, reads=reads)

    def _seal(self, event: ev.SealIntended) -> ev.AnyEvent:
        last = event.steps[-1].issue
        if self._rng.random() < self._scenario.chances.protected:
            self._truth.unfit.add(last)
            return ev.IssueParked(last, "the merge changes protected paths")
        top, steps = event.base, []
        for step in event.steps:
            final = self._repository.reword(step.commit, (top,))
            top = final.sha
            steps.append(ev.Step(step.issue, final.sha, final.tree, step.scopes, reads=step.reads))
        return ev.LandingSealed(event.base, tuple(steps))

    def _move(self, event: ev.MoveIntended) -> ev.AnyEvent:
        before = self._repository.target
        if self.dirty and before == event.old:
            self._watch()
            return ev.MoveBlocked(("README.md",), "the checkout")
        if not self._repository.move(event.old, event.new):
            return ev.MoveLost(before)
        if before == event.old:
            self._moved(event)
        if self._rng.random() < 0.3:  # our own move, looked at before the hall hears of it
            self._world.agenda.after(self._rng.uniform(0, 2), self._look, mortal=True)
        return ev.TargetMoved(event.old, event.new, event.steps)

    # --- what others do to the repository

    def push(self, who: int) -> None:
        """Somebody else moves the target; the hall notices a while later."""
        self._repository.push(who)
        self._world.agenda.after(self._rng.uniform(0, 30), self._look, mortal=True)

    def _look(self) -> None:
        """The hall looks where the target is."""
        hall = self._world.hall
        if hall.state.running and hall.state.target != self._repository.target:
            hall.receive(ev.TargetAdvanced(self._repository.target))

    def _watch(self) -> None:
        """The hall looks at the checkout from time to time until it is clean."""

        def look() -> None:
            if self.dirty:
                self._watch()
            else:
                self._world.hall.receive(ev.MoveUnblocked())

        self._world.agenda.after(20, look, mortal=True)
