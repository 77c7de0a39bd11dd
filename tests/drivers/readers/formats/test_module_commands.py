"""Commands for lights on the line: obeyed, refused, unanswered, answered late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from drivers.errors import DeviceGoneError, TransientDeviceError
from drivers.readers.base import Technology
from drivers.readers.formats.dialogue import ORDER_S, QUIET_S
from drivers.readers.formats.framing import CardReport
from drivers.readers.formats.pn532 import Pn532
from drivers.readers.formats.sl032 import Sl032
from drivers.readers.formats.twn4 import Mode, Twn4
from tests.drivers.readers.modules import (
    Emulator,
    Sl032Emulator,
    Twn4Emulator,
    flipped,
    mute,
    truncated,
)
from tests.drivers.readers.pn532_module import Pn532Emulator
from tests.drivers.serial_bench import FakeLine, now
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.readers.formats.dialogue import Module
    from tests.drivers.readers.modules import Fault

UID = bytes.fromhex("04A1B2C3D4E5F6")
CARD = CardReport(UID, Technology.ISO14443)

#: A driver, its emulator, and a command for a light.
ALL: dict[str, tuple[Callable[[FakeLine], Module], Callable[[], Emulator], bytes]] = {
    "twn4": (
        lambda line: Twn4(line, now, Mode(ascii_hex=False, crc=True)),
        Twn4Emulator,
        bytes.fromhex("0400070000"),
    ),
    "twn4-ascii": (
        lambda line: Twn4(line, now, Mode(ascii_hex=True, crc=True)),
        lambda: Twn4Emulator(ascii_hex=True),
        bytes.fromhex("0400070000"),
    ),
    "pn532": (
        lambda line: Pn532(line, now),
        Pn532Emulator,
        bytes.fromhex("0EBF84"),
    ),
    "sl032": (lambda line: Sl032(line, now), Sl032Emulator, bytes.fromhex("4001")),
}
modules = pytest.mark.parametrize(
    ("driver", "emulator", "command"), ALL.values(), ids=ALL
)


@modules
def test_a_command_as_it_is_on_the_line(
    driver: Callable[[FakeLine], Module],
    emulator: Callable[[], Emulator],
    command: bytes,
) -> None:
    """The emulators, which build frames by themselves, understand it."""
    frames = {
        b"\x04": (bytes.fromhex("0700 0400070000 9D91"), b"04000700009D91\r"),
        b"\x0e": (bytes.fromhex("0000FF04FC D40EBF84 DB00"),),
        b"\x40": (bytes.fromhex("BA034001F8"),),
    }

    class Tapped(FakeLine):
        said = b""

        async def write(self, data: bytes) -> None:
            self.said = data
            await super().write(data)

    async def main() -> None:
        device = emulator()
        line = Tapped(device)
        module = driver(line)
        await module.start()
        await module.tell(command)
        assert device.asked[-1] == command
        assert line.said in frames[command[:1]]

    run_virtual(main())


@modules
def test_a_command_of_bytes_that_come_one_by_one(
    driver: Callable[[FakeLine], Module],
    emulator: Callable[[], Emulator],
    command: bytes,
) -> None:
    """The answer may come in any fragments, and not at once."""

    class Slow(FakeLine):
        at = 0.0

        def send(self, data: bytes) -> None:
            loop = asyncio.get_running_loop()
            for byte in data:
                self.at = max(self.at, now() + 0.03) + 0.002
                loop.call_at(self.at, super().send, bytes([byte]))

    async def main() -> None:
        device = emulator()
        module = driver(Slow(device))
        await module.start()
        began = now()
        await module.tell(command)
        assert now() - began < 0.3
        device.card = UID
        assert await module.find() == CARD

    run_virtual(main())


@pytest.mark.parametrize("fault", [mute, flipped, truncated])
@modules
def test_a_command_without_a_valid_answer(
    driver: Callable[[FakeLine], Module],
    emulator: Callable[[], Emulator],
    command: bytes,
    fault: Fault,
) -> None:
    """One try that takes less than a look may; the next look is none the worse."""

    async def main() -> None:
        device = emulator()
        device.card = UID
        module = driver(FakeLine(device))
        await module.start()
        device.spoilt[command[:1]] = fault
        for _ in range(3):
            asked = len(device.asked)
            began = now()
            with pytest.raises(TransientDeviceError, match="lights of the module at"):
                await module.tell(command)
            assert now() - began < ORDER_S + 2 * QUIET_S
            assert device.asked[asked:].count(command) == 1
            # What a PN532 has begun is broken off.
            aborted = b"ACK" in device.asked[asked:]
            assert aborted is isinstance(device, Pn532Emulator)
            asked, began = len(device.asked), now()
            assert await module.find() == CARD
            assert now() - began < 0.1

    run_virtual(main())


@modules
def test_a_look_is_not_disturbed_by_an_answer_that_was_given_up(
    driver: Callable[[FakeLine], Module],
    emulator: Callable[[], Emulator],
    command: bytes,
) -> None:
    """It comes while the line falls silent, so that one question is enough."""

    async def main() -> None:
        device = emulator()
        line = FakeLine(device)
        module = driver(line)
        await module.start()

        def late(answer: bytes) -> bytes:
            later = ORDER_S + QUIET_S / 2
            asyncio.get_running_loop().call_later(later, line.send, answer)
            return b""

        device.spoilt[command[:1]] = late
        device.card = UID
        with pytest.raises(TransientDeviceError, match="no answer"):
            await module.tell(command)
        asked = len(device.asked)
        assert await module.find() == CARD
        assert len(device.asked) == asked + 1

    run_virtual(main())


@pytest.mark.parametrize(
    ("name", "question"),
    [("twn4", "0004FF"), ("twn4-ascii", "0004FF"), ("pn532", "02")],
)
def test_an_answer_with_a_result_is_that_to_something_else(
    name: str, question: str
) -> None:
    """Lights have none, so that no other answer can be taken for theirs."""
    driver, emulator, _ = ALL[name]

    async def main() -> None:
        module = driver(FakeLine(emulator()))
        await module.start()
        with pytest.raises(TransientDeviceError, match="expected no result"):
            await module.tell(bytes.fromhex(question))

    run_virtual(main())


@modules
def test_a_command_that_is_refused(
    driver: Callable[[FakeLine], Module],
    emulator: Callable[[], Emulator],
    command: bytes,
) -> None:
    """A module that does not know its lights says so, and reads on."""

    async def main() -> None:
        device = emulator()
        device.card = UID
        device.refused = command[:1]
        module = driver(FakeLine(device))
        await module.start()
        began = now()
        with pytest.raises(TransientDeviceError, match="expected"):
            await module.tell(command)
        assert now() - began < 2 * QUIET_S
        assert await module.find() == CARD

    run_virtual(main())


@modules
def test_late_answers_are_not_mixed_up(
    driver: Callable[[FakeLine], Module],
    emulator: Callable[[], Emulator],
    command: bytes,
) -> None:
    """That to a light comes during a look, and that to a look during a light."""

    async def main() -> None:
        device = emulator()
        line = FakeLine(device)
        module = driver(line)
        await module.start()

        def late(question: bytes, seconds: float) -> None:
            """Hold back the answers to one question."""

            def fault(answer: bytes) -> bytes:
                asyncio.get_running_loop().call_later(seconds, line.send, answer)
                return b""

            device.spoilt = {question[:1]: fault}

        # Later than anybody waits, so that it falls into the look that follows.
        late(command, ORDER_S + QUIET_S + 0.003)
        with pytest.raises(TransientDeviceError):
            await module.tell(command)
        device.spoilt = {}
        device.card = UID
        assert await module.find() == CARD
        for _ in range(3):
            assert await module.find() == CARD
        # A look that is broken off, as at the reader's end, and answered after that.
        look = device.asked[-1]
        late(look, 0.05)
        finding = asyncio.create_task(module.find())
        await asyncio.sleep(0.04)
        finding.cancel()
        await asyncio.wait({finding})
        device.spoilt = {}
        for _ in range(2):
            try:
                await module.tell(command)
                break
            except TransientDeviceError:
                continue
        else:
            pytest.fail("not even the second try was obeyed")
        device.card = b""
        assert await module.find() is None

    run_virtual(main())


@modules
def test_lights_of_a_module_that_is_gone(
    driver: Callable[[FakeLine], Module],
    emulator: Callable[[], Emulator],
    command: bytes,
) -> None:
    """This is no failure of the lights: the reader has to be opened again."""

    async def main() -> None:
        device = emulator()
        line = FakeLine(device)
        module = driver(line)
        await module.start()
        device.spoilt[command[:1]] = mute
        telling = asyncio.create_task(module.tell(command))
        await asyncio.sleep(0.1)
        line.unplug()
        with pytest.raises(DeviceGoneError):
            await telling

    run_virtual(main())
