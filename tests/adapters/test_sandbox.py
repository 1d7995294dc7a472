"""The walls of bubblewrap, as root and as an ordinary user: what a program inside reaches, and how it ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mawep.adapters import seccomp
from mawep.adapters.process import PIPE, Supervisor, lock_is_free
from mawep.adapters.programs import own_python, visible_programs, with_real
from mawep.adapters.sandbox import Mount, SandboxUnusableError, Walls, probe
from tests.support.waiting import eventually

STRANGER = 54321
"""A numeric user that no system has."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def run(
    walls: Walls, *command: str, user: int | None = None, **more: object
) -> subprocess.CompletedProcess[str]:
    become = (
        ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"] if user is not None else []
    )
    return subprocess.run(
        [*become, *walls.argv(), *command],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        **more,  # type: ignore[call-overload]
    )


@pytest.fixture(params=[None, pytest.param(STRANGER, marks=needs_root)], ids=["this-user", "ordinary-user"])
def user(request: pytest.FixtureRequest) -> int | None:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def place(user: int | None) -> Iterator[Path]:
    """A directory that this user may write, below directories that they may search."""
    path = Path("/tmp", f"mw-sandbox-{os.getpid()}")
    (path / "tree").mkdir(parents=True)
    (path / "secret").write_text("secret")
    for entry in (path, path / "tree"):
        entry.chmod(0o755)
        if user is not None:
            os.chown(entry, user, user)
    yield path
    shutil.rmtree(path)


def test_probe_says_which_bubblewrap_works() -> None:
    assert probe().startswith("bubblewrap ")


def test_probe_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnusableError, match="bwrap") as missing:
        probe()
    assert "install bubblewrap" in missing.value.next_step


def test_probe_says_why_it_does_not_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxUnusableError) as unusable:
        probe()
    assert "No permissions" in unusable.value.cause


def test_only_what_is_named_is_there_and_only_what_is_writable_can_be_written(
    place: Path, user: int | None
) -> None:
    tree = place / "tree"
    walls = Walls(cwd=tree, writable=(tree,))
    script = (
        f"echo a > {tree}/a; echo b > {place}/b; cat {place}/secret; echo c > /usr/c; ls /home /root; id -u"
    )
    done = run(walls, "sh", "-c", script, user=user)
    assert (tree / "a").read_text() == "a\n"
    assert not (place / "b").exists()
    assert done.stdout.split() == [str(os.getuid() if user is None else user)]
    assert "No such file" in done.stderr


def test_a_link_in_a_directory_that_is_shown_leads_where_it_leads_outside(
    place: Path, user: int | None
) -> None:
    """As programs are installed: links in `bin` to packages that are shown by themselves, deeper down."""
    programs, packages = place / "tree" / "bin", place / "tree" / "some" / "where" / "packages"
    programs.mkdir()
    packages.mkdir(parents=True)
    (packages / "agent").write_text("#!/bin/sh\necho works\n")
    (packages / "agent").chmod(0o755)
    (programs / "agent").symlink_to("../some/where/packages/agent")
    walls = Walls(cwd=Path("/"), read_only=(programs, programs / "agent", packages))
    done = run(walls, str(programs / "agent"), user=user)
    assert (done.stdout, done.stderr) == ("works\n", "")


def test_what_is_read_only_in_a_writable_place_is_so_wherever_that_lies(
    place: Path, user: int | None
) -> None:
    tree = place / "tree"
    (tree / "in").mkdir(mode=0o777)
    (tree / "in" / "kept").write_text("as it is\n")
    for path in (tree / "in", tree / "in" / "kept"):
        path.chmod(0o777)
    walls = Walls(cwd=tree, writable=(tree / "in",), read_only=(tree, tree / "in" / "kept"))
    done = run(walls, "sh", "-c", "echo x > in/new; echo x > in/kept; echo x > beside", user=user)
    assert done.stderr.count("Read-only") == 2
    assert (tree / "in" / "kept").read_text() == "as it is\n"
    assert (tree / "in" / "new").exists()


