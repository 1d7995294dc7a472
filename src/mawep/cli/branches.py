"""What the branch of an issue is called."""

from __future__ import annotations

import unicodedata

from mawep.core.model import Issue


def slug(title: str) -> str:
    """A title as part of a branch name: at most 40 of a-z, 0-9 and single dashes; letters lose their accents."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", title) if not unicodedata.combining(char))
    letters = "".join(char if char.isascii() and char.isalnum() else " " for char in plain.lower())
    return "-".join(letters.split())[:40].strip("-") or "issue"


def branch_of(issue: Issue, prefixes: dict[str, str]) -> str:
    """`feature/101-payment-gateway`, by the first label that has a prefix of its own."""
    by_label = (prefixes[label.lower()] for label in issue.labels if label.lower() in prefixes)
    prefix = next(by_label, prefixes.get("default", "feature"))
    return f"{prefix}/{issue.number}-{slug(issue.title)}"
