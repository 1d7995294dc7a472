"""A file that another attempt has claimed stays as it is, by whichever layer an agent allows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mawep.core import events as ev
from tests.clis.crew import PATIENCE, Crew
from tests.clis.fleet import Member
from tests.clis.results import found
from tests.models.server import ModelServer
from tests.support import promises

pytestmark = [pytest.mark.clis, pytest.mark.timeout(300)]

CLAIMED = "shared.txt"


def test_a_claimed_file_is_left_alone(member: Member, model: ModelServer, tmp_path: Path) -> None:
    crew = Crew(tmp_path, member, model)
    crew.write({CLAIMED: "as it was\n"})
    crew.piece(
        101, [{"do": [{"read": CLAIMED}], "hold": "102 has ended"}, *edits("by 101\n")], files=[CLAIMED]
    )
    undo = {"say": "Undoing it.", "do": [{"run": f"git checkout {base(crew)} -- {CLAIMED}"}]}
    crew.piece(
        102,
        [
            {"do": [{"read": CLAIMED}], "hold": "101 has begun"},
            *edits("by 102\n"),
            undo,
            {"do": [{"commit": "Leave it alone"}]},
            {"say": "It is as it was."},
        ],
    )
    live = crew.begin_start()
    live.until("both are at work", lambda: model.waits("101") and model.waits("102"), PATIENCE)
    model.release("101 has begun")
    live.until("#102 has landed", lambda: crew.stands(102) == "landed", PATIENCE)
    assert crew.git("show", f"main:{CLAIMED}") == "as it was"
    model.release("102 has ended")
    ended = live.wait(PATIENCE)
    assert ended.code == 0, ended.said
    promises.kept(crew)
    assert crew.git("show", f"main:{CLAIMED}") == "by 101"
    assert (crew.repo / "own.txt").read_text() == "by 102\n"
    layer = "permission" if was_refused(crew, 102) else "check of the diff"
    repaired = [event.issue for event in crew.events(ev.RepairIntended)]
    assert repaired == ([] if layer == "permission" else [102])
    if member.asks:
        assert layer == "permission"
    found(member.runtime, "claims", asks=was_asked(crew, 102), claim_kept_by=layer)


def base(crew: Crew) -> str:
    """The commit that every attempt starts from."""
    return crew.git("rev-parse", "main")


def edits(text: str) -> list[dict[str, object]]:
    """Steps that write to the claimed file and to one of one's own, and commit."""
    own = {"write": {"path": "own.txt" if "102" in text else "piece-101.txt", "text": text}}
    return [
        {"say": "Writing.", "do": [{"write": {"path": CLAIMED, "text": text}}]},
        {"say": "Writing my own.", "do": [own]},
        {"say": "Committing.", "do": [{"commit": f"Write {text.strip()}"}]},
        {"say": "Written."},
    ]


def was_asked(crew: Crew, number: int) -> bool:
    """True when the agent asked for leave at all."""
    return any(message.get("method") == "session/request_permission" for message in messages(crew, number))


def was_refused(crew: Crew, number: int) -> bool:
    """True when something that the agent asked leave for was refused."""
    results = [message.get("result") for message in messages(crew, number)]
    outcomes = [result.get("outcome") for result in results if isinstance(result, dict)]
    chosen = [outcome.get("optionId", "") for outcome in outcomes if isinstance(outcome, dict)]
    return any(option.startswith(("reject", "cancel")) for option in chosen)


def messages(crew: Crew, number: int) -> list[dict[str, Any]]:
    """What MAWEP and the agent on an issue said to each other over ACP."""
    lines = (crew.directory.attempt(number, 1) / "raw.jsonl").read_text().splitlines()
    said = [json.loads(line).get("msg", {}) for line in lines]
    return [message for message in said if isinstance(message, dict)]
