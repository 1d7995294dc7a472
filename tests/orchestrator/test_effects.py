"""Effects: whole runs in this process, with real git, agents, gate, bus and journal; each asks for what it is about."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mawep.adapters.git import find_repository
from mawep.cli.conduct import Conducted, Conductor, View
from mawep.clock import SystemClock
from mawep.config import load_config
from mawep.coordination import channels
from mawep.coordination import payloads as wire
from mawep.coordination.bus import Bus
from mawep.coordination.envelopes import MAX_BYTES
from mawep.coordination.identity import Identity, Keyring
from mawep.core import events as ev
from mawep.core.model import Dependency, FailureReason, Issue, IssueState
from mawep.orchestrator.hall import Orchestrator
from mawep.state import journal as journals
from mawep.state.runs import RunDirectory
from tests.support.outages import workers_cut_off
from tests.support.repos import commit, git, head, make_repository, write
from tests.support.waiting import eventually

PATIENCE = 60.0


@dataclass
class Site:
    """A repository, its configuration, and the runs on it."""

    root: Path
    extra: dict[str, object] = field(default_factory=dict)
    hall: Orchestrator | None = None
    buses: Sequence[Bus] = ()
    directory: RunDirectory | None = None

    @property
    def checkout(self) -> Path:
        return self.root / "repo"

    def agent(self, number: int, script: str) -> None:
        write(self.root / "agents" / f"{number}.sh", script + "\n")

    async def conduct(self, *issues: Issue, gate: str = "true") -> Conducted:
        agents = shlex.quote(str(self.root / "agents"))
        settings = {
            "orchestrator": {"max_agents": 2, "worktree_base": str(self.root / "trees")},
            "workspace": {"disk_floor_gb": 0.01, "spares": 1, **self._of("workspace")},
            "agents": {
                "runtime": "command",
                "command": ["sh", "-c", f". {agents}/$MAWEP_ISSUE.sh"],
                "sandbox": "off",
                **self._of("agents"),
            },
            "verify": {"commands": [gate], **self._of("verify")},
            "message_bus": {"lease_seconds": 10},
        }
        path = self.root / "mawep.yaml"
        path.write_text(json.dumps({"mawep": settings}))
        config = load_config(path, [], os.environ)
        conductor = Conductor(
            await find_repository(self.checkout), config, SystemClock(), View(began=self._began)
        )
        return await asyncio.wait_for(conductor.start(issues), PATIENCE)

    def _of(self, section: str) -> dict[str, object]:
        found = self.extra.get(section, {})
        return dict(found) if isinstance(found, dict) else {}

    def _began(self, directory: RunDirectory, hall: Orchestrator, buses: Sequence[Bus]) -> None:
        self.directory, self.hall, self.buses = directory, hall, buses

    async def said(self, number: int, state: IssueState) -> None:
        def stands() -> bool:
            return self.hall is not None and self.hall.state.issues[number].state is state

        await eventually(f"#{number} is {state}", stands, PATIENCE)

    def events(self, kind: type[ev.Event]) -> list[ev.AnyEvent]:
        assert self.directory is not None
        recorded = journals.read(self.directory.journal)
        return [one.event for one in recorded if isinstance(one.event, kind)]


@pytest.fixture
def site(tmp_path: Path, clean_repository: Callable[..., None]) -> Site:
    checkout = make_repository(tmp_path / "repo", {"a.txt": "a\n", "b.txt": "b\n"})
    clean_repository(checkout, keep=("refs/mawep/", f"{tmp_path / 'trees'}/agent-"))
    return Site(tmp_path)


def issue(number: int, *on: int, files: tuple[str, ...] = ()) -> Issue:
    return Issue(number, f"Thing {number}", depends_on=tuple(Dependency(n) for n in on), files=files)


async def test_a_dependent_begins_on_what_it_depends_on(site: Site) -> None:
    site.agent(1, "echo one > one.txt")
    site.agent(2, "cat one.txt > two.txt")
    conducted = await site.conduct(issue(1), issue(2, 1))
    assert (conducted.failure, conducted.state.ended) == (None, "landed")
    assert git(site.checkout, "show", "main:two.txt") == "one"
    assert git(site.checkout, "status", "--porcelain") == ""
    refs = git(site.checkout, "for-each-ref", "--format=%(refname)").splitlines()
    assert refs == ["refs/heads/main"], "what landed needs no refs of ours"


async def test_a_red_gate_is_shown_to_the_agent_which_corrects_it(site: Site) -> None:
    site.agent(
        1, 'if [ -n "$MAWEP_FEEDBACK_FILE" ]; then cp "$MAWEP_FEEDBACK_FILE" good.txt; fi; echo x >> x'
    )
    conducted = await site.conduct(issue(1), gate="test -f good.txt || { echo there is no good; exit 1; }")
    assert conducted.state.ended == "landed"
    assert "there is no good" in git(site.checkout, "show", "main:good.txt")
    assert len(site.events(ev.RepairIntended)) == 1


async def test_a_gate_that_stays_red_fails_the_issue_with_its_work_kept(site: Site) -> None:
    site.extra = {"agents": {"repair_rounds": 0}}
    site.agent(1, "echo x > x")
    conducted = await site.conduct(issue(1), gate="echo never; exit 1")
    record = conducted.state.issues[1]
    assert (record.state, record.reason) == (IssueState.FAILED, FailureReason.GATE_FAILED)
    assert record.salvage is not None
    assert git(site.checkout, "show", f"{record.salvage}:x") == "x"


async def test_a_tree_that_cannot_be_set_up_is_red(site: Site) -> None:
    site.extra = {"agents": {"repair_rounds": 0}, "workspace": {"setup": ["test ! -f breaks.txt"]}}
    site.agent(1, "echo x > breaks.txt")
    conducted = await site.conduct(issue(1))
    record = conducted.state.issues[1]
    assert (record.state, record.reason) == (IssueState.FAILED, FailureReason.GATE_FAILED)
    assert "set-up failed" in record.detail


async def test_a_protected_path_is_refused_and_nothing_lands(site: Site) -> None:
    site.agent(1, "mkdir .github; echo x > .github/x.yml")
    conducted = await site.conduct(issue(1))
    assert conducted.state.issues[1].reason is FailureReason.PROTECTED_PATH
    assert head(site.checkout, "main") == conducted.state.first_target


async def test_writing_what_another_has_claimed_can_be_undone_in_a_repair(site: Site) -> None:
    site.agent(1, "while [ ! -e ../../go ]; do sleep 0.05; done; echo one > a.txt")
    site.agent(
        2,
        'if [ -n "$MAWEP_FEEDBACK_FILE" ]; then git checkout -q main -- a.txt; touch ../../go;'
        " else echo two > a.txt; fi; echo two > two.txt",
    )
    conducted = await site.conduct(issue(1, files=("a.txt",)), issue(2))
    assert conducted.state.ended == "landed"
    (refused,) = site.events(ev.ImportRefused)
    assert isinstance(refused, ev.ImportRefused) and refused.reason is FailureReason.CLAIM_CONFLICT
    assert git(site.checkout, "show", "main:a.txt") == "one"


async def test_one_that_conflicts_is_parked_with_its_hunks_and_the_other_lands(site: Site) -> None:
    for number in (1, 2):
        site.agent(number, f"echo {number} > a.txt")
    conducted = await site.conduct(issue(1), issue(2))
    states = {number: conducted.state.issues[number].state for number in (1, 2)}
    assert set(states.values()) == {IssueState.LANDED, IssueState.PARKED}
    (parked,) = [n for n, state in states.items() if state is IssueState.PARKED]
    assert "a.txt" in conducted.state.issues[parked].hunks


async def test_what_rules_resolve_lands_with_both_sides_when_its_gate_is_green(site: Site) -> None:
    site.agent(1, "printf 'import ast\\nimport re\\n' > m.py; while [ ! -e ../../go ]; do sleep 0.05; done")
    site.agent(2, "printf 'import ast\\nimport sys\\n' > m.py; while [ ! -e ../../go ]; do sleep 0.05; done")
    commit(site.checkout, {"m.py": "import ast\n"})
    running = asyncio.create_task(site.conduct(issue(1), issue(2)))
    await site.said(1, IssueState.WORKING)
    await site.said(2, IssueState.WORKING)
    (site.root / "go").touch()
    conducted = await running
    assert conducted.state.ended == "landed"
    assert git(site.checkout, "show", "main:m.py") == "import ast\nimport re\nimport sys"
    assert "- m.py: imports (" in git(site.checkout, "log", "--first-parent", "--format=%B", "main")


async def test_what_rules_resolve_does_not_land_when_its_gate_is_red(site: Site) -> None:
    site.agent(1, "printf 'import ast\\nimport re\\n' > m.py; while [ ! -e ../../go ]; do sleep 0.05; done")
    site.agent(2, "printf 'import ast\\nimport sys\\n' > m.py; while [ ! -e ../../go ]; do sleep 0.05; done")
    commit(site.checkout, {"m.py": "import ast\n"})
    running = asyncio.create_task(
        site.conduct(issue(1), issue(2), gate="! { grep -q re m.py && grep -q sys m.py; }")
    )
    await site.said(1, IssueState.WORKING)
    await site.said(2, IssueState.WORKING)
    (site.root / "go").touch()
    conducted = await running
    states = sorted(conducted.state.issues[number].state for number in (1, 2))
    assert states == [IssueState.LANDED, IssueState.PARKED]
    assert git(site.checkout, "show", "main:m.py").count("import") == 2


async def test_red_only_together_parks_one_and_lands_the_other(site: Site) -> None:
    for number in (1, 2):
        site.agent(number, f"echo {number} > {number}.txt; while [ ! -e ../../go ]; do sleep 0.05; done")
    running = asyncio.create_task(
        site.conduct(issue(1), issue(2), gate="! { test -f 1.txt && test -f 2.txt; }")
    )
    await site.said(1, IssueState.WORKING)
    await site.said(2, IssueState.WORKING)
    (site.root / "go").touch()
    conducted = await running
    states = sorted(conducted.state.issues[number].state for number in (1, 2))
    assert states == [IssueState.LANDED, IssueState.PARKED]


async def test_a_target_that_moves_forward_is_composed_on_again(site: Site) -> None:
    site.agent(1, "while [ ! -e ../../go ]; do sleep 0.05; done; echo one > one.txt")
    running = asyncio.create_task(site.conduct(issue(1)))
    await site.said(1, IssueState.WORKING)
    theirs = commit(site.checkout, {"theirs.txt": "theirs\n"})
    (site.root / "go").touch()
    conducted = await running
    assert conducted.state.ended == "landed"
    assert git(site.checkout, "rev-list", "--first-parent", "main").splitlines()[1] == theirs
    assert git(site.checkout, "show", "main:one.txt") == "one"


async def test_a_person_can_stop_an_agent_with_its_work_kept(site: Site) -> None:
    site.agent(1, "echo half > half.txt; exec sleep 60")
    running = asyncio.create_task(site.conduct(issue(1)))
    await site.said(1, IssueState.WORKING)
    assert site.directory is not None
    half = site.root / "trees" / "agent-0-issue-1" / "half.txt"
    await eventually("it has begun", lambda: half.exists() and half.read_text(), PATIENCE)
    person = person_on(site)
    message = wire.Send(target="1", text="hurry")
    assert (await asked(person, message)).text == "sent to #1"
    assert (await asked(person, wire.Cancel(issues=[1]))).ok
    conducted = await running
    record = conducted.state.issues[1]
    assert record.state is IssueState.CANCELLED
    assert record.salvage is not None
    assert git(site.checkout, "show", f"{record.salvage}:half.txt") == "half"


def person_on(site: Site) -> Bus:
    """A visitor on the live run's bus."""
    assert site.directory is not None
    identity = Identity.load_or_create(site.directory.keys, "cli-1")
    connection = site.buses[0]._connection
    return Bus(
        connection, site.directory.run, identity, Keyring(directory=site.directory.keys), SystemClock()
    )


