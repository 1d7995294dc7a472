"""Runs that push what lands: the remote first, without force, and what follows when others push too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.support import promises
from tests.support.remotes import hook, make_remote, served, somebody_pushes
from tests.support.repos import commit, git, head
from tests.support.world import World


class Site:
    """A person's repository, and the remote that it pushes to."""

    def __init__(self, root: Path) -> None:
        self.world = World(root, landing={"push": "true"})
        self.bare = make_remote(self.world.repo, root / "srv" / "shop.git")

    def issues(self, *numbers: int) -> None:
        for number in numbers:
            self.world.issue(number)
        git(self.world.repo, "push", "--quiet", "origin", "main")

    @property
    def both(self) -> tuple[str, str]:
        """Where the target is here and there."""
        return head(self.world.repo, "main"), head(self.bare, "main")

    def kept(self, landed: list[int]) -> None:
        """Everything that is promised, and that both are at the same commit."""
        here, there = self.both
        assert here == there
        promises.kept(self.world, landed)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_what_lands_is_on_the_remote_and_here(site: Site) -> None:
    site.issues(101, 102)
    ended = site.world.start()
    assert ended.code == 0, ended.said
    site.kept([101, 102])
    assert git(site.world.repo, "status", "--short", "--branch") == "## main"
    assert git(site.world.repo, "rev-parse", "refs/remotes/origin/main") == site.both[1]


def test_push_goes_to_the_remote_first_and_a_refusal_leaves_the_branch_here_alone(site: Site) -> None:
    site.issues(101)
    before = site.both
    hook(site.bare, "pre-receive", "echo only on weekdays; exit 1")
    ended = site.world.start()
    assert ended.code == 3
    assert "does not take what landed on main" in ended.said
    assert "only on weekdays" in ended.said
    assert site.both == before
    (site.bare / "hooks/pre-receive").unlink()
    resumed = site.world.resume()
    assert resumed.code == 0, resumed.said
    assert site.world.lines("began") == ["101 a1"]
    site.kept([101])


def test_somebody_who_pushes_in_the_meantime_is_composed_with(site: Site) -> None:
    site.world.agent(101, World.until_let("on") + "echo one > one\n")
    site.issues(101)
    live = site.world.begin_start()
    live.until("#101 works", lambda: site.world.stands(101) == "working")
    theirs = somebody_pushes(site.bare, {"theirs.txt": "1\n"})
    site.world.let("on")
    ended = live.wait()
    assert ended.code == 0, ended.said
    assert git(site.world.repo, "merge-base", theirs, "main") == theirs
    assert (site.world.repo / "theirs.txt").read_text() == "1\n"
    site.kept([101])


def test_a_race_for_the_remote_is_lost_as_a_fact_and_run_again(site: Site) -> None:
    """The second pusher strikes between composing and pushing: in the gate's own command."""
    clone = site.bare.parent / "other"
    git(site.bare.parent, "clone", "--quiet", str(site.bare), str(clone))
    strike = (
        f"[ -e {site.world.root}/struck ] || {{ touch {site.world.root}/struck; cd {clone} && "
        "unset GIT_DIR && echo 1 > theirs && git add theirs && git -c user.name=a -c user.email=a@b.c "
        "commit -q -m theirs && git push -q origin main; }"
    )
    site.world.configure(landing={"push": "true"}, verify={"commands": [strike]})
    site.issues(101)
    git(clone, "pull", "--quiet")
    ended = site.world.start()
    assert ended.code == 0, ended.said
    assert len(site.world.events(ev.MoveLost) + site.world.events(ev.TargetAdvanced)) == 1
    assert (site.world.repo / "theirs").exists()
    site.kept([101])


