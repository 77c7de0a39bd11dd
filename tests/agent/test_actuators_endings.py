"""Chargers whose driver, or whose listener, is ended in the middle of something."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from agent.actuators import ChargerPort
from agent.charger_calls import LEFT_BEHIND
from agent.domain.messages import (
    DisableEnergy,
    DisableFailed,
    EnableEnergy,
    EnableFailed,
    EnergyDisabled,
    Input,
)
from agent.health import Health
from drivers.errors import DeviceGoneError, TransientDeviceError
from tests.fakes.clock import FakeClock
from tests.fakes.hardware import FakeCharger
from tests.fakes.loop_clock import running
from tests.fakes.virtual_loop import run_virtual
from tests.fakes.wicked import give_in, resist

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from drivers.chargers.base import ChargerEvent

CLOSES_IN_S = 0.8
SELF_CANCELLED = "the driver has cancelled itself"


class ClosingCharger(FakeCharger):
    """Takes its time to switch off when nobody listens any more."""

    def __init__(self) -> None:
        super().__init__()
        self.closings: list[str] = []

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Switch off in the end, unless that is interrupted."""
        try:
            async for event in super().events():
                yield event
        finally:
            self.closings.append("begun")
            await asyncio.sleep(CLOSES_IN_S)
            self.closings.append("off")


@pytest.mark.parametrize("after_s", [0.1, CLOSES_IN_S - 0.1])
def test_an_end_while_a_charger_is_opened_anew_waits_for_it(after_s: float) -> None:
    """Energy is off when the port has ended, and no task is left that is at it."""
    charger = ClosingCharger()
    charger.failures["disable"] = [TransientDeviceError("no")]

    async def main() -> int:
        port = ChargerPort("E1", charger, lambda _: None, Health(FakeClock()))
        async with running(port.run()):
            await port.found.wait()
            port.command(DisableEnergy("E1", "S1"))
            await asyncio.sleep(after_s)
            assert charger.closings == ["begun"]
        assert charger.closings == ["begun", "off"]
        return len(asyncio.all_tasks())

    assert run_virtual(main()) == 1


class LostCharger(FakeCharger):
    """Switches off when it is opened, and when that is over."""

    is_on = False
    is_there = True

    async def events(self) -> AsyncGenerator[ChargerEvent]:
        """Begin with energy off."""
        if not self.is_there:
            raise DeviceGoneError("there is no such line")
        self.is_on = False
        try:
            async for event in super().events():
                yield event
        finally:
            self.is_on = self.is_on and not self.is_there

    async def enable(self, limit_amps: int | None = None) -> None:
        """Let energy flow."""
        await super().enable(limit_amps)
        self.is_on = True

    def lose(self) -> None:
        """Pull its plug."""
        self.is_there = False
        self.tell(DeviceGoneError("the line was cut"))


async def lose_in_mid_session(charger: LostCharger, *, is_back: bool) -> None:
    """Have an end between two attempts to find a charger again."""
    port = ChargerPort("E1", charger, lambda _: None, Health(FakeClock()))
    async with running(port.run()):
        await port.found.wait()
        port.command(EnableEnergy("E1", "S1"))
        await port.settle()
        charger.lose()
        await asyncio.sleep(60)
        assert charger.is_on
        charger.is_there = is_back


def test_a_charger_that_was_lost_with_energy_on_is_tried_once_more() -> None:
    """An end does not wait for the next attempt, which there will not be."""
    charger = LostCharger()
    run_virtual(lose_in_mid_session(charger, is_back=True))
    assert not charger.is_on


def test_a_charger_that_cannot_be_left_off_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In the log, which is all there is at an end."""
    charger = LostCharger()
    with caplog.at_level(logging.WARNING):
        run_virtual(lose_in_mid_session(charger, is_back=False))
    assert charger.is_on
    assert "charger E1: nobody knows whether energy is off" in caplog.text


def test_a_charger_that_was_lost_at_rest_is_left_alone() -> None:
    """Energy was off, and it is not opened for that."""
    charger = LostCharger()

    async def main() -> None:
        port = ChargerPort("E1", charger, lambda _: None, Health(FakeClock()))
        async with running(port.run()):
            await port.found.wait()
            port.command(EnableEnergy("E1", "S1"))
            port.command(DisableEnergy("E1", "S1"))
            await port.settle()
            charger.lose()
            await asyncio.sleep(60)
            charger.is_there = True

    run_virtual(main())
    assert len(charger.opened) == 1


class CancellingCharger(FakeCharger):
    """Has a library that cancels what its driver waits for."""

    is_broken = True

    async def enable(self, limit_amps: int | None = None) -> None:
        """Be cancelled, by nobody who asked for the command."""
        self._cancel()
        await super().enable(limit_amps)

    async def disable(self) -> int | None:
        """The same."""
        self._cancel()
        return await super().disable()

    def _cancel(self) -> None:
        if self.is_broken:
            raise asyncio.CancelledError


def test_a_driver_that_cancels_itself_has_failed() -> None:
    """The station hears of it, and the next command is obeyed."""
    charger = CancellingCharger()
    inputs: list[Input] = []

    async def main() -> None:
        port = ChargerPort("E1", charger, inputs.append, Health(FakeClock()))
        async with running(port.run()):
            await port.found.wait()
            inputs.clear()
            port.command(EnableEnergy("E1", "S1"))
            port.command(DisableEnergy("E1", "S1"))
            await asyncio.sleep(0.1)
            assert inputs == [
                EnableFailed("E1", "S1", SELF_CANCELLED),
                DisableFailed("E1", "S1", SELF_CANCELLED),
            ]
            charger.is_broken = False
            port.command(DisableEnergy("E1", "S1"))
            await port.settle()

    run_virtual(main())
    assert inputs[-1] == EnergyDisabled("E1", "S1", 1000)


class DeafCharger(FakeCharger):
    """Has a driver whose `enable` cannot be called off."""

    async def enable(self, limit_amps: int | None = None) -> None:
        """Never return."""
        del limit_amps
        await resist()


def test_a_command_that_cannot_be_called_off_keeps_no_other_waiting() -> None:
    """It has failed in time, and the order to switch off reaches the driver."""
    charger = DeafCharger()
    inputs: list[Input] = []

    async def main() -> None:
        port = ChargerPort("E1", charger, inputs.append, Health(FakeClock()))
        async with running(port.run()):
            await port.found.wait()
            inputs.clear()
            port.command(EnableEnergy("E1", "S1"))
            port.command(DisableEnergy("E1", "S1"))
            await asyncio.sleep(10)
        assert len(LEFT_BEHIND) == 1
        await give_in()
        assert not LEFT_BEHIND

    run_virtual(main())
    assert inputs == [
        EnableFailed("E1", "S1", "no confirmation in time"),
        EnergyDisabled("E1", "S1", 1000),
    ]