async def asked(person: Bus, verb: wire.Payload) -> wire.Reply:
    reply = await person.request(channels.direct(channels.ORCHESTRATOR), verb, PATIENCE)
    assert isinstance(reply, wire.Reply)
    return reply


@pytest.mark.parametrize(
    "large",
    [
        Issue(1, "Thing 1", body="x" * MAX_BYTES),
        Issue(1, "Thing 1", files=tuple(f"{n}/{'x' * 4000}" for n in range(300))),
    ],
    ids=["body", "files"],
)
async def test_an_issue_too_large_to_be_assigned_fails_and_the_rest_lands(site: Site, large: Issue) -> None:
    for number in (1, 2):
        site.agent(number, f"echo {number} > {number}.txt")
    conducted = await site.conduct(large, issue(2))
    record = conducted.state.issues[1]
    assert (record.state, record.reason) == (IssueState.FAILED, FailureReason.WORKSPACE_ERROR)
    assert "too large for one message" in record.detail
    assert (conducted.failure, conducted.state.ended) == (None, "partial")
    assert git(site.checkout, "show", "main:2.txt") == "2"


async def test_a_repair_too_large_to_be_told_fails_the_attempt_and_ends_its_agent(site: Site) -> None:
    scripts = site.root / "scripts"
    site.extra = {"agents": {"runtime": "scripted", "command": None, "script_dir": str(scripts)}}
    write(scripts / "1.yaml", json.dumps({"steps": [{"write": {"path": "one.txt", "text": "one\n"}}]}))
    wait = f"while [ ! -e {site.root}/go ]; do sleep 0.05; done; echo two > two.txt"
    write(scripts / "2.yaml", json.dumps({"steps": [{"run": wait}]}))
    evidence = "{ head -c 7900 /dev/zero | tr '\\0' x; exit 1; }"
    large = Issue(1, "Thing 1", body="x" * (MAX_BYTES - 66_000))  # little is left beside it and its prompt
    running = asyncio.create_task(site.conduct(large, issue(2), gate=f"! test -f one.txt || {evidence}"))
    await site.said(1, IssueState.FAILED)
    (began,) = [
        e for e in site.events(ev.AttemptStarted) if isinstance(e, ev.AttemptStarted) and e.issue == 1
    ]
    await eventually("its agent has ended", lambda: not Path(f"/proc/{began.pid}").exists(), PATIENCE)
    (site.root / "go").touch()
    conducted = await running
    record = conducted.state.issues[1]
    assert record.reason is FailureReason.WORKSPACE_ERROR and record.attempt is not None
    assert len(site.events(ev.RepairIntended)) == 1
    assert git(site.checkout, "show", f"{record.attempt.branch}:one.txt") == "one"
    assert conducted.state.issues[2].state is IssueState.LANDED


