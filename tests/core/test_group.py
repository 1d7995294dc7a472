"""Several runs together: what each is told, by how all of them stand."""

from __future__ import annotations

from mawep.core import events as ev
from mawep.core import group
from mawep.core.model import FailureReason, Far, IssueState, Rules
from mawep.core.outside import DONE
from mawep.core.schedule import agents_wanted
from tests.core.driver import Driver, issue
from tests.core.test_far import far

API, WEB = "acme/api", "acme/web"
ON = Far(API, 1)


def shared(*issues: object, agents: int = 2) -> Driver:
    return Driver(*issues, rules=Rules(max_agents=agents, shared=True))  # type: ignore[arg-type]


class Office:
    """A group whose runs hear at once what they are told."""

    def __init__(self, agents: int, **runs: Driver) -> None:
        self.runs = {f"acme/{name}": run for name, run in runs.items()}
        self.group = group.group_of(agents, self.runs)
        for name in self.runs:
            self.see(name)

    def see(self, name: str) -> None:
        run = self.runs[name]
        self.group = group.seen(self.group, name, run.state, run.now)

    def let_in(self) -> None:
        while name := group.admissible(self.group):
            self.group = group.admit(self.group, name)

    def tell(self) -> list[group.News]:
        """One round: what is told, and heard."""
        news = group.news(self.group)
        self.group = group.told(self.group, news)
        for name, event in news:
            self.runs[name].go(event)
        for name in self.runs:
            self.see(name)
        return news

    def settle(self) -> None:
        self.let_in()
        while self.tell():
            pass

    def at(self, name: str, number: int) -> IssueState:
        return self.runs[name].at(number)


def test_who_waits_is_told_how_it_stands_and_no_more_than_once() -> None:
    office = Office(2, api=shared(issue(1)), web=shared(far(7, f"{API}#1"), issue(8)))
    office.settle()
    assert office.runs[WEB].state.far[ON].state is IssueState.ASSIGNED
    assert office.tell() == []
    office.runs[API].land(1)
    office.see(API)
    office.settle()
    assert office.at(WEB, 7) is IssueState.ASSIGNED
    assert group.standing(office.group, ON) == ev.FarSeen(ON, IssueState.LANDED)
    assert office.tell() == []


def test_what_waits_elsewhere_for_what_is_taken_back_waits_again() -> None:
    office = Office(2, api=shared(issue(1)), web=shared(far(7, f"{API}#1", near=(8,)), issue(8)))
    api, web = office.runs[API], office.runs[WEB]
    office.settle()
    api.land(1)
    office.see(API)
    office.settle()
    assert (web.state.unmet[7], office.at(WEB, 7)) == (1, IssueState.WAITING)
    api.go(ev.RevertAsked(issue(1), (ev.Landed(1, api.state.issues[1].landed_as or ""),), "ann"))
    office.see(API)
    office.settle()
    assert web.state.unmet[7] == 2
    web.land(8)
    office.see(WEB)
    office.settle()
    assert office.at(WEB, 7) is IssueState.WAITING
    api.go(ev.IssueParked(1, "later work builds on it", "", ()))
    office.see(API)
    office.settle()
    assert office.at(WEB, 7) is IssueState.BLOCKED
    api.go(ev.IssueCancelled(1, "ann"))
    office.see(API)
    office.settle()
    assert (web.state.unmet[7], office.at(WEB, 7)) == (0, IssueState.ASSIGNED)


def test_nobody_is_told_of_a_run_that_has_not_been_seen() -> None:
    web = shared(far(7, f"{API}#1"))
    known = group.seen(group.group_of(2, [API, WEB]), WEB, web.state, web.now)
    assert group.standing(known, ON) is None
    assert group.news(known) == []
    gone = group.left(known, API)
    assert group.standing(gone, ON) == ev.FarSeen(ON, IssueState.WAITING, "its run did not begin", over=True)


def test_what_nobody_works_on_will_not_land() -> None:
    office = Office(2, api=shared(issue(1)))
    missing = group.standing(office.group, Far(API, 99))
    assert missing == ev.FarSeen(
        Far(API, 99), IssueState.WAITING, f"it is not in the run of {API}", over=True
    )
    assert group.standing(office.group, Far("acme/other", 1)) is not None


def test_what_a_person_closed_as_completed_counts_as_landed() -> None:
    run = shared(issue(1), issue(2))
    run.go(ev.IssueCancelled(1, f"{DONE} by ada"), ev.IssueCancelled(2, "ada"))
    office = Office(2, api=run)
    assert group.standing(office.group, ON) == ev.FarSeen(ON, IssueState.LANDED, f"{DONE} by ada")
    assert group.standing(office.group, Far(API, 2)) == ev.FarSeen(
        Far(API, 2), IssueState.CANCELLED, "by ada"
    )


