"""Reading an OpenEVSE's register while vehicles come and go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from drivers.chargers.openevse_controller import Controller
from drivers.chargers.rapi_client import NoAnswerError
from tests.drivers.chargers.rapi_emulator_lines import MemoryLine
from tests.drivers.chargers.rapi_emulator_words import sealed
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

CAR, NOBODY = "02 0 02 0100", "01 0 01 0000"


def readings(*answers: str) -> list[int | type[Exception] | None]:
    """Read the register until a script of answers is used up.

    Each answer is that of GS when it has four words, of GU when it has two.
    """
    script = list(answers)
    read: list[int | type[Exception] | None] = []

    async def main() -> None:
        line = MemoryLine()
        line.receive = _scripted(line, script)
        async with line.open("", 0) as port:
            controller = Controller(port, name="x", answer_s=1.0, check_every_s=0.1)
            task = asyncio.create_task(controller.run())
            while script:
                try:
                    read.append(await controller.read_register())
                except NoAnswerError as err:
                    read.append(type(err))
            task.cancel()
            await asyncio.wait({task})

    run_virtual(main())
    return read


def _scripted(line: MemoryLine, script: list[str]) -> Callable[[bytes], None]:
    def receive(data: bytes) -> None:
        command, number = data[1:3].decode(), data.decode().split(":")[1][:2]
        if not script:
            return
        answer = script.pop(0)
        words = len(answer.split())
        assert command == {4: "GS", 2: "GU", 1: "GU"}[words]
        if answer == "refused":
            line.say(sealed(f"$NK :{number}"))
        else:
            line.say(sealed(f"$OK {answer} :{number}"))

    return receive


def test_with_and_without_a_vehicle() -> None:
    """The session counts while it runs, and is in the total after it."""
    assert readings(CAR, "7200 1000", CAR) == [1002]
    assert readings(NOBODY, "7200 1002", NOBODY) == [1002]


@pytest.mark.parametrize(
    "script",
    [
        # It left before GU was asked, and we had not heard of that.
        (CAR, "7200 1002", NOBODY, "7200 1002", NOBODY),
        # It came before GU was asked.
        (NOBODY, "7200 1000", CAR, "7200 1000", CAR),
    ],
)
def test_a_vehicle_that_comes_or_goes_meanwhile(script: tuple[str, ...]) -> None:
    """Its energy is neither counted twice nor left out."""
    assert readings(*script) == [1002]


def test_a_vehicle_that_left_and_is_not_counted_yet() -> None:
    """A register that falls is read again, before a boot is blamed."""
    again = ("7200 1000", NOBODY, "7200 1002", NOBODY)
    assert readings(CAR, "7200 1000", CAR, "7200 1000", NOBODY, *again) == [1002, 1002]


def test_a_register_that_fell_for_good() -> None:
    """After a few looks it is what it is."""
    fallen = ("0 1000", CAR) * 3
    assert readings(CAR, "7200 1000", CAR, *fallen) == [1002, 1000]


def test_a_plug_that_flickers() -> None:
    """Nothing is made up of readings that fit to nothing."""
    script = (CAR, "0 1", NOBODY, "0 1", CAR, "0 1", NOBODY)
    assert readings(*script) == [NoAnswerError]


def test_no_meter() -> None:
    """It is asked for once."""
    assert readings(CAR, "refused") == [None]
