"""Login files on loan: copies, renewal in both directions, and what a hostile agent puts in their place."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mawep.agents.logins import LARGEST, Logins
from mawep.errors import UsageError

LOGIN = Path(".claude/.credentials.json")


@pytest.fixture
def person(tmp_path: Path) -> Path:
    home = tmp_path / "person"
    (home / LOGIN).parent.mkdir(parents=True)
    _sign_in(home, "first", at=1)
    return home


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    return one, two


def _sign_in(home: Path, token: str, *, at: int) -> None:
    """As CLIs do it: another file, renamed over the old one."""
    draft = home / LOGIN.with_name("draft")
    draft.write_text(json.dumps({"token": token, "refresh": f"{token}-refresh"}))
    draft.rename(home / LOGIN)
    os.utime(home / LOGIN, ns=(at * 10**18, at * 10**18))


def _token(home: Path) -> str:
    return str(json.loads((home / LOGIN).read_text())["token"])


def test_a_copy_is_lent_that_nobody_else_reads(person: Path, homes: tuple[Path, Path]) -> None:
    Logins(person, (LOGIN,)).lend("one", homes[0])
    assert _token(homes[0]) == "first"
    assert (homes[0] / LOGIN).stat().st_mode & 0o777 == 0o600
    assert (homes[0] / LOGIN).stat().st_ino != (person / LOGIN).stat().st_ino


def test_a_renewed_token_reaches_the_person_and_the_other_attempts(
    person: Path, homes: tuple[Path, Path]
) -> None:
    logins = Logins(person, (LOGIN,))
    for name, home in zip(("one", "two"), homes, strict=True):
        logins.lend(name, home)
    _sign_in(homes[0], "second", at=3)
    logins.collect()
    assert [_token(home) for home in (person, *homes)] == ["second"] * 3
    _sign_in(homes[1], "third", at=9)
    logins.retrieve("two")
    assert [_token(home) for home in (person, homes[0])] == ["third"] * 2
    assert not (homes[1] / LOGIN).exists()


def test_a_person_who_signs_in_again_during_a_run(person: Path, homes: tuple[Path, Path]) -> None:
    logins = Logins(person, (LOGIN,))
    logins.lend("one", homes[0])
    _sign_in(person, "anew", at=9)
    logins.collect()
    assert _token(homes[0]) == "anew"
    assert _token(person) == "anew"


def test_nothing_is_written_while_nothing_changes(person: Path, homes: tuple[Path, Path]) -> None:
    logins = Logins(person, (LOGIN,))
    logins.lend("one", homes[0])
    before = (person / LOGIN).stat(), (homes[0] / LOGIN).stat()
    logins.collect()
    assert ((person / LOGIN).stat().st_ino, (homes[0] / LOGIN).stat().st_ino) == (
        before[0].st_ino,
        before[1].st_ino,
    )


@pytest.mark.parametrize(
    "written", [b"", b"no login", b"[]", b"{}", b'{"token": 1}', b"x" * (LARGEST + 1), b"[" * 10**5]
)
def test_what_is_no_renewed_login_stays_where_it_is(
    written: bytes, person: Path, homes: tuple[Path, Path]
) -> None:
    logins = Logins(person, (LOGIN,))
    for name, home in zip(("one", "two"), homes, strict=True):
        logins.lend(name, home)
    (homes[0] / LOGIN).write_bytes(written)
    os.utime(homes[0] / LOGIN, ns=(9 * 10**18, 9 * 10**18))
    logins.collect()
    assert _token(person) == "first"
    assert _token(homes[1]) == "first"


def test_a_link_in_place_of_a_copy_is_neither_read_nor_written_through(
    person: Path, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"token": "stolen", "refresh": ""}))
    logins = Logins(person, (LOGIN,))
    logins.lend("one", homes[0])
    (homes[0] / LOGIN).unlink()
    (homes[0] / LOGIN).symlink_to(secret)
    logins.collect()
    assert _token(person) == "first"
    _sign_in(person, "anew", at=9)
    logins.collect()
    assert json.loads(secret.read_text())["token"] == "stolen"


def test_a_directory_that_leads_elsewhere_gets_no_login(
    person: Path, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (homes[0] / LOGIN.parent).symlink_to(elsewhere)
    logins = Logins(person, (LOGIN,))
    with pytest.raises(OSError, match="leads elsewhere"):
        logins.lend("one", homes[0])
    assert list(elsewhere.iterdir()) == []


def test_a_home_that_leads_to_the_persons_own_login_does_not_take_it_away(
    person: Path, homes: tuple[Path, Path]
) -> None:
    logins = Logins(person, (LOGIN,))
    logins.lend("one", homes[0])
    (homes[0] / LOGIN).unlink()
    (homes[0] / LOGIN.parent).rmdir()
    (homes[0] / LOGIN.parent).symlink_to(person / LOGIN.parent)
    logins.retrieve("one")
    assert _token(person) == "first"


def test_a_login_that_is_not_there(person: Path, homes: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="cannot be lent"):
        Logins(person, (Path(".codex/auth.json"),)).lend("one", homes[0])


def test_an_agent_gets_the_logins_that_it_knows(person: Path, homes: tuple[Path, Path]) -> None:
    other = Path(".codex/auth.json")
    (person / other).parent.mkdir()
    (person / other).write_text("{}")
    logins = Logins(person, (LOGIN, other))
    logins.lend("one", homes[0], [str(LOGIN)])
    logins.lend("two", homes[1])
    assert [(home / other).exists() for home in homes] == [False, True]
    _sign_in(homes[0], "second", at=3)
    logins.retrieve("one")
    assert _token(homes[1]) == "second"


def test_directories_that_lead_in_a_circle_stop_nobody_elses_login(
    person: Path, homes: tuple[Path, Path]
) -> None:
    logins = Logins(person, (LOGIN,))
    for name, home in zip(("one", "two"), homes, strict=True):
        logins.lend(name, home)
    (homes[0] / LOGIN).unlink()
    (homes[0] / LOGIN.parent).rmdir()
    (homes[0] / LOGIN.parent).symlink_to(LOGIN.parent.name)
    _sign_in(homes[1], "second", at=9)
    logins.collect()
    assert _token(person) == "second"
    logins.retrieve("one")


def test_a_directory_that_becomes_a_link_between_look_and_write_is_not_followed(
    person: Path, homes: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment in which an agent would have to win is held open: the name of the draft is chosen in it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    logins = Logins(person, (LOGIN,))
    logins.lend("one", homes[0])
    _sign_in(person, "anew", at=9)

    def swap(length: int) -> str:
        with suppress(OSError):
            (homes[0] / LOGIN.parent).rename(tmp_path / "aside")
            (homes[0] / LOGIN.parent).symlink_to(elsewhere)
        return "ab" * length

    make_directory = os.mkdir

    def late(*given: Any, **named: Any) -> None:
        swap(0)
        make_directory(*given, **named)

    monkeypatch.setattr(os, "mkdir", late)
    monkeypatch.setattr("mawep.agents.logins.secrets.token_hex", swap)
    logins.collect()
    assert list(elsewhere.iterdir()) == []


def test_what_was_lent_is_named_so_that_nothing_keeps_it(person: Path, homes: tuple[Path, Path]) -> None:
    token = "rt_" + "a1B2" * 8
    (person / LOGIN).write_text(json.dumps({"tokens": {"refresh": token}, "type": "oauth"}))
    assert Logins(person, (LOGIN,)).lend("one", homes[0]) == (token,)
