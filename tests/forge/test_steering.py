"""A run is steered from the forge: by those who may, at once when the forge tells of it, and by nobody else."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.forge.sprint import configure
from tests.forge.world import MAINTAINER, STRANGER, ForgeWorld
from tests.support.ports import unused_port
from tests.support.waiting import eventually_now
from tests.support.world import Live, World

pytestmark = [pytest.mark.forge, pytest.mark.timeout(300)]

SECRET = "0123456789abcdef0123456789abcdef"


class Site(World):
    """A person's clone of the forge's repository, one issue, and an agent that works until it is let go."""

    def __init__(self, root: Path, forge: ForgeWorld, **github: object) -> None:
        self.forge = forge
        sections = {name: value for name, value in configure(forge).items() if name in {"issues", "github"}}
        super().__init__(
            root, **{**sections, "github": {**sections["github"], **github}, "landing": {"push": True}}
        )
        url = forge.clone_url.replace("://", f"://{forge.login}:{forge.token}@")
        self.git("remote", "add", "origin", url)
        forge.push(self.repo, "main:refs/heads/main")
        self.number = forge.issue("Do it", "Do it.")
        self.agent(self.number, World.until_let("go") + "echo done > done.txt\n")

    def begin(self, *arguments: str, **environ: str) -> Live:  # type: ignore[override]
        """`mawep` with what it signs in with."""
        return super().begin(*arguments, GITHUB_TOKEN=self.forge.token, WEBHOOK_SECRET=SECRET, **environ)

    def at_work(self) -> Live:
        """A run whose agent has begun."""
        live = self.begin_start()
        live.until("the agent works", lambda: self.stands(self.number) == "working")
        return live


def test_only_who_may_write_steers_a_run(forge_world: ForgeWorld, tmp_path: Path) -> None:
    site = Site(tmp_path / "site", forge_world, poll_seconds=10)
    live = site.at_work()
    forge_world.comment(site.number, "/mawep stop", by=STRANGER)
    live.until("it is ignored, and said", lambda: STRANGER in live.said)
    assert site.stands(site.number) == "working"
    forge_world.comment(site.number, "/mawep stop", by=MAINTAINER)
    ended = live.wait()
    assert ended.code == 1, ended.said
    assert ended.states[site.number] == "cancelled"


@pytest.fixture
def served(forge_world: ForgeWorld, tmp_path: Path) -> Iterator[tuple[Site, Live, str]]:
    """A site whose `mawep serve` receives what the forge tells it; looking by itself would take a day."""
    site = Site(tmp_path / "site", forge_world, webhook_secret="${WEBHOOK_SECRET}", poll_seconds=86400)
    url = f"http://127.0.0.1:{unused_port()}"
    server = site.begin("serve", "--webhooks", "--port", url.rpartition(":")[2])
    try:
        server.until("it listens", lambda: answers(url))
        yield site, server, f"{url}/webhooks"
    finally:
        server.process.terminate()
        server.wait()


def answers(url: str) -> bool:
    """True when the server is there."""
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def delivery(site: Site, name: str, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    """A delivery as GitHub would send it."""
    body = json.dumps({"action": "created", "repository": {"full_name": site.forge.repository}}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "X-GitHub-Event": "issue_comment",
        "X-GitHub-Delivery": name,
        "Content-Type": "application/json",
    }
    return body, {**headers, "X-Hub-Signature-256": f"sha256={signature}"}


def tells(site: Site, url: str) -> None:
    """From now on the forge tells of issues and comments there."""
    settings = {"url": url, "secret": SECRET, "content_type": "json"}
    hook = {"name": "web", "active": True, "events": ["issues", "issue_comment"], "config": settings}
    site.forge.api("POST", "hooks", hook)


def test_what_the_forge_tells_is_heard_at_once(
    served: tuple[Site, Live, str], forge_world: ForgeWorld
) -> None:
    site, _, url = served
    live = site.at_work()
    tells(site, url)
    forge_world.comment(site.number, "/mawep stop", by=STRANGER)
    live.until("it is ignored, and said", lambda: STRANGER in live.said)
    assert site.stands(site.number) == "working"
    forge_world.comment(site.number, "/mawep stop", by=MAINTAINER)
    ended = live.wait()
    assert ended.states[site.number] == "cancelled"


def test_a_run_is_started_from_the_forge_by_who_may(
    served: tuple[Site, Live, str], forge_world: ForgeWorld
) -> None:
    site, server, url = served
    tells(site, url)
    forge_world.comment(site.number, "/mawep start", by=STRANGER)
    server.until("it is ignored, and said", lambda: STRANGER in server.said)
    assert not site.has_run
    forge_world.comment(site.number, "/mawep start", by=MAINTAINER)
    server.until("the run began", lambda: site.has_run and site.stands(site.number) == "working")
    site.let("go")
    server.until("the run has ended", lambda: "a run has ended" in server.said)
    assert site.stands(site.number) == "landed"
    assert forge_world.show(site.number)["state"] == "closed"
    assert forge_world.head() == site.git("rev-parse", "main")


def test_forged_and_replayed_deliveries_are_refused(served: tuple[Site, Live, str]) -> None:
    site, server, url = served
    eventually_now("it has looked where comments begin", site.forge.requests)
    before = len(site.forge.requests())

    def sent(name: str, secret: str = SECRET) -> int:
        body, headers = delivery(site, name, secret)
        return httpx.post(url, content=body, headers=headers).status_code

    assert sent("11111111-0000-0000-0000-000000000001", "not the secret") == 401
    body, headers = delivery(site, "11111111-0000-0000-0000-000000000002")
    assert httpx.post(url, content=body + b" ", headers=headers).status_code == 401
    assert httpx.post(url, content=body, headers={**headers, "X-Hub-Signature-256": ""}).status_code == 401
    assert len(site.forge.requests()) == before
    assert sent("11111111-0000-0000-0000-000000000003") == 202
    assert sent("11111111-0000-0000-0000-000000000003") == 409
    eventually_now("it was logged", lambda: "a delivery is refused" in server.said)