def test_a_remote_that_does_not_answer_stops_the_run_until_it_does(site: Site) -> None:
    site.world.agent(101, World.until_let("on") + "echo one > one\n")
    site.issues(101)
    live = site.world.begin_start()
    live.until("#101 works", lambda: site.world.stands(101) == "working")
    away = site.bare.rename(site.bare.with_name("away"))
    site.world.let("on")
    ended = live.wait()
    assert ended.code == 3
    assert "origin (file://" in ended.said
    assert "cannot be reached" in ended.said
    away.rename(site.bare)
    resumed = site.world.resume()
    assert resumed.code == 0, resumed.said
    site.kept([101])


def test_a_branch_behind_its_remote_is_brought_forward_at_the_start(site: Site) -> None:
    site.issues(101)
    somebody_pushes(site.bare, {"theirs.txt": "1\n"})
    ended = site.world.start()
    assert ended.code == 0, ended.said
    assert site.world.events(ev.RunStarted)[0].target == git(site.world.repo, "rev-parse", "main^1")
    site.kept([101])


def test_branches_that_have_parted_are_brought_together_by_a_person(site: Site) -> None:
    site.issues(101)
    somebody_pushes(site.bare, {"theirs.txt": "1\n"})
    commit(site.world.repo, {"ours.txt": "1\n"}, "ours")
    before = site.both
    ended = site.world.start()
    assert ended.code == 2
    assert "have parted" in ended.said
    assert site.both == before
    assert not site.world.has_run


def test_a_rewritten_remote_stops_the_run_and_says_what_is_missing(site: Site) -> None:
    site.world.agent(102, World.until_let("on") + "echo two > two\n")
    site.world.issue(101)
    site.world.issue(102, after=[101])
    git(site.world.repo, "push", "--quiet", "origin", "main")
    live = site.world.begin_start()
    live.until("#102 works", lambda: site.world.stands(102) == "working")
    landed, before = head(site.bare, "main"), git(site.bare, "rev-parse", "main^1")
    git(site.bare, "update-ref", "refs/heads/main", before)
    somebody_pushes(site.bare, {"theirs.txt": "1\n"})
    site.world.let("on")
    ended = live.wait()
    assert ended.code == 3
    assert landed[:12] in ended.said


def test_a_checkout_in_the_way_is_seen_before_the_remote_moves(site: Site) -> None:
    site.world.agent(101, World.until_let("on") + "echo changed > README.md\n")
    site.issues(101)
    live = site.world.begin_start()
    live.until("#101 works", lambda: site.world.stands(101) == "working")
    (site.world.repo / "README.md").write_text("mine\n")
    before = site.both
    site.world.let("on")
    ended = live.wait()
    assert ended.code == 3, ended.said
    assert site.both == before
    git(site.world.repo, "checkout", "--quiet", "README.md")
    resumed = site.world.resume()
    assert resumed.code == 0, resumed.said
    site.kept([101])


def test_over_http_with_a_token(site: Site) -> None:
    site.issues(101)
    with served(site.bare.parent, "bot:s3cret-t0ken") as address:
        url = f"{address}/shop.git"
        git(site.world.repo, "remote", "set-url", "origin", url.replace("://", "://bot:s3cret-t0ken@"))
        ended = site.world.start()
    assert ended.code == 0, ended.said
    site.kept([101])
    for file in (site.world.repo / ".git/mawep").rglob("*"):
        if file.is_file():
            assert b"s3cret" not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda site: git(site.world.repo, "remote", "remove", "origin"), "there is no remote `origin`"),
        (lambda site: shutil.rmtree(site.bare), "cannot be reached"),
        (lambda site: hook(site.bare, "pre-receive", "exit 0"), ""),
    ],
)
def test_preflight_knows_whether_it_may_push(site: Site, break_it: object, said: str) -> None:
    site.issues(101)
    assert callable(break_it)
    break_it(site)
    ended = site.world.start()
    assert (ended.code == 2) is bool(said), ended.said
    assert said in ended.said


def test_what_landed_on_the_remote_before_is_not_done_again(site: Site) -> None:
    site.issues(101)
    assert site.world.start().code == 0
    git(site.world.repo, "reset", "--quiet", "--hard", "HEAD^1")
    again = site.world.start()
    assert again.code == 0, again.said
    assert "has landed" in again.said
