"""The secret behind the lookup keys: where it comes from and what it hides."""

from __future__ import annotations

import secrets
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from agent.domain.tokens import TokenType
from agent.errors import ConfigError
from agent.store.keys import CREDENTIAL, KEY_BYTES, CardKeys, load_key
from tests.fakes.cards import uid_of

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))
OTHER_KEY = KEY[::-1]


def test_first_use_makes_a_key_for_the_owner_only(tmp_path: Path) -> None:
    """A new key is 32 random bytes in a file of mode 0600, and nothing else is left."""
    key = load_key(tmp_path, None)

    [file] = tmp_path.iterdir()
    assert len(key) == KEY_BYTES
    assert file.read_bytes() == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_key_stays_the_same(tmp_path: Path) -> None:
    """The second start finds the key of the first."""
    assert load_key(tmp_path, None) == load_key(tmp_path, None)


def test_two_stations_have_different_keys(tmp_path: Path) -> None:
    """Keys are not derived from anything that two machines share."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert load_key(tmp_path / "a", None) != load_key(tmp_path / "b", None)


def test_the_credential_wins_over_the_file(tmp_path: Path) -> None:
    """What systemd hands over is used although a file is there."""
    load_key(tmp_path, None)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / CREDENTIAL).write_bytes(KEY)

    assert load_key(tmp_path, credentials) == KEY


def test_without_that_credential_the_file_is_used(tmp_path: Path) -> None:
    """A credentials directory that holds other secrets changes nothing."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()

    assert load_key(tmp_path, credentials) == load_key(tmp_path, None)


@pytest.mark.parametrize("length", [0, 1, 31])
@pytest.mark.parametrize("kept_as", ["file", "credential"])
def test_a_short_key_is_refused_with_the_remedy(
    tmp_path: Path, length: int, kept_as: str
) -> None:
    """A key of less than 32 bytes is named with its place, its length and a remedy."""
    load_key(tmp_path, None)
    place = tmp_path / ("whitelist.key" if kept_as == "file" else CREDENTIAL)
    place.write_bytes(b"k" * length)

    with pytest.raises(ConfigError) as caught:
        load_key(tmp_path, None if kept_as == "file" else tmp_path)

    for part in (place.name, "32 bytes", f"got {length}", "/dev/urandom"):
        assert part in str(caught.value)


def test_a_long_key_is_cut_to_size(tmp_path: Path) -> None:
    """Only the first 32 bytes count, so that a trailing newline does no harm."""
    (tmp_path / CREDENTIAL).write_bytes(KEY + b"\n")

    assert load_key(tmp_path, tmp_path) == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o602])
def test_a_key_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    """Group and world have no business with the key; the message says how to fix it."""
    load_key(tmp_path, None)
    file = tmp_path / "whitelist.key"
    file.chmod(mode)

    with pytest.raises(ConfigError, match=f"chmod 600 {file}"):
        load_key(tmp_path, None)


def test_of_two_creators_the_first_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that another process made in the same moment is never replaced."""

    def be_late(length: int) -> bytes:
        file = tmp_path / "whitelist.key"
        file.touch(0o600)
        file.write_bytes(OTHER_KEY)
        return KEY[:length]

    monkeypatch.setattr(secrets, "token_bytes", be_late)

    assert load_key(tmp_path, None) == OTHER_KEY
    assert [file.name for file in tmp_path.iterdir()] == ["whitelist.key"]


def test_lookup_keys_depend_on_everything() -> None:
    """Card, type and secret each change the whole 128-bit key."""
    keys, card = CardKeys(KEY), uid_of("A").value
    found = [
        keys.lookup(card, TokenType.RFID),
        keys.lookup(uid_of("B").value, TokenType.RFID),
        keys.lookup(card, TokenType.OTHER),
        CardKeys(OTHER_KEY).lookup(card, TokenType.RFID),
    ]

    assert found[0] == CardKeys(KEY).lookup(card, TokenType.RFID)
    assert len({half for pair in found for half in pair}) == 8


def test_a_fingerprint_is_short_and_of_its_own() -> None:
    """Fingerprints are eight hex digits, differ by secret, and are no part of a key."""
    keys, card = CardKeys(KEY), uid_of("A")
    fingerprint = keys.fingerprint(card)
    high, low = keys.lookup(card.value, TokenType.RFID)

    assert len(bytes.fromhex(fingerprint)) == 4
    assert fingerprint == keys.fingerprint(card)
    assert fingerprint != CardKeys(OTHER_KEY).fingerprint(card)
    assert fingerprint not in f"{high & (2**64 - 1):016x}{low & (2**64 - 1):016x}"


def test_many_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    """Threads of one process are no exception."""
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: load_key(tmp_path, None), range(32)))

    assert len(keys) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["whitelist.key"]


def test_a_hashed_group_is_recognised_and_left_alone() -> None:
    """Hashing twice is hashing once, and no CiString looks like a hash."""
    keys = CardKeys(KEY)
    hashed = keys.group("G1")

    assert keys.group(hashed) == hashed == keys.group("g1")
    assert hashed != CardKeys(OTHER_KEY).group("G1")
    assert not hashed.isascii()
    assert hashed.isprintable()


@pytest.mark.parametrize("text", ["§", "§G1", "§0123456789ABCDEF", "0123456789abcdef"])
def test_what_only_resembles_a_hashed_group_is_hashed(text: str) -> None:
    """Nothing but a whole hash is taken for one."""
    assert CardKeys(KEY).group(text) != text
