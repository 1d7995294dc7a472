"""Who may speak on the bus: Ed25519 keys by name, kept in a directory that only their owner can read."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mawep.errors import InfrastructureError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class IdentityError(InfrastructureError):
    """A key cannot be used."""


class Identity:
    """A named private key."""

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self.name = checked_name(name)
        self._private_key = private_key

    @classmethod
    def create(cls, name: str) -> Identity:
        """Return a new identity that is kept nowhere."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def load_or_create(cls, directory: Path, name: str) -> Identity:
        """Return the identity kept as `<directory>/<name>.key` (0600), made now if there is none.

        Its public half is kept beside it as `<name>.pub`, where a `Keyring` on the directory finds it.
        Raises IdentityError when the key file is not private to this user or does not hold a key.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / f"{checked_name(name)}.key"
        if not path.exists():
            _publish(path, Ed25519PrivateKey.generate().private_bytes_raw(), 0o600)
        identity = cls(name, Ed25519PrivateKey.from_private_bytes(_private_bytes(path)))
        public = path.with_suffix(".pub")
        if not public.exists():
            _publish(public, identity.public_key, 0o644)
        return identity

    @property
    def public_key(self) -> bytes:
        """The 32 raw bytes others verify with."""
        return self._private_key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of `message`."""
        return self._private_key.sign(message)


class Keyring:
    """Public keys by name: given ones, and those found as `<name>.pub` in a directory of ours."""

    def __init__(self, keys: Mapping[str, bytes] | None = None, directory: Path | None = None) -> None:
        self._directory = directory
        self._keys = {name: Ed25519PublicKey.from_public_bytes(key) for name, key in (keys or {}).items()}

    def add(self, name: str, public_key: bytes) -> None:
        """Trust `public_key` (32 raw bytes) to speak as `name`."""
        self._keys[checked_name(name)] = Ed25519PublicKey.from_public_bytes(public_key)

    def knows(self, name: str) -> bool:
        """Whether a key of that name is trusted."""
        return self._find(name) is not None

    def verify(self, name: str, message: bytes, signature: bytes) -> bool:
        """Whether `signature` is `name`'s over exactly `message`; False for a name nobody knows."""
        key = self._find(name)
        if key is None:
            return False
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def _find(self, name: str) -> Ed25519PublicKey | None:
        if name not in self._keys and self._directory is not None and NAME.fullmatch(name):
            path = self._directory / f"{name}.pub"
            if path.is_file():
                self._keys[name] = Ed25519PublicKey.from_public_bytes(_read_key(path))
        return self._keys.get(name)


@contextmanager
def visitor(directory: Path, kind: str) -> Iterator[Identity]:
    """A fresh identity, trusted by a `Keyring` on `directory` until the context ends; its key is kept nowhere.

    For short-lived participants: each has a name, and with it a mailbox and a sequence, of its own.
    """
    identity = Identity.create(f"{kind}-{os.urandom(6).hex()}")
    public = directory / f"{identity.name}.pub"
    _publish(public, identity.public_key, 0o644)
    try:
        yield identity
    finally:
        public.unlink(missing_ok=True)


def checked_name(name: str) -> str:
    """Return `name`, or raise IdentityError when it could not be a file name and part of a channel."""
    if not NAME.fullmatch(name):
        raise IdentityError(
            f"{name!r} cannot name a participant",
            next_step="use letters, digits, '.', '_' and '-', at most 64",
        )
    return name


def _private_bytes(path: Path) -> bytes:
    status = path.stat()
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise IdentityError(
            f"the key {path} is not private",
            cause=f"its mode is {stat.S_IMODE(status.st_mode):o}, its owner {status.st_uid}",
            next_step="find out who could read it, then make it 0600 and yours",
        )
    return _read_key(path)


def _read_key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise IdentityError(f"{path} does not hold an Ed25519 key", next_step="restore the file from a copy")
    return key


def _publish(path: Path, key: bytes, mode: int) -> None:
    """Write the key whole or not at all; of two processes doing so, the first one's key stays."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
