"""Whether the costs of a CDR add up, before and after taxes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reference.values import JsonObject

COMPONENTS: Final = (
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)
#: A normal CDR keeps to the length of every other id; a Credit CDR may append.
NORMAL_ID_LENGTH: Final = 36


def check_costs(version: str, cdr: JsonObject) -> Iterator[str]:
    """Say what is wrong with the money of a CDR."""
    is_credit = bool(cdr.get("credit"))
    if is_credit != ("credit_reference_id" in cdr):
        yield "credit_reference_id: expected exactly in a Credit CDR"
    if not is_credit and len(cdr["id"]) > NORMAL_ID_LENGTH:
        yield "id: more than 36 characters, which is for Credit CDRs"
    if version == "2.1.1":
        return
    yield from check_taxes(cdr)
    sign = -1 if is_credit else 1
    total = {name: sign * sum_ for name, sum_ in _sums(cdr["total_cost"]).items()}
    if any(sum_ < 0 for sum_ in total.values()):
        yield f"total_cost: expected it {'negative' if is_credit else 'from 0 on'}"
    parts = [_sums(cdr[name]) for name in COMPONENTS if name in cdr]
    if not parts:
        return
    for name, told in total.items():
        if not all(name in part for part in parts):
            continue
        added = sum((part[name] for part in parts), Decimal(0))
        if abs(added - told) > Decimal("0.0001") * len(parts):
            yield f"total_cost.{name}: {told}, but its parts are {added}"


def check_taxes(value: JsonObject) -> Iterator[str]:
    """Say which Price costs less with its taxes than without."""
    for name, price in value.items():
        if not isinstance(price, dict) or "incl_vat" not in price:
            continue
        if abs(price["incl_vat"]) < abs(price["excl_vat"]):
            yield f"{name}.incl_vat: less than excl_vat"


def _sums(price: JsonObject) -> dict[str, Decimal]:
    """Reduce a Price of either shape to numbers that can be added."""
    if "excl_vat" in price:
        return {name: Decimal(str(value)) for name, value in price.items()}
    taxes = [Decimal(str(tax["amount"])) for tax in price.get("taxes", [])]
    before = Decimal(str(price["before_taxes"]))
    return {"before_taxes": before, "taxes": sum(taxes, Decimal(0))}
