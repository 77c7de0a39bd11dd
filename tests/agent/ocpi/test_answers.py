"""What eMSPs answer about a card: only what decides can spoil an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from agent.domain.tokens import Answer, Token, Verdict
from agent.errors import TransientUpstreamError
from agent.ocpi import v211, v221
from tests.agent.ocpi.examples import (
    JSON,
    SOURCE,
    UID,
    damaged,
    old_token_json,
    raw,
    token_json,
)

GIVEN = [verdict for verdict in Verdict if verdict is not Verdict.UNKNOWN]


def read(info: object, listed: Token | None = None) -> Answer:
    """Read an answer of 2.2.1."""
    return v221.decode_authorization(raw(info), SOURCE, UID, listed)


def listed_as(**changes: object) -> Token:
    """Make the row that the whitelist has."""
    return v221.decode_token(raw(token_json(**changes)), SOURCE)


@pytest.mark.parametrize("verdict", GIVEN)
def test_verdicts(verdict: Verdict) -> None:
    """Each AllowedType is itself."""
    answer = read({"allowed": verdict.value})
    assert answer == Answer(upstream="emsp", verdict=verdict)


@pytest.mark.parametrize("allowed", ["UNKNOWN", "PERHAPS", "allowed", ""])
def test_unknown_verdict(allowed: str) -> None:
    """What we do not know does not allow."""
    assert read({"allowed": allowed}).verdict is Verdict.NOT_ALLOWED


def test_full_answer() -> None:
    """Everything an answer can say arrives; EVSE uids are folded for comparison."""
    info = {
        "allowed": "ALLOWED",
        "token": token_json(),
        "location": {"location_id": "LOC-1", "evse_uids": ["SE*abc*E1", "E2"]},
        "authorization_reference": "REF-1",
        "info": {"language": "en", "text": "Have a nice day"},
    }
    assert read(info) == Answer(
        upstream="emsp",
        verdict=Verdict.ALLOWED,
        token=listed_as(),
        evse_uids=frozenset({"se*abc*e1", "e2"}),
        authorization_reference="REF-1",
        info="Have a nice day",
    )


@pytest.mark.parametrize("nothing", [None, {}, [], "", 7, {"text": ""}, {"text": 7}])
def test_garbage_beside_the_verdict(nothing: object) -> None:
    """Only `allowed` and `location` can spoil an answer."""
    info = {
        "allowed": "ALLOWED",
        "token": nothing,
        "info": nothing,
        "authorization_reference": nothing,
        "location": None,
    }
    assert read(info) == Answer(upstream="emsp", verdict=Verdict.ALLOWED)


@pytest.mark.parametrize("reference", ["R" * 37, "Référence", "R\n", 17])
def test_reference_that_could_not_be_sent_back(reference: object) -> None:
    """A reference must be fit for our Session, or it would never be told of."""
    info = {"allowed": "ALLOWED", "authorization_reference": reference}
    assert read(info).authorization_reference is None


@pytest.mark.parametrize(
    "location", [{}, {"location_id": 7}, {"evse_uids": None}, {"evse_uids": []}]
)
def test_location_without_a_limit(location: object) -> None:
    """An answer that names no EVSE is meant for all."""
    answer = read({"allowed": "ALLOWED", "location": location})
    assert answer.evse_uids == frozenset()


@pytest.mark.parametrize("location", [{"evse_uids": 1}, {"evse_uids": [None]}, "x", []])
def test_unreadable_limit(location: object) -> None:
    """A permission for we do not know where is no answer, a refusal is one anywhere."""
    with pytest.raises(TransientUpstreamError, match="emsp: expected Authorization"):
        read({"allowed": "ALLOWED", "location": location})
    refused = read({"allowed": "BLOCKED", "location": location})
    assert refused.verdict is Verdict.BLOCKED


RETURNED = [
    # does it fit, the whitelist row, what differs in the returned token
    (True, None, {}),
    (True, None, {"uid": "04:A1:B2:C3:D4:E5:F6"}),
    (True, None, {"country_code": "DE", "party_id": "XXX"}),
    (True, None, {"visual_number": 5}),
    (False, None, {"uid": "04a1b2c3d4e5f7"}),
    (False, None, {"type": "APP_USER"}),
    (False, None, {"type": "IMPLANT"}),
    (True, {}, {}),
    (True, {}, {"country_code": "nl", "party_id": "tnm", "uid": "04A1B2C3D4E5F6"}),
    (True, {}, {"contract_id": "NL-TNM-C00000002", "valid": False}),
    (False, {}, {"party_id": "XXX"}),
    (False, {}, {"country_code": "DE"}),
    (False, {}, {"type": "OTHER"}),
    (True, {"type": "OTHER"}, {"type": "OTHER"}),
    (False, {"type": "OTHER"}, {}),
    (True, {"uid": "f6e5d4c3b2a104"}, {"uid": "F6E5D4C3B2A104"}),
]


@pytest.mark.parametrize(("fits", "row", "change"), RETURNED)
def test_returned_token(
    row: dict[str, object] | None, change: dict[str, object], *, fits: bool
) -> None:
    """A returned token counts only if it is the one we asked about."""
    info = {"allowed": "BLOCKED", "token": token_json(**change)}
    answer = read(info, None if row is None else listed_as(**row))
    assert (answer.token is not None) is fits
    assert answer.verdict is Verdict.BLOCKED


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[]",
        b"null",
        b"",
        b'{"allowed": true}',
        b'{"allowed": "ALLOWED", "location": [',
        b'{"x": ' + b"[" * 100_000,
    ],
)
def test_no_answer(data: bytes) -> None:
    """Without a verdict there is no answer."""
    with pytest.raises(TransientUpstreamError, match="emsp: expected"):
        v221.decode_authorization(Raw(data), SOURCE, UID, None)


@given(
    damaged(
        {
            "allowed": "ALLOWED",
            "token": token_json(),
            "info": {"text": "Hello"},
            "location": {"evse_uids": ["E1"]},
            "authorization_reference": "REF-1",
        }
    )
    | st.fixed_dictionaries(
        {"allowed": st.sampled_from(list(Verdict))} | {"info": JSON}
    )
)
def test_any_answer(info: object) -> None:
    """Every answer is an Answer or none; never another exception."""
    try:
        answer = read(info)
    except TransientUpstreamError:
        return
    assert answer.verdict is not Verdict.UNKNOWN


# ---- 2.1.1 -------------------------------------------------------------------


def test_old_answer() -> None:
    """2.1.1 brings no Token, and a reference only in the dialect of some hubs."""
    info = {
        "allowed": "ALLOWED",
        "token": old_token_json(),
        "location": {"location_id": "L", "evse_uids": ["E1"], "connector_ids": ["1"]},
        "authorization_id": "REF-1",
        "authorization_reference": "not of this version",
        "info": {"language": "en", "text": "Hello"},
    }
    assert v211.decode_authorization(raw(info), SOURCE, UID, None) == Answer(
        upstream="emsp",
        verdict=Verdict.ALLOWED,
        evse_uids=frozenset({"e1"}),
        authorization_reference="REF-1",
        info="Hello",
    )
