"""No reader lets a card number out: not whole, not in part, in no spelling, nowhere."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from agent.domain.messages import CardTapped
from agent.domain.transforms import Keep, UidTransform
from drivers.readers.formats import em4100, id12, rdm6300, wiegand
from drivers.readers.pcsc import PcscConfig, PcscReader
from drivers.readers.pipe import PipeReader, PipeReaderConfig
from drivers.readers.serial import Format, SerialReader, SerialReaderConfig
from drivers.readers.wedge import Surroundings, WedgeConfig, WedgeReader
from drivers.readers.wedge_number import NumberFormat
from tests.drivers.readers import modules
from tests.drivers.readers.modules import Emulator, Sl032Emulator, Twn4Emulator
from tests.drivers.readers.pcsc_bench import put_in_place, pyscard
from tests.drivers.readers.pn532_module import Pn532Emulator
from tests.drivers.readers.silence_bench import Station, find_traces, overhearing
from tests.drivers.readers.wedge_bench import (
    FakeKeyboard,
    InputTree,
    build_event,
    load,
    type_out,
)
from tests.drivers.serial_bench import FakeLine, now
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drivers.readers.base import Reader

#: A number that shows as text, too.
UID = b"\x04QZKWJX"
SHORT = UID[1:5]
EM4100 = UID[1:6]
TRANSFORMS = [
    UidTransform(),
    UidTransform(decimal_bytes=4),
    UidTransform(reverse=True, cut=3, keep=Keep.LAST),
    UidTransform(strip="04", pad=10),
]


def listen(
    reader: Callable[[], Reader],
    play: Callable[[], Any],
    transform: UidTransform,
    uid: bytes = UID,
) -> Station:
    """Play something at a reader at work; no trace of the number may be left."""

    async def main() -> Station:
        station = Station(reader(), transform)
        with overhearing() as heard:
            with station.at_work(heard):
                await play()
            text = "\n".join(heard.lines)
        assert "reader front" in text
        assert find_traces(text, uid) == []
        return station

    return run_virtual(main())


def serial(line: FakeLine, kind: str, **options: Any) -> SerialReader:  # noqa: ANN401 - of the configuration
    """Make a reader on a fake line."""
    config = SerialReaderConfig(port="/dev/fake", format=Format(kind), **options)
    return SerialReader(config, monotonic=now, open_port=line.open)


@pytest.mark.parametrize(
    "text",
    [
        "04515A4B574A58",
        "uid 51:5a:4b was seen",
        r"b'\x04QZK'",
        "[81, 90, 75]",
        "1364871003",
        "585A4A",
        "0x51-0x5A-0x4B",
    ],
)
def test_traces_are_found(text: str) -> None:
    """The search itself knows whole numbers and parts, in each spelling and order."""
    spelt = text.replace("1364871003", str(int.from_bytes(UID[-4:])))
    spelt = spelt.replace("585A4A", UID[::-1].hex()[:6])
    assert find_traces(spelt, UID)


FRAMES = [
    ("rdm6300", em4100.build(EM4100, rdm6300.TAIL), EM4100, {}),
    ("id12", em4100.build(EM4100, id12.TAIL), EM4100, {}),
    ("wiegand", SHORT.hex().encode() + b"\r", SHORT, {}),
    ("wiegand", SHORT[:3].hex().encode() + b"\r", SHORT[:3], {}),
    ("wiegand-raw", wiegand.build_raw(SHORT) + b"\r\n", SHORT, {}),
    ("ascii", UID.hex().encode() + b"\r\n", UID, {}),
    ("ascii", b"CARD=" + UID.hex().encode() + b"\r", UID, {"pattern": "CARD=(.*)"}),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=["as", "decimal", "cut", "pad"])
@pytest.mark.parametrize(("kind", "frame", "uid", "options"), FRAMES)
def test_readers_that_report_by_themselves(
    kind: str,
    frame: bytes,
    uid: bytes,
    options: dict[str, str],
    transform: UidTransform,
) -> None:
    """Whole, wrong, torn, nested, endless, and unplugged in the middle."""
    wrong = bytearray(frame)
    wrong[5] ^= 1
    said = (
        frame,
        bytes(wrong),
        frame[:6],
        frame[6:],
        frame * 5 + frame[:3],
        b"\x02" * 5 + frame,
        frame[:-1] + b"\0" + frame[-1:],
        frame.strip(b"\r\n\x02\x03") * 40 + frame[-1:],
        b"\xff" + frame,
    )
    line = FakeLine()

    async def play() -> None:
        await asyncio.sleep(3)
        for piece in said:
            line.send(piece)
            await asyncio.sleep(2)
        line.send(frame[:6])
        line.unplug()
        await asyncio.sleep(3)

    station = listen(lambda: serial(line, kind, **options), play, transform, uid)
    assert station.inputs


MODULES: list[tuple[str, Callable[[], Emulator], bytes, dict[str, bool]]] = [
    ("twn4", Twn4Emulator, UID, {}),
    ("twn4", lambda: Twn4Emulator(crc=False), UID, {"crc": False}),
    ("twn4-ascii", lambda: Twn4Emulator(ascii_hex=True), UID, {}),
    ("sl032", Sl032Emulator, UID, {}),
    ("sl032", Sl032Emulator, EM4100, {}),
    ("pn532", Pn532Emulator, UID, {}),
    ("pn532", Pn532Emulator, b"\x88" + SHORT[:3], {}),
    ("pn532", Pn532Emulator, EM4100, {}),
]


def doubled(answer: bytes) -> bytes:
    """Begin an answer, and then begin again."""
    return answer[: len(answer) // 2] + answer


def shifted(answer: bytes) -> bytes:
    """Lose the beginning."""
    return answer[3:]


def shortened(answer: bytes) -> bytes:
    """Lose a byte of the number."""
    return answer.replace(SHORT, SHORT[:3])


FAULTS = [
    bytes,
    modules.mute,
    modules.flipped,
    modules.truncated,
    modules.after_garbage,
    doubled,
    shifted,
    shortened,
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("kind", "make", "uid", "options"), MODULES)
def test_modules_that_are_asked(
    kind: str,
    make: Callable[[], Emulator],
    uid: bytes,
    options: dict[str, bool],
    fault: modules.Fault,
) -> None:
    """Each answer wrong, then some, then none wrong; and unplugged."""
    device = make()
    device.card = uid
    line = FakeLine(device)

    async def play() -> None:
        await asyncio.sleep(3)
        device.spoilt = {b"": fault}
        await asyncio.sleep(12)
        device.spoilt = {}
        device.faults.extend([fault] * 3)
        await asyncio.sleep(12)
        line.unplug()
        await asyncio.sleep(3)

    transform = TRANSFORMS[FAULTS.index(fault) % len(TRANSFORMS)]
    listen(lambda: serial(line, kind, **options), play, transform, uid)


@pytest.mark.parametrize("ascii_hex", [False, True])
def test_a_card_that_answers_for_the_version(*, ascii_hex: bool) -> None:
    """An answer to the agent before this one comes late, and is no device's name."""
    device = Twn4Emulator(ascii_hex=ascii_hex)
    device.card = UID
    [late] = list(device._answer(b"\x05\x00\x0a"))
    device.faults.append(lambda answer: late + answer)
    kind = "twn4-ascii" if ascii_hex else "twn4"
    station = listen(
        lambda: serial(FakeLine(device), kind), lambda: asyncio.sleep(9), TRANSFORMS[0]
    )
    assert isinstance(station.inputs[0], CardTapped)


