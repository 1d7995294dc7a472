"""How well it is predicted which files an issue changes, and which issues share one, on the past of any repository.

Run it with `python -m benchmarks.prediction REPO [LANDINGS]`. The newest landings (300, or fewer where the past is
short) are taken for issues of which only the title is known; everything that is asked is older than all of them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from mawep.adapters.git import Repository, find_repository
from mawep.adapters.kept import Kept
from mawep.core.features import Surroundings
from mawep.core.model import Issue, Likely
from mawep.core.predict.likely import Contents, Predictor, asked_words
from mawep.core.predict.overlap import chance, reach
from mawep.core.predict.past import Landing
from mawep.core.predict.search import Search
from mawep.core.predict.words import counted
from mawep.stages.contents import read_contents
from mawep.stages.history import history_of

NEWEST = 300
WINDOW = 15
"""Landings between two that could have been under way at the same time."""
FIRST = 10


@dataclass(frozen=True)
class Site:
    """What is known before the landings that are predicted, and what came of these, newest first."""

    files: int
    predictor: Predictor
    contents: Contents
    tested: Sequence[Landing]
    seconds: float


async def site(repository: Repository, newest: int) -> Site:
    """Read everything that is older than the newest landings."""
    head = (await repository.run("rev-parse", "HEAD")).decode().strip()
    landings = (await history_of(repository, head)).landings
    tested = landings[: min(newest, len(landings) // 2)]
    base = (await repository.run("rev-parse", f"{tested[-1].commit}^")).decode().strip()
    begin = time.perf_counter()
    history = await history_of(repository, base)
    issues = [Issue(place, one.title) for place, one in enumerate(tested)]
    with tempfile.TemporaryDirectory() as directory:
        kept = Kept(Path(directory) / "words.db")
        contents = await read_contents(repository, history.files, asked_words(issues), kept)
    predictor = Predictor(Surroundings(history.files, history.changes), history.landings, contents)
    there = [Landing(one.title, tuple(p for p in one.files if p in history.files)) for one in tested]
    return Site(
        len(history.files),
        predictor,
        contents,
        [one for one in there if one.files],
        time.perf_counter() - begin,
    )


def recall(predicted: Sequence[Sequence[str]], tested: Sequence[Landing]) -> float:
    """The share of a landing's files among the first that were predicted, on average."""
    return fmean(
        len(set(first[:FIRST]) & set(one.files)) / len(one.files)
        for first, one in zip(predicted, tested, strict=True)
    )


def pairs(found: Sequence[tuple[Likely, ...]], tested: Sequence[Landing]) -> list[tuple[float, bool]]:
    """Landings near each other: how likely they were said to share a file, and whether they did."""
    reaches = [reach(files) for files in found]
    return [
        (chance(reaches[i], reaches[j]), not set(tested[i].files).isdisjoint(tested[j].files))
        for i in range(len(tested))
        for j in range(i + 1, min(i + 1 + WINDOW, len(tested)))
    ]


def auc(judged: Sequence[tuple[float, bool]]) -> float:
    """How often a pair that shared a file was judged likelier than one that did not; equal ones count half."""
    hits = sorted(score for score, shared in judged if shared)
    others = sorted(score for score, shared in judged if not shared)
    won, below, level = 0.0, 0, 0
    for score in hits:
        while below < len(others) and others[below] < score:
            below += 1
        level = max(level, below)
        while level < len(others) and others[level] <= score:
            level += 1
        won += below + (level - below) / 2
    return won / max(1, len(hits) * len(others))


def caught(judged: Sequence[tuple[float, bool]]) -> float:
    """The share of the pairs that shared a file among the tenth that was judged likeliest to."""
    ordered = sorted(judged, key=lambda pair: -pair[0])
    return sum(shared for _, shared in ordered[: len(ordered) // 10]) / max(1, sum(s for _, s in ordered))


def by_texts(found: Site) -> list[list[str]]:
    """What BM25 on the texts of files alone finds."""
    search = Search(found.contents.holders, found.contents.lengths, 0.75)
    ranked = []
    for one in found.tested:
        scores = search(dict.fromkeys(counted(one.title), 1.0))
        ranked.append(sorted(scores, key=lambda path: (-scores[path], path)))
    return ranked


async def main(path: Path, newest: int) -> None:
    """Measure and print."""
    found = await site(await find_repository(path), newest)
    begin = time.perf_counter()
    likely = [found.predictor.likely(Issue(n, one.title)) for n, one in enumerate(found.tested)]
    each = (time.perf_counter() - begin) / max(1, len(likely))
    judged = pairs(likely, found.tested)
    predicted = [[one.path for one in files] for files in likely]
    hit = fmean(
        not set(first[:FIRST]).isdisjoint(one.files)
        for first, one in zip(predicted, found.tested, strict=True)
    )
    print(f"{path.name}: {len(found.tested)} landings predicted, {found.files:,} files")
    print(
        f"recall@10   {recall(predicted, found.tested):.1%} (BM25 alone {recall(by_texts(found), found.tested):.1%})"
    )
    print(f"hit@10      {hit:.1%}")
    print(
        f"pair AUC    {auc(judged):.3f} ({sum(shared for _, shared in judged)} of {len(judged)} pairs share a file)"
    )
    print(f"caught      {caught(judged):.1%} of them in the likeliest tenth")
    print(f"time        {found.seconds:.1f} s to read the past, {1000 * each:.1f} ms an issue")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else NEWEST))
