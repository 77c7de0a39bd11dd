"""What may follow in a Session, and whether a CDR is about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.reference.examples import example
from tests.reference.history import FOLLOWERS, check_bill, check_next

if TYPE_CHECKING:
    from tests.reference.values import JsonObject

NEW = ("2.2.1", "2.3.0")
EARLY = "2026-03-04T17:00:00Z"


def _session(version: str, status: str, **changes: object) -> JsonObject:
    end = "end_datetime" if version == "2.1.1" else "end_date_time"
    whole = example(version, "Session", status=status, **{end: None})
    return (
        whole
        | ({end: "2026-03-04T18:30:00Z"} if status == "COMPLETED" else {})
        | changes
    )


@pytest.mark.parametrize("new", FOLLOWERS)
@pytest.mark.parametrize("old", FOLLOWERS)
def test_status(old: str, new: str) -> None:
    """A status is followed by itself, or by one that is further on."""
    foreseen = {
        *(("RESERVATION", one) for one in FOLLOWERS),
        *(("PENDING", one) for one in ("PENDING", "ACTIVE", "COMPLETED", "INVALID")),
        *(("ACTIVE", one) for one in ("ACTIVE", "COMPLETED", "INVALID")),
        *((one, one) for one in ("COMPLETED", "INVALID")),
    }
    problems = list(check_next("2.2.1", _session("2.2.1", old), _session("2.2.1", new)))
    assert (problems == []) == ((old, new) in foreseen)


def test_same_again() -> None:
    """A Session that is told again unchanged is fine, also when it has ended."""
    session = _session("2.2.1", "COMPLETED")
    assert list(check_next("2.2.1", session, dict(session))) == []


@pytest.mark.parametrize("field", ["total_cost", "charging_periods", "last_updated"])
def test_completed_is_final(field: str) -> None:
    """Nothing of a COMPLETED Session changes any more."""
    before = _session("2.2.1", "COMPLETED")
    after = {name: value for name, value in before.items() if name != field}
    after.setdefault("last_updated", "2027-01-01T00:00:00Z")
    assert list(check_next("2.2.1", before, after)) == [
        "status: changed although COMPLETED"
    ]


STARTS = [
    # before, after, whether the start may move on
    ("PENDING", "ACTIVE", True),
    ("PENDING", "COMPLETED", True),
    ("RESERVATION", "ACTIVE", True),
    ("PENDING", "PENDING", False),
    ("PENDING", "INVALID", False),
    ("ACTIVE", "ACTIVE", False),
    ("ACTIVE", "COMPLETED", False),
]


@pytest.mark.parametrize(("old", "new", "may_move"), STARTS)
def test_start(old: str, new: str, may_move: bool) -> None:  # noqa: FBT001 - a table's column
    """The start is fixed, but for the moment in which charging begins."""
    before, after = _session("2.2.1", old), _session("2.2.1", new)
    later = after | {"start_date_time": "2026-03-04T17:00:05Z"}
    earlier = after | {"start_date_time": "2026-03-04T16:59:55Z"}
    assert (list(check_next("2.2.1", before, later)) == []) == may_move
    assert list(check_next("2.2.1", before, earlier)) != []


CHANGES: list[tuple[str, JsonObject, str]] = [
    ("2.2.1", {"kwh": 10.2504}, "kwh: 10.2504 after 10.2505"),
    ("2.2.1", {"last_updated": EARLY}, f"last_updated: {EARLY} after"),
    ("2.2.1", {"evse_uid": "QUAY-7-B"}, "evse_uid: changed"),
    ("2.2.1", {"location_id": "QUAY-8"}, "location_id: changed"),
    ("2.2.1", {"connector_id": "2"}, "connector_id: changed"),
    ("2.2.1", {"currency": "SEK"}, "currency: changed"),
    ("2.2.1", {"cdr_token": {}}, "cdr_token: changed"),
    ("2.1.1", {"auth_id": "another"}, "auth_id: changed"),
    ("2.1.1", {"location": {"id": "QUAY-8"}}, "location: changed"),
]


@pytest.mark.parametrize(("version", "changes", "says"), CHANGES)
def test_fixed(version: str, changes: dict[str, Any], says: str) -> None:
    """What was so at the start stays, and meters do not run backwards."""
    before = _session(version, "ACTIVE")
    (problem,) = check_next(version, before, before | changes)
    assert says in problem


def test_progress() -> None:
    """More energy at a later moment is how a Session goes on."""
    before = _session("2.2.1", "ACTIVE")
    more = {"kwh": 11, "last_updated": "2026-03-04T19:00:00Z", "charging_periods": []}
    assert list(check_next("2.2.1", before, before | more)) == []


@pytest.mark.parametrize("version", ["2.1.1", *NEW])
def test_bill(version: str) -> None:
    """A CDR that repeats its COMPLETED Session is right."""
    session, cdr = example(version, "Session"), example(version, "CDR")
    assert list(check_bill(version, session, cdr)) == []
    (problem,) = check_bill(version, _session(version, "ACTIVE"), cdr)
    assert problem == "session: ACTIVE, not COMPLETED"


BILLS: list[tuple[str, JsonObject, str]] = [
    ("2.2.1", {"total_energy": 10.25}, "total_energy: 10.25, but"),
    ("2.2.1", {"auth_method": "AUTH_REQUEST"}, "auth_method: not that"),
    ("2.2.1", {"authorization_reference": None}, "authorization_reference: not"),
    ("2.2.1", {"currency": "SEK"}, "currency: not that"),
    ("2.2.1", {"meter_id": "M-8"}, "meter_id: not that"),
    ("2.2.1", {"start_date_time": "2026-03-04T17:00:01Z"}, "start_date_time: not"),
    ("2.2.1", {"end_date_time": "2026-03-04T18:30:01Z"}, "end_date_time: not"),
    ("2.2.1", {"total_cost": {"excl_vat": 3}}, "total_cost: not that"),
    ("2.1.1", {"stop_date_time": "2026-03-04T18:30:01Z"}, "stop_date_time: not"),
    ("2.1.1", {"auth_id": "another"}, "auth_id: not that"),
    ("2.1.1", {"total_cost": 3}, "total_cost: not that"),
]


@pytest.mark.parametrize(("version", "changes", "says"), BILLS)
def test_wrong_bill(version: str, changes: dict[str, Any], says: str) -> None:
    """A CDR that says anything else than its Session is wrong."""
    cdr = example(version, "CDR", **changes)
    (problem,) = check_bill(version, example(version, "Session"), cdr)
    assert says in problem


def test_bill_of_another_place() -> None:
    """The place of a CDR is that of its Session."""
    cdr = example("2.2.1", "CDR")
    cdr["cdr_location"]["evse_uid"] = "QUAY-7-B"
    (problem,) = check_bill("2.2.1", example("2.2.1", "Session"), cdr)
    assert problem == "location: not that of the session"
