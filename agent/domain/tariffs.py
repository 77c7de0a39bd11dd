"""What a session costs: a simple tariff, in decimal numbers.

Every amount is rounded to the currency's minor unit once, by itself, so that the parts
of a price add up to the whole, with and without VAT.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from msgspec import Struct


class Tariff(Struct, frozen=True, kw_only=True):
    """Prices without VAT, in minor units (cents) that may have fractions.

    `minor_digits` is how many decimals the currency has; `vat_percent` is added.
    """

    per_kwh: Decimal = Decimal()
    per_minute: Decimal = Decimal()
    per_session: Decimal = Decimal()
    vat_percent: Decimal = Decimal()
    minor_digits: int = 2


class Amount(Struct, frozen=True):
    """Money in the currency's major unit, and the VAT on it."""

    excl_vat: Decimal
    vat: Decimal

    @property
    def incl_vat(self) -> Decimal:
        """What is paid."""
        return self.excl_vat + self.vat

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.excl_vat + other.excl_vat, self.vat + other.vat)


class Cost(Struct, frozen=True, kw_only=True):
    """What a session costs, by what it is charged for."""

    energy: Amount
    time: Amount
    fixed: Amount
    vat_percent: Decimal

    @property
    def total(self) -> Amount:
        """Everything together."""
        return self.energy + self.time + self.fixed


def cost(tariff: Tariff, energy_wh: int, duration: timedelta) -> Cost:
    """Compute what so much energy over so long a time costs."""
    seconds = duration // timedelta(seconds=1)
    return Cost(
        energy=_amount(tariff, tariff.per_kwh * energy_wh / 1000),
        # Divided last, which is exact wherever half a unit must be seen to be one.
        time=_amount(tariff, tariff.per_minute * seconds / 60),
        fixed=_amount(tariff, tariff.per_session),
        vat_percent=tariff.vat_percent,
    )


def _amount(tariff: Tariff, minor: Decimal) -> Amount:
    excl_vat = minor.quantize(Decimal(1), ROUND_HALF_UP)
    vat = (excl_vat * tariff.vat_percent / 100).quantize(Decimal(1), ROUND_HALF_UP)
    digits = -tariff.minor_digits
    return Amount(excl_vat.scaleb(digits), vat.scaleb(digits))
