"""A candidate in conflict can be merged in several ways, by real git, and a gate that counts says which one lands."""

from __future__ import annotations

from pathlib import Path

import pytest

from mawep.core import events as ev
from tests.support import promises
from tests.support.pricing import MORE, MORE_FIRST, PRICE, TWICE, TWICE_FIRST, pricing

pytestmark = pytest.mark.e2e


def on_target(root: Path) -> list[int]:
    """What the gate saw, without the candidates by themselves and the first landing."""
    seen = [int(line) for line in (root / "gated").read_text().splitlines()]
    return [result for result in seen if result in {MORE_FIRST, TWICE_FIRST}]


def test_the_second_way_lands_when_only_that_passes(tmp_path: Path) -> None:
    world = pricing(tmp_path, [TWICE_FIRST])
    ended = world.start()
    assert ended.states == {101: "landed", 102: "landed"}, ended.said
    assert world.git("show", "main:price.py") + "\n" == PRICE.format(TWICE + MORE)
    assert on_target(tmp_path) == [MORE_FIRST, TWICE_FIRST]
    message = world.git("log", "-1", "--format=%B", "main")
    assert "- price.py: both added (both sides added something of their own, theirs first)" in message
    gated = [event.gate for event in world.events(ev.GateIntended)]
    assert len(gated) == len(set(gated)), "a tree was gated twice"
    promises.kept(world, [101, 102])


def test_who_makes_a_batch_red_as_it_was_merged_lands_alone_in_another_way(tmp_path: Path) -> None:
    world = pricing(tmp_path, [], together=True, verify={"slots": 2})
    ended = world.start()
    assert ended.states == {101: "landed", 102: "landed"}, ended.said
    opened = [event.members for event in world.events(ev.LandingOpened)]
    first, second = opened[0]
    assert opened == [(first, second), (second,)]
    assert sorted(on_target(tmp_path)) == [TWICE_FIRST, MORE_FIRST], (
        "the tree of the red batch is not gated again"
    )
    promises.kept(world, [101, 102])


def test_a_candidate_that_passes_in_no_way_is_parked_whole_with_its_hunks(tmp_path: Path) -> None:
    world = pricing(tmp_path, [])
    ended = world.start()
    assert ended.states == {101: "landed", 102: "parked"}, ended.said
    assert on_target(tmp_path) == [MORE_FIRST, TWICE_FIRST]
    told = world.explain(102)
    assert "does not merge cleanly with main: price.py; 2 ways to merge it by rule do not pass" in told
    assert "<<<<<<<" in told and MORE.strip() in told and TWICE.strip() in told
    promises.kept(world, [101])


def test_no_more_ways_are_gated_than_are_allowed(tmp_path: Path) -> None:
    world = pricing(tmp_path, [TWICE_FIRST], conflict_resolution={"max_candidates": 1})
    ended = world.start()
    assert ended.states == {101: "landed", 102: "parked"}, ended.said
    assert on_target(tmp_path) == [MORE_FIRST]


def test_nothing_is_merged_by_rule_where_that_is_off(tmp_path: Path) -> None:
    world = pricing(tmp_path, [MORE_FIRST, TWICE_FIRST], conflict_resolution={"auto_merge": False})
    ended = world.start()
    assert ended.states == {101: "landed", 102: "parked"}, ended.said
    assert on_target(tmp_path) == []
    assert "<<<<<<<" in world.explain(102)
