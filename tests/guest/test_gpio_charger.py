"""The gpio charger on lines of a real kernel: a relay, two inputs and a meter."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from drivers.chargers import gpio_socket
from drivers.chargers.base import (
    ChargerUp,
    Charging,
    Connected,
    Disconnected,
    Fault,
    FaultCleared,
    Meter,
    Vehicle,
)
from drivers.chargers.gpio import GpioCharger, GpioChargerConfig
from drivers.chargers.gpio_config import MeterLine
from drivers.errors import DeviceGoneError, DriverError, TransientDeviceError
from drivers.gpio import InputLine, OutputLine
from tests.guest.chips import Chip, pulse
from tests.guest.cp2112 import LABEL as CP2112
from tests.guest.cp2112 import Board, Cp2112, nodes
from tests.guest.listening import open_files, run, threads, told_by
from tests.guest.soc_chip import SocChip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from drivers.chargers.base import ChargerEvent

RELAY, VEHICLE, FAULT, METER = range(4)
QUICK = timedelta(milliseconds=50)
BARE = {"vehicle": None, "fault": None, "meter": None, "always_connected": True}


def config(chip: str, register: Path, **changes: Any) -> GpioChargerConfig:  # noqa: ANN401 - any key
    """Wire a charger: inputs pull their lines down, the relay is on at a high level."""
    lines = {
        "vehicle": InputLine(line=VEHICLE, active_low=True, debounce=QUICK),
        "fault": InputLine(line=FAULT, active_low=True, debounce=QUICK),
        "meter": MeterLine(
            line=METER,
            active_low=True,
            pulses_per_kwh=1000,
            register=register,
            save_every=QUICK,
        ),
    }
    return GpioChargerConfig(
        chip=chip, relay=OutputLine(line=RELAY), **(lines | changes)
    )


class Bench:
    """A charger, and who listens to it as the agent does."""

    def __init__(self, settings: GpioChargerConfig) -> None:
        self.charger = GpioCharger(settings)
        self._told: asyncio.Queue[ChargerEvent] = asyncio.Queue()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[ChargerUp]:
        """Listen until the block ends."""
        async with told_by(self.charger.events()) as told:
            up = await anext(told)
            assert isinstance(up, ChargerUp)
            listener = asyncio.create_task(self._listen(told))
            try:
                yield up
            finally:
                listener.cancel()
                await asyncio.wait({listener})

    async def next(self, wanted: type[ChargerEvent]) -> ChargerEvent:
        """Return the next event of this kind, past readings of the meter only."""
        while (
            isinstance(event := await self._told.get(), Meter) and wanted is not Meter
        ):
            pass
        assert isinstance(event, wanted), event
        return event

    async def reading(self, wh: int) -> None:
        """Wait until the meter reads so much."""
        while await self.next(Meter) != Meter(wh):
            pass

    async def _listen(self, told: AsyncIterator[ChargerEvent]) -> None:
        async for event in told:
            self._told.put_nowait(event)


async def exhaust(told: AsyncIterator[ChargerEvent]) -> None:
    """Listen until the events end."""
    async for _ in told:
        pass


@pytest.fixture
def chip() -> Iterator[SocChip]:
    """Plug a chip in."""
    with SocChip() as plugged_in:
        yield plugged_in


@pytest.fixture
def bench(chip: SocChip, tmp_path: Path) -> Bench:
    """Give a charger with everything."""
    return Bench(config(chip.label, tmp_path / "register"))


async def drive(chip: SocChip, line: int, *, active: bool) -> None:
    """Pull a line down, or let it go, while the loop goes on."""
    await asyncio.to_thread(chip.drive, line, high=not active)


def test_a_charge(chip: SocChip, bench: Bench) -> None:
    """Plug, charge, pause by hand, leave: the relay, and energy by real pulses."""

    async def main() -> None:
        async with bench.listening() as up:
            assert up.state.vehicle is Vehicle.ABSENT
            await drive(chip, VEHICLE, active=True)
            await bench.next(Connected)
            assert not chip.is_high(RELAY)
            await bench.charger.enable(16)
            assert chip.is_high(RELAY)
            await asyncio.to_thread(pulse, chip, METER, 3, lasting_s=0.1)
            await bench.next(Charging)
            await bench.reading(3)
            assert await bench.charger.disable() == 3
            assert not chip.is_high(RELAY)
            await bench.next(Connected)
            await drive(chip, VEHICLE, active=False)
            await bench.next(Disconnected)

    run(main())


def test_a_fault_opens_the_relay(chip: SocChip, bench: Bench) -> None:
    """By its line alone; its end lets nothing flow."""

    async def main() -> None:
        chip.drive(VEHICLE, high=False)
        async with bench.listening() as up:
            assert up.state.vehicle is Vehicle.CONNECTED
            await bench.charger.enable()
            await drive(chip, FAULT, active=True)
            await bench.next(Fault)
            assert not chip.is_high(RELAY)
            with pytest.raises(TransientDeviceError, match="fault"):
                await bench.charger.enable()
            await drive(chip, FAULT, active=False)
            await bench.next(FaultCleared)
            assert not chip.is_high(RELAY)

    run(main())


def test_a_vehicle_that_leaves_opens_the_relay(chip: SocChip, bench: Bench) -> None:
    """Before anybody is told."""

    async def main() -> None:
        chip.drive(VEHICLE, high=False)
        async with bench.listening():
            await bench.charger.enable()
            await drive(chip, VEHICLE, active=False)
            await bench.next(Disconnected)
            assert not chip.is_high(RELAY)

    run(main())


def test_energy_is_off_before_and_after(tmp_path: Path) -> None:
    """Whatever the relay was at: with the request it is off, and on leaving again."""

    async def main() -> None:
        with Cp2112() as chip:  # Which leaves a line as it was
            chip.board.configure(1 << RELAY)
            chip.board.switch(0xFF, 1 << RELAY)
            charger = GpioCharger(config(chip.label, tmp_path, **BARE))
            async with told_by(charger.events()) as told:
                assert isinstance(await anext(told), ChargerUp)
                assert not chip.is_high(RELAY)
                await charger.enable()
                assert chip.is_high(RELAY)
            assert not chip.is_high(RELAY)

    run(main())


@pytest.mark.parametrize("has_inputs", [True, False])
def test_a_chip_that_vanishes_while_all_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_inputs: bool
) -> None:
    """No edge tells, and this kernel wakes nobody: the charger looks by itself."""
    monkeypatch.setattr(gpio_socket, "LOOK_EVERY_S", 0.5)

    async def main() -> None:
        with Cp2112() as chip:
            chip.board.outside &= ~(1 << VEHICLE)
            settings = config(
                chip.label, tmp_path / "register", **({} if has_inputs else BARE)
            )
            charger = GpioCharger(settings)
            async with told_by(charger.events()) as told:
                assert isinstance(await anext(told), ChargerUp)
                await charger.enable()
                chip.unplug()
                with pytest.raises(DeviceGoneError):
                    await exhaust(told)

    run(main())


def test_a_chip_that_falls_silent_while_all_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there, and answers nobody; nothing but looking at the relay tells."""
    monkeypatch.setattr(gpio_socket, "LOOK_EVERY_S", 0.5)

    async def main() -> None:
        with Cp2112() as chip:
            charger = GpioCharger(config(chip.label, tmp_path, **BARE))
            async with told_by(charger.events()) as told:
                assert isinstance(await anext(told), ChargerUp)
                chip.fails = True
                with pytest.raises(DeviceGoneError, match="Input/output error"):
                    await exhaust(told)

    run(main())


