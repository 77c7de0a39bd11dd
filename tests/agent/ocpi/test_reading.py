"""Tokens as servers send them: a mistake costs as little as it can."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from agent.domain.tokens import Token, TokenType, WhitelistType
from agent.errors import TransientUpstreamError
from agent.ocpi import v211, v221
from agent.ocpi.station import Source
from tests.agent.ocpi.examples import SOURCE, damaged, old_token_json, raw, token_json


def read(*tokens: object) -> tuple[list[Token], list[str]]:
    """Read a page of tokens."""
    return v221.decode_tokens(raw(tokens), SOURCE)


def read_one(**changes: object) -> Token:
    """Read one good token."""
    tokens, problems = read(token_json(**changes))
    assert problems == []
    return tokens[0]


# ---- pages -------------------------------------------------------------------


def test_token() -> None:
    """Every field arrives, the uid in the eMSP's own spelling."""
    assert read_one() == Token(
        upstream="emsp",
        country_code="NL",
        party_id="TNM",
        uid="04a1b2c3d4e5f6",
        type=TokenType.RFID,
        contract_id="NL-TNM-C00000001",
        issuer="Example",
        valid=True,
        whitelist=WhitelistType.ALLOWED,
        last_updated=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        visual_number="NLTNM00000001",
        group_id="G1",
        language="nl",
    )


def test_optional_fields() -> None:
    """Null and absent are the same."""
    for nothing in (None, ...):
        token = read_one(visual_number=nothing, group_id=nothing, language=nothing)
        assert (token.visual_number, token.group_id, token.language) == (None,) * 3
    assert read_one(group_id="").group_id is None


DATES = [
    # as sent, hour in UTC, microseconds
    ("2026-01-02T03:04:05Z", 3, 0),
    ("2026-01-02T03:04:05", 3, 0),
    ("2026-01-02 03:04:05+00:00", 3, 0),
    ("2026-01-02T05:04:05+02:00", 3, 0),
    ("2026-01-02T05:04:05+0200", 3, 0),
    ("2026-01-02T03:04:05.25Z", 3, 250_000),
    ("2026-01-02T03:04:05.5", 3, 500_000),
    ("2026-01-02T03:04:05.123456789", 3, 123_457),
    ("2026-01-02t03:04:05z", 3, 0),
    ("2026-1-2T03:04:05Z", 3, 0),
    ("2026-1-2T3:4:5.5+00:00", 3, 500_000),
]


@pytest.mark.parametrize(("text", "hour", "micros"), DATES)
def test_dates(text: str, hour: int, micros: int) -> None:
    """All the ways servers write a moment give the same one, in UTC."""
    moment = read_one(last_updated=text).last_updated
    assert moment == datetime(2026, 1, 2, hour, 4, 5, micros, tzinfo=UTC)
    assert moment.tzinfo is UTC


def test_placeholder_date() -> None:
    """The date in OCPI's own examples that is none costs nobody a card."""
    moment = read_one(last_updated="1970-1-1T00:00:00Z").last_updated
    assert moment == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", list(WhitelistType))
def test_whitelists(kind: WhitelistType) -> None:
    """Each whitelist type is itself."""
    assert read_one(whitelist=kind.value).whitelist is kind


@pytest.mark.parametrize("kind", ["ALWAYS_AND_FOR_EVER", "always", ""])
def test_unknown_whitelist(kind: str) -> None:
    """A permission we do not know is none."""
    assert read_one(whitelist=kind).whitelist is WhitelistType.NEVER


def test_unknown_type_is_no_card() -> None:
    """Types of the future are skipped without a complaint; the others stay."""
    page = [token_json(type="IMPLANT"), token_json(type="APP_USER")]
    tokens, problems = read(*page)
    assert [token.type for token in tokens] == [TokenType.APP_USER]
    assert problems == []


@pytest.mark.parametrize("kind", list(TokenType))
def test_types(kind: TokenType) -> None:
    """Every type that some version has is itself."""
    assert read_one(type=kind.value).type is kind


