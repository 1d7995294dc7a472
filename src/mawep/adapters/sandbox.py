"""The door to bubblewrap: a value says what a program may reach, and becomes the command line in front of it.

Inside is a file system made of nothing but what is named, with processes, users, messages and host name of its own
and no capabilities. Whoever runs it is the same user there, so that files keep their owner; root has no power. All of
it dies with the program that started it. The network is the host's or none at all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mawep.adapters.seccomp import program_file
from mawep.errors import UsageError

SCRATCH_BYTES = 2**30
"""Room in each of /tmp, /var/tmp and /run, which are memory; TMPDIR lies on the disk."""

PROBE_SECONDS = 20.0

_NAMESPACES = (
    "--die-with-parent",
    *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
    *("--cap-drop", "ALL", "--hostname", "mawep"),
    *("--proc", "/proc", "--dev", "/dev"),
)
_UNCHANGEABLE = ("acpi", "bus", "fs", "irq", "mtrr", "scsi", "sys", "sysrq-trigger")
"""Parts of /proc by which root, even without any capability, would change the whole machine."""
_MASKED = ("kcore", "keys", "kmsg", "sched_debug", "timer_list")
"""Files of /proc that tell of the whole machine."""
_SCRATCH = ("/tmp", "/var/tmp")  # noqa: S108 - of the sandbox, not of the host
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
_SETTINGS = """
alternatives bash.bashrc ca-certificates ca-certificates.conf crypto-policies debian_version fonts gai.conf group
host.conf hosts inputrc java java-11-openjdk java-17-openjdk java-21-openjdk java-25-openjdk ld.so.cache ld.so.conf
ld.so.conf.d
locale.alias localtime login.defs magic mime.types netconfig networks nsswitch.conf os-release passwd perl pki profile
protocols python3 python3.11 python3.12 python3.13 resolv.conf rpc services shells ssl terminfo timezone
"""
"""What programs read of /etc and what is no secret."""

_START = """\
trap '' TERM
if [ -n "$1" ]; then
  for n in 9 8 7 6 5 4 3; do [ -e "/proc/$$/fd/$n" ] || break; done
  eval "exec $n<\\"\\$1\\""
  shift && exec "$0" --seccomp "$n" "$@"
fi
shift; exec "$0" "$@"
"""
"""The filter of system calls is handed over as a descriptor that nobody else has; shells know those below 10."""
_HEARING = ("env", "--default-signal=TERM", "--")
"""bubblewrap would die of the SIGTERM that its whole process group gets, before the program could end in order."""


@dataclass(frozen=True)
class Mount:
    """`source` on this machine is seen at `target` inside."""

    source: Path
    target: Path
    writable: bool = False


@dataclass(frozen=True)
class Walls:
    """What a program may reach besides the system's own programs; paths are absolute.

    `writable` and `read_only` are seen where they are; a read-only path that does not exist is left out. `mounts` are
    laid over them, at other places. `hidden` are empty directories inside. Without `network` there is a loopback of
    its own.
    """

    cwd: Path
    writable: tuple[Path, ...] = ()
    read_only: tuple[Path, ...] = ()
    mounts: tuple[Mount, ...] = ()
    hidden: tuple[Path, ...] = ()
    network: bool = True

    def argv(self) -> tuple[str, ...]:
        """What to put in front of a command. Its exit code is the command's; 128 + n stands for signal n."""
        return (
            *("/bin/sh", "-c", _START, _bubblewrap(), str(program_file() or "")),
            *(*_NAMESPACES, *(() if self.network else ("--unshare-net",))),
            *_kernel(),
            *_scratch(),
            *_system(),
            *(word for mount in self._in_order() for word in mount),
            # Else a write beside a mount would seem to succeed, on a file system that is gone at the end.
            *("--remount-ro", "/", "--chdir", str(self.cwd), "--", *_HEARING),
        )

    def _in_order(self) -> list[tuple[str, ...]]:
        """The mounts, parents before what lies in them, and what takes rights away after what gives them."""
        ranked = [
            *((path, 0, ("--bind", str(path), str(path))) for path in self.writable),
            *((path, 1, ("--ro-bind-try", str(path), str(path))) for path in self._shown()),
            *((path, 2, ("--tmpfs", str(path), "--remount-ro", str(path))) for path in self.hidden),
            *(
                (mount.target, 3, ("--bind" if mount.writable else "--ro-bind", *_ends(mount)))
                for mount in self.mounts
            ),
        ]
        ranked.sort(key=lambda one: (len(one[0].parts), one[1]))
        return list(dict.fromkeys(words for _, _, words in ranked))

    def _shown(self) -> list[Path]:
        """The read-only paths, less those that are seen in another one anyway.

        Of these one may be a link to what is not there yet when its turn comes, and nothing can be laid over it.
        """
        others = {*self.writable, *self.hidden, *(mount.target for mount in self.mounts)}
        shown = {*self.read_only}
        return [
            path
            for path in self.read_only
            if path in others
            or (above := next((one for one in path.parents if one in shown or one in others), None)) is None
            or above in others
        ]