async def test_an_agent_is_stopped_however_much_there_is_to_say_about_it(site: Site) -> None:
    site.agent(1, "echo half > half.txt; exec sleep 60")
    running = asyncio.create_task(site.conduct(issue(1)))
    await site.said(1, IssueState.WORKING)
    half = site.root / "trees" / "agent-0-issue-1" / "half.txt"
    await eventually("it has begun", half.exists, PATIENCE)
    assert site.hall is not None
    site.hall.tell(ev.IssueCancelled(1, "x" * MAX_BYTES))
    record = (await running).state.issues[1]
    assert record.state is IssueState.CANCELLED
    assert record.salvage is not None, "its worker has heard that it is to stop"


async def test_what_an_agent_must_hear_is_said_again_after_a_short_outage(site: Site) -> None:
    """The server lives on and nobody restarts it: who was not heard has to say it again himself."""
    site.agent(1, "echo half > half.txt; exec sleep 60")
    running = asyncio.create_task(site.conduct(issue(1)))
    await site.said(1, IssueState.WORKING)
    half = site.root / "trees" / "agent-0-issue-1" / "half.txt"
    await eventually("it has begun", half.exists, PATIENCE)
    assert site.directory is not None
    async with workers_cut_off(site.buses[0]._connection, site.directory.run) as refused:
        assert (await asked(person_on(site), wire.Cancel(issues=[1]))).ok
        probe: Callable[[], bool | Awaitable[bool]] = refused
        await eventually("the worker is told in vain", probe, PATIENCE)
    record = (await running).state.issues[1]
    assert record.state is IssueState.CANCELLED
    assert record.salvage is not None, "its worker has heard that it is to stop"


