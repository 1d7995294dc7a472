"""A hostile agent, set-up and gate try to get out: everything works without walls, and nothing with them."""

from __future__ import annotations

import ctypes
import os
import platform
import pty
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.escapes import AGENT, COMMAND, WORD, Escape
from tests.support.world import World

pytestmark = pytest.mark.e2e

ROOT = os.geteuid() == 0
TRIED = {name: escape for name, escape in AGENT.items() if ROOT or not escape.root}
SCRATCH = "go\nstop\nattacked\nloot/\nsetup-loot\nm/\nmine/\nnow\nlink\nkeys\ndevice\nevil.sh\n.git-old\n"

ATTACK = """\
{variables}
{functions}
case $MAWEP_ISSUE in
  101) while [ ! -e go ]; do sleep 0.02; done
       export other="$(echo "$root"/worktrees/agent-*-issue-102)"; mkdir -p loot; {calls} touch attacked;;
  102) echo "$word" > secret.txt;;
  103) echo honest > honest.txt; exit;;
esac
while [ ! -e stop ]; do sleep 0.02; done
"""


def functions(escapes: dict[str, Escape]) -> str:
    return "\n".join(f"e{n}() {{\n{escape.script}\n}}" for n, escape in enumerate(escapes.values()))


@dataclass
class Scene:
    """A world with a user in it, whose things are worth something."""

    world: World
    variables: dict[str, str]

    @property
    def exports(self) -> str:
        return "\n".join(f"export {name}='{value}'" for name, value in self.variables.items())

    def came_through(self, escape: Escape, printed: str, cwd: Path, who: str = "") -> bool:
        """Whether the user finds the evidence, or the secret was printed."""
        if not escape.evidence:
            return WORD in printed
        environment = {**os.environ, **self.variables, "who": who}
        done = subprocess.run(
            ["sh", "-c", escape.evidence], cwd=cwd, env=environment, capture_output=True, check=False
        )
        return done.returncode == 0


@contextmanager
def user_with_things(root: Path, **agents: object) -> Iterator[Scene]:
    """Everything that an agent could be after, and its removal."""
    home = root / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id").write_text(WORD)
    (home / ".profile").write_text("# mine\n")
    shutil.copy(Path(os.environ["HOME"], ".gitconfig"), home)
    (root / "rt").mkdir(mode=0o700)
    with ExitStack() as stack:
        variables = {
            "word": WORD,
            "root": str(root),
            "home": str(home),
            "python": sys.executable,
            "tmp": "/tmp",
        }
        variables |= {"repo": str(root / "repo"), "runtime": str(root / "rt")}
        for name in ("victim", "victim2"):
            process = subprocess.Popen(["sh", "-c", f"sleep 1000; : {WORD}"], start_new_session=True)
            stack.callback(_end, process)
            variables[name] = str(process.pid)
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
        variables["port"] = str(server.getsockname()[1])
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        variables["abstract"] = f"mawep-escape-{os.getpid()}-{id(root)}"
        abstract.bind("\0" + variables["abstract"])
        abstract.listen(100)
        ours, theirs = pty.openpty()
        stack.callback(os.close, ours)
        stack.callback(os.close, theirs)
        variables["tty"] = os.ttyname(theirs)
        variables["shm"] = str(stack.enter_context(_shared_memory()))
        _keep_in_keyring()
        mark = Path("/tmp", f"planted-{os.getpid()}")
        variables["mark"] = str(mark)
        stack.callback(mark.unlink, missing_ok=True)
        scene = Scene(World(root, _files(variables)), variables)
        (root / "attack.sh").write_text(
            ATTACK.format(
                variables=scene.exports,
                functions=functions(TRIED),
                calls=" ".join(f"(e{n}) > loot/{n} 2> loot/{n}.err < /dev/null;" for n in range(len(TRIED))),
            )
        )
        scene.world.configure(
            agents={
                "command": ["sh", str(root / "attack.sh")],
                "max_retries": 0,
                "repair_rounds": 0,
                **agents,
            },
            workspace={"setup": [". ./setup.sh > setup-loot 2>&1"], "spares": 0},
            verify={"commands": [". ./gate.sh"]},
        )
        scene.world.issue(101)
        scene.world.issue(102, files=("theirs.txt", "theirs2.txt"))
        scene.world.issue(103)
        yield scene


def _files(variables: dict[str, str]) -> dict[str, str]:
    exports = "\n".join(f"export {name}='{value}'" for name, value in variables.items())
    calls = "\n".join(f"echo '### {n}'; (e{n}) 2> /dev/null < /dev/null" for n in range(len(COMMAND)))
    scripts = {
        f"{who}.sh": f"{exports}\nexport who={who}\n{functions(COMMAND)}\n{calls}\ntrue\n"
        for who in ("setup", "gate")
    }
    return {**scripts, "theirs.txt": "theirs\n", "theirs2.txt": "theirs\n", ".gitignore": SCRATCH}


