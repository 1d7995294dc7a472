"""Whatever the standard streams are, a verb does its work, shows what there is room for, and its exit code says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.site import Said, Site


def shell(site: Site, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `$MAWEP` is the command."""
    return subprocess.run(
        ["bash", "-c", line],
        cwd=site.repository,
        env={**site.environment(), "MAWEP": f"{sys.executable} -m mawep", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("verb", ["status", "report", "audit", "status --json"])
def test_a_reader_that_leaves_early_is_no_failure(verb: str, landed: tuple[Site, Said]) -> None:
    said = shell(landed[0], f"$MAWEP {verb} | true; exit ${{PIPESTATUS[0]}}")
    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize("json", ["", "--json"])
def test_the_exit_code_of_a_run_does_not_depend_on_a_reader(json: str, site: Site) -> None:
    said = shell(
        site,
        f"$MAWEP start --issues 101 {json} --set 'verify.commands=[false]' | true; exit ${{PIPESTATUS[0]}}",
    )
    assert said.returncode == 1, said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_hinder_no_run(closed: str, site: Site) -> None:
    said = shell(site, f"$MAWEP start --issues 101 {closed}")
    assert said.returncode == 0, said.stderr
    assert site.states() == {101: "landed"}
    site.mawep("audit", code=0)


@pytest.mark.parametrize("verb", ["status", "report", "explain 101", "plan --issues 101"])
def test_letters_that_the_terminal_has_not_got_are_replaced(
    verb: str, landed: tuple[Site, Said], site: Site
) -> None:
    where = site if verb.startswith("plan") else landed[0]
    said = shell(where, f"$MAWEP {verb}", PYTHONIOENCODING="ascii")
    assert said.returncode == 0, said.stderr
    assert "101" in said.stdout


def test_interrupted_while_it_is_being_loaded_it_leaves_quietly() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


INTERRUPTED = """
import sys
from mawep.__main__ import main

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "mawep.cli.main":
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
main()
"""


def test_a_long_title_leaves_room_for_the_rest_of_the_plan(site: Site) -> None:
    path = site.repository / "issues" / "104.md"
    path.write_text(f"---\nnumber: 104\ntitle: {'T' * 400}\ndepends_on: [103]\nestimate_hours: 3\n---\n")
    (row,) = [line for line in site.mawep("plan", code=0).out.splitlines() if "TTT" in line]
    assert row.split()[1:2] == ["#104"]
    assert row.split()[-3:] == ["#103", "3", "medium"]


@pytest.mark.parametrize(
    "verb", ["status --json", "report", "explain 101", "logs 101", "audit --json", "--help"]
)
def test_a_full_disk_behind_the_output_is_no_defect(verb: str, landed: tuple[Site, Said]) -> None:
    said = shell(landed[0], f"$MAWEP {verb} > /dev/full")
    assert said.returncode == 3
    assert said.stderr.startswith(
        "mawep: The machine refused what MAWEP needs\n  cause: No space left on device"
    )
    assert "broke" not in said.stderr
    assert "Exception" not in said.stderr
