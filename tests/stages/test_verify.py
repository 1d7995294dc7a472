"""The gate: commands on one exact tree, and a verdict only where the commands gave one."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from mawep.adapters.process import Supervisor
from mawep.core import events as ev
from mawep.core.model import GateRecord, GateResult
from mawep.stages import verify
from mawep.stages.verify import Gate, GateSettings, ScopeGate
from mawep.stages.workspace import Workspaces
from tests.stages.workspace_site import Site, site
from tests.support.repos import branch, git, head
from tests.support.waiting import eventually

__all__ = ["site"]


class Place:
    """A directory that stands for a clean worktree."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @asynccontextmanager
    async def gate_tree(self, commit: str) -> AsyncIterator[Path]:
        self.path.mkdir(exist_ok=True)
        yield self.path

    def walls_around(self, tree: Path, scratch: Path) -> tuple[tuple[str, ...], Path | None]:
        return (), None


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    supervisor = await Supervisor.start()
    yield supervisor
    await supervisor.close()


INTENT = ev.GateIntended(tree="a" * 40, commit="b" * 40, why="#1")


async def gated(
    tmp_path: Path, supervisor: Supervisor, *commands: str, timeout: float = 30, env: tuple[str, ...] = ()
) -> GateRecord:
    settings = GateSettings(commands, timeout, env)
    gate = Gate(Place(tmp_path / "tree"), supervisor, settings, tmp_path / "gates")
    return (await gate.run(INTENT)).record


async def test_it_runs_on_exactly_the_tree_that_is_meant(site: Site) -> None:
    """A real worktree: nothing of the user's checkout, nothing of an earlier gate."""
    workspaces: Workspaces = await site.open()
    other = branch(site.checkout, "side", {"src/a.py": "a = 2\n"})
    (site.checkout / "untracked.txt").write_text("mine\n")
    commands = ("git rev-parse HEAD^{tree} > /dev/null; ls -A; cat src/a.py; echo left > left.txt",)
    gate = Gate(workspaces, site.supervisor, GateSettings(commands, 30), site.common / "mawep" / "gates")
    for commit, content in ((other, "a = 2"), (head(site.checkout), "a = 1")):
        tree = git(site.checkout, "rev-parse", f"{commit}^{{tree}}")
        record = (await gate.run(ev.GateIntended(tree, commit, "#1"))).record
        assert (record.result, record.tree) == (GateResult.GREEN, tree)
        said = log_of(site.common / "mawep" / "gates", record)
        assert content in said
        assert "untracked.txt" not in said and "left.txt" not in said
    (site.checkout / "untracked.txt").unlink()


def log_of(directory: Path, record: GateRecord, number: int = 0) -> str:
    return (directory / f"{record.log}-{number}.log").read_text()


async def test_green_when_every_command_is(tmp_path: Path, supervisor: Supervisor) -> None:
    record = await gated(tmp_path, supervisor, "echo one", "echo two >&2")
    assert (record.result, record.excerpt) == (GateResult.GREEN, "")
    assert [(each.command, each.exit_code, each.signal) for each in record.commands] == [
        ("echo one", 0, None),
        ("echo two >&2", 0, None),
    ]
    logs = [log_of(tmp_path / "gates", record, number) for number in (0, 1)]
    assert logs == ["one\n", "two\n"]
    assert [each.log_sha256 for each in record.commands] == [
        hashlib.sha256(log.encode()).hexdigest() for log in logs
    ]


