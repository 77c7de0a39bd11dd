"""Sessions and CDRs that come out of order are refused and recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.reference.cpo import UID, Cpo
from tests.reference.reference import Reference
from tests.reference.refusals import refused, rules
from tests.reference.state import Answer
from tests.reference.tokens import token

if TYPE_CHECKING:
    import httpx


ORDER: list[tuple[str, dict[str, Any], str]] = [
    ("ACTIVE", {"kwh": 3, "charging_periods": []}, "order"),
    ("PENDING", {}, "order"),
    ("ACTIVE", {"last_updated": "2026-03-04T17:59:00Z"}, ""),
    ("ACTIVE", {"currency": "EURO"}, "Session"),
    ("ACTIVE", {"kwh": 10.25051}, "Session"),
    ("ACTIVE", {"unheard": 1}, "Session"),
    ("COMPLETED", {"kwh": "12"}, "Session"),
]


@pytest.mark.parametrize(("status", "changes", "rule"), ORDER)
def test_session_after_another(
    cpo: Cpo, status: str, changes: dict[str, Any], rule: str
) -> None:
    """A Session is held to its fields, and to what was told before."""
    first: dict[str, Any] = {"kwh": 8, "charging_periods": []}
    first["last_updated"] = "2026-03-04T17:30:00Z"
    assert cpo.put_session(**first).status_code == 201
    after: dict[str, Any] = {"charging_periods": [], **changes}
    answer = cpo.put_session(status, **after)
    assert rules(cpo.backend) == [rule] * bool(rule)
    assert (answer.json()["status_code"] == 1000) == (not rule)
    assert len(cpo.backend.session_history) == 1 + (not rule)


def test_patch_before_put(cpo: Cpo) -> None:
    """A Session begins with a PUT."""
    answer = cpo.patch_session("S-0001", kwh=1, last_updated="2026-03-04T17:30:00Z")
    refused(cpo, answer, "order", 404)


def test_patch_is_checked(cpo: Cpo) -> None:
    """A PATCH needs last_updated from 2.2 on, and must leave a right Session."""
    cpo.put_session()
    answer = cpo.patch_session("S-0001", meter_id="M-7A")
    if cpo.version == "2.1.1":
        assert answer.json()["status_code"] == 1000
    else:
        refused(cpo, answer, "Session")
    cpo.backend.problems.clear()
    stamp = {"last_updated": "2026-03-04T18:30:01Z"}
    refused(cpo, cpo.patch_session("S-0001", kwh=9999, **stamp), "Session")


def test_token_that_was_never_told(cpo: Cpo) -> None:
    """A Session is on a card that the station was told of, as it was told."""
    cpo.backend.tokens.clear()
    body = cpo.session()
    if cpo.version == "2.1.1":
        body["auth_id"] = "NL-TNM-C99999999"
    else:
        body["cdr_token"]["contract_id"] = "NL-TNM-C99999999"
    refused(cpo, cpo.ask("PUT", cpo.session_url(), body=body), "authorization")


def test_claims_of_authorization(new_cpo: Cpo) -> None:
    """AUTH_REQUEST needs an ALLOWED answer, and its reference is repeated."""
    backend = new_cpo.backend
    refused(new_cpo, new_cpo.put_session(auth_method="AUTH_REQUEST"), "authorization")
    backend.answers[UID] = Answer(allowed="BLOCKED")
    new_cpo.authorize()
    new_cpo.put_session(auth_method="AUTH_REQUEST")
    backend.answers[UID] = Answer(authorization_reference="R-1")
    new_cpo.authorize()
    new_cpo.put_session(auth_method="AUTH_REQUEST")
    invented = {"authorization_reference": "R-2"}
    new_cpo.put_session(auth_method="AUTH_REQUEST", **invented)
    new_cpo.put_session(**invented)
    assert rules(backend) == ["authorization"] * 5
    right = {"authorization_reference": "R-1"}
    answer = new_cpo.put_session(auth_method="AUTH_REQUEST", **right)
    assert answer.status_code == 201
    assert len(backend.problems) == 5


def test_bill_of_a_running_session(cpo: Cpo) -> None:
    """A CDR comes after its Session was COMPLETED."""
    cpo.put_session()
    refused(cpo, cpo.post_cdr(), "order")
    assert cpo.backend.cdrs == []


def test_bill_of_no_session(cpo: Cpo) -> None:
    """A CDR names a Session that was told."""
    refused(cpo, cpo.post_cdr(), "order")


def test_bill_without_sessions(client: httpx.Client, version: str) -> None:
    """Where no Sessions are told, a CDR stands for itself."""
    card = token(UID, contract_id="NL-TNM-C00112233")
    with Reference(card, modules=("tokens", "cdrs")) as backend:
        cpo = Cpo(backend, version, client)
        cpo.list_tokens()
        assert cpo.post_cdr().status_code == 201
        backend.assert_clean()


def test_bill_twice(cpo: Cpo) -> None:
    """A CDR that was answered does not come again, nor does its Session's second."""
    cpo.put_session("COMPLETED")
    assert cpo.post_cdr().status_code == 201
    refused(cpo, cpo.post_cdr(), "order")
    cpo.backend.problems.clear()
    refused(cpo, cpo.post_cdr(remark="changed"), "order")
    cpo.backend.problems.clear()
    refused(cpo, cpo.post_cdr(id="C-0002"), "order")
    assert len(cpo.backend.cdrs) == 1
    assert len(cpo.backend.bills[0].requests) == 3


def test_wrong_bill(cpo: Cpo) -> None:
    """A CDR is held to its fields."""
    cpo.put_session("COMPLETED")
    refused(cpo, cpo.post_cdr(total_time=90), "CDR")


def test_credit(new_cpo: Cpo) -> None:
    """A Credit CDR takes one CDR back, once; then the Session may be billed anew."""
    new_cpo.put_session("COMPLETED")
    new_cpo.post_cdr()
    negative = {"excl_vat": -3.08, "incl_vat": -3.7268}
    credit = {"credit": True, "total_cost": negative, "credit_reference_id": "C-0001"}
    assert new_cpo.post_cdr(id="C-0001-C", **credit).status_code == 201
    assert new_cpo.post_cdr(id="C-0002").status_code == 201
    new_cpo.backend.assert_clean()
    refused(new_cpo, new_cpo.post_cdr(id="C-0001-D", **credit), "order")
    new_cpo.backend.problems.clear()
    unknown = credit | {"credit_reference_id": "C-9"}
    refused(new_cpo, new_cpo.post_cdr(id="C-0009-C", **unknown), "order")
