"""OCPI 2.2.1 on the wire: its constants, stored Tokens and questions."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from msgspec.structs import replace

from agent.ocpi import v221
from agent.ocpi.authorization import Encoding
from agent.ocpi.wire import SUPPORTED
from tests.agent.ocpi.examples import (
    SOURCE,
    parse,
    raw,
    token_json,
)


def test_version_is_supported() -> None:
    """The table knows this module by its number."""
    assert SUPPORTED["2.2.1"] is v221
    assert v221.ENCODING is Encoding.BASE64
    assert v221.NAMES_PARTIES


def test_location() -> None:
    """The place always goes out; no EVSEs means all of them, and is left out."""
    assert json.loads(v221.encode_location("LOC-1", ["E1", "E2"])) == {
        "location_id": "LOC-1",
        "evse_uids": ["E1", "E2"],
    }
    assert json.loads(v221.encode_location("LOC-1", ())) == {"location_id": "LOC-1"}


# ---- tokens ------------------------------------------------------------------


def test_stored_token() -> None:
    """What is known of a Token goes out, but never the hash of its group's id."""
    token = v221.decode_token(raw(token_json()), SOURCE)
    written = parse(v221.encode_token(token))
    untold = {"group_id", "default_profile_type", "energy_contract"}
    assert list(written) == [name for name in token_json() if name not in untold]
    assert written == token_json(**dict.fromkeys(untold, ...))
    read_back = v221.decode_token(raw(written), SOURCE)
    assert read_back == replace(token, group_id=None)


def test_stored_token_of_a_later_version() -> None:
    """2.2.1 has no EMAID, and no empty issuer."""
    token = v221.decode_token(raw(token_json(type="EMAID", issuer="")), SOURCE)
    written = parse(v221.encode_token(token))
    assert (written["type"], written["issuer"]) == ("OTHER", "NL*TNM")


def test_stored_moment_has_whole_seconds() -> None:
    """A fraction would be longer than the field; any year has four digits."""
    token = v221.decode_token(raw(token_json()), SOURCE)
    for moment, text in [
        (datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    ]:
        written = parse(v221.encode_token(replace(token, last_updated=moment)))
        assert written["last_updated"] == text
