"""What must hold after every run, however it went: each function raises AssertionError if it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from mawep.core import events as ev
from mawep.core.model import GateRecord, GateResult, IssueState, Scope
from mawep.state import journal as journals
from tests.support.world import World, wait_until


def kept(world: World, landed: Collection[int] | None = None) -> None:
    """Every promise at once; `landed` are the issues that must have landed, None: all."""
    landed_once(world, world.edges if landed is None else landed)
    order_respected(world)
    every_target_was_gated(world)
    checkout_is_the_target(world)
    nothing_is_broken(world)
    agents_were_alone(world)
    nothing_runs(world)
    nothing_is_left_but_what_is_kept(world)


def landings(world: World) -> list[int]:
    """The issues in the order in which they landed, from git alone."""
    log = world.git(
        *("log", "--first-parent", "--reverse", "--grep=^Mawep-Gate: "),
        *("--format=%(trailers:key=Mawep-Issue,valueonly,separator=%x2C)", "main"),
    )
    return [int(number) for line in log.split() for number in line.split(",")]


def landed_once(world: World, numbers: Collection[int]) -> None:
    """Exactly these issues landed, once each, and the target has their work."""
    assert Counter(landings(world)) == Counter(list(numbers))


def order_respected(world: World) -> None:
    """Nothing landed before what it depends on."""
    order = landings(world)
    for number in order:
        for on in world.edges[number]:
            assert on in order[: order.index(number)], f"#{number} landed without #{on}: {order}"


def every_target_was_gated(world: World) -> None:
    """Every tree that we pointed the target at had passed the gate before, exactly that tree.

    With lanes it may differ from that one where none of the scopes that were gated has a say.
    """
    passed: list[GateRecord] = []
    moves: set[tuple[str, str]] = set()
    rules = world.events(ev.RunStarted)[0].rules
    for event in (recorded.event for recorded in world.journal()):
        if isinstance(event, ev.GateFinished) and event.record.result is GateResult.GREEN:
            passed.append(event.record)
        if isinstance(event, ev.MoveIntended):
            tree = _tree(world, event.new)
            exactly = tree in {record.tree for record in passed}
            alike = rules.lanes and any(_alike(world, record, tree, rules.scopes) for record in passed)
            assert exactly or alike, f"{event.new} was not gated"
            moves.add((event.old, event.new))
    ours = [line.split()[0] for line in world.git("reflog", "show", "main").splitlines() if "mawep" in line]
    assert {world.git("rev-parse", sha) for sha in ours} <= {new for _, new in moves}


def _alike(world: World, record: GateRecord, tree: str, scopes: Collection[Scope]) -> bool:
    """The tree differs from the one that was gated only in directories of scopes that were not."""
    if record.scopes is None:
        return False
    others = {path for scope in scopes if scope.name not in record.scopes for path in scope.paths}
    differs = world.git("diff", "--name-only", record.tree, tree).splitlines()
    return all(path.partition("/")[0] in others for path in differs)


def _tree(world: World, commit: str) -> str:
    return world.git("rev-parse", f"{commit}^{{tree}}")


def checkout_is_the_target(world: World) -> None:
    """The person's checkout is clean and at the target."""
    assert world.git("status", "--porcelain") == ""
    assert world.git("diff", "HEAD", "--stat") == ""
    assert world.git("symbolic-ref", "HEAD") == "refs/heads/main"


def nothing_is_broken(world: World) -> None:
    """The journal's chain holds, and git finds nothing to complain about."""
    journals.verify(world.directory.journal)
    complaints = world.git("fsck", "--full", "--strict", "--no-dangling", "--no-progress")
    assert complaints == ""


def agents_were_alone(world: World) -> None:
    """No agent of an attempt that is over lived beside another one on its issue."""
    assert world.lines("overlaps") == []


def nothing_runs(world: World) -> None:
    """No process of the run lives: no agent, no gate, no server."""
    wait_until(f"nothing runs below {world.root}", lambda: not world.processes(), timeout=30)


def nothing_is_left_but_what_is_kept(world: World) -> None:
    """Worktrees, branches and refs are those of attempts that did not land; no lock, no socket, no spare."""
    state = world.state()
    tried = [
        (recorded.event.issue, recorded.event)
        for recorded in world.journal()
        if isinstance(recorded.event, ev.AttemptAssigned)
    ]
    landed_by = {
        (number, record.attempt.number)
        for number, record in state.issues.items()
        if record.state is IssueState.LANDED and record.attempt
    }
    unlanded = [attempt for number, attempt in tried if (number, attempt.attempt) not in landed_by]
    trees = {Path(line.split()[1]).name for line in _worktree_lines(world)} - {"repo"}
    assert trees <= {attempt.name for attempt in unlanded}
    base = world.root / "worktrees"
    if base.is_dir():
        for pool in (".spares", ".gates", ".trash"):
            assert not any((base / pool).iterdir()), f"{pool} is not empty"
    branches = set(world.git("for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines())
    assert branches - {"main"} <= {attempt.branch for attempt in unlanded}
    salvaged = {f"{state.run}/salvage/{attempt.issue}-a{attempt.attempt}" for attempt in unlanded}
    candidates = {f"{state.run}/candidate/{attempt.issue}-a{attempt.attempt}" for attempt in unlanded}
    refs = {ref.removeprefix("refs/mawep/") for ref in _refs(world)}
    assert refs <= salvaged | candidates
    locks = [lock for lock in (world.repo / ".git").rglob("*.lock") if "mawep" not in lock.parts]
    assert locks == []
    assert not (world.repo / ".git/mawep/valkey/socket").exists()


def _worktree_lines(world: World) -> list[str]:
    output = world.git("worktree", "list", "--porcelain")
    return [line for line in output.splitlines() if line.startswith("worktree ")]


def _refs(world: World) -> list[str]:
    return world.git("for-each-ref", "--format=%(refname)", "refs/mawep").splitlines()
