"""The dependency grammar, by the published examples of the tools that people know it from."""

from __future__ import annotations

import pytest

from mawep.trackers.dependencies import Reference, Unreadable, references
from mawep.trackers.markdown import Markdown

OWN = "me/it"

UNDERSTOOD = [
    ("Depends on #666", ["me/it#666"]),
    ("Blocked by #123", ["me/it#123"]),
    ("Depends on another/repo#123", ["another/repo#123"]),
    ("Depends on https://github.com/another/repo/issues/141", ["another/repo#141"]),
    ("Depends on https://github.com/another/repo/pull/142", ["another/repo#142"]),
    ("Depends on ano-ther.999/re_po#123", ["ano-ther.999/re_po#123"]),
    ("(Depends on #486)", ["me/it#486"]),
    ("[Depends on #3167]", ["me/it#3167"]),
    ("<Depends on another/repo#18767>", ["another/repo#18767"]),
    ("depends on: #5", ["me/it#5"]),
    ("blocked by [markdown link](https://github.com/g/d/pull/5)", ["g/d#5"]),
    ("Blocked by #1, #2, #3", ["me/it#1", "me/it#2", "me/it#3"]),
    ("blocked-by: #1 #2", ["me/it#1", "me/it#2"]),
    ("Requires: #4, #5", ["me/it#4", "me/it#5"]),
    ("Depends on #3 and #4 before the redesign #9", ["me/it#3", "me/it#4"]),
    (
        "Depends-On: #123\nDepends-On: https://github.com/org/repo/pull/123\nDepends-On: org/repo#123",
        ["me/it#123", "org/repo#123"],
    ),
    (
        "### Blocked By\n- [ ] #1111\n- [x] #2222\n- [ ] #3333\n## Other\n- [ ] #9",
        ["me/it#1111", "me/it#2222", "me/it#3333"],
    ),
    ("**Depends on:** #8", ["me/it#8"]),
    ("Depends on GH-12", ["me/it#12"]),
    ("depends on #1\n\n#2 is other", ["me/it#1"]),
    ("__Blocked by__: #1 & #2", ["me/it#1", "me/it#2"]),
    ("*depends on*: #1, and #2", ["me/it#1", "me/it#2"]),
    ("Depends on **#5**", ["me/it#5"]),
    ("DEPENDS  ON #1", ["me/it#1"]),
    ("It depends on #1. It requires #2; see #3", ["me/it#1", "me/it#2"]),
    ("Depends on:\n- #1\n- [ ] #2, #3\n\nNot #4", ["me/it#1", "me/it#2", "me/it#3"]),
    ("Depends on:\n\n* #1\n\n#2 is other", ["me/it#1"]),
    ("This depends on\n#1, #2 and more #3", ["me/it#1", "me/it#2"]),
    ("## Dependencies ##\n1. #1\n2) #2 first\n\ntext #5\n- #3", ["me/it#1", "me/it#2", "me/it#3"]),
    ("# Blockers:\n- Depends on #5", ["me/it#5"]),
    ("Depends on https://ghe.example:8443/o/r/issues/7#issuecomment-1", ["o/r#7"]),
    ("Depends on #1\r\n", ["me/it#1"]),
    ("Depends on https://codeberg.example/another/repo/pulls/142", ["another/repo#142"]),
    (
        "Depends on https://gitlab.example/a/group/repo/-/issues/7, a/group/repo#8",
        ["a/group/repo#7", "a/group/repo#8"],
    ),
    ("Depends on https://gitlab.example/a/repo/-/work_items/10", ["a/repo#10"]),
]

SILENT: list[tuple[str, list[str]]] = [
    ("Depends on nonrepo#123", []),
    ("- [ ] #7", []),
    ("```\nDepends on #1\n```\n> Blocked by #2\n`depends on #3` <!-- depends on #4 -->", []),
    ("not independent on #4", []),
    ("It depends on the weather. #4", []),
    ("does not depend on #4", []),
    ("Requires C#8 or later", []),
    ("Requires https://example.org/docs", []),
    ("needs #4, after #5", []),
    ("depends on `x` #3", []),
    ("<!-- open\nDepends on #1", []),
    ("~~~\nDepends on #1\n``` \nDepends on #2\n", []),
    ("- ```yaml\n  depends on #1\n  ```", []),
    ("``a ` depends on #1``", []),
    ("## Dependencies\n- requests 2.0\n- none", []),
    ("## Dependents\n- #4", []),
    ("# Dependencies of the api\n- #4", []),
]

UNREADABLE = [
    ("Depends on #0", "#0"),
    ("Depends on #123hashtag", "#123hashtag"),
    ("Depends on #1, #0", "#0"),
    ("## Blocked by\n- #12abc", "#12abc"),
    ("Depends on GH-0", "GH-0"),
    ("Depends on [#5]", "[#5]"),
    ("Depends on #99999999999999999999", "#99999999999999999999"),
]


def found(body: str) -> list[str]:
    names = [
        f"{r.repository or OWN}#{r.number}" for r in references(Markdown(body)) if isinstance(r, Reference)
    ]
    return list(dict.fromkeys(names))


def unreadable(body: str) -> list[str]:
    return [r.text for r in references(Markdown(body)) if isinstance(r, Unreadable)]


@pytest.mark.parametrize(("body", "expected"), UNDERSTOOD + SILENT)
def test_references(body: str, expected: list[str]) -> None:
    assert found(body) == expected
    assert unreadable(body) == []


@pytest.mark.parametrize(("body", "text"), UNREADABLE)
def test_what_looks_like_a_reference_and_is_none_is_reported(body: str, text: str) -> None:
    assert unreadable(body) == [text]


def test_a_reference_at_the_wrong_end_of_an_item_is_reported() -> None:
    body = "Text\n\n## Depends on\n- The gateway (#101)\n"
    assert list(references(Markdown(body))) == [Unreadable("#101", 4, 101)]


def test_references_know_their_line() -> None:
    body = "# Title\n\n<!-- a\ncomment -->\nDepends on #1\n\n```\ncode\n```\nBlocked by\n- #2"
    assert list(references(Markdown(body))) == [Reference(1, None, 5), Reference(2, None, 11)]


@pytest.mark.parametrize(
    "hostile",
    [
        "depends on " * 20_000,
        "depends on [" * 20_000,
        "Depends on " + "a" * 200_000,
        "Depends on " + "_" * 200_000,
        "Depends on " + "a/" * 100_000,
        "depends" + " " * 200_000,
        "depends on" + " " * 200_000 + "x",
        "Depends on #1" + " " * 200_000 + "x",
        "# " + " " * 200_000 + "x\ndepends on",
        "<!--" * 50_000 + " depends on #1",
        "".join("`" * n + "x" for n in range(1, 500)) + " depends on #1",
        "- " + "[" * 200_000 + "\n## Blocked by\n- " + "[" * 200_000,
        "depends on https://" + "a." * 100_000,
    ],
)
@pytest.mark.timeout(60)
def test_no_text_takes_long(hostile: str) -> None:
    list(references(Markdown(hostile)))


def test_an_address_says_on_which_forge_it_is() -> None:
    (found,) = references(Markdown("Depends on https://ghe.example:8443/o/r/issues/7"))
    assert found == Reference(7, "o/r", 1, "ghe.example:8443")
