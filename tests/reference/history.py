"""The order of things: what may follow in a Session, and which CDR may come."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tests.reference.consistency import ENDED, end_field, start_field
from tests.reference.moments import read_moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference.values import JsonObject

#: A status and those that may follow it; each may also be told again.
FOLLOWERS: Final = {
    "RESERVATION": ("PENDING", "ACTIVE", "COMPLETED", "INVALID"),
    "PENDING": ("ACTIVE", "COMPLETED", "INVALID"),
    "ACTIVE": ("COMPLETED", "INVALID"),
    "COMPLETED": (),
    "INVALID": (),
}
#: What was true at the start and stays so.
FIXED: Final = (
    *("country_code", "party_id", "auth_id", "cdr_token", "currency"),
    *("location_id", "evse_uid", "connector_id"),
)
#: What a CDR repeats of its Session.
REPEATED: Final = (
    *("country_code", "party_id", "auth_id", "cdr_token", "currency"),
    *("auth_method", "authorization_reference", "meter_id"),
)


def check_next(version: str, before: JsonObject, after: JsonObject) -> Iterator[str]:
    """Say what a Session must not be after what it was."""
    if before == after:
        return
    old, new = before["status"], after["status"]
    if new != old and new not in FOLLOWERS[old]:
        yield f"status: {new} after {old}"
    elif old in ENDED and new == old == "COMPLETED":
        yield "status: changed although COMPLETED"
    yield from _check_start(version, before, after)
    for name in FIXED:
        if _fold(before.get(name)) != _fold(after.get(name)):
            yield f"{name}: changed"
    if Decimal(str(after["kwh"])) < Decimal(str(before["kwh"])):
        yield f"kwh: {after['kwh']} after {before['kwh']}"
    if read_moment(after["last_updated"]) < read_moment(before["last_updated"]):
        yield f"last_updated: {after['last_updated']} after {before['last_updated']}"
    if version == "2.1.1" and _used(before) != _used(after):
        yield "location: changed"


def check_bill(version: str, session: JsonObject, cdr: JsonObject) -> Iterator[str]:
    """Say where a CDR is not about the Session that it names."""
    if session["status"] != "COMPLETED":
        yield f"session: {session['status']}, not COMPLETED"
        return
    for name in REPEATED:
        if _fold(session.get(name)) != _fold(cdr.get(name)):
            yield f"{name}: not that of the session"
    told, kept = Decimal(str(cdr["total_energy"])), Decimal(str(session["kwh"]))
    if told != kept:
        yield f"total_energy: {told}, but the session had {kept}"
    for in_session, in_cdr in (
        (start_field(version), start_field(version, "CDR")),
        (end_field(version), end_field(version, "CDR")),
    ):
        if read_moment(session[in_session]) != read_moment(cdr[in_cdr]):
            yield f"{in_cdr}: not that of the session"
    costs = session.get("total_cost", cdr["total_cost"])
    if costs != cdr["total_cost"] and not cdr.get("credit"):
        yield "total_cost: not that of the session"
    if _place_of_session(session) != _place_of_cdr(cdr):
        yield "location: not that of the session"


def _check_start(version: str, before: JsonObject, after: JsonObject) -> Iterator[str]:
    name = start_field(version)
    old, new = before[name], after[name]
    if old == new:
        return
    # It began to charge, perhaps and ended, since it was told last.
    has_begun = before["status"] in ("PENDING", "RESERVATION")
    if not has_begun or after["status"] not in ("ACTIVE", "COMPLETED"):
        yield f"{name}: {new} after {old}"
    elif read_moment(new) < read_moment(old):
        yield f"{name}: {new} is before {old}, when it was created"


def _used(session: JsonObject) -> list[Any]:
    """Reduce a Location to what cannot change while a car charges."""
    location = session["location"]
    return [
        location["id"],
        *(
            (evse["uid"], connector["id"])
            for evse in location.get("evses", [])
            for connector in evse["connectors"]
        ),
    ]


def _place_of_session(session: JsonObject) -> list[Any]:
    if "location" in session:
        return _used(session)
    names = ("location_id", "evse_uid", "connector_id")
    return [_fold(session[name]) for name in names]


def _place_of_cdr(cdr: JsonObject) -> list[Any]:
    if "location" in cdr:
        return _used(cdr)
    names = ("id", "evse_uid", "connector_id")
    return [_fold(cdr["cdr_location"][name]) for name in names]


def _fold(value: object) -> object:
    """Make ids comparable whose case does not count."""
    if isinstance(value, dict):
        return {name: _fold(item) for name, item in value.items()}
    return value.casefold() if isinstance(value, str) else value
