"""A desk: what an attempt may write, and what its commits say."""

from __future__ import annotations

import pytest

from mawep.core.model import Issue
from mawep.worker.claims import ClaimPolicy
from mawep.worker.desk import commit_message

POLICY = ClaimPolicy(claimed=["locked/**", "docs/*.md"], protected=[".github/**", "CLAUDE.md"])


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("src/a.py", None),
        ("/etc/passwd", "outside"),
        ("../repo/a.py", "outside"),
        ("src/../../repo/a.py", "outside"),
        ("locked/a.py", "claimed"),
        ("src/../locked/a.py", "claimed"),
        ("docs/a.md", "claimed"),
        (".GitHub/workflows/x.yml", "protected"),
        ("claude.md", "protected"),
    ],
)
def test_an_agent_is_told_what_it_may_not_write(path: str, why: str | None) -> None:
    verdict = POLICY.verdict(path)
    assert verdict is None if why is None else verdict is not None and why in verdict


@pytest.mark.parametrize(("labels", "kind"), [((), "feat"), (("Bug",), "fix"), (("hotfix", "x"), "fix")])
def test_a_commit_on_an_agents_behalf_has_a_conventional_title(labels: tuple[str, ...], kind: str) -> None:
    message = commit_message(Issue(7, "A  thing\nin two lines", labels=labels))
    assert message.splitlines()[0] == f"{kind}: A thing in two lines"
