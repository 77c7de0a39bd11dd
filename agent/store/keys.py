"""The secret that turns card numbers into lookup keys and fingerprints."""

from __future__ import annotations

import os
import re
import secrets
import stat
import struct
from hashlib import blake2b
from typing import TYPE_CHECKING

from agent.errors import ConfigError, StoreFailedError

if TYPE_CHECKING:
    from pathlib import Path

    from agent.domain.tokens import TokenType
    from agent.domain.uid import Uid

KEY_BYTES = 32
CREDENTIAL = "whitelist-key"
_FILE = "whitelist.key"
_TWO_INT64 = struct.Struct("<qq")
# No CiString can look like this: it is ASCII.
_HASHED_GROUP_MARK = "§"
_HASHED_GROUP = re.compile(f"{_HASHED_GROUP_MARK}[0-9a-f]{{16}}")


def load_key(state_dir: Path, credentials_dir: Path | None) -> bytes:
    """Take the key from the systemd credential, else from a file made at first use.

    The file is readable by its owner only. A lost key is no loss of data: no lookup
    matches any more, and the next full synchronisation writes new ones.
    """
    if credentials_dir is not None and (credentials_dir / CREDENTIAL).exists():
        return _check((credentials_dir / CREDENTIAL).read_bytes(), CREDENTIAL)
    path = state_dir / _FILE
    try:
        _create(path)
    except FileExistsError:
        pass
    except OSError as err:
        raise StoreFailedError(
            f"{path} cannot be written: {err.strerror}; check space and permissions"
        ) from err
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path} is readable by others; run: chmod 600 {path}")
    return _check(path.read_bytes(), str(path))


def _create(path: Path) -> None:
    """Write a new key so that it is there whole, or not at all."""
    if path.exists():
        raise FileExistsError(path)
    draft = path.with_suffix(f".{secrets.token_hex(8)}.new")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link fails where a rename would replace a key that is already in use.
        os.link(draft, path)
    finally:
        draft.unlink()


def _check(key: bytes, source: str) -> bytes:
    if len(key) < KEY_BYTES:
        raise ConfigError(
            f"{source}: expected a key of {KEY_BYTES} bytes, got {len(key)}; "
            f"make one with: head -c {KEY_BYTES} /dev/urandom"
        )
    return key[:KEY_BYTES]


class CardKeys:
    """Keyed hashes of card numbers; without the key they lead nowhere."""

    def __init__(self, key: bytes) -> None:
        self._lookup = blake2b(key=key, digest_size=16, person=b"lookup")
        self._fingerprint = blake2b(key=key, digest_size=4, person=b"fingerprint")
        self._group = blake2b(key=key, digest_size=8, person=b"group")

    @property
    def check_value(self) -> int:
        """Recognises the key, and gives nothing away."""
        state = self._lookup.copy()
        state.update(b"check")
        return int.from_bytes(state.digest()[:4])

    def lookup(self, uid_value: str, token_type: TokenType) -> tuple[int, int]:
        """Hash canonical uid and type to 128 bits, as two integers for SQLite."""
        state = self._lookup.copy()
        state.update(f"{token_type.value}\0{uid_value}".encode())
        high, low = _TWO_INT64.unpack(state.digest())
        return high, low

    def group(self, group_id: str) -> str:
        """Hash a group's id, which may be a card's number; in any case the same.

        One that is hashed already stays as it is.
        """
        if _HASHED_GROUP.fullmatch(group_id):
            return group_id
        state = self._group.copy()
        state.update(group_id.casefold().encode())
        return _HASHED_GROUP_MARK + state.hexdigest()

    def fingerprint(self, uid: Uid) -> str:
        """Eight hex digits by which people tell cards apart in logs."""
        state = self._fingerprint.copy()
        state.update(uid.value.encode())
        return state.hexdigest()
