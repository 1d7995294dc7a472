"""What a delivery of a webhook is: genuine, for this repository, and worth a look. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re

import msgspec

SIGNATURE = "x-hub-signature-256"
DELIVERY = "x-github-delivery"
EVENT = "x-github-event"
MATTERS = frozenset(
    {
        *("issues", "issue_comment", "issue_dependencies", "sub_issues"),
        *("pull_request", "pull_request_review", "pull_request_review_comment", "merge_group"),
        *("check_run", "check_suite", "status", "push"),
    }
)
"""Events after which something may have changed for a run."""

_NAME = re.compile(r"[A-Za-z0-9-]{8,100}")


class _Repository(msgspec.Struct):
    full_name: str = ""


class _Comment(msgspec.Struct):
    body: str | None = None


class _Payload(msgspec.Struct):
    repository: _Repository = msgspec.field(default_factory=_Repository)
    comment: _Comment | None = None


_decoder = msgspec.json.Decoder(_Payload)


def signature_of(secret: str, body: bytes) -> str:
    """The signature that a delivery with this body carries."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def genuine(secret: str, body: bytes, signature: str) -> bool:
    """True when who signed knows the secret; takes as long whatever is wrong with it."""
    given = signature.encode("utf-8", "replace")
    return bool(secret) and hmac.compare_digest(signature_of(secret, body).encode(), given)


def well_named(delivery: str) -> bool:
    """True for what may be the name of a delivery."""
    return _NAME.fullmatch(delivery) is not None


def repository_of(body: bytes) -> str | None:
    """The repository that a delivery is about; None when it is no JSON document that says so."""
    payload = _decoded(body)
    return payload.repository.full_name or None if payload else None


def comment_of(body: bytes) -> str:
    """The text of the comment that a delivery is about; empty when it is about something else."""
    payload = _decoded(body)
    return (payload.comment.body or "") if payload and payload.comment else ""


def _decoded(body: bytes) -> _Payload | None:
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
