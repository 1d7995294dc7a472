"""The client of GitHub at its edges: lost answers, limits, ETags, sizes, sign-in. The stub answers as GitHub does."""

from __future__ import annotations

import asyncio
import gc
import gzip
import logging
import socket
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mawep.clock import VirtualClock
from mawep.core.model import Sha
from mawep.trackers import transport
from mawep.trackers.base import (
    Allowance,
    Ambiguous,
    App,
    CheckState,
    Forge,
    ForgeError,
    ForgeSettings,
    NotAllowed,
    NotThere,
    Query,
    RateLimited,
    Refused,
    Required,
    Unreachable,
)
from mawep.trackers.github import api
from mawep.trackers.github.client import GitHubForge
from tests.support.forge_world import World
from tests.support.github_stub import Fault, GitHubStub

SHA: Sha = "a" * 40


class Site:
    """A forge behind a stub, and what was seen of both."""

    def __init__(self, stub: GitHubStub, clock: VirtualClock, forge: GitHubForge) -> None:
        self.stub, self.clock, self.forge = stub, clock, forge
        self.world = stub.world
        self.told: list[Allowance] = []

    @property
    def seconds(self) -> float:
        """How long was waited."""
        return self.clock.awake()


@asynccontextmanager
async def site(**settings: object) -> AsyncIterator[Site]:
    stub = GitHubStub(World())
    async with stub.running():
        clock = VirtualClock()
        told: list[Allowance] = []
        known: dict[str, Any] = {"token": stub.token, **settings}
        forge = GitHubForge(ForgeSettings(stub.world.repository, stub.url, **known), clock, told.append)
        here = Site(stub, clock, forge)
        here.told = told
        try:
            yield here
        finally:
            await forge.close()


@pytest.fixture
async def here() -> AsyncIterator[Site]:
    async with site() as made:
        yield made


def typed(forge: GitHubForge) -> Forge:
    """What a type checker proves of the client."""
    return forge


# Answers that do not come


async def test_hazard_a_write_without_an_answer_is_ambiguous_and_not_sent_again(here: Site) -> None:
    number = here.world.seed()
    here.stub.faults.append(Fault("POST .*/comments", done=True))
    with pytest.raises(Ambiguous):
        await here.forge.comment(number, "hello")
    assert len(here.world.comments) == 1
    here.stub.faults.append(Fault("POST .*/comments", done=False))
    with pytest.raises(Ambiguous):
        await here.forge.comment(number, "hello")
    assert len(here.world.comments) == 1 and len(here.stub.requests) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_hazard_a_server_in_trouble_leaves_a_write_ambiguous_and_a_read_unreachable(
    here: Site, status: int
) -> None:
    number = here.world.seed()
    here.stub.faults += [Fault("POST", status, done=True), Fault("GET", status)]
    with pytest.raises(Ambiguous, match=str(status)):
        await here.forge.comment(number, "hello")
    with pytest.raises(Unreachable, match=str(status)):
        await here.forge.issue(number)
    assert len(here.stub.requests) == 2 and here.seconds <= 1


async def test_hazard_an_answer_to_a_write_that_makes_no_sense_is_ambiguous(here: Site) -> None:
    number = here.world.seed()
    here.stub.faults += [Fault("POST", 201, body=b"<html>", done=True), Fault("GET", 200, body=b"<html>")]
    with pytest.raises(Ambiguous):
        await here.forge.comment(number, "hello")
    with pytest.raises(Unreachable):
        await here.forge.issue(number)


async def test_what_never_left_is_unreachable_also_for_a_write(unused_port: int) -> None:
    forge = GitHubForge(ForgeSettings("acme/shop", f"http://127.0.0.1:{unused_port}", "t"), VirtualClock())
    with pytest.raises(Unreachable):
        await forge.comment(1, "hello")
    await forge.close()


async def test_no_connection_is_left_by_who_is_cancelled_while_closing(here: Site) -> None:
    for turns in range(1, 6):
        forge = GitHubForge(
            ForgeSettings(here.world.repository, here.stub.url, here.stub.token), VirtualClock()
        )
        number = here.world.seed("one", "text")
        await asyncio.gather(*(forge.issue(number) for _ in range(3)))
        closing = asyncio.create_task(forge.close())
        for _ in range(turns):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait({closing})
        del forge, closing
        gc.collect()  # a socket that is open now is a warning, and a warning is an error