async def test_an_answer_of_a_person_reaches_the_agent(site: Site) -> None:
    scripts = site.root / "scripts"
    site.extra = {"agents": {"runtime": "scripted", "command": None, "script_dir": str(scripts)}}
    steps = [
        {"ask": {"text": "Which?", "options": ["this", "that"]}},
        {"write": {"path": "answer.txt", "text": "${ANSWER}\n"}},
    ]
    write(scripts / "1.yaml", json.dumps({"steps": steps}))
    running = asyncio.create_task(site.conduct(issue(1)))
    await site.said(1, IssueState.NEEDS_INPUT)
    verb = wire.AnswerQuestion(issue=1, question_id=None, text="that")
    assert (await asked(person_on(site), verb)).ok
    assert (await running).state.ended == "landed"
    assert git(site.checkout, "show", "main:answer.txt") == "that"


async def test_a_lock_on_packed_refs_does_not_keep_a_run_from_ending(site: Site) -> None:
    """An agent's own `git gc` may die with its agent."""
    site.agent(1, "echo x > x; git pack-refs --all; touch $(git rev-parse --git-common-dir)/packed-refs.lock")
    lock = site.checkout / ".git" / "packed-refs.lock"
    try:
        assert (await site.conduct(issue(1))).state.ended == "landed"
        assert lock.exists(), "it is not ours to take away"
    finally:
        lock.unlink(missing_ok=True)