BAD = [
    # what the problem must name, the change that makes the token bad
    ("uid", {"uid": "0" * 37}),
    ("uid", {"uid": ""}),
    ("uid", {"uid": ...}),
    ("uid", {"uid": 17}),
    ("uid", {"uid": None}),
    ("CiString", {"uid": "04a1b2\n"}),
    ("CiString", {"uid": "ö"}),
    ("CiString", {"party_id": "T\r\n"}),
    ("country_code", {"country_code": "NLD"}),
    ("party_id", {"party_id": "TNMX"}),
    ("contract_id", {"contract_id": "C" * 37}),
    ("issuer", {"issuer": "I" * 65}),
    ("valid", {"valid": "true"}),
    ("whitelist", {"whitelist": None}),
    ("last_updated", {"last_updated": "yesterday"}),
    ("last_updated", {"last_updated": "0001-01-01T00:00:00+05:00"}),
    ("last_updated", {"last_updated": 1_700_000_000}),
    ("uid", {"uid": 17, "visual_number": 5}),
]


@pytest.mark.parametrize(("name", "change"), BAD)
def test_bad_token(name: str, change: dict[str, Any]) -> None:
    """One bad token costs itself only, and its problem names place and field."""
    good, bad = token_json(uid="04AA"), token_json(**change)
    tokens, (problem,) = read(good, bad, good)
    assert [token.uid for token in tokens] == ["04AA", "04AA"]
    assert problem.startswith("token 1: ")
    assert name in problem
    assert "04a1b2" not in problem


BROKEN_OPTIONS = [
    ("visual_number", 5),
    ("visual_number", "V" * 65),
    ("group_id", "G" * 37),
    ("group_id", ["G1"]),
    ("group_id", "gruppe-ö"),
    ("group_id", "G1\n"),
    ("language", "nld"),
    ("language", {"nl": True}),
]


@pytest.mark.parametrize(("name", "value"), BROKEN_OPTIONS)
def test_broken_option_costs_itself_only(name: str, value: object) -> None:
    """A card counts even if something that nobody needs of it is wrong."""
    assert read_one(**{name: value}) == replace(read_one(), **{name: None})


def test_broken_option_and_short_date() -> None:
    """Two mistakes in one token are both mended."""
    token = read_one(visual_number=5, last_updated="2026-1-2T03:04:05Z")
    assert token == replace(read_one(), visual_number=None)


@pytest.mark.parametrize("item", [None, [], "token", 17])
def test_item_that_is_no_token(item: object) -> None:
    """Anything may stand in a list."""
    tokens, problems = read(item, token_json())
    assert (len(tokens), len(problems)) == (1, 1)


@pytest.mark.parametrize(
    "data", [b"{}", b"", b"[", b"null", b"[" * 100_000, b'["\xff"', b'["\\ud800"]x']
)
def test_not_a_list(data: bytes) -> None:
    """A page that is no list is no answer."""
    with pytest.raises(TransientUpstreamError, match="emsp: expected a list"):
        v221.decode_tokens(Raw(data), SOURCE)


def test_broken_text_costs_one_token() -> None:
    """Bytes that are not UTF-8 do not cost the page."""
    good = json.dumps(token_json()).encode()
    page = b"[" + good.replace(b"Example", b"\xff\xfe") + b"," + good + b"]"
    tokens, problems = v221.decode_tokens(Raw(page), SOURCE)
    assert (len(tokens), len(problems)) == (1, 1)


def test_broken_text_in_an_option_costs_nothing() -> None:
    """Not even bytes that are not UTF-8, where nobody needs them."""
    page = json.dumps([token_json()]).encode().replace(b"NLTNM0", b"\xff")
    tokens, problems = v221.decode_tokens(Raw(page), SOURCE)
    assert tokens == [replace(read_one(), visual_number=None)]
    assert problems == []


@given(st.lists(damaged(token_json()), max_size=4))
def test_any_page(page: list[object]) -> None:
    """Every item becomes a token, a problem, or nothing; never an exception."""
    tokens, problems = read(*page)
    assert len(tokens) + len(problems) <= len(page)
    for token in tokens:
        assert 1 <= len(token.uid) <= 36
        assert token.last_updated.tzinfo is UTC


# ---- pushes ------------------------------------------------------------------


def test_pushed_token() -> None:
    """A PUT brings one whole Token."""
    assert v221.decode_token(raw(token_json()), SOURCE) == read_one()


@pytest.mark.parametrize("name", ["uid", "type", "valid", "last_updated"])
def test_pushed_token_is_not_whole(name: str) -> None:
    """A Token that lacks something is refused, and told what."""
    with pytest.raises(ValueError, match=name):
        v221.decode_token(raw(token_json(**{name: ...})), SOURCE)


