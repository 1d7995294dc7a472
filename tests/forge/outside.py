"""What may be on a forge after a run, however often it was killed: everything once."""

from __future__ import annotations

import re
from collections import Counter

from tests.forge.world import BOT, ForgeWorld

MARK = re.compile(r"<!-- (mawep:\S+) -->")


def everything_once(world: ForgeWorld, numbers: tuple[int, ...]) -> None:
    """No comment, pull request, merge or closing is there twice; nothing failed in the server itself."""
    pulls = world.pulls()
    for number in (*numbers, *(int(pull["number"]) for pull in pulls)):
        said = [comment["body"] for comment in world.comments(number, by=BOT)]
        marks = Counter(found[1] for body in said if (found := MARK.search(body)))
        assert [mark for mark, count in marks.items() if count > 1] == [], f"#{number}: {said}"
        assert [body for body, count in Counter(said).items() if count > 1] == [], f"#{number}"
    for number in numbers:
        status = [c for c in world.comments(number, by=BOT) if c["body"].startswith("<!-- mawep:status:")]
        assert len(status) <= 1, f"#{number} has {len(status)} sticky comments"
        closings = [event for event in world.timeline(number) if event["event"] == "closed"]
        assert len(closings) <= 1, f"#{number} was closed {len(closings)} times"
    heads = Counter(pull["head"]["ref"] for pull in pulls)
    assert [head for head, count in heads.items() if count > 1] == []
    merges = Counter(pull["merge_commit_sha"] for pull in pulls if pull["merged_at"])
    assert [merge for merge, count in merges.items() if count > 1] == []
    contents = [world.bare.git("show", "-s", "--format=%T %P", sha) for sha in _first_parents(world)]
    assert len(contents) == len(set(contents)), "something was merged twice"
    assert world.problems == []


def _first_parents(world: ForgeWorld) -> list[str]:
    return world.bare.git("rev-list", "--first-parent", "refs/heads/main").split()