def _bubblewrap() -> str:
    """The program in full: it is started in a directory that agents write, which PATH may name as `.`."""
    places = (
        place for place in os.environ.get("PATH", os.defpath).split(os.pathsep) if place.startswith("/")
    )
    return shutil.which("bwrap", path=os.pathsep.join(places)) or "/usr/bin/bwrap"


def _ends(mount: Mount) -> tuple[str, str]:
    return str(mount.source), str(mount.target)


def _kernel() -> Iterator[str]:
    for name in _UNCHANGEABLE:
        yield from ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")
    for name in _MASKED:
        if os.path.exists(f"/proc/{name}"):  # noqa: PTH110
            yield from ("--ro-bind", os.devnull, f"/proc/{name}")


def _scratch() -> Iterator[str]:
    for place in _SCRATCH:
        yield from ("--perms", "1777", "--size", str(SCRATCH_BYTES), "--tmpfs", place)
    yield from ("--perms", "0755", "--size", str(SCRATCH_BYTES), "--tmpfs", "/run")


def _system() -> Iterator[str]:
    for place in _SYSTEM:
        if os.path.islink(place):  # noqa: PTH114
            yield from ("--symlink", os.readlink(place), place)  # noqa: PTH115
        else:
            yield from ("--ro-bind-try", place, place)
    for name in _SETTINGS.split():
        # Some are links to where the system keeps them, which is not shown.
        real = os.path.realpath(f"/etc/{name}")
        yield from ("--ro-bind-try", real, f"/etc/{name}")


def system_paths() -> tuple[str, ...]:
    """Where the system's programs and their settings really are."""
    return tuple(
        os.path.realpath(place) for place in (*_SYSTEM, *(f"/etc/{name}" for name in _SETTINGS.split()))
    )


class SandboxUnusableError(UsageError):
    """bubblewrap is missing or cannot make a sandbox on this machine for this user."""


def probe() -> str:
    """Make a sandbox as this user and return bubblewrap's version. Raises SandboxUnusableError."""
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxUnusableError(
            "there is no sandbox: the program `bwrap` is not on PATH",
            next_step="install bubblewrap (Debian, Ubuntu: `apt-get install bubblewrap`; Fedora: `dnf install "
            "bubblewrap`), or write `agents.sandbox: landlock` or `off`",
        )
    with tempfile.TemporaryDirectory(prefix="mawep-probe-") as place:
        walls = Walls(cwd=Path(place), writable=(Path(place),), network=False)
        done = _run((*walls.argv(), "true"), Path(place))
    if done.returncode != 0:
        raise SandboxUnusableError(
            "bubblewrap cannot make a sandbox here",
            cause=done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}",
            next_step="let this user make user namespaces (sysctl `kernel.unprivileged_userns_clone`, "
            "`kernel.apparmor_restrict_unprivileged_userns`; a container needs leave to mount /proc), "
            "or write `agents.sandbox: landlock` or `off`",
        )
    return _run((program, "--version"), Path("/")).stdout.decode().strip()


def _run(argv: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    try:
        return subprocess.run(
            argv, cwd=cwd, env=environment, capture_output=True, check=False, timeout=PROBE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(argv, 1, b"", str(error).encode())
