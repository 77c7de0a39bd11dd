"""Whether the fields of one object fit together: times, units and totals."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tests.reference.costs import check_costs, check_taxes
from tests.reference.moments import hours_between, read_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.reference.values import JsonObject

#: Sums of figures of four decimals may differ by their rounding, kWh by one Wh.
KWH_TOLERANCE: Final = Decimal("0.0011")
#: Moments are told in whole seconds.
HOURS_TOLERANCE: Final = Decimal("0.001")
ENDED: Final = ("COMPLETED", "INVALID")
#: What a Session may tell of the moment; a CDR is about the whole.
SESSION_ONLY: Final = frozenset(
    ("CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE")
)
NEVER_NEGATIVE: Final = frozenset(
    ("ENERGY", "FLAT", "PARKING_TIME", "RESERVATION_TIME", "STATE_OF_CHARGE", "TIME")
)


def check_consistency(version: str, name: str, value: JsonObject) -> list[str]:
    """Say what does not fit in an object whose fields are right by themselves."""
    check = _CHECKS.get(name)
    return list(check(version, value)) if check else []


def start_field(version: str, name: str = "Session") -> str:
    """Name the field in which a Session or CDR starts."""
    is_old = version == "2.1.1" and name == "Session"
    return "start_datetime" if is_old else "start_date_time"


def end_field(version: str, name: str = "Session") -> str:
    """Name the field in which a Session or CDR ends."""
    if version != "2.1.1":
        return "end_date_time"
    return "end_datetime" if name == "Session" else "stop_date_time"


def _session(version: str, session: JsonObject) -> Iterator[str]:
    start, end = session[start_field(version)], session.get(end_field(version))
    status = session["status"]
    if status == "COMPLETED" and end is None:
        yield f"{end_field(version)}: required when COMPLETED"
    if status not in ENDED and end is not None:
        yield f"{end_field(version)}: present although {status}"
    if version == "2.1.1":
        yield from _place(session["location"])
    periods = session.get("charging_periods", [])
    yield from _times(start, end or session["last_updated"], periods)
    yield from _energy(periods, session["kwh"], "kwh")
    yield from check_taxes(session)


def _cdr(version: str, cdr: JsonObject) -> Iterator[str]:
    start = cdr[start_field(version, "CDR")]
    end = cdr[end_field(version, "CDR")]
    periods = cdr["charging_periods"]
    if version == "2.1.1":
        yield from _place(cdr["location"])
    yield from _times(start, end, periods)
    yield from _energy(periods, cdr["total_energy"], "total_energy")
    hours, told = hours_between(start, end), _exact(cdr["total_time"])
    if abs(hours - told) > HOURS_TOLERANCE:
        yield f"total_time: expected {hours:.4f} hours from start to end, got {told}"
    parked = _exact(cdr.get("total_parking_time", 0))
    if parked > told + HOURS_TOLERANCE:
        yield f"total_parking_time: {parked} hours of {told} in total"
    volumes = _volumes(periods, "PARKING_TIME")
    if volumes and "total_parking_time" in cdr and not _is_near(volumes, parked):
        yield f"total_parking_time: {parked}, but {sum(volumes)} in the periods"
    for period in periods:
        for dimension in period["dimensions"]:
            if dimension["type"] in SESSION_ONLY:
                yield f"charging_periods: {dimension['type']} is for Sessions only"
    yield from check_costs(version, cdr)


def _place(location: JsonObject) -> Iterator[str]:
    evses = location.get("evses", [])
    if len(evses) != 1:
        yield f"location.evses: expected the one that was used, got {len(evses)}"
    for evse in evses:
        if len(evse["connectors"]) != 1:
            count = len(evse["connectors"])
            yield f"location.evses.connectors: expected the one used, got {count}"


def _times(start: str, end: str, periods: list[JsonObject]) -> Iterator[str]:
    if read_moment(end) < read_moment(start):
        yield f"end: {end} is before the start {start}"
        return
    starts = [period["start_date_time"] for period in periods]
    moments = [read_moment(one) for one in (start, *starts, end)]
    if moments != sorted(moments):
        yield "charging_periods: expected them in order, from start to end"
        return
    for period, following in zip(periods, [*starts, end][1:], strict=True):
        hours = hours_between(period["start_date_time"], following)
        for dimension in period["dimensions"]:
            kind, volume = dimension["type"], _exact(dimension["volume"])
            if kind in NEVER_NEGATIVE and volume < 0:
                yield f"charging_periods: {kind} {volume} is negative"
            is_time = kind in ("TIME", "PARKING_TIME")
            if is_time and volume > hours + HOURS_TOLERANCE:
                yield f"charging_periods: {kind} {volume} in {hours:.4f} hours"


def _energy(periods: list[JsonObject], total: object, name: str) -> Iterator[str]:
    volumes = _volumes(periods, "ENERGY")
    if volumes and not _is_near(volumes, _exact(total), KWH_TOLERANCE):
        yield f"{name}: {total} kWh, but ENERGY of the periods is {sum(volumes)}"


def _volumes(periods: list[JsonObject], kind: str) -> list[Decimal]:
    return [
        _exact(dimension["volume"])
        for period in periods
        for dimension in period["dimensions"]
        if dimension["type"] == kind
    ]


def _is_near(
    parts: list[Decimal], total: Decimal, tolerance: Decimal = HOURS_TOLERANCE
) -> bool:
    # Each part was rounded by itself.
    return abs(sum(parts) - total) <= tolerance + Decimal("0.0001") * len(parts)


def _version_details(version: str, details: JsonObject) -> Iterator[str]:
    if details["version"] != version:
        yield f"version: expected {version}, got {details['version']}"
    seen = set()
    for endpoint in details["endpoints"]:
        key = endpoint["identifier"], endpoint.get("role")
        if key in seen:
            yield f"endpoints: {key} stands there twice"
        seen.add(key)
    if not any(identifier == "credentials" for identifier, _ in seen):
        yield "endpoints: credentials is missing"


def _exact(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


_CHECKS: Final[dict[str, Callable[[str, JsonObject], Iterator[str]]]] = {
    "CDR": _cdr,
    "Session": _session,
    "VersionDetails": _version_details,
}
