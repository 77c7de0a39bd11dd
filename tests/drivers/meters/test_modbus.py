"""Modbus meters before the library's own server: registers, garbage, silence."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from drivers.errors import FrameError, TransientDeviceError
from drivers.meters.base import POLL_EVERY
from drivers.meters.modbus import (
    EASTRON_TOTAL,
    EnergyRegister,
    EnergyUnit,
    ModbusMeter,
    ModbusMeterConfig,
    ProfileName,
)
from drivers.modbus.line import Lines
from drivers.modbus.values import Table, ValueType, WordOrder
from tests.drivers.modbus.evse import AMPS
from tests.drivers.modbus.server import EVSE_ID, METER_ID, Station, serve
from tests.drivers.pipes import open_files, run

if TYPE_CHECKING:
    from collections.abc import Coroutine


def meter(port: str, **config: Any) -> ModbusMeter:  # noqa: ANN401 - any key
    """Give a meter, the SDM630 unless told otherwise."""
    keys: dict[str, Any] = {
        "device_id": METER_ID,
        "pause": timedelta(milliseconds=2),
        "answer_timeout": timedelta(milliseconds=200),
    } | config
    return ModbusMeter(ModbusMeterConfig(port=port, **keys), lines=Lines())


def with_station(main: Any) -> None:  # noqa: ANN401 - a coroutine function
    """Run it with a station on TCP."""

    async def around() -> None:
        station = Station()
        async with station.serve_tcp():
            body: Coroutine[None, None, None] = main(station)
            await body

    run(around())


@pytest.mark.parametrize("kind", ["tcp", "rtu over tcp", "rtu"])
@pytest.mark.parametrize("profile", [ProfileName.SDM72, ProfileName.SDM630])
def test_an_eastron(kind: str, profile: ProfileName) -> None:
    """The total of an SDM72 or SDM630 is kWh in two input registers."""

    async def main() -> None:
        station = Station()
        async with serve(station, kind) as port:
            device = meter(
                port, profile=profile, answer_timeout=timedelta(milliseconds=2000)
            )
            readings = []
            for kwh in (0.0, 1234.5, 1234.625):
                station.evse.kwh = kwh
                readings.append(await device.read_wh())
            assert readings == [0, 1_234_500, 1_234_625]
            await device.close()

    run(main())


@pytest.mark.parametrize("kwh", [math.nan, math.inf, -math.inf, -1.0, 1e30])
def test_garbage_is_no_reading(kwh: float) -> None:
    """What no meter can have counted is a FrameError that names the register."""

    async def main(station: Station) -> None:
        device = meter(station.address)
        station.evse.kwh = kwh
        with pytest.raises(FrameError, match=r"expected an? .* in input 342, got"):
            await device.read_wh()
        station.evse.kwh = 2.0
        assert await device.read_wh() == 2000
        await device.close()

    with_station(main)


def test_a_register_that_fell_is_told() -> None:
    """Whether that can be is judged by the station."""

    async def main(station: Station) -> None:
        device = meter(station.address)
        station.evse.kwh = 5.0
        assert await device.read_wh() == 5000
        station.evse.kwh = 1.0
        assert await device.read_wh() == 1000
        await device.close()

    with_station(main)


def test_silence() -> None:
    """One lost answer is nothing; a meter that is gone is a DriverError."""

    async def main(station: Station) -> None:
        device = meter(station.address)
        station.lose = 1
        assert await device.read_wh() == 1000
        station.is_silent = True
        with pytest.raises(TransientDeviceError, match="device 2 on"):
            await device.read_wh()
        await device.close()

    with_station(main)


def test_a_register_of_ones_own() -> None:
    """Address, table, type, scale and unit are free."""
    energy = EnergyRegister(address=AMPS, scale=0.1, unit=EnergyUnit.KWH)

    async def main(station: Station) -> None:
        device = meter(
            station.address,
            profile=ProfileName.OWN,
            device_id=EVSE_ID,
            energy=energy,
        )
        station.evse.amps = 57
        assert await device.read_wh() == 5700
        await device.close()

    with_station(main)


@pytest.mark.parametrize(
    ("register", "words", "wh"),
    [
        (EnergyRegister(address=0), [9], 9),
        (EnergyRegister(address=0, type=ValueType.UINT32), [1, 1], 65537),
        (
            EnergyRegister(
                address=0, type=ValueType.UINT32, word_order=WordOrder.LITTLE
            ),
            [1, 0],
            1,
        ),
        (EnergyRegister(address=0, scale=10), [12], 120),
        (EnergyRegister(address=0, scale=0.01, unit=EnergyUnit.KWH), [12], 120),
    ],
)
def test_units(register: EnergyRegister, words: list[int], wh: int) -> None:
    """Everything becomes whole Wh."""
    assert register.read_wh(words) == wh


@pytest.mark.parametrize(
    "kind",
    [
        {"type": ValueType.FLOAT32, "word_order": WordOrder.LITTLE},
        {"type": ValueType.UINT32, "unit": EnergyUnit.KWH},
    ],
)
def test_a_register_that_is_misread_is_no_reading(kind: dict[str, Any]) -> None:
    """A float's words in the wrong order are no nought, and a float is no number."""
    register = EnergyRegister(address=0, table=Table.INPUT, **kind)
    with pytest.raises(FrameError, match=r"check address, table, type, word_order"):
        register.read_wh([0x4060, 0])
    assert EASTRON_TOTAL.read_wh([0, 0]) == 0


def test_closing_lets_go_of_the_line() -> None:
    """A closed meter has no file open, and the next reading opens it again."""

    async def main(station: Station) -> None:
        device = meter(station.address)
        files = open_files()
        await device.read_wh()
        await device.close()
        await device.close()
        await asyncio.sleep(0.05)
        assert open_files() == files
        assert await device.read_wh() == 1000
        await device.close()
        await asyncio.sleep(0.05)
        assert open_files() == files

    with_station(main)


def test_what_is_configured() -> None:
    """The mistakes that only several keys together make."""
    with pytest.raises(ValueError, match=r"^energy: missing"):
        ModbusMeterConfig(port="x", profile=ProfileName.OWN)
    with pytest.raises(ValueError, match=r"^table: energy stands in a holding"):
        EnergyRegister(address=0, table=Table.COIL)
    assert meter("x").poll_every == POLL_EVERY
    assert meter("x", poll_every=timedelta(seconds=9)).poll_every.seconds == 9


def test_what_is_checked_beforehand() -> None:
    """The library, and the serial port, which is not there."""
    library, port = meter("/dev/nowhere").check()
    assert library.ok
    assert "is not there" in port.problem