def test_a_read_only_path_in_a_writable_one_stays_as_it_is(place: Path, user: int | None) -> None:
    tree = place / "tree"
    (tree / "kept").write_text("kept")
    (tree / "docs").mkdir()
    walls = Walls(cwd=tree, writable=(tree,), read_only=(tree / "kept", tree / "docs", tree / "absent"))
    run(walls, "sh", "-c", "echo x > kept; rm -f kept; mv kept other; touch docs/x; echo y > more", user=user)
    assert (tree / "kept").read_text() == "kept"
    assert sorted(entry.name for entry in tree.iterdir()) == ["docs", "kept", "more"]


def test_a_mount_is_seen_elsewhere_and_a_hidden_directory_is_empty(place: Path, user: int | None) -> None:
    tree = place / "tree"
    (tree / "hidden").mkdir()
    (tree / "hidden" / "file").write_text("x")
    (tree / ".git").write_text("gitdir: /elsewhere\n")
    (place / "pointer").write_text("gitdir: /private\n")
    walls = Walls(
        cwd=tree,
        writable=(tree,),
        mounts=(Mount(place / "pointer", tree / ".git"),),
        hidden=(tree / "hidden",),
    )
    done = run(
        walls, "sh", "-c", "cat .git; ls hidden; touch hidden/x; rm .git; mv .git x; echo y > .git", user=user
    )
    assert done.stdout == "gitdir: /private\n"
    assert (tree / ".git").read_text() == "gitdir: /elsewhere\n"
    assert [entry.name for entry in (tree / "hidden").iterdir()] == ["file"]


