"""Modules that have to be asked: what is said, and what their faults come to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from drivers.errors import DeviceGoneError, TransientDeviceError
from drivers.readers.base import Technology
from drivers.readers.formats.framing import CardReport
from drivers.readers.formats.sl032 import Sl032
from drivers.readers.uids import UnreadableCardError
from tests.drivers.readers.formats.asked import (
    ALL,
    PN532,
    SL032,
    UID,
    UNCHECKED,
    Kind,
    each,
    start,
)
from tests.drivers.readers.modules import (
    Sl032Emulator,
    after_garbage,
    flipped,
    mute,
    truncated,
)
from tests.drivers.serial_bench import FakeLine, now
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.drivers.readers.modules import Fault

A = Technology.ISO14443

# Without a CRC nobody can see a bit that is wrong in each and every answer.
LASTING = [
    pytest.param(kind, fault, id=f"{kind}-{fault.__name__}")
    for kind in ALL
    for fault in (mute, flipped, truncated)
    if fault is not flipped or kind not in UNCHECKED
]


@each(ALL)
def test_cards_come_and_go(kind: Kind) -> None:
    """Each look tells what is there, for as long as it is there."""

    async def main() -> None:
        device, _, module = await start(kind)
        for uid in (b"", UID, UID, UID, UID[:4], b"", bytes(range(10)), UID, b""):
            device.card = uid
            found = await module.find()
            assert found == (CardReport(uid, A) if uid else None)

    run_virtual(main())


@pytest.mark.parametrize("fault", [mute, flipped, truncated, after_garbage])
@each(ALL)
def test_a_fault_that_passes_is_no_matter(kind: Kind, fault: Fault) -> None:
    """Each answer of a conversation may be spoilt once."""

    async def main() -> None:
        for answer in range(10):
            device = kind.emulate()
            device.card = UID
            device.faults.extend([bytes] * answer + [fault])
            module = kind.drive(FakeLine(device))
            await module.start()
            found = [await module.find() for _ in range(4)]
            assert found.count(CardReport(UID, A)) >= 3
            assert set(found) <= {CardReport(UID, A), None}

    run_virtual(main())


@pytest.mark.parametrize(("kind", "fault"), LASTING)
def test_a_fault_that_stays_is_an_error_in_time(kind: Kind, fault: Fault) -> None:
    """A module that never answers as it should fails within seconds, by its name."""

    async def main() -> None:
        device, _, module = await start(kind)
        device.card = UID
        device.faults.extend([fault] * 100)
        began = now()
        with pytest.raises(TransientDeviceError, match=r"/dev/fake.*baudrate") as err:
            await module.find()
        assert now() - began < 7
        assert UID.hex().upper()[:6] not in str(err.value).upper()

    run_virtual(main())


@each(ALL)
def test_a_module_that_is_not_there_does_not_start(kind: Kind) -> None:
    """Silence and noise are told apart in the message."""

    class Noise(FakeLine):
        async def write(self, data: bytes) -> None:
            del data
            self.send(b"\xaa" * 7)

    async def main() -> None:
        with pytest.raises(
            TransientDeviceError, match=r"no answer; check .* wiring .* format, .* crc"
        ):
            await kind.drive(FakeLine()).start()
        with pytest.raises(TransientDeviceError, match=r"no valid answer in \d+ bytes"):
            await kind.drive(Noise()).start()

    run_virtual(main())


@each(ALL)
def test_an_unplugged_module_is_gone_at_once(kind: Kind) -> None:
    """The line's error comes through, before and while an answer is awaited."""

    async def main() -> None:
        device, line, module = await start(kind)
        device.late = []
        finding = asyncio.create_task(module.find())
        await asyncio.sleep(0.1)
        began = now()
        line.unplug()
        with pytest.raises(DeviceGoneError):
            await finding
        with pytest.raises(DeviceGoneError):
            await module.find()
        assert now() == began

    run_virtual(main())


@each(ALL)
def test_a_late_answer_is_not_taken_for_the_next(kind: Kind) -> None:
    """A module that was slow does not stay one answer behind."""

    async def main() -> None:
        device, line, module = await start(kind)
        device.card = UID
        device.late = []
        finding = asyncio.create_task(module.find())
        await asyncio.sleep(1.2)  # It has been asked twice by now
        late, device.late = device.late, None
        for answer in late:
            line.send(answer)
        await finding
        device.card = b""
        assert await module.find() is None
        device.card = UID[:4]
        assert await module.find() == CardReport(UID[:4], A)

    run_virtual(main())


def test_what_the_modules_are_called() -> None:
    """The names are those that they give themselves."""

    async def main() -> None:
        names = [await kind.drive(FakeLine(kind.emulate())).start() for kind in ALL]
        assert names == ["SL032-1.8", *["TWN4 TWN4/B1.64/NO"] * 4, "PN532 firmware 1.6"]

    run_virtual(main())


@each([SL032, PN532])
def test_a_card_without_a_uid_is_not_the_modules_fault(kind: Kind) -> None:
    """Such a card is reported as unreadable, and the next one is read."""

    async def main() -> None:
        device, _, module = await start(kind)
        device.card = UID[:6]
        with pytest.raises(UnreadableCardError, match="got 6"):
            await module.find()
        device.card = UID
        assert await module.find() == CardReport(UID, A)

    run_virtual(main())


@each(ALL)
def test_what_hangs_on_to_an_answer_does_not_spoil_the_next(kind: Kind) -> None:
    """Neither half a frame behind it nor an answer that came twice."""

    async def main() -> None:
        device, _, module = await start(kind)
        began = now()
        for spoil in (lambda one: one + one[:3], lambda one: one * 2):
            device.card = UID
            await module.find()
            device.faults.extend([spoil] * 2)
            await module.find()
            device.card = UID[:4]
            assert await module.find() == CardReport(UID[:4], A)
        assert now() - began < 0.5  # No question was asked twice

    run_virtual(main())


def test_no_question_is_asked_into_a_late_answer() -> None:
    """The line has to be silent after a failure."""

    class Slow(Sl032Emulator):
        def hear(self, data: bytes) -> Iterator[bytes]:
            if len(self.asked) != 1:
                return super().hear(data)
            answers = list(super().hear(data))
            loop = asyncio.get_running_loop()
            loop.call_later(1.05, line.send, answers[0])
            return iter(())

    async def main() -> None:
        device.card = UID
        module = Sl032(line, now)
        await module.start()
        finding = asyncio.create_task(module.find())
        await asyncio.sleep(1.02)
        device.card = UID[:4]
        assert await finding == CardReport(UID[:4], A)

    device = Slow()
    line = FakeLine(device)
    run_virtual(main())
