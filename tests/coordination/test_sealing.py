"""Sealed envelopes: what was sealed is opened unchanged, and nothing else is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mawep.coordination.channels import ORCHESTRATOR, direct
from mawep.coordination.envelopes import Envelope, new_id
from mawep.coordination.identity import Identity, Keyring
from mawep.coordination.payloads import PAYLOADS, MergeConflict, Payload, Send
from mawep.coordination.sealing import BadEnvelopeError, seal, unseal

RUN, MAILBOX = "r", direct(ORCHESTRATOR)
WORKER = Identity.create("worker-0")
KEYRING = Keyring({"worker-0": WORKER.public_key})
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def envelope(payload: Payload, **fields: object) -> Envelope:
    given_fields: dict[str, object] = {
        "id": new_id(NOW),
        "at": NOW,
        "from": "worker-0",
        "to": ORCHESTRATOR,
        "type": payload.type_name,
        "payload": payload.model_dump(mode="json", by_alias=True),
        "seq": 1,
    }
    return Envelope.model_validate(given_fields | fields)


def opened(raw: bytes, *, run: str = RUN, channel: str = MAILBOX) -> tuple[Envelope, Payload]:
    return unseal(raw, run=run, channel=channel, keyring=KEYRING)


@given(text=st.text(), extra=st.dictionaries(st.text(min_size=1), json_values, max_size=3), top=json_values)
@settings(max_examples=60, deadline=None)
def test_whatever_is_sealed_is_opened_unchanged(text: str, extra: dict[str, object], top: object) -> None:
    payload = Send.model_validate(extra | {"target": "101", "text": text})
    sealed = seal(envelope(payload, new_field=top), run=RUN, channel=MAILBOX, identity=WORKER)
    again, content = opened(sealed.to_bytes())
    assert again == sealed
    assert content == payload
    assert opened(again.to_bytes())[0] == sealed


def test_a_signature_covers_run_channel_and_every_field() -> None:
    sealed = seal(
        envelope(Send(target="101", text="x"), fence=7, correlation="c", traceparent="t"),
        run=RUN,
        channel=MAILBOX,
        identity=WORKER,
    )
    document = json.loads(sealed.to_bytes())
    for where in ({"run": "other"}, {"channel": "results"}):
        with pytest.raises(BadEnvelopeError, match="forged"):
            opened(sealed.to_bytes(), **where)
    changes = {
        "id": new_id(NOW),
        "at": "2026-05-04T03:02:02Z",
        "to": "worker-1",
        "type": "ping",
        "payload": {"target": "102", "text": "x"},
        "correlation": None,
        "traceparent": None,
        "fence": 8,
        "seq": 2,
        "new_field": 1,
    }
    assert set(changes) - {"new_field"} == set(document) - {"v", "from", "sig"}
    for field, value in changes.items():
        with pytest.raises(BadEnvelopeError, match="forged"):
            opened(json.dumps(document | {field: value}).encode())
    reordered = json.dumps(dict(reversed(document.items())), indent=2).encode()
    assert opened(reordered)[0] == sealed


@given(raw=st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=100, deadline=None)
def test_nothing_that_arrives_breaks_the_reader(raw: bytes) -> None:
    with pytest.raises(BadEnvelopeError):
        opened(raw)


@given(
    change=st.dictionaries(st.sampled_from([*sorted(Envelope.model_fields), "from"]), json_values, min_size=1)
)
@settings(max_examples=100, deadline=None)
def test_no_wrong_field_breaks_the_reader(change: dict[str, object]) -> None:
    sealed = seal(envelope(Send(target="101", text="x")), run=RUN, channel=MAILBOX, identity=WORKER)
    document = json.loads(sealed.to_bytes())
    if document | change == document:
        return
    with pytest.raises(BadEnvelopeError):
        opened(json.dumps(document | change).encode())


def test_ids_are_version_seven_and_sort_by_time() -> None:
    ids = [new_id(NOW + timedelta(milliseconds=n)) for n in range(100)]
    assert ids == sorted(ids)
    assert len({new_id(NOW) for _ in range(1000)}) == 1000
    assert {text[14] for text in ids} == {"7"}
    assert {text[19] for text in ids} <= set("89ab")
    assert int(ids[0].replace("-", "")[:12], 16) == int(NOW.timestamp() * 1000)


def test_times_travel_as_rfc_3339_in_utc() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    document = json.loads(envelope(Send(target="1", text="x"), at=elsewhere).to_bytes())
    assert document["at"] == "2026-05-04T03:02:01Z"


def test_a_payload_field_may_have_a_name_that_python_reserves() -> None:
    conflict = MergeConflict(issue=1, others=[2], files=["a"], hunks="", severity="high")
    assert conflict.model_dump(by_alias=True)["with"] == [2]
    assert MergeConflict.model_validate(conflict.model_dump(by_alias=True)) == conflict


def test_payload_types_are_named_after_their_models() -> None:
    assert {"assignment", "turn_result", "answer_question", "ping", "reply"} <= set(PAYLOADS)
    assert all(name == model.type_name for name, model in PAYLOADS.items())
    assert set(PAYLOADS.values()) == set(Payload.__subclasses__())