def _end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def _shared_memory() -> Iterator[int]:
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    key = libc.shmget(0, 4096, 0o1600)
    place = libc.shmat(key, None, 0)
    ctypes.memmove(place, WORD.encode(), len(WORD))
    libc.shmdt(ctypes.c_void_p(place))
    try:
        yield key
    finally:
        libc.shmctl(key, 0, None)


def _keep_in_keyring() -> None:
    """Put the secret into a session keyring, which what this process starts inherits."""
    join, add = {"x86_64": (250, 248), "aarch64": (219, 217)}[platform.machine()]
    libc = ctypes.CDLL(None)
    libc.syscall(join, 1, None)
    libc.syscall(add, b"user", b"mawep-escape", WORD.encode(), len(WORD), -3)


def tried(root: Path, **agents: object) -> tuple[set[str], str]:
    """Let everything be tried in one run: what came through, and the state of the honest issue."""
    with user_with_things(root, **agents) as scene:
        world = scene.world
        live = world.begin(
            *("start", "--issues", "all", "--json"),
            HOME=scene.variables["home"],
            XDG_RUNTIME_DIR=scene.variables["runtime"],
            SECRET_OF_MAWEP=WORD,
        )
        try:
            mine, other = [_worktree(scene, live, number) for number in (101, 102)]
            live.until("the other agent works", (other / "secret.txt").exists)
            live.until(
                "the honest issue has landed or failed",
                lambda: world.stands(103) in {"landed", "failed", "parked"},
            )
            (mine / "go").touch()
            live.until("everything is tried", (mine / "attacked").exists)
            found = set(_found(scene, mine))
            stands = world.stands(103)
        finally:
            live.send(signal.SIGTERM)
            live.wait()
    return found, stands


def _worktree(scene: Scene, live: object, number: int) -> Path:
    base = scene.world.root / "worktrees"
    found = live.until(f"#{number} has a worktree", lambda: list(base.glob(f"agent-*-issue-{number}")))  # type: ignore[attr-defined]
    return Path(found[0])


def _found(scene: Scene, mine: Path) -> Iterator[str]:
    for n, (name, escape) in enumerate(TRIED.items()):
        printed = (mine / "loot" / str(n)).read_text(errors="replace")
        if scene.came_through(escape, printed, mine):
            yield f"agent: {name}"
    logs = sorted(scene.world.directory.gates.glob("*-0.log"))
    said = {"setup": (mine / "setup-loot").read_text(), "gate": "".join(log.read_text() for log in logs)}
    for who, text in said.items():
        for n, (name, escape) in enumerate(COMMAND.items()):
            part = text.partition(f"### {n}\n")[2].partition("###")[0]
            if scene.came_through(escape, part, mine, who):
                yield f"{who}: {name}"


EVERYTHING = {f"agent: {name}" for name in TRIED} | {
    f"{who}: {name}" for who in ("setup", "gate") for name in COMMAND
}


def test_there_are_at_least_25_escapes() -> None:
    assert len([escape for escape in AGENT.values() if not escape.root]) >= 25


@pytest.mark.timeout(240)
def test_every_escape_works_without_walls(tmp_path: Path) -> None:
    found, _ = tried(tmp_path / "w", sandbox="off")
    assert found == EVERYTHING


@pytest.mark.timeout(240)
def test_no_escape_works_through_the_walls_and_honest_work_lands(tmp_path: Path) -> None:
    found, honest = tried(tmp_path / "w", sandbox="required", network="none")
    assert found == set()
    assert honest == "landed"


NOT_KEPT_BY_LANDLOCK = {
    "agent: write a file that another issue claims",
    "agent: remove a file that another issue claims",
    "agent: write a protected path",
    "agent: replace .git of its worktree",
    "agent: see a process of the user",
    "agent: read a key from the user's keyring",
    "agent: read the user's shared memory",
    "agent: reach a server on the machine's loopback",
    "agent: write on the user's terminal",
    *(f"{who}: see a process of the user" for who in ("setup", "gate")),
    *(f"{who}: reach a server on the machine's loopback" for who in ("setup", "gate")),
}
"""It is about files, and knows no path within a path; docs/sandbox.md says so."""


@pytest.mark.timeout(240)
def test_landlock_keeps_files_and_says_what_it_does_not_keep(tmp_path: Path) -> None:
    found, honest = tried(tmp_path / "w", sandbox="landlock")
    assert found <= NOT_KEPT_BY_LANDLOCK
    assert honest == "landed"


def test_a_machine_without_bubblewrap_is_told_before_anything_begins(tmp_path: Path) -> None:
    world = World(tmp_path, agents={"sandbox": "required"})
    world.issue(101)
    bare = tmp_path / "bin"
    bare.mkdir()
    for program in ("sh", "git", "true", "env"):
        (bare / program).symlink_to(str(shutil.which(program)))
    ended = world.begin("start", "--issues", "all", PATH=str(bare)).wait()
    assert ended.code == 2
    assert "bwrap" in ended.said and "install bubblewrap" in ended.said
    assert not world.has_run
    assert world.begin("doctor", PATH=str(bare)).wait().code == 2
