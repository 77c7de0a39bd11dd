"""An NFC adapter that does what a script says, one step per look."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from drivers.errors import TransientDeviceError
from drivers.readers.base import ReaderEvent, ReaderUp
from drivers.readers.nfc import NfcConfig, NfcReader
from drivers.readers.nfc_field import Sighting

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.readers.nfc_place import Place

    #: What a look finds or raises, or what it waits for before it takes the next step.
    Step = Sighting | Exception | threading.Event | None

CARD: Final = Sighting(bytes.fromhex("04A1B2C3D4E5F6"))
OTHER: Final = Sighting(bytes.fromhex("04998877665544"))
DEVICE: Final = "/dev/serial/by-id/usb-fake"
DEADLINE_S: Final = 5.0
UP: Final = ReaderUp("fake adapter")
GLITCH: Final = TransientDeviceError("a glitch")


class ScriptedAdapter:
    """Each look takes a second; after the script there is nothing to be found."""

    name = "fake adapter"

    def __init__(self, *steps: Step) -> None:
        self.steps: deque[Step] = deque(steps)
        self.opened = 0
        self.closed = 0
        self.looks = 0
        self.now = 1000.0
        self.may_close = threading.Event()
        self.may_close.set()
        self.refusals: deque[Exception] = deque()

    def open(self, place: Place) -> ScriptedAdapter:
        """Stand in for the opening of a real one."""
        assert str(place) == DEVICE
        self.opened += 1
        if self.refusals:
            raise self.refusals.popleft()
        return self

    def look(self) -> Sighting | None:
        """Do the next step."""
        self.looks += 1
        self.now += 1.0
        step = self.steps.popleft() if self.steps else None
        if isinstance(step, Exception):
            raise step
        if isinstance(step, threading.Event):
            assert step.wait(DEADLINE_S)
            return self.look()
        return step

    def close(self) -> None:
        """Count it, once it may be."""
        assert self.may_close.wait(DEADLINE_S)
        self.closed += 1

    def monotonic(self) -> float:
        """Tell the time, which passes by looks alone."""
        return self.now


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def reader_threads() -> list[threading.Thread]:
    """Give the driver's threads that run now."""
    return [one for one in threading.enumerate() if one.name == "nfc-reader"]


def end_of_reader_threads() -> bool:
    """Wait until the driver's threads have ended; False if one stays."""
    for thread in reader_threads():
        thread.join(DEADLINE_S)
    return not reader_threads()


def make_reader(adapter: ScriptedAdapter, **changes: Any) -> NfcReader:  # noqa: ANN401 - any key
    """Configure a reader that looks as fast as it can."""
    config = NfcConfig(device=DEVICE, poll_every=timedelta(milliseconds=1))
    return NfcReader(
        replace(config, **changes),
        monotonic=adapter.monotonic,
        open_adapter=adapter.open,
    )


async def failure(reader: NfcReader) -> Exception:
    """Take the events until they fail."""
    try:
        async for _ in reader.events():
            pass
    except Exception as err:  # noqa: BLE001 - looked at by the tests
        return err
    raise AssertionError("the events ended by themselves")


async def taken(reader: NfcReader, count: int) -> list[ReaderEvent]:
    """Take so many events, and close."""
    async with aclosing(reader.events()) as events:
        return [await anext(events) for _ in range(count)]
