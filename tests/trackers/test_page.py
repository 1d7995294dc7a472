"""The examples of docs/issues.md are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mawep.core.model import Issue
from mawep.trackers.issue_file import KEYS, IssueFile, read_issue

PAGE = (Path(__file__).parents[2] / "docs" / "issues.md").read_text()
FILES = re.findall(r"^```markdown\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def rows(title: str) -> list[tuple[str, str]]:
    """The rows of the table headed `text | title`: the example as a person writes it, what is said of it in words."""
    table = PAGE.partition(f"| text | {title} |\n|---|---|\n")[2].partition("\n\n")[0]
    cells = [line.strip("| ").rsplit(" | ", 1) for line in table.splitlines()]
    words = re.compile(r"\[([^]]+)\]\([^)]*\)")
    return [("\n".join(re.findall(r"`([^`]+)`", text)), words.sub(r"\1", said)) for text, said in cells]


def read(body: str) -> IssueFile:
    return read_issue(f"---\nnumber: 1\ntitle: x\n---\n{body}\n", "one.md")


def issue(text: str) -> Issue:
    found = read_issue(text, "one.md")
    assert found.problems == ()
    assert found.issue is not None
    return found.issue


@pytest.mark.parametrize(("text", "said"), rows("waits for"))
def test_dependencies(text: str, said: str) -> None:
    found = read(text)
    assert found.problems == ()
    assert found.issue is not None
    assert [dep.on for dep in found.issue.depends_on] == [
        int(n) for n in said.replace("nothing", "").split(",") if n
    ]


@pytest.mark.parametrize(("text", "said"), rows("why"))
def test_errors(text: str, said: str) -> None:
    (problem,) = read(text).problems
    assert problem.startswith(("one.md:5: ", "one.md:6: "))
    assert said.lower() in problem.lower()


def test_the_tables_are_found() -> None:
    assert len(rows("waits for")) == 12
    assert len(rows("why")) == 5


@pytest.mark.parametrize("text", FILES)
def test_whole_files(text: str) -> None:
    issue(text)


def test_files_in_the_text() -> None:
    assert issue(FILES[2]).files == (
        "src/checkout/api.py",
        "docs/api.md",
        "CHANGELOG.md",
        "src/checkout/models.py",
    )


def test_every_key_is_documented() -> None:
    table = PAGE.partition("| key | value |")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == KEYS