async def test_red_at_the_first_command_that_is_and_it_says_why(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    record = await gated(tmp_path, supervisor, "true", "echo 'expected 4, got 5'; exit 1", "touch never")
    assert record.result is GateResult.RED
    assert len(record.commands) == 2
    assert record.excerpt == ("$ echo 'expected 4, got 5'; exit 1\nexpected 4, got 5\n(exit code 1)")
    assert not (tmp_path / "tree" / "never").exists()


async def test_a_red_gate_is_run_again_only_where_that_is_allowed(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    """Red twice, green the third time."""
    command = f"echo run >> {tmp_path}/runs; [ $(wc -l < {tmp_path}/runs) -ge 3 ]"
    found = []
    for reruns in (0, 1, 2):
        (tmp_path / "runs").unlink(missing_ok=True)
        settings = GateSettings((command,), 30, reruns=reruns)
        gate = Gate(Place(tmp_path / "tree"), supervisor, settings, tmp_path / "gates")
        record = (await gate.run(INTENT)).record
        found.append((record.result, record.reruns, record.flaky))
        assert record.excerpt.count("(exit code 1)") == min(reruns + 1, 2)
    assert found == [(GateResult.RED, 0, False), (GateResult.RED, 1, False), (GateResult.GREEN, 2, True)]


async def test_a_gate_without_a_verdict_is_not_run_again(tmp_path: Path, supervisor: Supervisor) -> None:
    settings = GateSettings(("kill -KILL $$",), 30, reruns=3)
    gate = Gate(Place(tmp_path / "tree"), supervisor, settings, tmp_path / "gates")
    record = (await gate.run(INTENT)).record
    assert (record.result, record.reruns) == (GateResult.NONE, 0)


async def test_what_an_agent_is_shown_is_bounded(tmp_path: Path, supervisor: Supervisor) -> None:
    record = await gated(tmp_path, supervisor, "seq 100000; exit 1")
    assert len(record.excerpt) < verify.EXCERPT_BYTES + 200
    assert record.excerpt.splitlines()[-2:] == ["100000", "(exit code 1)"]


@pytest.mark.parametrize("command", ["kill -KILL $$", "kill -TERM $$", "sh -c 'kill -KILL $$'; exit $?"])
async def test_a_gate_ended_by_a_signal_has_no_verdict(
    tmp_path: Path, supervisor: Supervisor, command: str
) -> None:
    """The kernel does that when memory runs out."""
    record = await gated(tmp_path, supervisor, command)
    assert record.result is GateResult.NONE
    assert "this is no verdict" in record.excerpt


async def test_a_gate_on_a_full_disk_has_no_verdict(
    tmp_path: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "FULL_DISK_BYTES", 2**62)
    assert (await gated(tmp_path, supervisor, "false")).result is GateResult.NONE
    assert (await gated(tmp_path, supervisor, "true")).result is GateResult.GREEN


async def test_a_gate_that_runs_out_of_its_time_is_red(tmp_path: Path, supervisor: Supervisor) -> None:
    record = await gated(tmp_path, supervisor, "echo begun; exec sleep 60", timeout=3)
    assert record.result is GateResult.RED
    assert record.commands[0].timed_out
    assert "begun" in record.excerpt and "time limit" in record.excerpt


async def test_a_gate_leaves_no_process_and_no_scratch(tmp_path: Path, supervisor: Supervisor) -> None:
    record = await gated(
        tmp_path, supervisor, "setsid sleep 60 & echo $! > child; echo x > $TMPDIR/x; mkdir $TMPDIR/d"
    )
    assert record.result is GateResult.GREEN
    child = int((tmp_path / "tree" / "child").read_text())
    assert not Path(f"/proc/{child}").exists()
    assert [path.name for path in (tmp_path / "gates").iterdir()] == [f"{record.log}-0.log"]


async def test_a_gate_sees_a_clean_environment(
    tmp_path: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setenv("WANTED", "yes")
    record = await gated(tmp_path, supervisor, "env", env=("WANTED",))
    said = log_of(tmp_path / "gates", record)
    assert "hunter2" not in said
    assert "WANTED=yes" in said


async def test_a_cancelled_gate_ends_its_command(tmp_path: Path, supervisor: Supervisor) -> None:
    gate = Gate(
        Place(tmp_path / "tree"),
        supervisor,
        GateSettings(("echo $$ > pid; exec sleep 60",), 60),
        tmp_path / "gates",
    )
    running = asyncio.create_task(gate.run(INTENT))
    pid = tmp_path / "tree" / "pid"
    await eventually("the command runs", lambda: pid.exists() and pid.read_text().strip())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await eventually("it is gone", lambda: not Path(f"/proc/{int(pid.read_text())}").exists())


OWNER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.stages.test_verify import INTENT, Place
from mawep.adapters.process import Supervisor
from mawep.stages.verify import Gate, GateSettings, ScopeGate

async def main(root):
    supervisor = await Supervisor.start()
    commands = ("echo $$ > pid; trap '' TERM; sleep 60",)
    await Gate(Place(root / "tree"), supervisor, GateSettings(commands, 60), root / "gates").run(INTENT)

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_an_old_gate_never_runs_beside_a_new_one(tmp_path: Path) -> None:
    """Its owner was killed: the shim ends the command, and with it what it started."""
    house = Path(__file__).parents[2]
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path), str(house)])
    pid = tmp_path / "tree" / "pid"
    await eventually("the command runs", lambda: pid.exists() and pid.read_text().strip(), 30)
    owner.kill()
    owner.wait()
    await eventually("it is gone", lambda: not Path(f"/proc/{int(pid.read_text())}").exists(), 30)