@pytest.fixture
def unused_port() -> Iterator[int]:
    with socket.socket() as kept:  # so that nobody else gets it meanwhile; nothing listens there
        kept.bind(("127.0.0.1", 0))
        yield int(kept.getsockname()[1])


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, NotAllowed), (403, NotAllowed), (404, NotThere), (410, NotThere), (422, Refused)],
)
async def test_each_refusal_has_its_name_and_the_forges_reason(
    here: Site, status: int, error: type[ForgeError]
) -> None:
    here.stub.faults.append(Fault("GET", status, body=b'{"message": "Because   of\\n this"}'))
    with pytest.raises(error, match="Because of this"):
        await here.forge.issue(1)


# Limits


async def test_hazard_a_refusal_for_a_limit_is_waited_out_and_sent_again(here: Site) -> None:
    number = here.world.seed()
    secondary = b'{"message": "You have exceeded a secondary rate limit"}'
    here.stub.faults += [
        Fault("POST", 403, {"retry-after": "30"}, secondary),
        Fault("POST", 429, {}, b"{}"),
        Fault("POST", 403, {}, secondary),
    ]
    await here.forge.comment(number, "hello")
    assert len(here.world.comments) == 1
    assert here.seconds == 30 + 120 + 240
    assert [told.waiting_until is not None for told in here.told].count(True) == 3


async def test_hazard_the_primary_limit_is_waited_out_by_the_forges_word(here: Site) -> None:
    number = here.world.seed()
    reset = str(int((here.clock.now() + timedelta(minutes=20)).timestamp()))
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-limit": "5000", "x-ratelimit-reset": reset}
    here.stub.faults.append(Fault("GET", 403, headers, b'{"message": "API rate limit exceeded"}'))
    assert (await here.forge.issue(number)).number == number
    assert here.seconds == 1200


async def test_a_forge_that_refuses_again_and_again_is_given_up(here: Site) -> None:
    here.stub.faults += [Fault("GET", 429, {"retry-after": "1"}) for _ in range(20)]
    with pytest.raises(RateLimited):
        await here.forge.issue(1)
    assert len(here.stub.requests) == api.MOST_REFUSALS


async def test_what_is_left_is_told(here: Site) -> None:
    await here.forge.issue(here.world.seed())
    assert {(told.resource, told.left, told.limit) for told in here.told} == {
        ("core", 4999, 5000),
        ("own", 1999, 2000),
    }


async def test_a_limit_in_an_answer_of_graphql_is_a_limit(here: Site) -> None:
    numbers = [here.world.seed() for _ in range(5)]
    limited = b'{"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}'
    here.stub.faults.append(Fault("POST /graphql", 200, {}, limited))
    assert [issue.number for issue in await here.forge.issues(Query(numbers=tuple(numbers)))] == numbers
    assert here.seconds >= 60


# Reading less


async def test_hazard_what_has_not_changed_is_neither_sent_nor_counted(here: Site) -> None:
    number = here.world.seed()
    first = await here.forge.issue(number)
    for _ in range(5):
        assert await here.forge.issue(number) == first
    assert [seen.status for seen in here.stub.requests] == [200, 304, 304, 304, 304, 304]
    assert here.told[-1].left == 1999
    here.world.edit(number, title="Another")
    assert (await here.forge.issue(number)).title == "Another"


async def test_hazard_a_read_after_a_write_sees_it(here: Site) -> None:
    number = here.world.seed()
    assert await here.forge.comments(number) == []
    made = await here.forge.comment(number, "hello")
    assert [comment.id for comment in await here.forge.comments(number)] == [made.id]


async def test_what_is_kept_is_bounded(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "KEPT_BYTES", 3000)
    numbers = [here.world.seed(body="x" * 500) for _ in range(10)]
    for _ in range(2):
        for number in numbers:
            await here.forge.issue(number)
    assert 304 not in [seen.status for seen in here.stub.requests]
    await here.forge.issue(numbers[-1])
    assert here.stub.requests[-1].status == 304


async def test_many_edges_take_few_requests(here: Site) -> None:
    first = here.world.seed()
    numbers = [here.world.seed(blocked_by=[first]) for _ in range(600)]
    edges = await here.forge.edges(numbers)
    assert len(edges.blocked_by) == 600 and len(here.stub.requests) == 3