def test_a_chip_that_does_not_obey(tmp_path: Path) -> None:
    """A command that was not carried out is an error, and energy is off on return."""
    board = Board()
    board.outside &= ~(1 << VEHICLE)

    async def main() -> None:
        with Cp2112(board) as chip:
            charger = GpioCharger(config(chip.label, tmp_path / "register"))
            async with told_by(charger.events()) as told:
                assert isinstance(await anext(told), ChargerUp)
                await charger.enable()
                chip.fails = True
                with pytest.raises(DriverError):
                    await charger.disable()
                assert chip.is_high(RELAY)
                chip.unplug()
        with Cp2112(board) as chip:
            async with told_by(charger.events()) as told:
                up = await anext(told)
                assert isinstance(up, ChargerUp)
                assert not up.state.enabled
                assert not chip.is_high(RELAY)
                chip.unplug()

    run(main())


@pytest.mark.parametrize(("kind", "times"), [("soc", 100), ("usb", 20)])
def test_a_chip_that_comes_and_goes_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, times: int
) -> None:
    """In the middle of charging, again and again: energy is off whenever it is back."""
    monkeypatch.setattr(gpio_socket, "LOOK_EVERY_S", 0.01)
    # Its supply stays: what it drives, it drives on.
    board = Board()
    label = "pinctrl-soc" if kind == "soc" else CP2112
    charger = GpioCharger(config(label, tmp_path / "register"))

    def plug() -> Chip:
        return SocChip(label, lines=4) if kind == "soc" else Cp2112(board)

    async def charge_until_it_goes() -> None:
        board.outside &= ~(1 << VEHICLE)
        with plug() as chip:
            if kind == "soc":
                chip.drive(VEHICLE, high=False)
            async with told_by(charger.events()) as told:
                up = await anext(told)
                assert isinstance(up, ChargerUp)
                assert not up.state.enabled
                assert not chip.is_high(RELAY)
                await charger.enable()
                assert chip.is_high(RELAY)
                chip.unplug()
                with pytest.raises(DeviceGoneError):
                    await exhaust(told)

    async def main() -> None:
        await charge_until_it_goes()
        before = open_files(), threads()
        for _ in range(times):
            await charge_until_it_goes()
        assert (open_files(), threads()) == before

    run(main())
    assert nodes() == set()