def test_pushed_token_of_unknown_type() -> None:
    """A push is never swallowed: the eMSP hears that its Token is not kept."""
    with pytest.raises(ValueError, match="type: expected one of RFID"):
        v221.decode_token(raw(token_json(type="IMPLANT")), SOURCE)


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b'{"x": ' + b"[" * 10**5])
def test_push_that_is_no_object(data: bytes) -> None:
    """Whatever is pushed, the answer is that it is wrong."""
    with pytest.raises(ValueError, match=r"."):
        v221.decode_token(Raw(data), SOURCE)
    with pytest.raises(ValueError, match=r"."):
        v221.merge_token(read_one(), Raw(data), SOURCE)
    with pytest.raises(ValueError, match=r"."):
        v211.merge_token(read_one(), Raw(data), SOURCE)


def patch(token: Token, **changes: object) -> Token:
    """Apply these fields and the time of the change."""
    changes = {"last_updated": "2026-02-01T00:00:00Z"} | changes
    return v221.merge_token(token, raw(changes), SOURCE)


def test_patch_changes_what_it_names() -> None:
    """All that a PATCH leaves out stays, what it brings is new."""
    token = read_one()
    later = datetime(2026, 2, 1, tzinfo=UTC)
    assert patch(token, valid=False, whitelist="NEVER", x={}) == replace(
        token, valid=False, whitelist=WhitelistType.NEVER, last_updated=later
    )
    assert patch(token, contract_id="C2", group_id="G2", language="sv") == replace(
        token, contract_id="C2", group_id="G2", language="sv", last_updated=later
    )


def test_patch_keeps_what_only_we_know() -> None:
    """The group's hash and fractions of a second survive a PATCH of another field."""
    known = replace(read_one(), group_id="§0123456789abcdef", issuer="")
    patched = patch(known, valid=False)
    assert (patched.group_id, patched.issuer) == (known.group_id, "")
    assert patch(known, group_id="G2").group_id == "G2"
    assert patch(known, group_id="").group_id is None
    exact = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    known = replace(read_one(), group_id=None, last_updated=exact)
    changes = raw({"valid": False})
    merged = v211.merge_token(known, changes, Source("emsp"))
    assert merged == replace(known, valid=False)


@pytest.mark.parametrize(
    "change", [{"visual_number": None}, {"visual_number": 5}, {"language": "nld"}]
)
def test_patch_with_a_broken_option(change: dict[str, object]) -> None:
    """Null and nonsense change nothing; the rest of the PATCH counts."""
    token = read_one()
    assert patch(token, valid=False, **change) == patch(token, valid=False)


@pytest.mark.parametrize("changes", [{}, {"valid": False}, {"last_updated": None}])
def test_patch_must_be_dated(changes: dict[str, object]) -> None:
    """From 2.2 on a PATCH says when it happened."""
    with pytest.raises(ValueError, match="last_updated: required"):
        v221.merge_token(read_one(), raw(changes), SOURCE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("uid", "04A1B2C3D4E5F7"),
        ("type", "APP_USER"),
        ("type", "IMPLANT"),
        ("country_code", "DE"),
        ("party_id", "XXX"),
    ],
)
def test_patch_of_identity(name: str, value: str) -> None:
    """A PATCH cannot make another Token of this one."""
    with pytest.raises(ValueError, match=name):
        patch(read_one(), **{name: value})


def test_patch_that_spells_identity_otherwise() -> None:
    """The same party and card in other letters are no change."""
    token = read_one()
    same = patch(token, country_code="nl", party_id="tnm", uid="04:A1:B2:C3:D4:E5:F6")
    assert (same.country_code, same.party_id, same.uid) == ("NL", "TNM", token.uid)


@pytest.mark.parametrize(
    ("name", "value"),
    [("valid", "no"), ("contract_id", "C" * 37), ("last_updated", "soon")],
)
def test_patch_that_breaks_the_token(name: str, value: object) -> None:
    """What comes out of a PATCH keeps to the rules of a Token."""
    with pytest.raises(ValueError, match=name):
        patch(read_one(), **{name: value})


# ---- 2.1.1 -------------------------------------------------------------------


def test_old_patch_needs_no_date() -> None:
    """2.1.1 has no such rule, and calls the contract auth_id."""
    token = v211.decode_token(raw(old_token_json()), SOURCE)
    changed = v211.merge_token(token, raw({"auth_id": "C2"}), SOURCE)
    assert changed == replace(token, contract_id="C2")
