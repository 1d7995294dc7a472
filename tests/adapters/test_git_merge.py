"""Composition in memory, and what is shown of conflicts of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository
from mawep.adapters.git_merge import Conflicted, Merged, conflict_hunks, merge_trees
from mawep.adapters.git_objects import read_blob
from mawep.errors import GitError
from tests.support.repos import branch, git, head, make_repository, write

Files = Mapping[str, str | bytes | None]


def numbered(count: int, **replaced: str) -> str:
    """Lines `1`…`count`, some replaced: `numbered(9, l3="three")`."""
    return "".join(f"{replaced.get(f'l{number}', number)}\n" for number in range(1, count + 1))


async def merged(
    tmp_path: Path, base: Files, ours: Files, theirs: Files
) -> tuple[Repository, Merged | Conflicted]:
    path = make_repository(tmp_path / "r", {name: content for name, content in base.items() if content})
    sides = branch(path, "ours", ours), branch(path, "theirs", theirs)
    repository = await find_repository(path)
    return repository, await merge_trees(repository, *sides)


async def test_changes_apart_fit(tmp_path: Path) -> None:
    base = {"f": numbered(20), "g": "g\n"}
    repository, result = await merged(
        tmp_path,
        base,
        {"f": numbered(20, l2="two"), "h": "h\n"},
        {"f": numbered(20, l19="nineteen"), "g": None},
    )
    assert isinstance(result, Merged)
    assert await read_blob(repository, f"{result.tree}:f") == numbered(20, l2="two", l19="nineteen").encode()
    assert git(repository.common_dir.parent, "status", "--porcelain") == ""


async def test_only_the_conflicting_hunks_are_shown_with_both_sides_and_base(tmp_path: Path) -> None:
    repository, result = await merged(
        tmp_path,
        {"f": numbered(60)},
        {"f": numbered(60, l10="ten", l50="fifty", l30="thirty")},
        {"f": numbered(60, l10="X", l50="L")},
    )
    assert isinstance(result, Conflicted)
    hunks = await conflict_hunks(repository, result, names={result.ours: "main", result.theirs: "#102"})
    lines = hunks["f"].splitlines()
    assert lines[:2] == ["CONFLICT (content): Merge conflict in f", "@@ line 7 @@"]
    assert [line for line in lines if not line.startswith(("CONFLICT", "@@"))] == [
        *(
            "7",
            "8",
            "9",
            "<<<<<<< main",
            "ten",
            lines[7],
            "10",
            "=======",
            "X",
            ">>>>>>> #102",
            "11",
            "12",
            "13",
        ),
        *("47", "48", "49", "<<<<<<< main", "fifty", lines[7], "50", "=======", "L", ">>>>>>> #102"),
        *("51", "52", "53"),
    ]
    assert lines[7].startswith("|||||||")


async def test_what_is_shown_is_bounded(tmp_path: Path) -> None:
    sides = [{f"f{number}": f"{side * 500}\n" * 500 for number in range(60)} for side in "xy"]
    repository, result = await merged(tmp_path, {"z": "z\n"}, *sides)
    assert isinstance(result, Conflicted)
    assert len(result.files) == 60
    hunks = await conflict_hunks(repository, result)
    assert len(hunks) == 50
    for text in hunks.values():
        lines = text.splitlines()
        assert len(lines) == 201
        assert max(map(len, lines)) <= 400
        assert lines[-1].endswith("more lines)")


async def test_markers_that_a_file_always_had_are_not_a_conflict(tmp_path: Path) -> None:
    marks = "<<<<<<< x\na\n=======\nb\n>>>>>>> y\n"
    repository, result = await merged(
        tmp_path,
        {"f": f"{marks}{numbered(30)}"},
        {"f": f"{marks}{numbered(30, l30='a')}"},
        {"f": f"{marks}{numbered(30, l30='b')}"},
    )
    assert isinstance(result, Conflicted)
    assert "<<<<<<< x" not in (await conflict_hunks(repository, result))["f"]


KINDS: list[tuple[str, Files, Files, Files, dict[str, list[str]]]] = [
    (
        "add/add",
        {"z": "z\n"},
        {"f": "ours\n"},
        {"f": "theirs\n"},
        {"f": ["CONFLICT (add/add)", "ours", ">>>>>>>"]},
    ),
    (
        "modify/delete",
        {"f": numbered(9)},
        {"f": None},
        {"f": numbered(9, l1="one")},
        {"f": ["CONFLICT (modify/delete): f deleted in ours and modified in theirs"]},
    ),
    (
        "binary",
        {"f": b"\0base"},
        {"f": b"\0ours"},
        {"f": b"\0theirs"},
        {"f": ["Cannot merge binary files: f (ours vs. theirs)"]},
    ),
    (
        "rename/delete",
        {"f": numbered(30)},
        {"f": None, "g": numbered(30)},
        {"f": None},
        {"g": ["CONFLICT (rename/delete): f renamed to g in ours, but deleted in theirs."]},
    ),
    (
        "rename/rename",
        {"f": numbered(30)},
        {"f": None, "g": numbered(30)},
        {"f": None, "h": numbered(30)},
        {
            "f": ["CONFLICT (rename/rename)"],
            "g": ["CONFLICT (rename/rename)"],
            "h": ["CONFLICT (rename/rename)"],
        },
    ),
    (
        "file/directory",
        {"z": "z\n"},
        {"d": "file\n"},
        {"d/x": "x\n"},
        {"d~": ["CONFLICT (file/directory)"]},
    ),
]


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "shown"), [kind[1:] for kind in KINDS], ids=[k[0] for k in KINDS]
)
async def test_every_kind_of_conflict_is_told(
    tmp_path: Path, base: Files, ours: Files, theirs: Files, shown: dict[str, list[str]]
) -> None:
    repository, result = await merged(tmp_path, base, ours, theirs)
    assert isinstance(result, Conflicted)
    hunks = await conflict_hunks(repository, result, names={result.ours: "ours", result.theirs: "theirs"})
    for start, sentences in shown.items():
        (path,) = [
            path for path in hunks if path == start or (start.endswith("~") and path.startswith(start))
        ]
        for sentence in sentences:
            assert sentence in hunks[path]


async def test_a_submodule_conflict_is_told(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r")
    commits = [head(path), branch(path, "x", {"x": "1"}), branch(path, "y", {"y": "1"})]

    def link(name: str, sha: str) -> str:
        git(path, "checkout", "--quiet", "-B", name, "base" if name != "base" else "main")
        git(path, "update-index", "--add", "--cacheinfo", f"160000,{sha},sub")
        git(path, "commit", "--quiet", "-m", "link")
        return head(path)

    link("base", commits[0])
    sides = link("ours", commits[1]), link("theirs", commits[2])
    repository = await find_repository(path)
    result = await merge_trees(repository, *sides)
    assert isinstance(result, Conflicted)
    assert result.files == ("sub",)
    assert all(message.kind for message in result.messages)
    assert "CONFLICT (submodule)" in (await conflict_hunks(repository, result))["sub"]


async def test_histories_without_a_common_commit_are_an_error(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r")
    first = head(path)
    git(path, "switch", "--quiet", "--orphan", "other")
    git(path, "commit", "--quiet", "--allow-empty", "-m", "other root")
    repository = await find_repository(path)
    with pytest.raises(GitError, match="exited"):
        await merge_trees(repository, first, head(path))


async def test_many_merges_at_once_agree_with_one_after_another(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "r", {"f": numbered(40)})
    sides = [branch(path, f"b{n}", {"f": numbered(40, **{f"l{n * 3}": "new"})}) for n in range(1, 9)]
    repository = await find_repository(path)
    pairs = [(one, other) for one in sides for other in sides]
    together = await asyncio.gather(*(merge_trees(repository, *pair) for pair in pairs))
    assert together == [await merge_trees(repository, *pair) for pair in pairs]
    assert all(isinstance(result, Merged) for result in together)


async def test_a_tree_full_of_odd_configuration_merges_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's merge settings do not decide what lands."""
    settings: list[Callable[[Path], object]] = [
        lambda path: git(path, "config", "merge.conflictStyle", "diff3"),
        lambda path: git(path, "config", "merge.renames", "false"),
        lambda path: git(path, "config", "merge.renormalize", "true"),
    ]
    path = make_repository(tmp_path / "r", {"f": numbered(30)})
    sides = (
        branch(path, "ours", {"f": None, "g": numbered(30)}),
        branch(path, "theirs", {"f": numbered(30, l3="x")}),
    )
    plain = await merge_trees(await find_repository(path), *sides)
    for change in settings:
        change(path)
    write(path / "home" / ".gitconfig", "[merge]\n\trenames = false\n")
    monkeypatch.setenv("HOME", str(path / "home"))
    assert await merge_trees(await find_repository(path), *sides) == plain
    assert isinstance(plain, Merged)