def test_why_it_will_not_land_is_told() -> None:
    run = shared(issue(1), issue(2, 1), far(3, "acme/docs#4"), issue(4), agents=9)
    run.go(ev.FarSeen(Far("acme/docs", 4), IssueState.PARKED), ev.AgentsAllowed(9))
    run.start(1)
    run.go(ev.AttemptFailed(1, run.fence(1), FailureReason.STALLED))
    office = Office(2, api=run)

    def why(number: int) -> tuple[IssueState, str]:
        found = group.standing(office.group, Far(API, number))
        assert found is not None and not found.over
        return found.state, found.why

    assert why(1) == (IssueState.FAILED, "stalled")
    assert why(2) == (IssueState.BLOCKED, "by acme/api#1")
    assert why(3) == (IssueState.BLOCKED, "by acme/docs#4")
    assert why(4) == (IssueState.ASSIGNED, "")


def test_a_run_that_is_over_lands_nothing_more() -> None:
    ended = shared(issue(1), issue(2))
    ended.tell(ev.RunEnded("failed"))
    office = Office(2, api=ended)
    assert group.standing(office.group, ON) == ev.FarSeen(
        ON, IssueState.READY, "its run has ended", over=True
    )
    stopped = shared(issue(1))
    office = Office(2, api=stopped)
    gone = group.left(office.group, API)
    assert group.standing(gone, ON) == ev.FarSeen(ON, IssueState.READY, "its run stopped", over=True)


def test_who_leaves_at_ctrl_c_comes_back() -> None:
    office = Office(2, api=shared(issue(1)), web=shared(far(7, f"{API}#1")))
    office.settle()
    office.group = group.left(group.interrupted(office.group), API)
    assert office.tell() == []


def test_issues_that_come_to_wait_for_each_other_are_blocked_and_told_why() -> None:
    api = shared(far(1, f"{WEB}#7"), issue(2), issue(3), agents=3)
    office = Office(3, api=api, web=shared(far(7, f"{API}#2"), issue(8), agents=3))
    office.settle()
    assert office.at(WEB, 7) is IssueState.WAITING
    api.go(ev.AgentsAllowed(1), ev.AttemptInterrupted(2, api.fence(2)), ev.DependencyAdded(2, 1, "native"))
    office.see(API)
    office.settle()
    assert (office.at(API, 1), office.at(WEB, 7)) == (IssueState.BLOCKED, IssueState.BLOCKED)
    why = office.runs[WEB].state.far[Far(API, 2)].why
    assert why == f"these issues wait for each other: {API}#1 → {WEB}#7 → {API}#2 → {API}#1"
    api.go(ev.DependencyRemoved(2, 1))
    office.see(API)
    office.settle()
    assert office.at(WEB, 7) is IssueState.WAITING


def test_agents_go_to_who_has_work_and_are_never_too_many() -> None:
    api, web = shared(*map(issue, range(1, 6)), agents=3), shared(issue(7), far(8, f"{API}#1"), agents=3)
    office = Office(3, api=api, web=web)
    office.settle()
    assert (len(api.state.slots), len(web.state.slots)) == (2, 1)
    web.queue(7)
    office.see(WEB)
    office.settle()
    assert (len(api.state.slots), len(web.state.slots)) == (3, 0)


def test_a_run_that_left_frees_its_agents() -> None:
    api, web = shared(*map(issue, range(1, 6)), agents=2), shared(issue(7), agents=2)
    office = Office(2, api=api, web=web)
    office.settle()
    assert (len(api.state.slots), len(web.state.slots)) == (1, 1)
    web.tell(ev.RunStopped("the bus is gone"))
    office.see(WEB)
    office.group = group.left(office.group, WEB)
    office.settle()
    assert len(api.state.slots) == 2


def test_who_comes_back_is_let_in_when_there_is_room_for_all_it_had() -> None:
    api, web = shared(*map(issue, range(1, 4)), agents=2), shared(issue(7), issue(8), agents=2)
    api.go(ev.AgentsAllowed(2))
    web.go(ev.AgentsAllowed(2))
    office = Office(2, api=api, web=web)
    office.let_in()
    api.go(ev.RunResumed("another process"))
    office.see(API)
    assert group.admissible(office.group) is None
    assert office.tell() == [], "no agent of the first is replaced while the second waits for room"
    for number in (1, 2):
        api.go(
            ev.StopIntended(number, api.fence(number), None), ev.AttemptInterrupted(number, api.fence(number))
        )
        office.see(API)
        office.tell()
    assert len(api.state.slots) == 0
    assert group.admissible(office.group) == WEB


def test_a_run_wants_as_many_agents_as_could_be_at_work_at_once() -> None:
    run = shared(issue(1), issue(2), agents=1)
    assert agents_wanted(run.state, run.now) == 1
    assert agents_wanted(shared(issue(1), issue(2), agents=3).state, run.now) == 2
