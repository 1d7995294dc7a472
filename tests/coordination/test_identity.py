"""Keys: private to their owner, found by name, never by path."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mawep.coordination.identity import Identity, IdentityError, Keyring, visitor


def test_a_signature_is_one_persons_over_exactly_these_bytes() -> None:
    worker, other = Identity.create("worker-0"), Identity.create("worker-1")
    keyring = Keyring({"worker-0": worker.public_key})
    keyring.add("worker-1", other.public_key)
    signature = worker.sign(b"message")
    assert keyring.verify("worker-0", b"message", signature)
    assert not keyring.verify("worker-0", b"message!", signature)
    assert not keyring.verify("worker-1", b"message", signature)
    assert not keyring.verify("nobody", b"message", signature)
    assert not keyring.verify("worker-0", b"message", b"")


def test_a_kept_identity_is_the_same_again(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    first = Identity.load_or_create(keys, "orchestrator")
    assert Identity.load_or_create(keys, "orchestrator").public_key == first.public_key
    assert (keys / "orchestrator.key").stat().st_mode & 0o777 == 0o600
    assert keys.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in keys.iterdir()) == ["orchestrator.key", "orchestrator.pub"]


def test_a_keyring_finds_keys_that_come_later(tmp_path: Path) -> None:
    keyring = Keyring(directory=tmp_path)
    assert not keyring.knows("worker-0")
    worker = Identity.load_or_create(tmp_path, "worker-0")
    assert keyring.verify("worker-0", b"x", worker.sign(b"x"))


def test_of_many_that_create_it_at_once_all_have_the_same(tmp_path: Path) -> None:
    def public_key(_: int) -> bytes:
        return Identity.load_or_create(tmp_path, "orchestrator").public_key

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(public_key, range(32)))) == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Identity.load_or_create(tmp_path, "orchestrator")
    (tmp_path / "orchestrator.key").chmod(0o640)
    with pytest.raises(IdentityError, match="is not private"):
        Identity.load_or_create(tmp_path, "orchestrator")


@pytest.mark.parametrize("content", ["", "zz", "00" * 31])
def test_a_damaged_key_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "orchestrator.key").write_text(content)
    (tmp_path / "orchestrator.key").chmod(0o600)
    with pytest.raises(IdentityError, match="does not hold an Ed25519 key"):
        Identity.load_or_create(tmp_path, "orchestrator")


@pytest.mark.parametrize("name", ["", "../escape", "a/b", ".hidden", "x" * 65, "a b", "a\n"])
def test_a_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(IdentityError, match="cannot name a participant"):
        Identity.load_or_create(tmp_path, name)
    assert not Keyring(directory=tmp_path).knows(name)
    assert list(tmp_path.iterdir()) == []


def test_a_visitor_is_known_while_it_visits(tmp_path: Path) -> None:
    with visitor(tmp_path, "cli") as identity, visitor(tmp_path, "cli") as other:
        assert identity.name != other.name
        assert Keyring(directory=tmp_path).verify(identity.name, b"x", identity.sign(b"x"))
    assert list(tmp_path.iterdir()) == []
