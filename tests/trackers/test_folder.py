"""A folder of Markdown files is a tracker: `number` decides, every mistake is told with file and line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mawep.core.model import Dependency, Issue, Priority
from mawep.errors import ProblemsError, UsageError
from mawep.trackers.base import Wanted
from mawep.trackers.registry import TRACKERS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "issues"
    path.mkdir()
    return path


def put(folder: Path, name: str, front_matter: str, body: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"---\n{front_matter}---\n{body}", encoding="utf-8")
    return path


async def issues(folder: Path) -> list[Issue]:
    return list((await TRACKERS["folder"](folder).find(Wanted())).issues)


async def issue(folder: Path, front_matter: str, body: str = "") -> Issue:
    put(folder, "one.md", front_matter, body)
    (found,) = await issues(folder)
    return found


async def problems(folder: Path) -> list[str]:
    with pytest.raises(ProblemsError) as refusal:
        await issues(folder)
    assert refusal.value.exit_code == 2
    return list(refusal.value.problems)


async def test_an_issue_says_everything(folder: Path) -> None:
    found = await issue(
        folder,
        "number: 102\ntitle: Stripe-style provider\nlabels: [backend, backend, payments]\ndepends_on: [101, '#100']\n"
        "files: [./src/stripe.py]\npriority: high\nestimate_hours: 2.5\nauthor: ada\ncreated_at: 2026-01-31\n",
        "\nWrite it.\n\nBlocked by #99, #101 and #102\n\n## Affected files\n- `docs/pay.md`: a paragraph\n",
    )
    assert found == Issue(
        number=102,
        title="Stripe-style provider",
        body="Write it.\n\nBlocked by #99, #101 and #102\n\n## Affected files\n- `docs/pay.md`: a paragraph\n",
        labels=("backend", "payments"),
        priority=Priority.HIGH,
        estimate_hours=2.5,
        depends_on=(Dependency(101), Dependency(100), Dependency(99, "body")),
        files=("src/stripe.py", "docs/pay.md"),
        author="ada",
        created_at="2026-01-31T00:00:00+00:00",
        origin="issues/one.md",
    )


async def test_number_and_title_are_enough(folder: Path) -> None:
    assert await issue(folder, "number: 7\ntitle: Do it\n") == Issue(7, "Do it", origin="issues/one.md")


async def test_a_title_may_be_the_first_heading(folder: Path) -> None:
    found = await issue(folder, "number: 7\n", "```\n# code\n```\n## The  title ##\n# Other\n")
    assert found.title == "The title"


async def test_a_title_cannot_drive_a_terminal(folder: Path) -> None:
    assert (await issue(folder, "number: 7\n", "# a\x1b[31mred\x07\n")).title == "a [31mred"


@pytest.mark.parametrize(
    ("word", "priority"),
    [
        ("critical", Priority.CRITICAL),
        ("High", Priority.HIGH),
        ("normal", Priority.NORMAL),
        ("medium", Priority.NORMAL),
        ("low", Priority.LOW),
        ("0", Priority.CRITICAL),
        ("3", Priority.LOW),
        ("p1", Priority.HIGH),
        ("P2", Priority.NORMAL),
    ],
)
async def test_priorities(folder: Path, word: str, priority: Priority) -> None:
    assert (await issue(folder, f"number: 7\ntitle: x\npriority: {word}\n")).priority is priority


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00+00:00"),
        ("2026-01-31 09:30:00+02:00", "2026-01-31T07:30:00+00:00"),
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
    ],
)
async def test_moments_sort_as_text(folder: Path, written: str, moment: str) -> None:
    assert (await issue(folder, f"number: 7\ntitle: x\ncreated_at: {written}\n")).created_at == moment


async def test_one_word_is_a_list_of_one(folder: Path) -> None:
    found = await issue(folder, "number: 7\ntitle: x\nlabels: bug\ndepends_on: 6\nfiles: a.py\n")
    assert (found.labels, found.depends_on, found.files) == (("bug",), (Dependency(6),), ("a.py",))


async def test_file_names_are_free_and_issues_come_by_number(folder: Path) -> None:
    put(folder, "z.md", "number: 1\ntitle: a\n")
    put(folder, "sprint/a.MD", "number: 3\ntitle: b\n")
    put(folder, "101.md", "number: 2\ntitle: c\n")
    (folder / "README.md").write_text("# How we write issues\n")
    (folder / "notes.txt").write_text("no issue")
    put(folder, ".draft.md", "nonsense")
    put(folder, ".git/x.md", "nonsense")
    assert [(i.number, i.origin) for i in await issues(folder)] == [
        (1, "issues/z.md"),
        (2, "issues/101.md"),
        (3, "issues/sprint/a.MD"),
    ]


async def test_windows_line_ends_and_a_byte_order_mark_are_fine(folder: Path) -> None:
    (folder / "one.md").write_bytes(b"\xef\xbb\xbf---\r\nnumber: 7\r\ntitle: x\r\n---\r\nDepends on #6\r\n")
    (found,) = await issues(folder)
    assert (found.title, found.body, found.depends_on) == ("x", "Depends on #6\n", (Dependency(6, "body"),))


async def test_every_mistake_in_every_file_is_told_at_once(folder: Path) -> None:
    put(
        folder,
        "a.md",
        "number: 0\ntilte: x\npriority: urgent\nestimate_hours: 2h\ncreated_at: yesterday\n"
        "labels: {a: b}\nfiles: [ok.py, /etc/passwd]\ndepends_on: [x, o/r#3, 1]\nauthor: [a]\n",
        "Text\n\nDepends on #0 and more\nRequires acme/shop#3\n\n"
        "## Affected files\n- the checkout page\n- ../x\n\n## Blocked by\n- gateway (#5)\n- again (#1)\n",
    )
    put(folder, "b.md", "number: 5\ntitle: x\nnumber: 6\nestimate_hours: -1\n")
    put(folder, "c.md", "number: 5\ntitle: y\n")
    put(folder, "d.md", "title: [\n")
    put(folder, "e.md", "")
    (folder / "f.md").write_text("# No front matter\n")
    (folder / "g.md").write_bytes(b"---\nnumber: 9\ntitle: \xff\n---\n")
    assert await problems(folder) == [
        "issues/a.md:2: number: expected a whole number above 0",
        "issues/a.md:3: tilte: unknown key; did you mean `title`?",
        "issues/a.md:4: priority: expected critical, high, normal, low, 0 to 3 or p0 to p3",
        "issues/a.md:5: estimate_hours: expected a number of hours above 0, such as 2.5",
        "issues/a.md:6: created_at: expected a date or a time, such as 2026-01-31 or 2026-01-31T09:30:00Z",
        "issues/a.md:7: labels: expected a list, such as `[a, b]`",
        "issues/a.md:8: files[1]: `/etc/passwd` is absolute; write it relative to the repository",
        "issues/a.md:9: depends_on[0]: expected the number of an issue, such as 101, not `x`",
        "issues/a.md:9: depends_on[1]: `o/r#3` is in another repository, where this tracker cannot look",
        "issues/a.md:10: author: expected one text",
        "issues/a.md:14: `#0` cannot be read as a reference to an issue; write it as `#101`",
        "issues/a.md:15: waits for acme/shop#3 in another repository, where this tracker cannot look",
        "issues/a.md:18: affected files: `the checkout page` is not a path; "
        "write the path in backticks, a description after it",
        "issues/a.md:19: affected files: `../x` leads upwards with `..`; paths stay inside the repository",
        "issues/a.md:22: is `#5` a dependency? Begin the item with it, or write it in backticks",
        "issues/b.md:4: `number` is given twice, first on line 2",
        "issues/b.md:5: estimate_hours: expected a number of hours above 0, such as 2.5",
        "issues/c.md:2: number: 5 is also the number of issues/b.md",
        "issues/d.md:2: is not valid YAML: expected the node content, but found '<stream end>'",
        "issues/e.md:2: its front matter holds no keys; write at least `number` and `title`",
        "issues/f.md:1: has no front matter; begin the file with a line `---`, keys, and another `---`",
        "issues/g.md:3: is not UTF-8 text",
    ]


@pytest.mark.parametrize(
    ("front_matter", "problem"),
    [
        ("title: x\n", "issues/one.md:2: number: is missing; write `number: 101`"),
        ("number: [1]\ntitle: x\n", "issues/one.md:2: number: expected a whole number above 0"),
        (
            "number: 7\n",
            "issues/one.md:2: title: is missing; write `title: …`, or begin the text with a heading",
        ),
        (
            "number: 7\ntitle:\n",
            "issues/one.md:3: title: is missing; write `title: …`, or begin the text with a heading",
        ),
        ("number: 7\ntitle: [a]\n", "issues/one.md:3: title: expected one text"),
        ("number: 7\ntitle: x\nzoo: 1\n", "issues/one.md:4: zoo: unknown key; known are number, title, "),
        (
            "number: 7\ntitle: x\nlabels: [[a]]\n",
            "issues/one.md:4: labels[0]: expected a word; this item is empty",
        ),
        ("number: 7\ntitle: x\nestimate_hours: .inf\n", "issues/one.md:4: estimate_hours: expected a number"),
        (
            "number: 7\ntitle: x\nfiles: ['']\n",
            "issues/one.md:4: files[0]: expected a word; this item is empty",
        ),
    ],
)
async def test_a_mistake_is_one_sentence(folder: Path, front_matter: str, problem: str) -> None:
    put(folder, "one.md", front_matter)
    (found,) = await problems(folder)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("front_matter", "line"),
    [
        ("number: 7\ntitle: x\ndepends_on: #101, #102\n", 4),
        ("number: 7\ntitle: x\ndepends_on:\n  - #101\n", 5),
        ("number: 7\ntitle: x\ndepends_on: [#101]\n", 4),
        ("number: #101\ntitle: x\n", 2),
    ],
)
async def test_a_dependency_is_never_lost_to_a_comment(folder: Path, front_matter: str, line: int) -> None:
    put(folder, "one.md", front_matter)
    (found,) = await problems(folder)
    assert found.startswith(f"issues/one.md:{line}: ")
    assert found.endswith('a bare `#` begins a comment in YAML; write 101 or "#101"')


async def test_a_gap_in_the_text_is_fine_when_the_dependency_is_known(folder: Path) -> None:
    body = "## Dependencies\n- The gateway (#101)\n"
    found = await issue(folder, "number: 102\ntitle: x\ndepends_on: [101]\n", body)
    assert found.depends_on == (Dependency(101),)


@pytest.mark.parametrize(
    ("item", "paths"),
    [
        ("`src/a.py`", ("src/a.py",)),
        ("`src/a b.py`: with a blank", ("src/a b.py",)),
        ("`a.py`, `b.py` and `c.py` are all", ("a.py", "b.py", "c.py")),
        ("src/a.py - the gateway", ("src/a.py",)),
        ("src/a.py: the gateway", ("src/a.py",)),
        ("src/a.py (new)", ("src/a.py",)),
        ("a.py, docs/*.md", ("a.py", "docs/*.md")),
        ("[x] Makefile", ("Makefile",)),
        ("None", ()),
        ("n/a", ()),
    ],
)
async def test_affected_files(folder: Path, item: str, paths: tuple[str, ...]) -> None:
    body = f"- not.py\n\n## Affected Files:\n\nThese:\n\n- {item}\n\n## Other\n- other.py\n"
    assert (await issue(folder, "number: 7\ntitle: x\n", body)).files == paths


async def test_a_link_out_of_the_folder_is_not_followed(folder: Path) -> None:
    secret = folder.parent / "secret.md"
    secret.write_text("---\nnumber: 1\ntitle: secret\n---\n")
    (folder / "one.md").symlink_to(secret)
    (folder / "two.md").symlink_to(folder / "gone.md")
    os.mkfifo(folder / "pipe.md")
    assert await problems(folder) == [
        "issues/one.md: is a link that leads out of the folder",
        "issues/pipe.md: is not a file",
        "issues/two.md: is not a file",
    ]


async def test_a_huge_file_is_refused(folder: Path) -> None:
    put(folder, "one.md", "number: 1\ntitle: x\n", "x" * (1 << 18))
    assert await problems(folder) == ["issues/one.md: is longer than 262144 bytes"]


async def test_a_folder_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"issues\.path"):
        await issues(tmp_path / "issues")


async def test_an_empty_folder_has_no_issues(folder: Path) -> None:
    assert await issues(folder) == []