def test_a_verdict_is_known_by_the_tree_and_all_that_decides_about_it() -> None:
    settings = GateSettings(("true",), 30, ("A", "B"), ("make",))
    same = dataclasses.replace(settings, timeout=60, env=("B", "A"))
    assert settings.key("t1") == same.key("t1")
    others = [
        dataclasses.replace(settings, commands=("false",)).key("t1"),
        dataclasses.replace(settings, setup=()).key("t1"),
        dataclasses.replace(settings, env=("A",)).key("t1"),
        settings.key("t2"),
    ]
    assert settings.key("t1") not in others and len(set(others)) == 4


async def test_no_command_at_all_is_green(tmp_path: Path, supervisor: Supervisor) -> None:
    record = await gated(tmp_path, supervisor)
    assert (record.result, record.commands) == (GateResult.GREEN, ())
    assert list((tmp_path / "gates").iterdir()) == []


SCOPED = GateSettings(
    ("echo all",),
    30,
    scopes=(ScopeGate("lib", ("echo lib",)), ScopeGate("web", ("echo web",), ("echo set up",))),
)


@pytest.mark.parametrize(
    ("scopes", "ran", "taken_over"),
    [
        (None, ["all", "lib", "set up", "web"], ()),
        ((), ["all"], ("lib", "web")),
        (("web",), ["all", "set up", "web"], ("lib",)),
        (("web", "gone"), ["all", "lib", "set up", "web"], ()),
    ],
)
async def test_only_what_the_change_affects_is_gated_and_the_record_says_so(
    tmp_path: Path,
    supervisor: Supervisor,
    scopes: tuple[str, ...] | None,
    ran: list[str],
    taken_over: tuple[str, ...],
) -> None:
    gate = Gate(Place(tmp_path / "tree"), supervisor, SCOPED, tmp_path / "gates")
    record = (await gate.run(msgspec.structs.replace(INTENT, scopes=scopes))).record
    assert [log_of(tmp_path / "gates", record, n).strip() for n in range(len(record.commands))] == ran
    assert (record.scopes, record.taken_over) == (scopes, taken_over)
    assert record.key == SCOPED.key(INTENT.tree, scopes)


def test_a_verdict_for_some_scopes_has_another_name_than_one_for_others() -> None:
    keys = [SCOPED.key("t", scopes) for scopes in (None, (), ("lib",), ("web",))]
    assert len(set(keys)) == len(keys)
    bare = dataclasses.replace(
        SCOPED, scopes=(ScopeGate("lib", ("echo lib",)), ScopeGate("web", ("echo web",)))
    )
    assert bare.key("t", ("lib",)) == SCOPED.key("t", ("lib",))
    assert bare.key("t", ("web",)) != SCOPED.key("t", ("web",))


# --- files that a command makes


async def made(tmp_path: Path, supervisor: Supervisor, command: str) -> dict[str, bytes] | None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tmp_path / "outside").write_text("secret")
    gate = Gate(Place(tree), supervisor, GateSettings((), 30), tmp_path / "gates")
    return await gate.make("b" * 40, command, ["all.lock", "sub/x"])


async def test_what_a_command_made_of_the_files_is_read(tmp_path: Path, supervisor: Supervisor) -> None:
    command = r"printf 'a\0b' > all.lock; echo x > sub/x; echo other > other"
    assert await made(tmp_path, supervisor, command) == {"all.lock": b"a\0b", "sub/x": b"x\n"}


@pytest.mark.parametrize(
    "command",
    [
        "echo a > all.lock; echo x > sub/x; exit 3",
        "echo a > all.lock",
        "echo a > all.lock; mkdir sub/x",
        "echo a > all.lock; ln -s ../../outside sub/x",
        "echo a > all.lock; rmdir sub; ln -s .. sub; echo x > sub/x",
        "echo a > all.lock; mkfifo sub/x",
        "echo a > all.lock; truncate -s 65M sub/x",
    ],
    ids=["fails", "makes too little", "a directory", "a link", "below a link", "a pipe", "huge"],
)
async def test_what_it_did_not_make_as_a_file_is_not_taken(
    command: str, tmp_path: Path, supervisor: Supervisor
) -> None:
    assert await made(tmp_path, supervisor, command) is None