async def test_a_server_that_takes_too_long_is_asked_for_less(here: Site) -> None:
    first = here.world.seed()
    numbers = [here.world.seed(blocked_by=[first]) for _ in range(300)]
    here.stub.faults += [
        Fault("POST /graphql", 502),
        Fault("POST /graphql", 200, {}, b'{"errors": [{"message": "Something went wrong while executing"}]}'),
    ]
    assert len((await here.forge.edges(numbers)).blocked_by) == 300
    assert len(here.stub.requests) == 2 + 12
    here.stub.faults += [Fault("POST /graphql", 502) for _ in range(5)]
    with pytest.raises(Unreachable):
        await here.forge.edges(numbers)
    assert len(here.stub.faults) == 4


async def test_a_search_that_is_not_whole_is_no_answer(here: Site) -> None:
    here.stub.faults.append(Fault("GET /search", 200, {}, b'{"incomplete_results": true, "items": []}'))
    with pytest.raises(Unreachable):
        await here.forge.issues(Query(query="refund"))
    for n in range(1001):
        here.world.seed(f"Refund {n}")
    with pytest.raises(Refused, match="narrow it"):
        await here.forge.issues(Query(query="refund"))


async def test_a_server_without_edges_is_asked_once(here: Site) -> None:
    here.world.dependencies_supported = here.world.sub_issues_supported = False
    numbers = [here.world.seed() for _ in range(20)]
    for _ in range(3):
        assert not (await here.forge.edges(numbers)).dependencies_supported
    lists = [target for target in here.stub.targets() if "blocked_by" in target or "sub_issues" in target]
    assert len(lists) == 2


async def test_more_edges_than_a_query_gives_are_all_read(here: Site) -> None:
    parent = here.world.seed()
    children = [here.world.seed(parent=parent) for _ in range(70)]
    edges = await here.forge.edges([parent])
    assert [child.number for child in edges.sub_issues[parent]] == children


# Sizes, and where replies lead


