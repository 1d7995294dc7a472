"""What is made of the issues of a plan before they start, from all that is known here: texts, git, and past runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from mawep.adapters.git import Repository, Sha
from mawep.adapters.kept import Kept
from mawep.cli.driving import usable_ways
from mawep.cli.landing import target_ref
from mawep.config import Config
from mawep.config.agents import Agents
from mawep.core.features import Surroundings, with_estimates
from mawep.core.model import Issue
from mawep.core.predict.likely import Predictor, asked_words
from mawep.core.suited import with_suited
from mawep.stages.contents import read_contents
from mawep.stages.history import History, read_history
from mawep.state.past import past_issues, past_work
from mawep.state.runs import home
from mawep.trackers.registry import FORGES

Files = Mapping[str, tuple[Sha, int]]
MOST_PREDICTED = 400
"""Issues of which it is predicted what they change: a person waits for it."""


async def estimated(issues: Iterable[Issue], repository: Repository | None, config: Config) -> list[Issue]:
    """The issues, each with its estimate and with the files that it is likely to change."""
    if repository is None:
        return with_estimates(issues, Surroundings())
    history, past = await asyncio.gather(
        read_history(repository, target_ref(config)), asyncio.to_thread(past_issues, repository.common_dir)
    )
    history = replace(history, files=_without_issues(history.files, repository, config))
    around = Surroundings(history.files, history.changes, past)
    judged = with_estimates(issues, around)
    if config.agents.learns_routes:
        judged = await asyncio.to_thread(_suited, judged, repository, config.agents)
    return await _predicted(judged, repository, history, around)


def _suited(issues: Sequence[Issue], repository: Repository, agents: Agents) -> list[Issue]:
    did = past_work(repository.common_dir)
    usable = usable_ways(agents, sorted({one.runtime for one in did} - {agents.runtime}))
    return list(with_suited(issues, did, agents.runtime, usable))


def _without_issues(files: Files, repository: Repository, config: Config) -> Files:
    """The files without those that issues are kept in: each would resemble its own issue most."""
    folder, top = config.issues.path.resolve(), repository.work_tree
    if config.issues.tracker in FORGES or top is None or not folder.is_relative_to(top):
        return files
    inside = f"{folder.relative_to(top)}/"
    return {path: blob for path, blob in files.items() if not path.startswith(inside)}


async def _predicted(
    issues: Sequence[Issue], repository: Repository, history: History, around: Surroundings
) -> list[Issue]:
    some, rest = issues[:MOST_PREDICTED], issues[MOST_PREDICTED:]
    kept = Kept(home(repository.common_dir) / "words.db")
    contents = await read_contents(repository, history.files, asked_words(some), kept)
    found = await asyncio.to_thread(_likely, some, Predictor(around, history.landings, contents))
    return [*found, *rest]


def _likely(issues: Iterable[Issue], predictor: Predictor) -> list[Issue]:
    return [msgspec.structs.replace(issue, predicted=predictor.likely(issue)) for issue in issues]
