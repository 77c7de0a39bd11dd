"""What a configuration means to the rules: prices, places and who is told."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from agent.domain.places import Connector, Place
from agent.domain.tariffs import Tariff
from tests.agent.config.station_file import GOOD, extend, load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("lines", "tariff"),
    [
        ("", None),
        ("minor_digits = 3", None),
        ('per_kwh = "0"', Tariff()),
        ('per_minute = "1.25"', Tariff(per_minute=Decimal("1.25"))),
        ("per_session = 50", Tariff(per_session=Decimal(50))),
        (
            'per_kwh = "39.5"\nvat_percent = "7.7"\nminor_digits = 0',
            Tariff(per_kwh=Decimal("39.5"), vat_percent=Decimal("7.7"), minor_digits=0),
        ),
    ],
)
def test_there_is_a_tariff_if_there_is_a_price(
    tmp_path: Path, lines: str, tariff: Tariff | None
) -> None:
    """Free of charge must be said; nothing said is no price."""
    config = load(tmp_path, extend(GOOD, tariff=lines))
    assert config.price() == tariff
    assert config.settings().tariff == tariff


def test_each_evse_has_its_place(tmp_path: Path) -> None:
    """What every report of its sessions names."""
    lines = """\
evse_id = "SE*ABC*E1*1"
connector_id = "A"
connector_standard = "IEC_62196_T1"
connector_format = "CABLE"
power_type = "AC_1_PHASE"
voltage = 231
amperage = 16
meter_id = "M-4711"
"""
    text = extend(GOOD, evse=lines, station='currency = "SEK"')
    places = load(tmp_path, text).settings().places
    assert places == {
        "SE*ABC*E1": Place(
            location_id="LOC-1",
            currency="SEK",
            evse_id="SE*ABC*E1*1",
            meter_id="M-4711",
            connector=Connector(
                id="A",
                standard="IEC_62196_T1",
                format="CABLE",
                power_type="AC_1_PHASE",
                voltage=231,
                amperage=16,
            ),
        ),
        "SE*ABC*E2": Place(location_id="LOC-1", currency="SEK"),
    }


@pytest.mark.parametrize("told", [False, True])
def test_grants_are_told_if_it_is_wanted(
    tmp_path: Path,
    told: bool,  # noqa: FBT001 - a table
) -> None:
    """By default they are not."""
    text = extend(GOOD, reporting="tell_grants = true") if told else GOOD
    assert load(tmp_path, text).settings().tell_grants is told
