"""What a session costs: exact to the minor unit, and the parts are the whole."""

from __future__ import annotations

import ast
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.domain import tariffs
from agent.domain.outcomes import StopReason
from agent.domain.sessions import Session, SessionStatus, end, lapse, request_stop
from agent.domain.tariffs import Amount, Cost, Tariff, cost
from tests.fakes.sessions import ended, instant, session_of

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
#: As many digits as the configuration takes.
AMOUNTS = st.decimals(0, 10**9 - 1, places=6, allow_nan=False)
TARIFFS = st.builds(
    Tariff,
    per_kwh=AMOUNTS,
    per_minute=AMOUNTS,
    per_session=AMOUNTS,
    vat_percent=AMOUNTS,
    minor_digits=st.integers(0, 4),
)
ENERGY = st.integers(0, 10**9)
TIMES = st.timedeltas(timedelta(), timedelta(days=400))


def tariff_of(**prices: str) -> Tariff:
    """Write prices as people do."""
    return replace(Tariff(), **{name: Decimal(text) for name, text in prices.items()})


def parts_of(price: Cost) -> list[Amount]:
    """List what the whole is made of."""
    return [price.energy, price.time, price.fixed]


# ---- examples ------------------------------------------------------------------------

TABLE: list[tuple[dict[str, str], int, timedelta, str, str]] = [
    # prices, Wh, time, total without VAT, VAT
    ({}, 10_000, HOUR, "0.00", "0.00"),
    ({"per_kwh": "39.5"}, 10_000, HOUR, "3.95", "0.00"),
    ({"per_kwh": "39.5", "vat_percent": "25"}, 10_000, HOUR, "3.95", "0.99"),
    ({"per_kwh": "39.5"}, 0, HOUR, "0.00", "0.00"),
    ({"per_minute": "1.25"}, 10_000, HOUR, "0.75", "0.00"),
    ({"per_minute": "1.25"}, 10_000, timedelta(), "0.00", "0.00"),
    ({"per_session": "50"}, 0, timedelta(), "0.50", "0.00"),
    ({"per_session": "50", "vat_percent": "7.7"}, 0, HOUR, "0.50", "0.04"),
    # Half a cent is a whole one, and a little less is none.
    ({"per_kwh": "0.5"}, 1000, HOUR, "0.01", "0.00"),
    ({"per_kwh": "0.499999"}, 1000, HOUR, "0.00", "0.00"),
    ({"per_kwh": "2.5"}, 1000, HOUR, "0.03", "0.00"),
    ({"per_minute": "0.6"}, 0, timedelta(seconds=50), "0.01", "0.00"),
    ({"per_minute": "3"}, 0, timedelta(seconds=10), "0.01", "0.00"),
    # A third of a minute is none in decimals: 3⅓ minutes at 1.95 are 6.5 cents.
    ({"per_minute": "1.95"}, 0, timedelta(seconds=200), "0.07", "0.00"),
    ({"per_minute": "3"}, 0, timedelta(seconds=9.999), "0.00", "0.00"),
    # Each part by itself: three times a little is nothing.
    (
        {"per_kwh": "0.4", "per_minute": "0.4", "per_session": "0.4"},
        1000,
        MINUTE,
        "0.00",
        "0.00",
    ),
]


@pytest.mark.parametrize(("prices", "energy_wh", "time", "excl_vat", "vat"), TABLE)
def test_what_it_costs(
    prices: dict[str, str], energy_wh: int, time: timedelta, excl_vat: str, vat: str
) -> None:
    """Energy, time and the session itself, each at its price."""
    total = cost(tariff_of(**prices), energy_wh, time).total
    assert (str(total.excl_vat), str(total.vat)) == (excl_vat, vat)


@pytest.mark.parametrize(
    ("digits", "excl_vat"), [(0, "1235"), (2, "12.35"), (3, "1.235"), (4, "0.1235")]
)
def test_a_currency_has_its_own_decimals(digits: int, excl_vat: str) -> None:
    """Yen have none, dinars three; amounts carry exactly so many."""
    tariff = Tariff(per_session=Decimal("1234.5"), minor_digits=digits)
    assert str(cost(tariff, 0, timedelta()).total.excl_vat) == excl_vat


def test_vat_is_kept_with_the_price() -> None:
    """A report names the rate beside the amount."""
    assert cost(tariff_of(vat_percent="25"), 0, HOUR).vat_percent == Decimal(25)


# ---- whatever is configured and delivered --------------------------------------------


@given(TARIFFS, ENERGY, TIMES)
def test_nothing_costs_less_than_nothing(
    tariff: Tariff, energy_wh: int, time: timedelta
) -> None:
    """No part is ever negative, with or without VAT."""
    price = cost(tariff, energy_wh, time)
    for amount in [*parts_of(price), price.total]:
        assert amount.excl_vat >= 0
        assert amount.vat >= 0


@given(TARIFFS, ENERGY, TIMES)
def test_the_parts_are_the_whole(
    tariff: Tariff, energy_wh: int, time: timedelta
) -> None:
    """Also with VAT, and also once everything is written with its decimals."""
    price = cost(tariff, energy_wh, time)
    parts, total = parts_of(price), price.total
    assert total.excl_vat == sum(part.excl_vat for part in parts)
    assert total.vat == sum(part.vat for part in parts)
    assert total.incl_vat == total.excl_vat + total.vat
    assert total.incl_vat == sum(part.incl_vat for part in parts)
    for amount in [*parts, total]:
        for number in (amount.excl_vat, amount.vat, amount.incl_vat):
            assert number.as_tuple().exponent == -tariff.minor_digits


