"""However late anybody hears and gives back: never too many agents, nobody is passed over, and it comes to rest."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from mawep.core.allotment import Demand, allot, shares


@dataclass
class Team:
    """A run, as the hub and as it itself sees what it is allowed."""

    wants: int
    told: int = 0
    knows: int = 0
    held: int = 0
    turn: int = 0

    @property
    def demand(self) -> Demand:
        need = max(self.held, self.wants)
        return Demand(self.told, max(self.held, self.knows), need, self.turn)


class Office:
    """Some teams that share agents; what each is told is heard when it pleases."""

    def __init__(self, total: int, wants: list[int]) -> None:
        self.total, self.turns = total, 0
        self.teams = {f"team {place}": Team(want) for place, want in enumerate(wants)}

    def tell(self) -> None:
        allowed = allot(self.total, {name: team.demand for name, team in self.teams.items()})
        news = [(self.teams[name], agents) for name, agents in allowed.items()]
        news = [(team, agents) for team, agents in news if agents != team.told and team.told == team.knows]
        for team, agents in news:
            team.told = agents
        self.check()

    def hear(self, team: Team) -> None:
        team.knows = team.told
        self.check()

    def begin(self, team: Team) -> None:
        if team.held < min(team.knows, team.wants):
            team.held += 1
            self.turns += 1
            team.turn = self.turns
        self.check()

    def finish(self, team: Team) -> None:
        team.held = max(0, team.held - 1)

    def check(self) -> None:
        assert sum(team.held for team in self.teams.values()) <= self.total
        assert sum(max(team.told, team.knows, team.held) for team in self.teams.values()) <= self.total

    def settle(self) -> None:
        for _ in range(100):
            before = str(self.teams)
            self.tell()
            for team in self.teams.values():
                self.hear(team)
                for _ in range(team.knows):
                    self.begin(team)
            if str(self.teams) == before:
                return
        raise AssertionError("they never come to rest")


WANTS = st.lists(st.integers(0, 8), min_size=1, max_size=4)
STEPS = st.lists(
    st.tuples(st.sampled_from(("tell", "hear", "begin", "finish", "want")), st.integers(0, 8)), max_size=60
)


@given(total=st.integers(1, 8), wants=WANTS, steps=STEPS)
def test_there_are_never_too_many_whatever_comes_when(
    total: int, wants: list[int], steps: list[tuple[str, int]]
) -> None:
    office = Office(total, wants)
    teams = list(office.teams.values())
    for what, number in steps:
        team = teams[number % len(teams)]
        if what == "tell":
            office.tell()
        elif what == "want":
            team.wants = number
        else:
            getattr(office, what)(team)
    office.settle()
    needed = sum(max(team.held, team.wants) for team in teams)
    assert sum(team.held for team in teams) == min(total, needed), "no agent is idle while there is work"


@given(total=st.integers(1, 6), wants=WANTS)
def test_whoever_has_work_gets_an_agent_in_turn(total: int, wants: list[int]) -> None:
    office = Office(total, wants)
    served: set[str] = set()
    for _ in range(40):
        office.settle()
        served |= {name for name, team in office.teams.items() if team.held}
        working = [team for team in office.teams.values() if team.held]
        if working:
            office.finish(min(working, key=lambda team: team.turn))
    assert served == {name for name, team in office.teams.items() if team.wants}


@given(total=st.integers(0, 12), wants=WANTS)
def test_a_share_is_fair(total: int, wants: list[int]) -> None:
    fair = shares(total, [Demand(0, 0, want) for want in wants])
    assert sum(fair) == min(total, sum(wants))
    assert all(share <= want for share, want in zip(fair, wants, strict=True))
    lacking = [share for share, want in zip(fair, wants, strict=True) if share < want]
    assert not lacking or max(fair) <= min(lacking) + 1
