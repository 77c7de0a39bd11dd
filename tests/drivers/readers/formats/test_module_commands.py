"""Commands for lights on the line: obeyed, refused, unanswered, answered late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from drivers.errors import DeviceGoneError, TransientDeviceError
from drivers.readers.base import Technology
from drivers.readers.formats.dialogue import ORDER_S, QUIET_S
from drivers.readers.formats.framing import CardReport
from tests.drivers.readers.formats.asked import (
    LIT,
    PN532,
    TWN4,
    TWN4_ASCII,
    UID,
    Kind,
    each,
    start,
)
from tests.drivers.readers.modules import flipped, mute, truncated
from tests.drivers.readers.pn532_module import Pn532Emulator
from tests.drivers.serial_bench import FakeLine, now
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from tests.drivers.readers.modules import Fault

CARD = CardReport(UID, Technology.ISO14443)


@each(LIT)
def test_a_command_as_it_is_on_the_line(kind: Kind) -> None:
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
        device, line, module = await start(kind, Tapped)
        await module.tell(kind.light)
        assert device.asked[-1] == kind.light
        assert isinstance(line, Tapped)
        assert line.said in frames[kind.light[:1]]

    run_virtual(main())


@each(LIT)
def test_a_command_of_bytes_that_come_one_by_one(kind: Kind) -> None:
    """The answer may come in any fragments, and not at once."""

    class Slow(FakeLine):
        at = 0.0

        def send(self, data: bytes) -> None:
            loop = asyncio.get_running_loop()
            for byte in data:
                self.at = max(self.at, now() + 0.03) + 0.002
                loop.call_at(self.at, super().send, bytes([byte]))

    async def main() -> None:
        device, _, module = await start(kind, Slow)
        began = now()
        await module.tell(kind.light)
        assert now() - began < 0.3
        device.card = UID
        assert await module.find() == CARD

    run_virtual(main())


@pytest.mark.parametrize("fault", [mute, flipped, truncated])
@each(LIT)
def test_a_command_without_a_valid_answer(kind: Kind, fault: Fault) -> None:
    """One try that takes less than a look may; the next look is none the worse."""

    async def main() -> None:
        device, _, module = await start(kind)
        device.card = UID
        device.spoilt[kind.light[:1]] = fault
        for _ in range(3):
            asked = len(device.asked)
            began = now()
            with pytest.raises(TransientDeviceError, match="lights of the module at"):
                await module.tell(kind.light)
            assert now() - began < ORDER_S + 2 * QUIET_S
            assert device.asked[asked:].count(kind.light) == 1
            # What a PN532 has begun is broken off.
            aborted = b"ACK" in device.asked[asked:]
            assert aborted is isinstance(device, Pn532Emulator)
            asked, began = len(device.asked), now()
            assert await module.find() == CARD
            assert now() - began < 0.1

    run_virtual(main())


@each(LIT)
def test_a_look_is_not_disturbed_by_an_answer_that_was_given_up(kind: Kind) -> None:
    """It comes while the line falls silent, so that one question is enough."""

    async def main() -> None:
        device, line, module = await start(kind)

        def late(answer: bytes) -> bytes:
            later = ORDER_S + QUIET_S / 2
            asyncio.get_running_loop().call_later(later, line.send, answer)
            return b""

        device.spoilt[kind.light[:1]] = late
        device.card = UID
        with pytest.raises(TransientDeviceError, match="no answer"):
            await module.tell(kind.light)
        asked = len(device.asked)
        assert await module.find() == CARD
        assert len(device.asked) == asked + 1

    run_virtual(main())


@pytest.mark.parametrize(
    ("kind", "question"),
    [(TWN4, "0004FF"), (TWN4_ASCII, "0004FF"), (PN532, "02")],
    ids=str,
)
def test_an_answer_with_a_result_is_that_to_something_else(
    kind: Kind, question: str
) -> None:
    """Lights have none, so that no other answer can be taken for theirs."""

    async def main() -> None:
        _, _, module = await start(kind)
        with pytest.raises(TransientDeviceError, match="expected no result"):
            await module.tell(bytes.fromhex(question))

    run_virtual(main())


@each(LIT)
def test_a_command_that_is_refused(kind: Kind) -> None:
    """A module that does not know its lights says so, and reads on."""

    async def main() -> None:
        device, _, module = await start(kind)
        device.card = UID
        device.refused = kind.light[:1]
        began = now()
        with pytest.raises(TransientDeviceError, match="expected"):
            await module.tell(kind.light)
        assert now() - began < 2 * QUIET_S
        assert await module.find() == CARD

    run_virtual(main())


@each(LIT)
def test_late_answers_are_not_mixed_up(kind: Kind) -> None:
    """That to a light comes during a look, and that to a look during a light."""

    async def main() -> None:
        device, line, module = await start(kind)

        def late(question: bytes, seconds: float) -> None:
            """Hold back the answers to one question."""

            def fault(answer: bytes) -> bytes:
                asyncio.get_running_loop().call_later(seconds, line.send, answer)
                return b""

            device.spoilt = {question[:1]: fault}

        # Later than anybody waits, so that it falls into the look that follows.
        late(kind.light, ORDER_S + QUIET_S + 0.003)
        with pytest.raises(TransientDeviceError):
            await module.tell(kind.light)
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
                await module.tell(kind.light)
                break
            except TransientDeviceError:
                continue
        else:
            pytest.fail("not even the second try was obeyed")
        device.card = b""
        assert await module.find() is None

    run_virtual(main())


@each(LIT)
def test_lights_of_a_module_that_is_gone(kind: Kind) -> None:
    """This is no failure of the lights: the reader has to be opened again."""

    async def main() -> None:
        device, line, module = await start(kind)
        device.spoilt[kind.light[:1]] = mute
        telling = asyncio.create_task(module.tell(kind.light))
        await asyncio.sleep(0.1)
        line.unplug()
        with pytest.raises(DeviceGoneError):
            await telling

    run_virtual(main())
