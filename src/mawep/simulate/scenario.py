"""What a seed stands for: a set of issues, what their agents will do, and which faults strike when."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec

from mawep.core import events as ev
from mawep.core.model import Budget, Dependency, FailureReason, Issue, Number, Priority, Rules, Scope
from mawep.simulate.tracker import happenings, leads_out

START = 1000
"""The first issue's number; somebody else's commits are known by negative numbers."""

PATHS = (
    "api/pay.py",
    "api/refund.py",
    "web/page.ts",
    "web/cart.ts",
    "docs/use.md",
    "docs/api.md",
    "README.md",
)
RUNTIMES = ("claude", "gemini")
SCOPES = (
    Scope("api", ("api/**",)),
    Scope("web", ("web",), needs=("api",)),
    Scope("docs", ("docs/*.md",)),
)
"""Of a mono-repo; README.md lies in none of them."""
DECLARED = (*PATHS, "api", "web", "docs", "docs/*.md", "api/*.py", "./README.md", "web/")


class Ending(StrEnum):
    """How a turn ends."""

    FINISHES = "finishes"
    FAILS = "fails"
    FALLS_SILENT = "falls silent"
    LIMITED = "runs into a limit of its provider"


class Import(StrEnum):
    """What the import checks say of a turn's commits."""

    ACCEPTED = "accepted"
    REPAIRABLE = "repairable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Turn:
    """What an agent does in one turn.

    `answered_after` is in seconds; None: nobody answers. `reset_after` is how long its provider says that a limit
    holds; None: it does not say.
    """

    ending: Ending = Ending.FINISHES
    red: bool = False
    imported: Import = Import.ACCEPTED
    reason: FailureReason = FailureReason.AGENT_ERROR
    asks: bool = False
    answered_after: float | None = None
    reset_after: float | None = None


GOOD = Turn()
RED = Turn(red=True)
SILENT = Turn(Ending.FALLS_SILENT)
LIMITED = Turn(Ending.LIMITED)
BRIEFLY = Turn(Ending.LIMITED, reset_after=120)
LONG = Turn(Ending.LIMITED, reset_after=4000)
PATIENT = ((GOOD,), (LIMITED, GOOD), (BRIEFLY, GOOD), (LIMITED, LONG, LIMITED, LIMITED, GOOD))
"""What agents do whose work is good, whatever their providers say."""
SCRIPTS: tuple[tuple[Turn, ...], ...] = (
    (GOOD,),
    (RED, GOOD),
    (RED,),
    (Turn(Ending.FAILS),),
    (Turn(Ending.FAILS, reason=FailureReason.STALLED), GOOD),
    (SILENT,),
    (SILENT, GOOD),
    (Turn(asks=True, answered_after=60),),
    (Turn(asks=True, answered_after=5000), GOOD),
    (Turn(asks=True),),
    (Turn(imported=Import.REPAIRABLE, reason=FailureReason.PROTECTED_PATH), GOOD),
    (Turn(imported=Import.REPAIRABLE, reason=FailureReason.CLAIM_CONFLICT),),
    (Turn(imported=Import.REFUSED, reason=FailureReason.NO_CHANGES),),
    (Turn(imported=Import.REFUSED, reason=FailureReason.IMPORT_REFUSED), GOOD),
    *PATIENT[1:],
    (RED, LIMITED, GOOD),
    (BRIEFLY, Turn(Ending.FAILS), LIMITED, GOOD),
)
"""What agents do, turn by turn; the last turn is repeated."""


@dataclass(frozen=True, slots=True)
class Chances:
    """How likely each fault is, every time that it could strike."""

    duplicate: float = 0.0
    delay: float = 0.0
    lose: float = 0.0
    no_verdict: float = 0.0
    protected: float = 0.0
    loadable: float = 0.5
    claim: float = 0.0
    announce: float = 0.0
    request_changes: float = 0.0
    no_answer: float = 0.0
    careless: float = 0.0
    touch: float = 0.0


