"""What checks say about a commit: check runs and commit statuses, and of what failed the part that says why."""

from __future__ import annotations

import re
from collections import OrderedDict
from contextlib import suppress

from mawep.core.model import Sha
from mawep.trackers.base import Check, CheckState, ForgeError, NotAllowed, NotThere, RateLimited
from mawep.trackers.github.api import Api
from mawep.trackers.json_values import Json, number, text, thing, things, word

MOST_CHARACTERS = 8000
"""Of one check's excerpt."""
MOST_ANNOTATIONS = 20
MOST_EXCERPTS = 5
"""So many failed checks of a commit are asked why; an agent needs no more at once."""
REMEMBERED = 200
_JOB = re.compile(r"/actions/runs/\d+/job/(\d+)")
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z ", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PASSED = frozenset({"success"})
_IGNORED = frozenset({"neutral", "skipped"})


class CheckReader:
    """Reads checks; why one failed is asked for once, as a finished check does not change."""

    def __init__(self, api: Api, repository: str) -> None:
        self._api = api
        self._repository = repository
        self._why: OrderedDict[int, str] = OrderedDict()

    async def checks(self, sha: Sha) -> list[Check]:
        """See `mawep.trackers.base.Forge.checks`."""
        path = f"/repos/{self._repository}/commits/{sha}"
        found: dict[str, Check] = {}
        statuses: list[Json] = []
        with suppress(NotThere):  # not every server has them
            statuses = things(thing(await self._api.get(f"{path}/status", per_page=100)).get("statuses"))
        for status in statuses:
            check = _of_status(status)
            found.setdefault(check.name, check)
        asked = 0
        newest: dict[str, Json] = {}
        async for run in self._api.pages(f"{path}/check-runs", key="check_runs", filter="latest"):
            name = text(run.get("name"))
            if number(run.get("id")) >= number(newest.get(name, {}).get("id")):
                newest[name] = run
        for name, run in newest.items():
            state = _state_of_run(run)
            excerpt = ""
            if state is CheckState.FAILED and asked < MOST_EXCERPTS:
                excerpt = await self._excerpt(run)
                asked += 1
            found[name] = _of_run(run, state, excerpt)
        return sorted(found.values(), key=lambda check: check.name)

    async def _excerpt(self, run: Json) -> str:
        key = number(run.get("id"))
        if key in self._why:
            self._why.move_to_end(key)
            return self._why[key]
        output = thing(run.get("output"))
        parts = [text(output.get("text"))]
        if number(output.get("annotations_count")):
            parts.append(await self._annotations(key))
        job = _JOB.search(text(run.get("details_url")))
        if job and text(thing(run.get("app")).get("slug")) == "github-actions":
            parts.append(await self._log(int(job[1])))
        excerpt = "\n\n".join(part.strip() for part in parts if part.strip())[-MOST_CHARACTERS:]
        self._why[key] = excerpt
        while len(self._why) > REMEMBERED:
            self._why.popitem(last=False)
        return excerpt

    async def _annotations(self, run: int) -> str:
        path = f"/repos/{self._repository}/check-runs/{run}/annotations"
        try:
            entries = things(await self._api.get(path, per_page=MOST_ANNOTATIONS))
        except (NotThere, NotAllowed):
            return ""
        return "\n".join(
            f"{text(entry.get('path'))}:{number(entry.get('start_line'))}: {text(entry.get('message'))}"
            for entry in entries[:MOST_ANNOTATIONS]
        )

    async def _log(self, job: int) -> str:
        """The end of a job's log up to its last error; nothing when it is not to be had."""
        try:
            reply = await self._api.reply(f"/repos/{self._repository}/actions/jobs/{job}/logs")
        except RateLimited:
            raise
        except ForgeError:
            return ""
        log = _COLOUR.sub("", _STAMP.sub("", reply.content.decode(errors="replace")))
        end = log.rfind("##[error]")
        if end >= 0:
            log = log[: log.find("\n", end) if "\n" in log[end:] else len(log)]
        return log[-MOST_CHARACTERS:]


def _of_status(data: Json) -> Check:
    said = text(data.get("state"))
    return Check(
        name=text(data.get("context")),
        state={"success": CheckState.PASSED, "pending": CheckState.PENDING}.get(said, CheckState.FAILED),
        conclusion=None if said == "pending" else said,
        summary=text(data.get("description")),
        url=text(data.get("target_url")),
        id=number(data.get("id")),
    )


def _state_of_run(data: Json) -> CheckState:
    if data.get("status") != "completed":
        return CheckState.PENDING
    conclusion = data.get("conclusion")
    if conclusion in _PASSED:
        return CheckState.PASSED
    return CheckState.IGNORED if conclusion in _IGNORED else CheckState.FAILED


def _of_run(data: Json, state: CheckState, excerpt: str) -> Check:
    output = thing(data.get("output"))
    said = [part for part in (text(output.get("title")), text(output.get("summary"))) if part]
    return Check(
        name=text(data.get("name")),
        state=state,
        conclusion=word(data.get("conclusion")),
        summary="\n".join(said)[:MOST_CHARACTERS],
        excerpt=excerpt,
        url=text(data.get("details_url")) or text(data.get("html_url")),
        id=number(data.get("id")),
    )
