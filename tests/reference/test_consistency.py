"""Whether fields fit together: times, units, totals and endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.reference.checking import check
from tests.reference.examples import example

if TYPE_CHECKING:
    from tests.reference.values import JsonObject

OLD, NEW, NEWEST = "2.1.1", "2.2.1", "2.3.0"
START, LATER, END = (
    f"2026-03-04T{one}Z" for one in ("17:00:00", "18:00:00", "18:30:00")
)


def _period(start: str, **volumes: float) -> JsonObject:
    dimensions = [{"type": kind, "volume": volume} for kind, volume in volumes.items()]
    return {"start_date_time": start, "dimensions": dimensions}


def _price(amount: float, with_vat: float | None = None) -> JsonObject:
    return {"excl_vat": amount} | ({} if with_vat is None else {"incl_vat": with_vat})


def _taxed(amount: float, *taxes: float) -> JsonObject:
    named = [{"name": f"tax {index}", "amount": tax} for index, tax in enumerate(taxes)]
    return {"before_taxes": amount, "taxes": named}


BAD: list[tuple[str, str, JsonObject, str]] = [
    (NEW, "Session", {"end_date_time": None}, "required when COMPLETED"),
    (OLD, "Session", {"end_datetime": None}, "required when COMPLETED"),
    (NEW, "Session", {"status": "ACTIVE"}, "present although ACTIVE"),
    (NEW, "Session", {"status": "PENDING"}, "present although PENDING"),
    (NEW, "Session", {"end_date_time": "2026-03-04T16:59:59Z"}, "before the start"),
    (NEW, "Session", {"kwh": 10250.5}, "but ENERGY of the periods is 10.2505"),
    (OLD, "Session", {"kwh": 10.2}, "but ENERGY of the periods is 10.2505"),
    (
        *(NEW, "Session"),
        {"charging_periods": [_period(LATER, TIME=0.1), _period(START, TIME=0.1)]},
        "expected them in order",
    ),
    (
        *(NEW, "Session"),
        {"charging_periods": [_period("2026-03-04T16:00:00Z", TIME=0.1)]},
        "expected them in order",
    ),
    (
        *(NEW, "Session"),
        {"charging_periods": [_period("2026-03-04T19:00:00Z", TIME=0.1)]},
        "expected them in order",
    ),
    (
        *(NEW, "Session"),
        {"charging_periods": [_period(START, TIME=90)]},
        "TIME 90 in 1.5000 hours",
    ),
    (
        *(NEW, "Session"),
        {
            "charging_periods": [
                _period(START, ENERGY=-1),
                _period(LATER, ENERGY=11.2505),
            ]
        },
        "ENERGY -1 is negative",
    ),
    (NEW, "Session", {"total_cost": _price(3, 2)}, "incl_vat: less than excl_vat"),
    (OLD, "CDR", {"total_energy": 10250.5}, "but ENERGY of the periods is 10.2505"),
    (NEW, "CDR", {"total_time": 5400}, "total_time: expected 1.5000 hours"),
    (NEW, "CDR", {"total_time": 90}, "total_time: expected 1.5000 hours"),
    (OLD, "CDR", {"total_time": 5400}, "total_time: expected 1.5000 hours"),
    (NEW, "CDR", {"total_parking_time": 0.25}, "but 0.5 in the periods"),
    (
        *(NEW, "CDR"),
        {"total_parking_time": 2, "charging_periods": [_period(START, TIME=1)]},
        "2 hours of 1.5 in total",
    ),
    (
        *(NEW, "CDR"),
        {"charging_periods": [_period(START, ENERGY=10.2505, STATE_OF_CHARGE=80)]},
        "STATE_OF_CHARGE is for Sessions only",
    ),
    (NEW, "CDR", {"total_fixed_cost": _price(1)}, "but its parts are 2.54"),
    (NEWEST, "CDR", {"total_fixed_cost": _taxed(1, 0.3234)}, "but its parts are 2.54"),
    (
        NEWEST,
        "CDR",
        {"total_fixed_cost": _taxed(1.54, 0.3)},
        "but its parts are 0.6234",
    ),
    (
        NEW,
        "CDR",
        {"credit": True, "total_cost": _price(-3.08)},
        "expected exactly in a Credit CDR",
    ),
    (NEW, "CDR", {"credit_reference_id": "C-0"}, "expected exactly in a Credit CDR"),
    (
        *(NEW, "CDR"),
        {
            "credit": True,
            "credit_reference_id": "C-0",
            "total_fixed_cost": None,
            "total_energy_cost": None,
        },
        "expected it negative",
    ),
    (NEW, "CDR", {"total_fixed_cost": None, "total_energy_cost": None}, ""),
    (NEW, "CDR", {"id": "C" * 37}, "more than 36 characters"),
    (NEW, "VersionDetails", {"version": "2.2"}, "expected 2.2.1, got 2.2"),
]


@pytest.mark.parametrize(("version", "name", "changes", "says"), BAD)
def test_misfit(version: str, name: str, changes: dict[str, Any], says: str) -> None:
    """Each misfit is one problem that names it; an empty reason stands for none."""
    problems = check(version, name, example(version, name, **changes))
    assert len(problems) == bool(says)
    assert all(says in one for one in problems)


GOOD: list[tuple[str, str, JsonObject]] = [
    (NEW, "Session", {"status": "ACTIVE", "end_date_time": None}),
    (NEW, "Session", {"status": "INVALID"}),
    (NEW, "Session", {"status": "INVALID", "end_date_time": None}),
    (NEW, "Session", {"charging_periods": [], "kwh": 3}),
    (NEW, "Session", {"charging_periods": None, "kwh": 3}),
    (NEW, "Session", {"charging_periods": [_period(START, TIME=1)], "kwh": 3}),
    (NEW, "Session", {"kwh": 10.251}),
    (NEW, "Session", {"total_cost": _price(0, 0)}),
    (NEW, "CDR", {"total_time": 1.5003}),
    (NEW, "CDR", {"total_fixed_cost": None, "total_energy_cost": _price(3.08)}),
    (
        *(NEW, "CDR"),
        {
            "id": "C-0001-with-something-appended-to-it-C",
            "credit": True,
            "credit_reference_id": "C-0001",
            "total_cost": _price(-3.08, -3.7268),
        },
    ),
    (NEWEST, "CDR", {"total_fixed_cost": _taxed(1.54, 0.3, 0.0234)}),
]


@pytest.mark.parametrize(("version", "name", "changes"), GOOD)
def test_fit(version: str, name: str, changes: dict[str, Any]) -> None:
    """What fits has no problem."""
    assert check(version, name, example(version, name, **changes)) == []


def test_only_the_place_that_was_used() -> None:
    """A Session of 2.1.1 names one EVSE with one connector."""
    session = example(OLD, "Session")
    evse = session["location"]["evses"][0]
    evse["connectors"] *= 2
    assert check(OLD, "Session", session) == [
        "location.evses.connectors: expected the one used, got 2"
    ]
    del session["location"]["evses"]
    assert check(OLD, "Session", session) == [
        "location.evses: expected the one that was used, got 0"
    ]


def test_endpoints_stand_once() -> None:
    """Version details name each endpoint once, and credentials among them."""
    details = example(NEW, "VersionDetails")
    credentials, tokens = details["endpoints"]
    twice = details | {"endpoints": [credentials, tokens, tokens]}
    (problem,) = check(NEW, "VersionDetails", twice)
    assert "stands there twice" in problem
    without = details | {"endpoints": [tokens]}
    assert check(NEW, "VersionDetails", without) == [
        "endpoints: credentials is missing"
    ]
    both = [credentials, tokens, tokens | {"role": "SENDER"}]
    assert check(NEW, "VersionDetails", details | {"endpoints": both}) == []