@dataclass(frozen=True, slots=True)
class Luck:
    """How a forge and the people there behave: chances at every look or merge. `queue`: it merges in its own order."""

    ask: float = 0.0
    refuse: float = 0.0
    merged: float = 0.0
    closed: float = 0.0
    pushed: float = 0.0
    queue: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that a run under simulation is made of.

    `red_together` and `clashing` hold pairs of issues (or of an issue and somebody else's commit) whose union
    is red, or that do not merge. `pushes` are the moments of somebody else's commits, `dirty` the spans in
    which the target's checkout is not clean, `deeds` what people do, all in seconds from the start;
    `crashes` counts the hall's steps. `turn_seconds` and `gate_seconds` say how long those take. `willing`: nothing
    is wrong with the work or the people, so that whatever else strikes, everything has to land. `runtimes` says how
    each issue's agent is driven, `outside` what happens on the tracker. `changes` are the paths that an issue, or
    somebody else's commit, changes. `ways` says of each way to merge an issue's work by rule whether it is good; the
    first one of those that are `sure` is taken into the batch.
    """

    seed: int
    issues: tuple[Issue, ...]
    rules: Rules
    scripts: Mapping[Number, tuple[Turn, ...]]
    red_together: frozenset[frozenset[int]]
    clashing: frozenset[frozenset[int]]
    pushes: tuple[float, ...]
    dirty: tuple[tuple[float, float], ...]
    deeds: tuple[tuple[float, ev.AnyEvent], ...]
    crashes: frozenset[int]
    chances: Chances
    turn_seconds: tuple[float, float]
    gate_seconds: tuple[float, float]
    willing: bool = False
    runtimes: Mapping[Number, str] = field(default_factory=dict)
    forge: Luck = Luck()
    outside: tuple[tuple[float, ev.AnyEvent], ...] = ()
    changes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    ways: Mapping[Number, tuple[bool, ...]] = field(default_factory=dict)
    sure: frozenset[Number] = frozenset()


def scenario(seed: int) -> Scenario:
    """The scenario of a seed; the same seed gives the same scenario."""
    rng = random.Random(seed)  # noqa: S311 - nothing secret hangs on it
    issues = tuple(_issues(rng))
    numbers = [issue.number for issue in issues]
    pushes = tuple(sorted(rng.uniform(0, 1500) for _ in range(_some(rng, 3))))
    others = [-position for position in range(1, len(pushes) + 1)]
    trouble = rng.choice((0.0, 0.2, 0.6))
    plan = Scenario(
        seed=seed,
        issues=issues,
        rules=msgspec.structs.replace(_rules(rng), tell_breaks=seed % 5 == 2),
        scripts={number: _script(rng, trouble) for number in numbers},
        red_together=_pairs(rng, numbers, others),
        clashing=_pairs(rng, numbers, others),
        pushes=pushes,
        dirty=tuple((at, at + rng.uniform(10, 400)) for at in _moments(rng, 2)),
        deeds=tuple(sorted(_deeds(rng, numbers), key=lambda deed: deed[0])),
        crashes=frozenset(rng.randrange(2, 500) for _ in range(_some(rng, 8))),
        chances=_talkative(_chances(rng), seed),
        turn_seconds=rng.choice(((10, 200), (10, 20))),
        gate_seconds=rng.choice(((5, 150), (5, 15))),
    )
    plan = _reviewed(replace(plan, runtimes={number: rng.choice(RUNTIMES) for number in numbers}))
    plan = _touching(_merging(_proposed(replace(plan, outside=happenings(seed, issues)))))
    plan = _resolved(_scoped(plan, [*numbers, *others]))
    return _willing(plan, rng) if rng.random() < 0.2 else plan


def _scoped(plan: Scenario, changing: list[int]) -> Scenario:
    """Half of all worlds are mono-repos, by chance of its own: with or without it a seed's world is the same."""
    rng = random.Random(f"scopes {plan.seed}")  # noqa: S311 - nothing secret hangs on it
    if rng.random() < 0.5:
        return plan
    everywhere = PATHS if rng.random() < 0.5 else [path for path in PATHS if "/" in path]
    return replace(
        plan,
        rules=msgspec.structs.replace(plan.rules, scopes=SCOPES, lanes=_lanes(plan)),
        changes={who: tuple(rng.sample(everywhere, rng.choice((1, 1, 2)))) for who in changing},
    )


def _lanes(plan: Scenario) -> bool:
    """Half of those that land here have lanes; a forge lands one after the other."""
    rng = random.Random(f"lanes {plan.seed}")  # noqa: S311 - nothing secret hangs on it
    return plan.rules.mode == "local" and rng.random() < 0.5


def _resolved(plan: Scenario) -> Scenario:
    """What rules make of conflicts, of which some worlds have many, by chance of its own, too."""
    rng = random.Random(f"ways {plan.seed}")  # noqa: S311 - nothing secret hangs on it
    ways = {number: tuple(rng.random() < 0.3 for _ in range(rng.randint(0, 4))) for number in plan.scripts}
    numbers = sorted(plan.scripts)
    if rng.random() < 0.3 and plan.rules.mode == "local":
        pairs = (frozenset(rng.sample(numbers, 2)) for _ in numbers)
        plan = replace(plan, clashing=plan.clashing.union(pairs))
    return replace(plan, ways=ways, sure=frozenset(number for number in ways if rng.random() < 0.8))


def _willing(plan: Scenario, rng: random.Random) -> Scenario:
    return replace(
        plan,
        willing=True,
        scripts={number: rng.choice(PATIENT) for number in plan.scripts},
        red_together=frozenset(),
        clashing=frozenset(),
        deeds=tuple(deed for deed in plan.deeds if not isinstance(deed[1], ev.IssueCancelled)),
        outside=tuple(one for one in plan.outside if not leads_out(one[1])),
        rules=msgspec.structs.replace(plan.rules, budget=Budget()),
        forge=replace(plan.forge, ask=0.0, refuse=0.0, closed=0.0),
        chances=replace(
            plan.chances, lose=0.0, no_verdict=0.0, protected=0.0, request_changes=0.0, no_answer=0.0
        ),
    )


def _some(rng: random.Random, most: int) -> int:
    """Nothing in half of all seeds, else up to `most`."""
    return 0 if rng.random() < 0.5 else rng.randint(1, most)


def _moments(rng: random.Random, most: int) -> list[float]:
    return [rng.uniform(0, 1500) for _ in range(_some(rng, most))]


def _issues(rng: random.Random) -> Iterator[Issue]:
    count, density = rng.randint(3, 12), rng.choice((0.0, 0.1, 0.25, 0.5))
    numbers = rng.sample(range(START, START + count), count)
    for position, number in enumerate(numbers):
        needed = [on for on in numbers[:position] if rng.random() < density]
        yield Issue(
            number=number,
            title=f"issue {number}",
            priority=rng.choice(tuple(Priority)),
            estimate_hours=rng.choice((None, 0.5, 2.0)),
            depends_on=tuple(Dependency(on) for on in needed),
            files=tuple(rng.sample(DECLARED, rng.choice((0, 1, 1, 2)))),
        )


def _rules(rng: random.Random) -> Rules:
    return Rules(
        max_agents=rng.randint(1, 4),
        halt_on_failure=rng.random() < 0.15,
        max_retries=rng.choice((0, 0, 0, 1, 2)),
        repair_rounds=rng.randint(0, 2),
        gate_slots=rng.randint(1, 4),
        batch=rng.randint(1, 8),
        input_timeout=600.0,
        lease_seconds=90.0,
        reassign_lost=rng.random() < 0.3,
        budget=_budget(rng),
    )


def _budget(rng: random.Random) -> Budget:
    """Mostly none; a turn consumes up to a thousand tokens."""
    if rng.random() < 0.7:
        return Budget()
    return Budget(
        attempt_tokens=rng.choice((None, 900)),
        issue_tokens=rng.choice((None, 1500)),
        issue_turns=rng.choice((None, None, 2)),
        attempt_minutes=rng.choice((None, None, 2.0)),
        run_tokens=rng.choice((None, 800, 2500)),
        run_minutes=rng.choice((None, None, 20.0)),
        soft_percent=rng.choice((50.0, 100.0)),
    )


def _script(rng: random.Random, trouble: float) -> tuple[Turn, ...]:
    return rng.choice(SCRIPTS) if rng.random() < trouble else SCRIPTS[0]


def _pairs(rng: random.Random, numbers: list[Number], others: list[int]) -> frozenset[frozenset[int]]:
    pairs = ((rng.choice(numbers), rng.choice([*numbers, *others])) for _ in range(_some(rng, 3)))
    return frozenset(frozenset(pair) for pair in pairs if pair[0] != pair[1])


def _deeds(rng: random.Random, numbers: list[Number]) -> Iterator[tuple[float, ev.AnyEvent]]:
    for at in _moments(rng, 1):
        yield at, ev.DispatchPaused("ada")
        yield at + rng.uniform(1, 500), ev.DispatchUnpaused("ada")
    for at in _moments(rng, 2):
        yield at, ev.IssueCancelled(rng.choice(numbers), "ada")
    for at in _moments(rng, 4):
        yield 2 * at, ev.IssueReopened(rng.choice(numbers), "ada")
    for position, at in enumerate(_moments(rng, 3)):
        yield at, ev.MessageSent(rng.choice(numbers), f"m{position}", "look at the tests", "ada")
    for at in _moments(rng, 1):
        yield at, ev.Interrupted(1)
        if rng.random() < 0.5:
            yield at + rng.uniform(0, 100), ev.Interrupted(2)
    for at in _moments(rng, 1):
        yield at, ev.RunStopped("the bus is gone")
    for at in _moments(rng, 2):
        yield 3 * at, ev.LimitLifted(rng.choice(RUNTIMES), "ada")


def _talkative(chances: Chances, seed: int) -> Chances:
    """What agents ask for and announce, by chance of its own: with or without it a seed's world is the same."""
    rng = random.Random(f"talk {seed}")  # noqa: S311 - nothing secret hangs on it
    return replace(chances, claim=rng.choice((0.0, 0.0, 0.4)), announce=rng.choice((0.0, 0.0, 0.4)))


def _reviewed(plan: Scenario) -> Scenario:
    """In a third of all seeds work is reviewed, by chance of its own, too."""
    rng = random.Random(f"review {plan.seed}")  # noqa: S311 - nothing secret hangs on it
    if rng.random() < 2 / 3:
        return plan
    reviewers = dict(zip(RUNTIMES, reversed(RUNTIMES), strict=True))
    rounds, slots = rng.randint(0, 2), rng.randint(1, 2)
    rules = msgspec.structs.replace(plan.rules, reviewers=reviewers, review_rounds=rounds, review_slots=slots)
    asks, fails = rng.choice((0.0, 0.3, 0.6)), rng.choice((0.0, 0.0, 0.2))
    return replace(plan, rules=rules, chances=replace(plan.chances, request_changes=asks, no_answer=fails))


def _merging(plan: Scenario) -> Scenario:
    """In half of all seeds agents are asked to merge what does not land, by chance of its own, too."""
    rng = random.Random(f"merge {plan.seed}")  # noqa: S311 - nothing secret hangs on it
    rules = msgspec.structs.replace(plan.rules, merge_rounds=rng.choice((0, 0, 1, 2)))
    chances = replace(plan.chances, careless=rng.choice((0.0, 0.3, 0.7)))
    return replace(plan, rules=rules, chances=chances)


def _touching(plan: Scenario) -> Scenario:
    """In a quarter of all seeds agents are seen to change files, in some claims only warn or are off."""
    rng = random.Random(f"policy {plan.seed}")  # noqa: S311 - nothing secret hangs on it
    policy = rng.choice(("refuse",) * 10 + ("warn", "off"))
    rules = msgspec.structs.replace(plan.rules, on_claim_conflict=policy)
    return replace(plan, rules=rules, chances=replace(plan.chances, touch=rng.choice((0.0, 0.0, 0.0, 0.6))))


def _proposed(plan: Scenario) -> Scenario:
    """In a quarter of all seeds work lands by pull requests, by chance of its own, too."""
    rng = random.Random(f"forge {plan.seed}")  # noqa: S311 - nothing secret hangs on it
    if rng.random() < 3 / 4:
        return plan
    rules = msgspec.structs.replace(plan.rules, mode="pull_request", max_review_rounds=rng.randint(0, 3))
    luck = Luck(
        ask=rng.choice((0.0, 0.3, 0.6)),
        refuse=rng.choice((0.0, 0.0, 0.3)),
        merged=rng.choice((0.0, 0.0, 0.1)),
        closed=rng.choice((0.0, 0.0, 0.05)),
        pushed=rng.choice((0.0, 0.0, 0.1)),
        queue=rng.random() < 0.3,
    )
    return replace(plan, rules=rules, forge=luck)


def _chances(rng: random.Random) -> Chances:
    def sometimes(chance: float) -> float:
        return chance if rng.random() < 0.4 else 0.0

    return Chances(
        duplicate=sometimes(0.3),
        delay=sometimes(0.2),
        lose=sometimes(0.1),
        no_verdict=sometimes(0.1),
        protected=sometimes(0.1),
        loadable=rng.random(),
    )
