"""Agents behind walls: they do their work, reach their model and nobody else, and leave alone what is not theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clis.crew import KEY, PATIENCE, WALLED, Crew, work
from tests.clis.fleet import Member
from tests.clis.outside import tries, watching
from tests.clis.results import found
from tests.models.server import ModelServer
from tests.support import promises
from tests.support.world import MAWEP

pytestmark = [pytest.mark.clis, pytest.mark.timeout(300)]

CLAIMED = "shared.txt"


def test_behind_walls_an_agent_reaches_its_model_and_nobody_else(
    member: Member, model: ModelServer, tmp_path: Path
) -> None:
    crew = Crew(tmp_path, member, model, agents=WALLED)
    secret = Path(os.environ["HOME"], "secret")
    secret.write_text("top secret\n")
    crew.write({CLAIMED: "as it was\n", "trespass.sh": trespasses(crew, secret)})
    crew.piece(101, work(101, pause="102 has ended"), files=[CLAIMED])
    crew.piece(102, [{"do": [{"run": "sh trespass.sh"}], "hold": "101 is at work"}, *work(102)])
    crew.piece(103, work(103), after=[102])
    log = tmp_path / "connections"
    live = crew.begin("start", "--issues", "all", "--json", program=(*watching(log), *MAWEP))
    live.until("both are at work", lambda: model.waits("102") and model.ledger.steps("101"), PATIENCE)
    model.release("101 is at work")
    live.until("#102 has landed", lambda: crew.stands(102) == "landed", PATIENCE)
    assert crew.git("show", f"main:{CLAIMED}") == "as it was"
    model.release("102 has ended")
    ended = live.wait(PATIENCE)
    assert ended.code == 0, ended.said
    promises.kept(crew)
    assert (crew.repo / "trespasses.txt").read_text().split() == ["refused"] * 5
    assert model.ledger.secrets == {KEY}
    spent = sum(sum(request.usage) for request in model.ledger.requests)
    # A title that an agent asks for when its turn is over already may come too late to be counted.
    beside = sum(sum(request.usage) for request in model.ledger.requests if request.step is None)
    assert spent - beside <= sum(issue["tokens"] for issue in ended.document["issues"]) <= spent
    outside = [one for one in tries(log) if not one.local]
    assert [str(one) for one in outside if not one.refused] == []
    found(member.runtime, "walled", sandboxed=True, refused=sorted({one.where for one in outside}))


def trespasses(crew: Crew, secret: Path) -> str:
    """A script that tries to do what no agent may, and notes in its worktree what became of it."""
    tried = [
        f"echo by 102 >> {CLAIMED}",
        f"cat {secret}",
        "touch /usr/by-102",
        "git config core.hooksPath /tmp",
        f"cat /proc/[0-9]*/environ | grep -q {KEY}",
    ]
    notes = [f"({one}) 2>/dev/null >&2 && echo done || echo refused" for one in tried]
    # The checkout is not there; what is written in its place is gone with the walls, and found to be so at the end.
    return f"touch {crew.repo}/by-102\n{{ {'; '.join(notes)}; }} > trespasses.txt\n"
