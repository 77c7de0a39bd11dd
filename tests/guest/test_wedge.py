"""The wedge reader on keyboards of a real kernel, through the real evdev."""

from __future__ import annotations

import asyncio
import selectors
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from evdev import InputDevice, ecodes

from drivers.errors import AccessDeniedError, DeviceGoneError, TransientDeviceError
from drivers.readers.base import CardArrived, CardUnreadable, ReaderUp
from drivers.readers.wedge import WedgeConfig, WedgeReader
from drivers.readers.wedge_keys import PAUSE_S
from drivers.readers.wedge_number import NumberFormat
from tests.guest.keyboards import OFFICE, PACE_S, PORT, Keyboard, change
from tests.guest.listening import open_files, run, threads, told_by
from tests.guest.users import AGENT, as_user
from tests.guest.wedge_bench import DEVICE, listening, the_card, wedge

TIMES = 100
HEX = [
    ("04a1b2c3d4e5f6\n", "04A1B2C3D4E5F6"),
    ("04A1B2C3D4E5F6\n", "04A1B2C3D4E5F6"),
    ("04:A1:B2:C3\r", "04A1B2C3"),
    ("04-a1-b2-c3\t", "04A1B2C3"),
    ("04 a1.b2 c3\n\n", "04A1B2C3"),
]


def open_as_another(keyboard: Keyboard) -> InputDevice[str]:
    """Open it as a second program would, the console for example."""
    return InputDevice(str(keyboard.node))


def keys_of(device: InputDevice[str], within_s: float = 1.0) -> list[int]:
    """Return the keys that another program hears, after some time without any."""
    with selectors.DefaultSelector() as selector:
        selector.register(device, selectors.EVENT_READ)
        heard = []
        while selector.select(within_s):
            heard += [one.code for one in device.read() if one.type == ecodes.EV_KEY]
        return heard


def test_what_readers_type() -> None:
    """Every spelling in hex: small, capital, with separators, ended by each end key."""

    async def main() -> None:
        async with listening(wedge()) as events:
            for typed, uid in HEX:
                typing = asyncio.to_thread(keyboard.type, typed, pause_s=PACE_S)
                card, _ = await asyncio.gather(the_card(events), typing)
                assert card == uid
            keyboard.type("04123456\n", keypad=True)
            assert await the_card(events) == "04123456"

    with Keyboard() as keyboard:
        run(main())


def test_decimal_numbers() -> None:
    """On the row above the letters and on the keypad, padded to the card's length."""

    async def main() -> None:
        reader = wedge(number=NumberFormat.DECIMAL, bytes=4)
        async with listening(reader) as events:
            for keypad in (False, True):
                keyboard.type("0077771985\n", keypad=keypad)
                assert await the_card(events) == f"{77771985:08X}"

    with Keyboard() as keyboard:
        run(main())


def test_moments_are_those_of_the_keys() -> None:
    """By the clock that Python calls monotonic, however late they are read."""

    async def main() -> None:
        async with listening(wedge()) as events:
            began = time.monotonic()
            keyboard.type("04a1b2c3\n")
            typed = time.monotonic()
            # The loop has other things to do.
            time.sleep(0.2)  # noqa: ASYNC251 - that is the point
            arrived = await anext(events)
            assert isinstance(arrived, CardArrived)
            assert began - 0.001 <= arrived.at <= typed + 0.001

    with Keyboard() as keyboard:
        run(main())


def test_a_key_that_is_held_is_one_key() -> None:
    """The kernel repeats it, and says that these are repetitions."""
    zero, held_s = ecodes.KEY_0, PAUSE_S / 2

    def begin() -> None:
        keyboard.write(change(zero, 1))
        time.sleep(held_s)
        keyboard.write(change(zero, 0))

    async def main() -> None:
        async with listening(wedge()) as events:
            await asyncio.to_thread(begin)
            keyboard.type("4a1b2c3\n")
            assert await the_card(events) == "04A1B2C3"

    with (
        Keyboard(repeats=True) as keyboard,
        closing(open_as_another(keyboard)) as other,
    ):
        other.repeat = (100, 20)  # Milliseconds: per repetition, before the first
        begin()
        assert keys_of(other).count(zero) > 2
        run(main())


def test_nobody_else_hears_a_reader() -> None:
    """While it is ours nothing goes to the console; afterwards it is as before."""

    async def main() -> None:
        async with listening(wedge()) as events:
            keyboard.type("04a1b2c3\n")
            assert await the_card(events) == "04A1B2C3"

    with Keyboard() as keyboard, closing(open_as_another(keyboard)) as other:
        run(main())
        assert keys_of(other) == []
        keyboard.type("1")
        assert keys_of(other) == [ecodes.KEY_1, ecodes.KEY_1]