async def test_hazard_a_reply_without_end_is_not_taken_in(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MOST_BYTES", 10_000)
    bomb = gzip.compress(b'"' + b"x" * 1_000_000 + b'"')
    assert len(bomb) < 10_000
    here.stub.faults += [
        Fault("GET", 200, {}, b'"' + b"x" * 20_000 + b'"'),
        Fault("GET", 200, {"content-encoding": "gzip"}, bomb),
        Fault("GET", 200, {"content-encoding": "gzip"}, b"no gzip"),
        Fault("POST", 201, {}, b'"' + b"x" * 20_000 + b'"'),
    ]
    for _ in range(3):
        with pytest.raises(Unreachable):
            await here.forge.issue(1)
    with pytest.raises(Ambiguous):
        await here.forge.comment(1, "hello")


async def test_a_packed_reply_is_unpacked(here: Site) -> None:
    here.stub.faults.append(
        Fault("GET", 200, {"content-encoding": "gzip"}, gzip.compress(b'{"number": 7, "title": "Packed"}'))
    )
    assert (await here.forge.issue(7)).title == "Packed"


async def test_hazard_no_reply_leads_the_token_to_another_host(here: Site) -> None:
    numbers = [here.world.seed() for _ in range(150)]  # the stub names another host for the next page
    assert [issue.number for issue in await here.forge.issues(Query())] == numbers
    async with GitHubStub(World()).running() as other:
        here.stub.faults.append(Fault("GET", 302, {"location": f"{other.url}/stolen"}))
        with pytest.raises(NotAllowed):
            await here.forge.issue(1)
        assert all("authorization" not in seen.headers for seen in other.requests)


async def test_whatever_is_missing_in_an_answer_is_no_error(here: Site) -> None:
    for body in (b"{}", b'{"number": "x", "user": [], "labels": {"a": 1}}', b"[]", b"null", b"7"):
        here.stub.faults += [Fault("GET", 200, {}, body), Fault("GET", 200, {}, body)]
        assert (await here.forge.issue(1)).number == 0
        await here.forge.comments(1)


# Fields


@pytest.mark.parametrize("supported", [True, False])
@pytest.mark.parametrize("many", [True, False])
async def test_fields_that_the_owner_made_for_issues_are_read(
    here: Site, many: bool, supported: bool
) -> None:
    here.world.field_values_supported = supported
    fields = {"Priority": "High", "Estimate": "3"}
    numbers = [here.world.seed(fields=fields, assignees=["ann"]) for _ in range(5 if many else 1)]
    found = await here.forge.issues(Query(numbers=tuple(numbers)))
    assert [(dict(one.fields), one.assignees) for one in found] == [
        (fields if supported else {}, ("ann",)) for _ in numbers
    ]
    before = len(here.stub.requests)
    await here.forge.issues(Query(numbers=tuple(numbers)))
    assert len(here.stub.requests) == before + 1  # what a server lacks is asked for once


async def test_fields_of_a_board_are_read_with_what_is_on_it(here: Site) -> None:
    one, other = here.world.seed(fields={"Priority": "Low", "Team": "web"}), here.world.seed()
    here.world.projects[4] = [one, other]
    here.world.board_fields[one] = {"Priority": "Urgent", "Estimate": "5"}
    found = await here.forge.issues(Query(project=4))
    assert [dict(issue.fields) for issue in found] == [
        {"Priority": "Urgent", "Team": "web", "Estimate": "5"},
        {},
    ]


# Signing in


def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


async def test_an_app_acts_through_its_installation_and_renews_its_token() -> None:
    async with site(token=None, app=App(5, 77, private_key())) as here:
        number = here.world.seed()
        expires = here.clock.now() + timedelta(hours=1)
        here.stub.installations[77] = ("first-token", f"{expires:%Y-%m-%dT%H:%M:%S}.123Z")
        assert await here.forge.whoami() == f"{here.world.login}[bot]"
        await here.forge.issue(number)
        here.stub.installations[77] = ("second-token", "")
        here.clock.advance(50 * 60)
        await here.forge.issue(number)
        assert here.stub.token == "first-token"
        here.clock.advance(6 * 60)
        await here.forge.issue(number)
        assert here.stub.token == "second-token"
        credentials = await here.forge.git_credentials()
        assert credentials is not None and credentials.password == "second-token"
        assert sum("access_tokens" in target for target in here.stub.targets()) == 2


async def test_every_secret_that_an_app_makes_is_told_to_who_keeps_secrets() -> None:
    known: list[str] = []
    async with site(token=None, app=App(5, 77, private_key()), learned=known.append) as here:
        here.stub.installations[77] = ("first-token", "")
        await here.forge.issue(here.world.seed())
    sent = {seen.headers["authorization"].removeprefix("Bearer ") for seen in here.stub.requests}
    assert sent == set(known) and "first-token" in known


async def test_a_token_that_is_no_users_says_who_it_is_by_graphql(here: Site) -> None:
    refused = b'{"message": "Resource not accessible by integration"}'
    told = b'{"data": {"viewer": {"login": "github-actions[bot]"}}}'
    here.stub.faults += [Fault("GET /user", 403, body=refused), Fault("POST .*graphql", 200, body=told)]
    assert await here.forge.whoami() == "github-actions[bot]"
    assert (await here.forge.signed_in()).login == "github-actions[bot]"


async def test_a_token_that_nobody_knows_is_refused_as_github_does(here: Site) -> None:
    here.stub.faults += [
        Fault("GET /user", 401, body=b'{"message": "Bad credentials"}'),
        Fault("POST .*graphql", 401),
    ]
    with pytest.raises(NotAllowed, match="Bad credentials"):
        await here.forge.whoami()


async def test_a_token_of_an_installation_that_is_not_accepted_is_renewed() -> None:
    async with site(token=None, app=App(5, 77, private_key())) as here:
        number = here.world.seed()
        here.stub.installations[77] = ("first-token", "")
        await here.forge.issue(number)
        here.stub.token = "revoked"
        with pytest.raises(NotAllowed):
            await here.forge.issue(number)
        here.stub.installations[77] = ("second-token", "")
        assert (await here.forge.issue(number)).number == number


async def test_a_broken_key_of_an_app_is_told_without_showing_it() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nabcdefsecret\n-----END RSA PRIVATE KEY-----"
    async with site(token=None, app=App(5, 77, key)) as here:
        with pytest.raises(NotAllowed) as refusal:
            await here.forge.issue(1)
        told = "".join(traceback.format_exception(refusal.value))
        assert "private_key_path" in told and "abcdefsecret" not in told


async def test_hazard_the_token_is_in_no_error_no_log_and_no_repr(
    here: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = here.stub.token
    here.stub.faults += [Fault("GET", 500), Fault("GET", 401), Fault("GET", 403), Fault("POST", done=True)]
    errors: list[BaseException] = []
    for _ in range(3):
        with pytest.raises(ForgeError) as refusal:
            await here.forge.issue(1)
        errors.append(refusal.value)
    with pytest.raises(ForgeError) as refusal:
        await here.forge.comment(here.world.seed(), "hello")
    errors.append(refusal.value)
    for error in errors:
        assert error.__cause__ is None and error.__context__ is None
        assert token not in "".join(traceback.format_exception(error)) + repr(error)
    assert token not in caplog.text
    credentials = await here.forge.git_credentials()
    assert token not in f"{credentials!r} {here.forge!r} {ForgeSettings('a/b', 'https://c', token)!r}"
    ours = [thing for thing in gc.get_objects() if str(type(thing).__module__).startswith("mawep.trackers")]
    shown = [repr(thing) for thing in ours]
    assert shown and token not in " ".join(shown)


# What checks and branches say


async def test_a_failed_job_brings_the_end_of_its_log(here: Site) -> None:
    here.world.report(SHA, "test", CheckState.FAILED, summary="failed")
    (check,) = here.world.checks[SHA]
    url = "https://github.com/acme/shop/actions/runs/5/job/88"
    here.world.checks[SHA] = [msgspec.structs.replace(check, url=url)]
    log = "".join(f"2026-01-01T00:00:00.1234567Z line {n}\n" for n in range(3000))
    here.stub.logs[88] = (
        f"{log}2026-01-01T00:00:01.0Z \x1b[31m##[error]assert 1 == 2\n2026-01-01T00:00:02Z bye\n"
    )
    (found,) = await here.forge.checks(SHA)
    assert found.excerpt.endswith("line 2999\n##[error]assert 1 == 2") and len(found.excerpt) <= 8000
    await here.forge.checks(SHA)
    assert sum("/logs" in target for target in here.stub.targets()) == 1


async def test_a_log_that_is_not_to_be_had_is_no_error(here: Site) -> None:
    here.world.report(SHA, "test", CheckState.FAILED, excerpt="seen")
    (check,) = here.world.checks[SHA]
    url = "https://github.com/acme/shop/actions/runs/5/job/88"
    here.world.checks[SHA] = [msgspec.structs.replace(check, url=url)]
    (found,) = await here.forge.checks(SHA)
    assert found.excerpt == "seen"


async def test_statuses_and_runs_are_read_together(here: Site) -> None:
    here.world.statuses[SHA] = [
        {"id": 2, "context": "old/ci", "state": "error", "description": "broke", "target_url": "https://x"},
        {"id": 1, "context": "older/ci", "state": "pending"},
    ]
    here.world.report(SHA, "test", CheckState.PASSED)
    found = {check.name: check.state for check in await here.forge.checks(SHA)}
    assert found == {
        "old/ci": CheckState.FAILED,
        "older/ci": CheckState.PENDING,
        "test": CheckState.PASSED,
    }


async def test_older_protection_is_read_as_far_as_we_may(here: Site) -> None:
    here.world.push("main", SHA)
    here.stub.rulesets = False
    assert await here.forge.required("main") == Required()
    demands = Required(checks=("test",), approvals=2, strict=True, merge_queue=True)
    here.world.protect("main", demands)
    assert await here.forge.required("main") == demands
    here.stub.protection_readable = False
    assert await here.forge.required("main") == Required(checks=("test",), merge_queue=True, known=False)


async def test_a_merge_that_is_not_done_yet_has_no_commit(here: Site) -> None:
    here.world.push("main", SHA)
    here.world.push("feature/1", "b" * 40)
    made = await here.forge.open_pull(title="t", body="b", head="feature/1", base="main")
    assert made.merge_commit is None and not made.merged
    (listed,) = await here.forge.pulls(head="feature/1")
    assert listed.mergeable is None and listed.mergeable_state == "unknown"
