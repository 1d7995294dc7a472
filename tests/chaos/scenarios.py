"""Small runs that between them come by every effect there is, and what they must come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support import promises
from tests.support.pricing import TWICE_FIRST, pricing
from tests.support.world import Ended, World


@dataclass(frozen=True)
class Scenario:
    """A run: how its world is made, its exit code, and what must become of each issue in one of these ways."""

    make: Callable[[Path], World]
    code: int
    outcomes: tuple[Mapping[int, str], ...]

    def must_have_come_true(self, world: World, ended: Ended) -> None:
        """Check the outcome of a run that was ended early and gone on with, and everything it promises."""
        assert ended.code == self.code, ended.said
        assert ended.states in self.outcomes, ended.said
        landed = [number for number, state in ended.states.items() if state == "landed"]
        promises.kept(world, landed)


def chain(root: Path) -> World:
    """One issue after the other."""
    world = World(root)
    world.issues({101: [], 102: [101]})
    return world


def repaired(root: Path) -> World:
    """The gate is red first; the agent mends it when it is told."""
    world = World(root, verify={"commands": ["test ! -e bad"]})
    world.issue(101)
    mend = 'if [ -n "$MAWEP_FEEDBACK_FILE" ]; then rm -f bad; else touch bad; fi\n'
    world.agent(101, mend + "echo done > good\n")
    return world


def stopped(root: Path) -> World:
    """One never gets past the gate; the other has nothing to do with it."""
    world = World(root, verify={"commands": ["test ! -e bad"]}, agents={"repair_rounds": 0})
    world.issues({101: [], 102: []})
    world.agent(101, "echo precious > bad\n")
    return world


def limited(root: Path) -> World:
    """Its provider takes nothing more, first of all; soon it does again, but not before it was heard that it will."""
    world = World(root)
    world.issue(101)
    limit = "echo half > good; date -u -d '+7 seconds' +%Y-%m-%dT%H:%M:%SZ; exit 75"
    begins = '[ "$MAWEP_ATTEMPT" = 1 ] && [ -z "$MAWEP_FEEDBACK_FILE" ]'
    world.agent(101, f"if {begins}; then {limit}; fi\necho done > good\n")
    return world


def clashing(root: Path) -> World:
    """Two that are green by themselves and red together; no gate ends before both are made."""
    made = f"git --git-dir={root}/repo/.git for-each-ref refs/mawep | grep -c candidate"
    both = f"until [ -e {root}/both ]; do [ $({made}) -lt 2 ] || touch {root}/both; sleep 0.02; done"
    world = World(root, verify={"commands": [both, "test ! -e a -o ! -e b"]})
    world.issues({101: [], 102: []})
    world.agent(101, "echo a > a\n")
    world.agent(102, "echo b > b\n")
    return world


def failing(root: Path) -> World:
    """One agent writes something and breaks off; the other has nothing to do with it."""
    world = World(root)
    world.issues({101: [], 102: []})
    world.agent(101, "echo precious > bad\nexit 3\n")
    return world


def reviewed(root: Path) -> World:
    """A reviewer asks for a second line, and the agent adds it when it is told, both behind walls."""
    root.mkdir(exist_ok=True)
    (root / "review.sh").write_text(
        'grep -q two good && v=approve || v=request_changes\nprintf \'{"verdict": "%s", "summary": "two?"}\\n\' $v\n'
    )
    review = {"runtime": "command", "command": ["sh", str(root / "review.sh")]}
    write = 'echo one > good; if [ -n "$MAWEP_FEEDBACK_FILE" ]; then echo two >> good; fi'
    world = World(
        root / "world", review=review, agents={"command": ["sh", "-c", write], "sandbox": "required"}
    )
    world.issue(101)
    return world


def overtaken(root: Path) -> World:
    """One lands what the other, at work, makes use of."""
    world = World(root, {"prices.py": "def price(item): return 1\n"})
    world.issues({101: [], 102: []})
    world.agent(101, 'while [ ! -e "$root/used" ]; do sleep 0.02; done\necho "PRICE = 1" > prices.py\n')
    world.agent(102, 'echo "from prices import price" > cart.py; touch "$root/used"\n' + _landed("PRICE"))
    return world


def following(root: Path) -> World:
    """One lands while the other makes what does not pass the gate; its branch follows before its next turn."""
    world = World(
        root,
        {"prices.py": "old\n"},
        verify={"commands": ["test ! -e bad"]},
        conflict_resolution={"follow_target": True},
    )
    world.issues({101: [], 102: []})
    world.agent(101, "echo new > prices.py\n")
    mend = "rm -f bad; cp prices.py good\n"
    world.agent(102, f'if [ -n "$MAWEP_FEEDBACK_FILE" ]; then {mend}else {_landed("new")}touch bad; fi\n')
    return world


def _landed(word: str) -> str:
    """A piece of an agent's script: it waits until #101 has landed and the run knows, which then clears up after it."""
    on_target = f'git -C "$root/repo" show main:prices.py | grep -q {word}'
    return f'until {on_target} && ! ls "$root/worktrees" | grep -q issue-101; do sleep 0.05; done\n'


def many(root: Path) -> World:
    """An issue that lands so many files that a checkout takes its time."""
    world = World(root)
    world.issue(101)
    world.agent(101, "mkdir many\nfor n in $(seq 800); do seq 2000 > many/$n; done\n")
    return world


def resolved(root: Path) -> World:
    """The second of two does not merge, and only one way to merge it by rule passes."""
    return pricing(root, [TWICE_FIRST])


def returned(root: Path) -> World:
    """Two conflict; the second is told, merges the target, and leaves the rest to us."""
    world = World(root, {"shared": "none\n"})
    world.issues({101: [], 102: []})
    merge = "git merge --no-commit main\necho both > shared\n"
    work = 'echo "$MAWEP_ISSUE" > shared\n'
    for number in (101, 102):
        world.agent(number, f'if [ -n "$MAWEP_FEEDBACK_FILE" ]; then\n{merge}else\n{work}fi\n')
    return world


CHAIN = Scenario(chain, 0, ({101: "landed", 102: "landed"},))
REPAIRED = Scenario(repaired, 0, ({101: "landed"},))
STOPPED = Scenario(stopped, 1, ({101: "failed: gate_failed", 102: "landed"},))
LIMITED = Scenario(limited, 0, ({101: "landed"},))
CLASHING = Scenario(clashing, 1, ({101: "landed", 102: "parked"}, {101: "parked", 102: "landed"}))
FAILING = Scenario(failing, 1, ({101: "failed: agent_error", 102: "landed"},))
REVIEWED = Scenario(reviewed, 0, ({101: "landed"},))
RESOLVED = Scenario(resolved, 0, ({101: "landed", 102: "landed"},))
OVERTAKEN = Scenario(overtaken, 0, ({101: "landed", 102: "landed"},))
RETURNED = Scenario(returned, 0, ({101: "landed", 102: "landed"},))
FOLLOWING = Scenario(following, 0, ({101: "landed", 102: "landed"},))
MANY = Scenario(many, 0, ({101: "landed"},))