def test_other_keyboards_are_left_alone() -> None:
    """They are neither opened nor grabbed, though they type digits and Enter, too."""

    async def main() -> None:
        async with listening(wedge()) as events:
            assert open_files().count(str(reader.node)) == 1
            assert open_files().count(str(office.node)) == 1  # The witness's own
            office.type("11223344\n")
            reader.type("04a1b2c3\n")
            assert await the_card(events) == "04A1B2C3"

    with (
        Keyboard() as reader,
        Keyboard(OFFICE, name="Office", port="usb-0000:01:00.0-1.3/input0") as office,
        closing(open_as_another(office)) as other,
    ):
        run(main())
        assert len(keys_of(other)) == 2 * len("11223344\n")


def test_a_reader_that_somebody_else_has_is_not_read() -> None:
    """It is down until they let go, and says what to do."""

    async def main() -> None:
        async with told_by(wedge().events()) as events:
            with pytest.raises(TransientDeviceError, match="held by another program"):
                await anext(events)
        other.ungrab()
        async with listening(wedge()) as events:
            keyboard.type("04a1b2c3\n")
            assert await the_card(events) == "04A1B2C3"

    with Keyboard() as keyboard, closing(open_as_another(keyboard)) as other:
        other.grab()
        run(main())


def test_equal_readers_are_told_apart_by_their_ports() -> None:
    """Without a port the message names both; with one it is that reader."""
    ports = PORT, PORT.replace("1.2", "1.4")

    async def main() -> None:
        async with told_by(wedge().events()) as events:
            with pytest.raises(TransientDeviceError) as caught:
                await anext(events)
        assert all(port in str(caught.value) for port in ports)
        async with listening(wedge(usb_port="usb-0000:01:00.0-1.4")) as events:
            first.type("11223344\n")
            second.type("04a1b2c3\n")
            assert await the_card(events) == "04A1B2C3"

    with Keyboard(port=ports[0]) as first, Keyboard(port=ports[1]) as second:
        run(main())


def test_a_path_of_by_id_leads_there() -> None:
    """A link as udev makes one, here made by hand."""
    folder = Path("/dev/input/by-id")
    link = folder / "usb-Sycreader_SYC_ID-event-kbd"

    async def main() -> None:
        async with listening(wedge(device=str(link))) as events:
            keyboard.type("04a1b2c3\n")
            assert await the_card(events) == "04A1B2C3"

    with Keyboard() as keyboard:
        folder.mkdir(exist_ok=True)
        link.symlink_to(keyboard.node)
        try:
            run(main())
        finally:
            link.unlink()


def test_without_permission_the_group_is_named() -> None:
    """To whoever starts the agent, and to whoever asks doctor."""

    async def main() -> None:
        async with told_by(wedge().events()) as events:
            await anext(events)

    with Keyboard() as keyboard:
        keyboard.node.chmod(0o660)
        with pytest.raises(AccessDeniedError, match="usermod -aG input rfid-agent"):
            as_user(AGENT, lambda: run(main()))
        (finding,) = as_user(AGENT, lambda: list(wedge().check()))
        assert not finding.ok
        (finding,) = wedge().check()
        assert finding.ok


def test_keys_that_the_kernel_loses_spoil_their_number_only() -> None:
    """It keeps 64 events for who does not come to read them, and tells of the rest."""

    async def main() -> None:
        async with listening(wedge()) as events:
            for _ in range(3):
                keyboard.type("0123456789abcdef\n")
            unreadable = await anext(events)
            assert isinstance(unreadable, CardUnreadable)
            assert unreadable.reason == "the kernel lost keys of it"
            await asyncio.sleep(PAUSE_S * 1.2)
            keyboard.type("04a1b2c3\n")
            assert await the_card(events) == "04A1B2C3"

    with Keyboard() as keyboard:
        run(main())


def test_a_number_of_usual_length_fits_into_what_the_kernel_keeps() -> None:
    """Seven bytes and Enter, while the agent is busy for a moment."""

    async def main() -> None:
        async with listening(wedge()) as events:
            keyboard.type("04a1b2c3d4e5f6\n")
            time.sleep(0.2)  # noqa: ASYNC251 - that is the point
            assert await the_card(events) == "04A1B2C3D4E5F6"

    with Keyboard() as keyboard:
        run(main())


def test_a_reader_that_comes_and_goes_leaves_nothing_behind() -> None:
    """Unplugged in the middle of a number, a hundred times; a card each time before."""
    # As if it had been there for a while: nothing before the first key was missed.
    reader = WedgeReader(
        WedgeConfig(device=DEVICE, held_for=timedelta(milliseconds=1)),
        monotonic=lambda: time.monotonic() - 1,
    )

    async def plug_and_pull(number: int) -> None:
        with Keyboard() as keyboard:
            async with told_by(reader.events()) as events:
                assert isinstance(await anext(events), ReaderUp)
                keyboard.type(f"04a1b2{number:02x}\n04a1")
                assert await the_card(events) == f"04A1B2{number:02X}"
                keyboard.unplug()
                with pytest.raises(DeviceGoneError):
                    await the_card(events)

    async def main() -> None:
        await plug_and_pull(0)
        before = open_files(), threads()
        for number in range(1, TIMES + 1):
            await plug_and_pull(number)
        assert (open_files(), threads()) == before

    run(main())
    with pytest.raises(DeviceGoneError, match="is the reader plugged in"):
        run(anext(reader.events()))
