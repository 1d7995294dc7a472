"""Objects: written the same way every time, compared without guessing, checked byte for byte."""

from __future__ import annotations

import hashlib
import stat
import zlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from mawep.adapters.git import Repository, find_repository
from mawep.adapters.git_history import commits_between, parse_trailers
from mawep.adapters.git_objects import (
    ABSENT,
    SUBMODULE,
    SYMLINK,
    Identity,
    UnsoundObjectsError,
    changed_paths_raw,
    check_new_objects,
    commit_tree,
    exists,
    is_ancestor,
    list_tree,
    read_blob,
    rev_parse,
    size_of,
)
from mawep.errors import GitError
from tests.support.repos import branch, commit, git, head, make_repository

AGENT = Identity("agent-0", "agent-0@example.org")
MAWEP = Identity("MAWEP", "mawep@example.org")
DATE = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    return await find_repository(make_repository(tmp_path / "r", {"a": "1\n", "b": "2\n"}))


@pytest.fixture
def path(repository: Repository) -> Path:
    return repository.common_dir.parent


async def test_the_same_commit_is_the_same_sha(
    repository: Repository, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tree = head(path), await rev_parse(repository, "HEAD", "tree")
    message = "a title\n\nwith ünicode\n\nMawep-Issue: 7\n"

    async def made(date: datetime) -> str:
        return await commit_tree(repository, tree, [base], message, author=AGENT, committer=MAWEP, date=date)

    first = await made(DATE)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "someone else")
    again = await made(DATE.astimezone(timezone(timedelta(hours=9))).replace(microsecond=5))
    assert first == again
    (found,) = await commits_between(repository, base, first)
    assert (found.tree, found.parents, found.author, found.message) == (tree, (base,), AGENT, message)
    assert (
        git(path, "show", "-s", "--format=%aI %cn %cI", first)
        == f"{DATE.isoformat()} MAWEP {DATE.isoformat()}"
    )


async def test_a_commit_is_the_one_that_git_would_write(repository: Repository, path: Path) -> None:
    base, tree = head(path), await rev_parse(repository, "HEAD", "tree")
    side = branch(path, "side", {"c": "3\n"})
    for message in ("a title", "a title\n", "a title\n\nwith ünicode\n\nMawep-Issue: 7\n", ""):
        made = await commit_tree(repository, tree, [base, side], message, author=AGENT, date=DATE)
        when = f"@{int(DATE.timestamp())} +0000"
        who = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", AGENT.name), ("EMAIL", AGENT.email), ("DATE", when))
        }
        command = ("commit-tree", tree, "-p", base, "-p", side, "-F", "-")
        assert (await repository.run(*command, input=message.encode(), env=who)).decode().strip() == made
    git(path, "fsck", "--strict", "--no-dangling")


async def test_nothing_in_a_name_or_message_ends_a_commit_early(repository: Repository, path: Path) -> None:
    base, tree = head(path), await rev_parse(repository, "HEAD", "tree")
    author = Identity("an agent\ntree <0>", "<x@example.org>\n")
    made = await commit_tree(repository, tree, [base], "a\0b\udcff", author=author, date=DATE)
    (found,) = await commits_between(repository, base, made)
    assert (found.tree, found.parents, found.message) == (tree, (base,), "ab?")
    assert found.author == Identity("an agenttree 0", "x@example.org")
    await check_new_objects(repository, base, made)


async def test_an_object_is_as_open_as_the_repository(repository: Repository, path: Path) -> None:
    base, tree = head(path), await rev_parse(repository, "HEAD", "tree")
    (path / ".git" / "objects").chmod(0o2770)
    for title in map(str, range(8)):
        made = loose(path, await commit_tree(repository, tree, [base], title, author=AGENT, date=DATE))
        assert stat.S_IMODE(made.stat().st_mode) == 0o440
        assert stat.S_IMODE(made.parent.stat().st_mode) in {0o2770, 0o755}
    assert not list((path / ".git" / "objects").rglob("tmp_obj*"))


async def test_names_are_resolved_or_refused(repository: Repository, path: Path) -> None:
    assert await rev_parse(repository, "main") == head(path)
    assert await rev_parse(repository, "main", "tree") == git(path, "rev-parse", "HEAD^{tree}")
    for wrong in ("nothing", "--all", "main:a"):
        with pytest.raises(GitError):
            await rev_parse(repository, wrong)


