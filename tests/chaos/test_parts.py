"""Parts of a run that die or stop by themselves: the server, the fork server, the process, its files."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from mawep.core import events as ev
from tests.support import promises
from tests.support.world import Live, World, diamond, wait_until

pytestmark = pytest.mark.chaos


def working(world: World, *arguments: str) -> Live:
    """A run in the middle: #101 works until `let("on")`, the others follow it."""
    world.issues(diamond(3))
    begin = 'echo half > half\ntouch "$root/half"\n'
    world.agent(101, begin + World.until_let("on") + "echo work > work\n")
    live = world.begin_start(*arguments)
    done = world.root / "half"
    live.until("#101 works, half done", lambda: world.stands(101) == "working" and done.exists())
    return live


def salvaged(world: World) -> str:
    """What is kept of the half of its work that the agent on #101 had done."""
    return world.git("show", f"{world.state().issues[101].salvage}:half")


def server_of(world: World) -> int:
    """The process of the run's embedded server."""
    (pid,) = (pid for pid, command in world.processes().items() if "valkey-server" in command)
    return pid


def fork_server_of(live: Live) -> psutil.Process:
    """The process that starts the run's programs; its git processes come and go meanwhile."""
    found = []
    for child in psutil.Process(live.process.pid).children():
        with suppress(psutil.NoSuchProcess):
            found += [child] if any("shim" in word for word in child.cmdline()) else []
    (server,) = found
    return server


def test_a_server_that_is_killed_is_restarted_and_nothing_is_lost(tmp_path: Path) -> None:
    world = World(tmp_path)
    live = working(world)
    before = server_of(world)
    os.kill(before, signal.SIGKILL)
    live.until("the server is restarted", lambda: "died and is started again" in live.said)
    world.let("on")
    ended = live.wait()
    assert ended.code == 0, ended.said
    assert sorted(world.lines("began")) == [f"{number} a1" for number in world.edges]
    promises.kept(world)


def test_a_server_that_is_killed_at_busy_moments_costs_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.issues(diamond(10))
    live = world.begin_start()
    for landed in (1, 4):
        live.until(f"{landed} landed", partial(has_landed, world, landed))
        for pid, command in world.processes().items():
            if "valkey-server" in command:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    ended = live.wait()
    assert ended.code == 0, ended.said
    promises.kept(world)


def has_landed(world: World, count: int) -> bool:
    """True when that many issues have landed."""
    return world.state().landed >= count


def test_without_its_fork_server_a_run_stops_and_can_be_gone_on_with(tmp_path: Path) -> None:
    world = World(tmp_path)
    live = working(world)
    fork_server_of(live).kill()
    ended = live.wait()
    assert ended.code == 3, ended.said
    assert "the fork server is gone" in ended.said
    assert world.stands(101) == "working"
    world.let("on")
    resumed = world.resume()
    assert resumed.code == 0, resumed.said
    promises.kept(world)


def test_an_agent_does_not_outlive_the_lease_of_a_process_that_is_stopped(tmp_path: Path) -> None:
    world = World(tmp_path, message_bus={"lease_seconds": 3})
    live = working(world)
    live.send(signal.SIGSTOP)
    wait_until("its agent is ended", lambda: not any("agent.sh" in c for c in world.processes().values()))
    live.send(signal.SIGCONT)
    ended = live.wait()
    assert ended.code == 1, ended.said
    assert ended.states[101] == "failed: lost"
    assert salvaged(world) == "half"
    promises.kept(world, [])


def test_a_journal_that_is_taken_away_stops_the_run(tmp_path: Path) -> None:
    world = World(tmp_path)
    live = working(world)
    journal = world.directory.journal
    journal.unlink()
    world.let("on")
    ended = live.wait()
    assert ended.code == 3, ended.said
    assert str(journal) in ended.said
    promises.nothing_runs(world)


def interrupted(world: World, times: int) -> bool:
    """True when the run has noted that many interruptions."""
    return len(world.events(ev.Interrupted)) == times


def test_interrupted_once_it_lets_what_runs_finish(tmp_path: Path) -> None:
    world = World(tmp_path)
    live = working(world)
    live.send(signal.SIGINT)
    live.until("it is noted", partial(interrupted, world, 1))
    world.let("on")
    ended = live.wait()
    assert ended.code == 130, ended.said
    assert ended.document["outcome"] == "interrupted"
    assert ended.states == {101: "landed", 102: "ready", 103: "ready", 104: "ready", 105: "waiting"}
    assert world.lines("began") == ["101 a1"]
    resumed = world.resume()
    assert resumed.code == 0, resumed.said
    promises.kept(world)


@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,), (signal.SIGHUP,)])
def test_interrupted_twice_it_stops_agents_and_keeps_their_work(
    numbers: tuple[signal.Signals, ...], tmp_path: Path
) -> None:
    world = World(tmp_path)
    live = working(world)
    for count, number in enumerate(numbers, start=1):
        live.send(number)
        live.until("it is noted", partial(interrupted, world, count))
    ended = live.wait()
    assert ended.code == 130, ended.said
    promises.nothing_runs(world)
    assert salvaged(world) == "half"
    world.let("on")
    resumed = world.resume()
    assert resumed.code == 0, resumed.said
    promises.kept(world)


def test_without_consent_a_lost_attempt_is_not_run_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    live = working(world)
    live.kill()
    resumed = world.resume("--no-rerun")
    assert resumed.code == 1, resumed.said
    assert resumed.states[101] == "failed: lost"
    assert set(resumed.states.values()) == {"failed: lost", "blocked"}
    assert world.lines("began") == ["101 a1"]
    assert salvaged(world) == "half"
    promises.kept(world, [])
