"""`mawep merge-file`, by itself and as git's merge driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.site import Site
from tests.support.repos import commit, git, make_repository


def merge_file(folder: Path, base: str, ours: str, theirs: str, *more: str, code: int) -> tuple[str, str]:
    for name, text in (("base", base), ("ours", ours), ("theirs", theirs)):
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    said = Site(folder).mawep("merge-file", "base", "ours", "theirs", *more, code=code)
    return said.out, said.err


def test_what_fits_is_printed_with_the_reason_on_stderr(tmp_path: Path) -> None:
    out, err = merge_file(
        tmp_path, "import a\n", "import b\n", "import b\nimport c\n", "--path", "m.py", code=0
    )
    assert out == "import b\nimport c\n"
    assert err == "m.py: same change: theirs holds the whole change of the other side\n"


def test_what_does_not_fit_stands_between_markers(tmp_path: Path) -> None:
    out, err = merge_file(tmp_path, "x = 1\n", "x = f(2)\n", "x = g(3)\n", "--path", "m.py", "--all", code=1)
    assert out == "<<<<<<< ours\nx = f(2)\n||||||| base\nx = 1\n=======\nx = g(3)\n>>>>>>> theirs\n"
    assert err == "m.py: 1 conflict left\n"


def test_rules_that_need_a_look_are_applied_only_when_asked_for(tmp_path: Path) -> None:
    three = ('{"v": "1.0.0"}\n', '{"v": "1.1.0"}\n', '{"v": "2.0.0"}\n')
    merge_file(tmp_path, *three, "--path", "package.json", code=1)
    out, _ = merge_file(tmp_path, *three, "--path", "package.json", "--all", code=0)
    assert out == '{"v": "2.0.0"}\n'


@pytest.mark.parametrize("odd", ["\udcff\n", "a\r\n", "", "no end"])
def test_bytes_that_nobody_disputes_stay_as_they_are(odd: str, tmp_path: Path) -> None:
    merge_file(tmp_path, odd, odd, f"new\n{odd}", "--write", code=0)
    assert (tmp_path / "ours").read_bytes() == f"new\n{odd}".encode("utf-8", "surrogateescape")


def test_a_binary_file_is_left_alone(tmp_path: Path) -> None:
    out, err = merge_file(tmp_path, "a\0", "b\0", "c\0", code=1)
    assert (out, err) == ("b\0", "ours: binary, left as it is in OURS\n")


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    said = Site(tmp_path).mawep("merge-file", "a", "b", "c", code=2)
    assert "'a' does not exist" in said.err


def test_git_merges_with_it_once_told_to(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "shop", {"m.py": "import a\n", "x.py": "x = 1\n"})
    Site(repository).mawep("init", "--merge-driver", code=0)
    Site(repository).mawep("init", "--merge-driver", code=0)
    attributes = (repository / ".git/info/attributes").read_text()
    assert attributes.count("* merge=mawep\n") == 1
    main = git(repository, "branch", "--show-current").strip()
    git(repository, "switch", "-q", "-c", "side")
    commit(repository, {"m.py": "import b\nimport c\n", "x.py": "x = f(2)\n"})
    git(repository, "switch", "-q", main)
    commit(repository, {"m.py": "import b\n", "x.py": "x = g(3)\n"})
    git(repository, "merge", "--no-edit", "side", check=False)
    assert git(repository, "diff", "--name-only", "--diff-filter=U").split() == ["x.py"]
    assert (repository / "m.py").read_text() == "import b\nimport c\n"
    assert ">>>>>>> theirs" in (repository / "x.py").read_text()
    assert not (repository / "mawep.yaml").exists()