async def test_blobs_go_in_and_out_unfiltered(repository: Repository) -> None:
    content = b"\r\n\0\xff$Id$\n"
    sha = (await repository.run("hash-object", "-w", "--stdin", input=content)).decode().strip()
    assert await read_blob(repository, sha) == content
    assert await size_of(repository, sha) == len(content)
    assert await exists(repository, sha)
    assert not await exists(repository, "0" * 40)


async def test_ancestry_has_two_answers_and_an_error(repository: Repository, path: Path) -> None:
    base, side = head(path), branch(path, "side", {"c": "3\n"})
    assert await is_ancestor(repository, base, side)
    assert await is_ancestor(repository, side, side)
    assert not await is_ancestor(repository, side, base)
    with pytest.raises(GitError):
        await is_ancestor(repository, "0" * 40, base)


async def test_a_difference_names_every_path_without_renames(repository: Repository, path: Path) -> None:
    base = head(path)
    after = commit(path, {"a": None, "moved": "1\n", "b": "two\n", "c": "3\n"})
    changes = {change.path: change for change in await changed_paths_raw(repository, base, after)}
    assert {name: change.status for name, change in changes.items()} == {
        "a": "D",
        "b": "M",
        "c": "A",
        "moved": "A",
    }
    assert (changes["a"].new_mode, changes["c"].old_mode) == (ABSENT, ABSENT)
    assert await read_blob(repository, changes["c"].new_sha) == b"3\n"
    assert await changed_paths_raw(repository, base, base) == ()


async def test_links_have_modes_of_their_own(repository: Repository, path: Path) -> None:
    base = head(path)
    (path / "a").unlink()
    (path / "a").symlink_to("/etc/passwd")
    make_repository(path / "nested")
    git(path, "add", "-A", check=False)
    git(path, "commit", "--quiet", "-m", "links")
    changes = {change.path: change for change in await changed_paths_raw(repository, base, head(path))}
    assert (changes["a"].status, changes["a"].new_mode) == ("T", SYMLINK)
    assert changes["nested"].new_mode == SUBMODULE
    assert [entry.kind for entry in await list_tree(repository, "HEAD", "nested")] == ["commit"]


async def test_history_comes_parents_first_and_byte_for_byte(repository: Repository, path: Path) -> None:
    base = head(path)
    first, second = commit(path, {"a": "2\n"}, "one"), commit(path, {"a": "3\n"}, "two\n\nbody\n")
    found = await commits_between(repository, base, second)
    assert [(item.sha, item.subject, item.parents) for item in found] == [
        (first, "one", (base,)),
        (second, "two", (first,)),
    ]
    assert await commits_between(repository, second, base) == ()


async def test_a_message_cannot_forge_another_commit(repository: Repository, path: Path) -> None:
    base, tree = head(path), await rev_parse(repository, "HEAD", "tree")
    evil = f"title\n\n\0{'0' * 40} commit 5\nhello\ncommit {'1' * 40}\n"
    raw = f"tree {tree}\nparent {base}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\n{evil}"
    made = git(path, "hash-object", "-w", "-t", "commit", "--literally", "--stdin", input=raw.encode())
    (found,) = await commits_between(repository, base, made)
    assert (found.sha, found.message) == (made, evil)


TRAILER_BLOCKS = [
    ("t\n\nMawep-Issue: 7\n", (("Mawep-Issue", "7"),)),
    ("t\n\nbody\n\nA: 1\nB-c:2\n and more\n", (("A", "1"), ("B-c", "2 and more"))),
    ("t\n\nbody\n\nA: 1\nprose\n", ()),
    ("Mawep-Issue: 7\n", ()),
    ("Mawep-Issue: 7\nMawep-Run: x\n", ()),
    ("\n\nt\n \nA: 1\n\n\n", (("A", "1"),)),
    ("", ()),
]


