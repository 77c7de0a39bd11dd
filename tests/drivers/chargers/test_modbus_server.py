"""The modbus charger and meter before the library's own server, on real lines."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.base import (
    ChargerUp,
    Charging,
    Connected,
    Meter,
    MeterUp,
    Vehicle,
)
from drivers.chargers.metered import MeteredCharger
from drivers.chargers.modbus import ModbusCharger, ModbusConfig
from drivers.errors import DriverError, TransientDeviceError, UnsupportedDeviceError
from drivers.meters.modbus import ModbusMeter, ModbusMeterConfig
from drivers.modbus.line import Lines
from tests.drivers.modbus.server import METER_ID, Station, serve
from tests.drivers.pipes import open_files, run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from drivers.chargers.base import ChargerEvent


def config(port: str, **changes: int) -> ModbusConfig:
    """Configure a SimpleEVSE that is looked at often."""
    return ModbusConfig(
        port=port,
        limit_amps=16,
        pause=timedelta(milliseconds=2),
        answer_timeout=timedelta(milliseconds=changes.get("answer_ms", 2000)),
        poll_every=timedelta(milliseconds=20),
        comm_timeout=timedelta(milliseconds=changes.get("comm_ms", 5000)),
        device_id=changes.get("device_id", 1),
    )


async def change(events: AsyncGenerator[ChargerEvent]) -> ChargerEvent:
    """Return the next event that is not the meter's."""
    while isinstance(event := await anext(events), Meter | MeterUp):
        pass
    return event


@pytest.mark.parametrize("kind", ["tcp", "rtu over tcp", "rtu"])
def test_a_metered_session(kind: str) -> None:
    """Controller and meter share one line: plug, charge, stop; Wh for Wh."""

    async def main() -> None:
        station, lines = Station(), Lines()
        evse = station.evse
        async with serve(station, kind) as port:
            meter = ModbusMeter(
                ModbusMeterConfig(
                    port=port,
                    device_id=METER_ID,
                    pause=timedelta(milliseconds=2),
                    answer_timeout=timedelta(seconds=2),
                ),
                lines=lines,
            )
            charger = MeteredCharger(ModbusCharger(config(port), lines=lines), meter)
            async with aclosing(charger.events()) as events:
                first = await anext(events)
                assert isinstance(first, ChargerUp)
                assert (first.state.wh, first.state.enabled) == (1000, False)
                evse.plugged = evse.wants = True
                assert await change(events) == Connected()
                await charger.enable()
                assert (evse.amps, evse.delivers) == (16, True)
                assert await change(events) == Charging()
                evse.kwh = 1.25
                assert await charger.disable() == 1250
                assert not evse.delivers
                assert [await anext(events) for _ in range(2)] == [
                    Meter(1250),
                    Connected(),
                ]

    run(main())


def test_a_device_that_is_not_there() -> None:
    """The reason names the device; nothing is left open."""

    async def main() -> None:
        station = Station()
        async with station.serve_tcp():
            files = open_files()
            charger = ModbusCharger(config(station.address, device_id=9), lines=Lines())
            with pytest.raises(DriverError, match="device 9"):
                await anext(charger.events())
            await asyncio.sleep(0.05)
            assert open_files() == files

    run(main())


def test_a_cut_connection_is_passed_over() -> None:
    """A session outlives it when it is short."""

    async def main() -> None:
        station = Station()
        evse = station.evse
        async with station.serve_tcp():
            charger = ModbusCharger(config(station.address), lines=Lines())
            async with aclosing(charger.events()) as events:
                await anext(events)
                evse.plugged = evse.wants = True
                assert await anext(events) == Connected()
                await charger.enable()
                assert await anext(events) == Charging()
                station.hang_up()
                evse.wants = False
                assert await anext(events) == Connected()
                assert evse.amps == 16

    run(main())


def test_a_server_that_goes_and_comes_back() -> None:
    """It is lost, and found again on its old port, with energy off."""

    async def main() -> None:
        station = Station()
        evse = station.evse
        evse.plugged = evse.wants = True
        async with station.serve_tcp():
            charger = ModbusCharger(config(station.address, comm_ms=100), lines=Lines())
            async with aclosing(charger.events()) as events:
                await anext(events)
                await charger.enable()
                assert await anext(events) == Charging()
                await station.go_away()
                with pytest.raises(TransientDeviceError, match="cannot connect to"):
                    await anext(events)
            await station.come_back()
            assert evse.delivers
            async with aclosing(charger.events()) as events:
                back = await anext(events)
                assert isinstance(back, ChargerUp)
                assert back.state.vehicle is Vehicle.CONNECTED
                assert evse.amps == 0

    run(main())


def test_a_lost_answer() -> None:
    """A command whose answer is lost is read back, and done once."""

    async def main() -> None:
        station = Station()
        async with station.serve_tcp():
            charger = ModbusCharger(
                config(station.address, answer_ms=200), lines=Lines()
            )
            async with aclosing(charger.events()) as events:
                await anext(events)
                station.evse.written.clear()
                station.lose_writes = 1
                await charger.enable()
                assert station.evse.written == [16]

    run(main())


def test_silence_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """A device that says nothing is no charger; the log has no frames of it."""

    async def main() -> None:
        station = Station()
        station.is_silent = True
        async with station.serve_pty():
            charger = ModbusCharger(
                config(station.address, answer_ms=100), lines=Lines()
            )
            with pytest.raises(
                TransientDeviceError, match=r"does not answer .* check device_id"
            ):
                await anext(charger.events())

    with caplog.at_level(logging.DEBUG):
        run(main())
    assert [one for one in caplog.records if "pymodbus" in one.name] == []


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_a_hundred_starts_leave_nothing_behind(kind: str) -> None:
    """Neither files nor tasks."""

    async def main() -> None:
        station, lines = Station(), Lines()
        async with serve(station, kind) as port:
            charger = ModbusCharger(config(port), lines=lines)
            before = (0, 0)
            for number in range(101):
                async with aclosing(charger.events()) as events:
                    assert isinstance(await anext(events), ChargerUp)
                if number == 0:
                    await asyncio.sleep(0.05)
                    before = open_files(), len(asyncio.all_tasks())
            await asyncio.sleep(0.05)
            assert (open_files(), len(asyncio.all_tasks())) == before

    run(main())


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver stays off, and says what to install."""

    async def main() -> None:
        charger = ModbusCharger(config("127.0.0.1:9"), lines=Lines())
        with pytest.raises(UnsupportedDeviceError, match="EXTRAS=modbus"):
            await anext(charger.events())

    monkeypatch.setitem(sys.modules, "pymodbus", None)
    run(main())