@given(TARIFFS, ENERGY, ENERGY, TIMES, TIMES)
def test_more_never_costs_less(
    tariff: Tariff, one_wh: int, other_wh: int, one: timedelta, other: timedelta
) -> None:
    """Neither more energy nor more time makes a session cheaper."""
    less = cost(tariff, min(one_wh, other_wh), min(one, other))
    more = cost(tariff, max(one_wh, other_wh), max(one, other))
    assert less.energy.incl_vat <= more.energy.incl_vat
    assert less.time.incl_vat <= more.time.incl_vat
    assert less.total.incl_vat <= more.total.incl_vat


@given(TARIFFS, ENERGY, TIMES)
@example(Tariff(per_minute=Decimal("1.95")), 0, timedelta(seconds=200))
@example(Tariff(per_minute=Decimal("0.000060")), 0, timedelta(seconds=500_000))
def test_every_part_is_rounded_once_and_exactly(
    tariff: Tariff, energy_wh: int, time: timedelta
) -> None:
    """By the school's rule, from the exact number and from no other rounding."""
    price = cost(tariff, energy_wh, time)
    seconds = time // timedelta(seconds=1)
    exact = (
        (price.energy, Fraction(tariff.per_kwh) * energy_wh / 1000),
        (price.time, Fraction(tariff.per_minute) * seconds / 60),
        (price.fixed, Fraction(tariff.per_session)),
    )
    for amount, minor in exact:
        excl_vat = int(minor + Fraction(1, 2))
        unit = 10**tariff.minor_digits
        assert Fraction(amount.excl_vat) * unit == excl_vat
        vat = int(excl_vat * Fraction(tariff.vat_percent) / 100 + Fraction(1, 2))
        assert Fraction(amount.vat) * unit == vat


@given(TARIFFS, ENERGY, TIMES)
def test_no_amount_is_a_binary_fraction(
    tariff: Tariff, energy_wh: int, time: timedelta
) -> None:
    """Also not after it was written down and read again."""
    price = cost(tariff, energy_wh, time)
    again = msgspec.json.decode(msgspec.json.encode(price), type=Cost)
    assert again == price
    for amount in [*parts_of(again), again.total]:
        assert type(amount.excl_vat) is type(amount.vat) is Decimal


def test_the_module_knows_no_binary_fraction() -> None:
    """Neither as a number nor by true division of whole ones."""
    tree = ast.parse(Path(tariffs.__file__).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.Constant) and type(node.value) is float)
        assert not (isinstance(node, ast.Name) and node.id == "float")
        assert not (isinstance(node, ast.Attribute) and node.attr == "total_seconds")


# ---- sessions ------------------------------------------------------------------------

PRICED = tariff_of(per_kwh="40", per_minute="1", per_session="50", vat_percent="25")


def priced(**fields: Any) -> Session:  # noqa: ANN401 - fields of Session
    """Start a session that costs something."""
    return session_of("S0", tariff=PRICED, **fields)


def test_a_session_without_a_tariff_has_no_price() -> None:
    """Omitted is not free."""
    assert ended(session_of()).cost is None


def test_a_session_that_is_free_has_a_price() -> None:
    """Zero is an amount like others."""
    price = ended(session_of(tariff=Tariff())).cost
    assert price is not None
    assert str(price.total.excl_vat) == "0.00"


def test_a_running_session_costs_what_is_known_so_far() -> None:
    """Up to its last change."""
    session = priced(energy_wh=5000, updated_at=instant(600))
    assert session.duration == timedelta(minutes=10)
    price = session.cost
    assert price is not None
    assert price.total == Amount(Decimal("2.60"), Decimal("0.66"))


def test_an_ended_session_costs_what_it_lasted() -> None:
    """What was changed after its end takes no time."""
    session = replace(ended(priced(energy_wh=5000)), updated_at=instant(9999))
    assert session.duration == timedelta(seconds=3601)
    price = session.cost
    assert price is not None
    assert price.time.excl_vat == Decimal("0.60")


def test_nobody_pays_for_a_grant() -> None:
    """Neither while it waits nor after it has lapsed, however long it took."""
    pending = priced(status=SessionStatus.PENDING)
    assert pending.cost is None
    assert lapse(pending, instant(3600)).cost is None


def test_nobody_pays_for_a_start_that_failed() -> None:
    """OCPI: an INVALID session is not billed."""
    stopped = request_stop(priced(), StopReason.CHARGER_FAILED, instant(20))
    session = end(stopped, instant(21))
    assert session.status is SessionStatus.INVALID
    assert session.cost is None


def test_a_clock_that_is_set_back_takes_no_money_back() -> None:
    """A session whose end lies before its start by the wall clock lasts no time."""
    before = replace(instant(-3600), boot_id="boot-0")
    session = replace(ended(priced()), started_at=instant(), ended_at=before)
    assert session.duration == timedelta()
    price = session.cost
    assert price is not None
    assert price.total.excl_vat == Decimal("0.50")