@pytest.mark.parametrize(("message", "trailers"), TRAILER_BLOCKS)
async def test_trailers_are_read_as_git_reads_them(
    repository: Repository, message: str, trailers: tuple[tuple[str, str], ...]
) -> None:
    assert parse_trailers(message) == trailers
    if not message.startswith("Mawep"):
        listed = "".join(f"{key}: {value}\n" for key, value in trailers)
        arguments = ("interpret-trailers", "--only-trailers", "--unfold", "--no-divider")
        assert (await repository.run(*arguments, input=message.encode())).decode() == listed


FORGED = [
    "t\n\nMawep-Issue: 7\n",
    "t\n\nSigned-off-by: me\nmawep-ISSUE : 7\nno trailer at all\n",
    "t\n\nMawep-Issue: 7\n\nlast paragraph\n",
    "t\n\nMawep-Run=x\n\n---\n\nafter the divider\n",
    "Mawep-Gate: 0\n",
    "t\n\nA: 1\n  Mawep-Issue: 7\n",
    "t\r\n\r\nMawep-Issue: 7\r\n",
    "t\n\nMawep-: 7",
]


@pytest.mark.parametrize("message", FORGED)
async def test_a_forged_trailer_is_seen_wherever_it_stands(
    repository: Repository, path: Path, message: str
) -> None:
    base, tree = head(path), await rev_parse(repository, "HEAD", "tree")
    made = await commit_tree(repository, tree, [base], message, author=AGENT, date=DATE)
    (found,) = await commits_between(repository, base, made)
    assert found.claims_to_be_ours


async def test_speaking_of_us_is_not_a_claim(repository: Repository, path: Path) -> None:
    commit(path, {"a": "2\n"}, "Speak of Mawep-Issue: trailers\n\nas (Mawep-Run: x) does, in mawep-dir/x:1")
    (spoken,) = await commits_between(repository, "HEAD~1", "HEAD")
    assert not spoken.claims_to_be_ours


async def test_sound_objects_pass(repository: Repository, path: Path) -> None:
    base = head(path)
    after = commit(path, {f"d/{number}": f"{number}\n" for number in range(50)})
    before = sorted((path / ".git" / "objects").rglob("*"))
    await check_new_objects(repository, base, after)
    await check_new_objects(repository, after, after)
    assert sorted((path / ".git" / "objects").rglob("*")) == before
    assert [entry.name for entry in (path / ".git" / "mawep").iterdir()] == ["view"]


def loose(path: Path, sha: str) -> Path:
    return path / ".git" / "objects" / sha[:2] / sha[2:]


async def test_a_rewritten_loose_blob_is_found(repository: Repository, path: Path, tmp_path: Path) -> None:
    base = head(path)
    after = commit(path, {"a": "what was agreed\n"})
    file = loose(path, git(path, "rev-parse", "HEAD:a"))
    file.chmod(0o644)
    file.write_bytes(zlib.compress(b"blob 16\0something else!\n"))
    git(path, "worktree", "add", "--quiet", str(tmp_path / "w"), after)
    assert (tmp_path / "w" / "a").read_text() == "something else!\n", "plain git falls for it"
    with pytest.raises(UnsoundObjectsError):
        await check_new_objects(repository, base, after)


async def test_a_missing_object_is_found(repository: Repository, path: Path) -> None:
    base = head(path)
    after = commit(path, {"a": "gone\n"})
    loose(path, git(path, "rev-parse", "HEAD:a")).unlink()
    with pytest.raises(UnsoundObjectsError):
        await check_new_objects(repository, base, after)


@pytest.mark.parametrize("name", [b".git", b"..", b".GIT", b"a/b", b"git~1"])
async def test_a_tree_that_fsck_refuses_is_found(repository: Repository, path: Path, name: bytes) -> None:
    base, blob = head(path), bytes.fromhex(git(path, "rev-parse", "HEAD:a"))
    tree = b"100644 " + name + b"\0" + blob
    sha = hashlib.sha1(b"tree %d\0" % len(tree) + tree, usedforsecurity=False).hexdigest()
    loose(path, sha).parent.mkdir(exist_ok=True)
    loose(path, sha).write_bytes(zlib.compress(b"tree %d\0" % len(tree) + tree))
    made = await commit_tree(repository, sha, [base], "evil", author=AGENT, date=DATE)
    with pytest.raises(UnsoundObjectsError):
        await check_new_objects(repository, base, made)
