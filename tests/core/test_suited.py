"""Which runtime suits an issue, by what became of past ones."""

from __future__ import annotations

from mawep.core.model import Issue, Routed
from mawep.core.suited import ROUGHLY, SMOOTHLY, Did, suited, with_suited

ALL = ("codex", "gemini")


def did(runtime: str, *worths: float, label: str = "docs", area: str = "src") -> list[Did]:
    return [Did(runtime, frozenset({label}), frozenset({area}), worth) for worth in worths]


def issue(label: str = "Docs", file: str = "src/a.py") -> Issue:
    return Issue(1, "one", labels=(label,), files=(file,))


GOOD, BAD = [SMOOTHLY] * 6, [SMOOTHLY, ROUGHLY, 0.0, 0.0, 0.0, 0.0]


def test_who_landed_more_of_its_label_is_preferred_and_it_is_said_why() -> None:
    past = [*did("claude-code", *BAD), *did("codex", *GOOD), *did("gemini", ROUGHLY, *GOOD)]
    assert suited(issue(), past, "claude-code", ALL) == Routed(
        "codex",
        "codex landed 6 of 6 (6 without a repair) issues labelled `Docs`, "
        "claude-code landed 2 of 6 (1 without a repair)",
    )


def test_who_is_hardly_better_is_not() -> None:
    past = [*did("claude-code", *GOOD), *did("codex", *GOOD, SMOOTHLY)]
    assert suited(issue(), past, "claude-code", ALL) is None


def test_few_say_nothing_and_the_next_kind_is_asked() -> None:
    past = [*did("claude-code", *BAD), *did("codex", *GOOD[:4]), *did("codex", *GOOD, label="else")]
    found = suited(issue(), past, "claude-code", ALL)
    assert found is not None and "issues in the same directories" in found.why
    past = [*did("claude-code", *BAD), *did("codex", *GOOD, label="else", area="docs")]
    found = suited(issue(), past, "claude-code", ALL)
    assert found is not None and "(6 without a repair) issues, claude-code" in found.why
    assert suited(issue(), did("codex", *GOOD), "claude-code", ALL) is None, "the default was never tried"
    assert suited(issue(), [], "claude-code", ALL) is None


def test_who_cannot_be_taken_here_is_not() -> None:
    past = [*did("claude-code", *BAD), *did("codex", *GOOD)]
    assert suited(issue(), past, "claude-code", ("gemini",)) is None
    (one,) = with_suited([issue()], past, "claude-code", ALL)
    assert one.suited is not None and one.suited.runtime == "codex"