def test_without_a_network_there_is_only_a_loopback_of_its_own(place: Path, user: int | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        probe = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        outcomes = [
            run(
                Walls(cwd=place / "tree", writable=(place / "tree",), network=network),
                "/usr/bin/python3",
                "-c",
                probe,
                user=user,
            ).returncode
            for network in (True, False)
        ]
    assert outcomes == [0, 1]


def test_nobody_inside_has_a_capability_or_changes_the_kernel(place: Path, user: int | None) -> None:
    walls = Walls(cwd=place / "tree", writable=(place / "tree",))
    done = run(
        walls,
        "sh",
        "-c",
        "grep CapEff /proc/self/status; cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness",
        user=user,
    )
    assert done.stdout.split() == ["CapEff:", "0" * 16]
    assert "swappiness" in done.stderr


@pytest.mark.parametrize(
    ("script", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("kill -SEGV $$", 139), ("true", 0)]
)
def test_the_exit_code_is_the_programs_and_128_and_n_is_signal_n(
    place: Path, user: int | None, script: str, code: int
) -> None:
    walls = Walls(cwd=place / "tree", writable=(place / "tree",))
    assert run(walls, "sh", "-c", script, user=user).returncode == code


async def test_the_inherited_lock_is_held_inside_and_everything_dies_with_the_supervisor(
    tmp_path: Path,
) -> None:
    tree, lock = tmp_path / "tree", tmp_path / "lock"
    tree.mkdir()
    supervisor = await Supervisor.start()
    try:
        walls = Walls(cwd=tree, writable=(tree,))
        process = await supervisor.spawn(
            [*walls.argv(), "sh", "-c", "ls -l /proc/$$/fd > fds; setsid sleep 1000 & echo up > up; wait"],
            cwd=tree,
            env={"PATH": os.environ["PATH"], "SEEN": "yes"},
            lock=lock,
            status_file=tmp_path / "status",
            stdout=PIPE,
        )
        await eventually("it runs", (tree / "up").exists)
        assert str(lock) in (tree / "fds").read_text()
        assert not lock_is_free(lock)
        sleeping = Path(f"/proc/{process.pid}").exists()
        assert sleeping
    finally:
        await supervisor.close()
    await eventually("nothing holds the lock", lambda: lock_is_free(lock))


async def test_a_program_that_is_asked_to_stop_can_end_in_order(tmp_path: Path) -> None:
    supervisor = await Supervisor.start()
    try:
        process = await supervisor.spawn(
            [
                *Walls(cwd=tmp_path, writable=(tmp_path,)).argv(),
                *(
                    "sh",
                    "-c",
                    "trap 'echo saved > saved; exit 3' TERM; echo > up; while :; do sleep 0.02; done",
                ),
            ],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"]},
            lock=tmp_path / "lock",
            status_file=tmp_path / "status",
        )
        await eventually("it runs", (tmp_path / "up").exists)
        status = await process.stop(20)
    finally:
        await supervisor.close()
    assert (tmp_path / "saved").read_text() == "saved\n"
    assert status.code == 3


def test_it_dies_with_whoever_started_it(tmp_path: Path) -> None:
    walls = Walls(cwd=tmp_path, writable=(tmp_path,))
    command = [*walls.argv(), "sh", "-c", "exec 9>held; flock 9; echo > up; sleep 1000"]
    starter = f"import subprocess; subprocess.Popen({command!r}).wait()"
    process = subprocess.Popen([sys.executable, "-c", starter])
    asyncio.run(eventually("it runs", (tmp_path / "up").exists))
    process.send_signal(signal.SIGKILL)
    process.wait()
    asyncio.run(eventually("nothing holds the lock", lambda: lock_is_free(tmp_path / "held")))


def test_the_programs_on_path_run_inside_and_no_home_is_shown(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".cargo" / "bin").mkdir(parents=True)
    (home / ".cargo" / "credentials.toml").write_text("token")
    (home / ".cargo" / "bin" / "tool").write_text("#!/bin/sh\necho tool\n")
    (home / ".local" / "bin").mkdir(parents=True)
    (home / ".local" / "share" / "app" / "versions").mkdir(parents=True)
    real = home / ".local" / "share" / "app" / "versions" / "app-1"
    real.write_text("#!/bin/sh\necho app\n")
    (home / ".local" / "bin" / "app").symlink_to(real)
    (home / "bin").mkdir()
    (home / "bin" / "mine").write_text("#!/bin/sh\necho mine\n")
    for program in (home / ".cargo" / "bin" / "tool", real, home / "bin" / "mine"):
        program.chmod(0o755)
    search = f"{home}/.cargo/bin:{home}/.local/bin:{home}/bin:{Path(sys.executable).parent}:/usr/bin:/bin"
    shown = visible_programs(search, [home])
    walls = Walls(cwd=Path("/"), read_only=shown)
    script = f"tool; app; mine; python -c 'import mawep; print(1)'; cat {home}/.cargo/credentials.toml; ls -A {home}"
    done = subprocess.run(
        [*walls.argv(), "sh", "-c", script],
        env={"PATH": search},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stdout.split()[:3] == ["tool", "app", "mine"]
    assert "token" not in done.stdout
    assert done.stdout.split()[3:] in (["1", ".cargo", ".local", "bin"], [".cargo", ".local", "bin"])


def test_the_filters_of_system_calls_are_those_that_are_written_down() -> None:
    for machine in ("x86_64", "aarch64"):
        assert Path(seccomp.__file__).with_name(f"seccomp-{machine}.bpf").read_bytes() == seccomp.program(
            machine
        )


def test_a_program_called_bwrap_in_the_worktree_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bwrap").write_text("#!/bin/sh\ntouch escaped\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    walls = Walls(cwd=tmp_path, writable=(tmp_path,))
    subprocess.run([*walls.argv(), "true"], check=True, cwd=tmp_path)
    assert not (tmp_path / "escaped").exists()


@needs_root
def test_a_program_that_would_make_root_of_its_user_does_not(tmp_path: Path) -> None:
    place = Path("/tmp", f"mw-setuid-{os.getpid()}")
    place.mkdir(mode=0o755)
    try:
        shutil.copy("/usr/bin/id", place / "id")
        (place / "id").chmod(0o4755)
        walls = Walls(cwd=place, read_only=(place,))
        become = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", "--"]
        without = subprocess.run([*become, place / "id", "-u"], capture_output=True, text=True, check=True)
        within = run(walls, str(place / "id"), "-u", user=STRANGER)
        assert (without.stdout, within.stdout) == ("0\n", f"{STRANGER}\n")
    finally:
        shutil.rmtree(place)


def test_our_own_python_runs_inside(tmp_path: Path) -> None:
    walls = Walls(cwd=tmp_path, writable=(tmp_path,), read_only=with_real(own_python()))
    done = run(walls, sys.executable, "-I", "-S", "-c", "print('here')")
    assert done.stdout == "here\n"