NUMBER = str(int.from_bytes(SHORT))
TYPED: list[tuple[list[str], bytes, dict[str, Any]]] = [
    ([UID.hex(), UID.hex()[:-1], UID.hex() * 3, " ".join(UID.hex())], UID, {}),
    (
        [NUMBER, SHORT.hex(), NUMBER * 2, "9" * 30],
        SHORT,
        {"number": NumberFormat.DECIMAL, "bytes": 4},
    ),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=["as", "decimal", "cut", "pad"])
@pytest.mark.parametrize(("texts", "uid", "options"), TYPED, ids=["hex", "decimal"])
def test_keyboards(
    texts: list[str],
    uid: bytes,
    options: dict[str, Any],
    transform: UidTransform,
    tmp_path: Path,
) -> None:
    """Too short, too long, of other digits, with keys lost, and unplugged in it."""
    tree, keyboard = InputTree(tmp_path), FakeKeyboard()
    tree.plug(3)
    around = Surroundings(tree.sysfs, tree.nodes, load(keyboard))
    config = WedgeConfig(device="ffff:0035", **options)

    async def play() -> None:
        await asyncio.sleep(5)
        for text in texts:
            keyboard.type_out(text)
            await asyncio.sleep(5)
        keyboard.send(build_event(0, 3, 0, now()))
        keyboard.type_out(texts[0])
        await asyncio.sleep(1)
        keyboard.send(type_out(texts[0], now())[:200])
        keyboard.unplug()
        await asyncio.sleep(3)

    def reader() -> WedgeReader:
        return WedgeReader(config, monotonic=now, surroundings=around)

    assert listen(reader, play, transform, uid).inputs


@pytest.mark.parametrize("transform", TRANSFORMS, ids=["as", "decimal", "cut", "pad"])
def test_the_pipe(transform: UidTransform, tmp_path: Path) -> None:
    """Lines of all kinds, with a number that is right, or nearly."""
    text = UID.hex()
    lines = [text, f"+{text}", "-", text[:-1], text * 30, f"EM4100:{text}"]
    lines += [f"FOO:{text}", f"{text[:6]}\0{text}", text * 300]

    async def play() -> None:
        await asyncio.sleep(1)
        fd = os.open(tmp_path / "pipe", os.O_WRONLY)
        for line in lines:
            os.write(fd, f"{line}\n".encode())
            await asyncio.sleep(1)
        os.close(fd)

    def reader() -> PipeReader:
        return PipeReader(PipeReaderConfig(tmp_path / "pipe"), monotonic=now)

    assert listen(reader, play, transform).inputs


ANSWERS = [
    UID + b"\x90\x00",
    UID,
    UID[:3] + b"\x90\x00",
    UID + b"\x63\x00",
    UID[:2],
    b"\x6c" + UID[:1],
    b"",
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_cards_of_pcscd(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    """Whatever is answered for the number, with and without a status."""
    put_in_place(monkeypatch, pyscard(answer=answer))

    async def main() -> None:
        station = Station(PcscReader(PcscConfig()))
        with overhearing() as heard:
            with station.at_work(heard):
                async with asyncio.timeout(5):
                    while not station.inputs:  # noqa: ASYNC110 - threads report
                        await asyncio.sleep(0.01)
            text = "\n".join(heard.lines)
        assert find_traces(text, UID) == []
        await asyncio.sleep(0)

    asyncio.run(main())
