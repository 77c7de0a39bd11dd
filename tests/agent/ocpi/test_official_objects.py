"""The official examples' objects in every version, typed anew, are read by ours.

What only we send (Session, CDR) is compared the other way round elsewhere: the strict
reference's field tables check all that we write.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent.domain.tokens import Verdict
from agent.domain.uid import Uid
from agent.ocpi.credentials import Role
from agent.ocpi.wire import SUPPORTED
from tests.agent.ocpi.examples import SOURCE, raw
from tests.reference.errata import ERRATA, Erratum
from tests.reference.examples import example

VERSIONS = sorted(SUPPORTED)
TOKEN_ERRATA = [one for one in ERRATA if one.object_name == "Token"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_token(version: str) -> None:
    """Every field that a decision needs arrives."""
    wanted = example(version, "Token")
    ([token], problems) = SUPPORTED[version].decode_tokens(raw([wanted]), SOURCE)
    assert problems == []
    assert (token.uid, token.valid) == (wanted["uid"], wanted["valid"])
    assert token.whitelist == wanted["whitelist"]
    assert token.contract_id == wanted.get("contract_id", wanted.get("auth_id"))
    assert token.last_updated.tzinfo is UTC
    assert SUPPORTED[version].decode_token(raw(wanted), SOURCE) == token


@pytest.mark.parametrize("version", VERSIONS)
def test_an_authorization(version: str) -> None:
    """The verdict, and whom it is about."""
    wanted = example(version, "AuthorizationInfo")
    uid = Uid.parse(example(version, "Token")["uid"])
    answer = SUPPORTED[version].decode_authorization(raw(wanted), SOURCE, uid, None)
    assert answer.verdict is Verdict(wanted["allowed"])
    expected = wanted.get("authorization_reference")
    assert answer.authorization_reference == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_credentials(version: str) -> None:
    """The token is taken as it is, and so are the parties."""
    wanted = example(version, "Credentials")
    found = SUPPORTED[version].decode_credentials(raw(wanted))
    assert found.token.value == wanted["token"]
    assert found.url == wanted["url"]
    assert found.roles
    assert all(isinstance(one.role, Role) for one in found.roles)


@pytest.mark.parametrize(
    "erratum", TOKEN_ERRATA, ids=lambda one: f"{one.version} {one.name}"
)
def test_what_the_official_examples_got_wrong_is_read_all_the_same(
    erratum: Erratum,
) -> None:
    """Dates without Z, with an offset, without leading zeros cost no token."""
    source = raw([erratum.value])
    ([token], problems) = SUPPORTED[erratum.version].decode_tokens(source, SOURCE)
    assert problems == []
    assert token.last_updated >= datetime(1970, 1, 1, tzinfo=UTC)
