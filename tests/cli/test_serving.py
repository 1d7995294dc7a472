"""`mawep serve` as a process: it believes nobody, tells the run, starts runs, and ends when it is told to."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mawep.cli.reading import read_run
from mawep.clock import SystemClock
from mawep.core.events import CommandTaken
from mawep.state.runs import RunDirectory, is_alive, list_runs
from mawep.trackers.base import Permission
from mawep.trackers.webhooks import signature_of
from tests.cli.site import WAIT, Site, make_site
from tests.support.forge_world import World
from tests.support.github_stub import GitHubStub
from tests.support.repos import git
from tests.support.waiting import eventually

SECRET = "a secret of the hook"


class Town:
    """A checkout of a repository on a GitHub of its own."""

    def __init__(self, site: Site, stub: GitHubStub, world: World) -> None:
        self.site, self.stub, self.world = site, stub, world
        self._named = 0

    @contextmanager
    def serving(self, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """A server, and where it listens."""
        with self.site.running("serve", "--port", "0", *options) as process:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            if not line:
                raise AssertionError(process.communicate()[1])
            yield process, line.rsplit("/", 1)[0]

    async def deliver(
        self, where: str, *, name: str | None = None, signature: str | None = None, body: bytes | None = None
    ) -> int:
        """Deliver a webhook; the answer."""
        self._named += 1
        body = body or json.dumps({"repository": {"full_name": self.world.repository}}).encode()
        headers = {
            "X-Hub-Signature-256": signature_of(SECRET, body) if signature is None else signature,
            "X-GitHub-Delivery": name or f"delivery-{self._named}",
            "X-GitHub-Event": "issue_comment",
        }
        async with httpx.AsyncClient() as client:
            return (await client.post(f"{where}/webhooks", content=body, headers=headers)).status_code


@pytest.fixture
async def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    world = World(people={"ann": Permission.ADMIN, "eve": Permission.READ}, clock=SystemClock())
    world.seed("Gateway", "Abstract it.", number=101)
    world.seed("Stripe", "Add it.", number=102)
    stub = GitHubStub(world)
    async with stub.running():
        monkeypatch.setenv("SHOP_TOKEN", stub.token)
        monkeypatch.setenv("HOOK_SECRET", SECRET)
        site = make_site(tmp_path, {}, agent=WAIT)
        file = site.repository / "mawep.yaml"
        github = f"token: '${{SHOP_TOKEN}}', api_url: '{stub.url}', repository: acme/shop"
        file.write_text(
            f"{file.read_text()}  issues: {{tracker: github}}\n"
            f"  github: {{{github}, webhook_secret: '${{HOOK_SECRET}}', poll_seconds: 3600}}\n"
        )
        git(site.repository, "commit", "-qam", "issues are on GitHub")
        yield Town(site, stub, world)


async def test_hazard_forged_replayed_and_oversized_deliveries_are_refused(town: Town) -> None:
    with town.serving("--webhooks") as (process, where):
        assert await town.deliver(where, name="delivery-x") == 202
        assert await town.deliver(where, name="delivery-x") == 409
        assert await town.deliver(where, signature="sha256=00") == 401
        assert await town.deliver(where, body=b"x" * (5 * 2**20 + 1)) == 413
        process.kill()
        process.wait()
    with town.serving("--webhooks") as (process, where):
        assert await town.deliver(where, name="delivery-x") == 409, "also by the next server"
        async with httpx.AsyncClient() as client:
            health = (await client.get(f"{where}/healthz")).json()
        assert health["ok"] and health["webhooks"] and health["run"] is None
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 60) == 0


async def test_without_webhooks_none_are_received(town: Town) -> None:
    with town.serving() as (process, where):
        assert await town.deliver(where) == 404
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 60) == 0


async def test_one_server_serves_a_repository(town: Town) -> None:
    with town.serving("--webhooks"):
        said = await asyncio.to_thread(town.site.mawep, "serve", "--port", "0", code=2)
        assert "another `mawep serve`" in said.err


async def test_webhooks_without_a_secret_are_refused(town: Town) -> None:
    said = await asyncio.to_thread(
        town.site.mawep, "serve", "--webhooks", "--set", "github.webhook_secret=null", code=2
    )
    assert "github.webhook_secret" in said.err


async def test_issues_that_are_on_no_forge_are_not_served(tmp_path: Path) -> None:
    said = make_site(tmp_path).mawep("serve", code=2)
    assert "issues.tracker" in said.err


async def test_a_command_reaches_the_run_by_a_webhook(town: Town) -> None:
    with town.serving("--webhooks") as (_, where), town.site.running("start", "--issues", "101,102") as run:
        await eventually("both are worked on", lambda: _working(town) == 2, timeout=60)
        await eventually("the run watches", lambda: _asked(town, "/issues/comments"), timeout=60)
        town.world.say(101, "/mawep stop", author="eve")
        town.world.say(102, "/mawep stop", author="ann")
        assert await town.deliver(where) == 202
        await eventually("it is cancelled", lambda: town.site.states().get(102) == "cancelled", timeout=60)
        assert town.site.states()[101] == "working"
        await asyncio.to_thread(town.site.mawep, "cancel", code=0)
        await asyncio.to_thread(run.wait, 60)


async def test_a_comment_starts_a_run_that_ends_with_the_server_and_is_gone_on_with(town: Town) -> None:
    with town.serving("--webhooks") as (process, where):
        town.world.say(101, "/mawep start", author="ann")
        assert await town.deliver(where) == 202
        await eventually("it is worked on", lambda: _working(town) == 1, timeout=60)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 60) == 0
    assert len(list(town.site.runs.iterdir())) == 1
    town.site.go()
    with town.serving("--webhooks") as (process, _):
        await eventually("it has landed", lambda: town.site.states() == {101: "landed"}, timeout=60)
        await eventually("the run has ended", lambda: not any(map(is_alive, _runs(town))), timeout=60)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 60) == 0
    assert len(list(town.site.runs.iterdir())) == 1


async def test_hazard_a_run_that_is_killed_takes_a_command_once(town: Town) -> None:
    with town.serving("--webhooks") as (_, where):
        with town.site.running("start", "--issues", "101,102") as run:
            await eventually("both are worked on", lambda: _working(town) == 2, timeout=60)
            await eventually("the run watches", lambda: _asked(town, "/issues/comments"), timeout=60)
            town.world.say(102, "/mawep stop", author="ann")
            assert await town.deliver(where) == 202
            run.kill()
            await asyncio.to_thread(run.wait, 60)
        with town.site.running("resume") as run:
            await eventually(
                "it is cancelled", lambda: town.site.states().get(102) == "cancelled", timeout=60
            )
            town.site.go()
            await asyncio.to_thread(run.wait, 60)
    (summary,) = list_runs(town.site.repository / ".git")
    _, records = read_run(summary)
    assert sum(isinstance(one.event, CommandTaken) for one in records) == 1


def _runs(town: Town) -> list[RunDirectory]:
    return [RunDirectory(path) for path in town.site.runs.iterdir()]


def _working(town: Town) -> int:
    return sum(state == "working" for state in town.site.states().values())


def _asked(town: Town, path: str) -> bool:
    return any(path in target for target in town.stub.targets())
