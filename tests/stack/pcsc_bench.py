"""What tests of the PC/SC driver on a real pcscd share."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from drivers.readers.base import CardArrived, CardLeft, ReaderEvent
from drivers.readers.pcsc import PcscConfig, PcscReader
from drivers.readers.pcsc_scard import Scard
from tests.drivers.readers import listening

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import Any

    from tests.drivers.readers.listening import Events
    from tests.stack.pcscd import VirtualSlot

UID: Final = bytes.fromhex("04A1B2C3D4E5F6")
OTHER_UID: Final = bytes.fromhex("04998877665544")
EVENT_S: Final = 5.0


async def following(events: Events) -> ReaderEvent:
    """Wait for the next event."""
    async with asyncio.timeout(EVENT_S):
        return await anext(events)


async def arrival(events: Events) -> tuple[bytes, str]:
    """Expect a CardArrived; give its uid and slot."""
    event = await following(events)
    assert isinstance(event, CardArrived), event
    return event.uid, event.slot


async def departure(events: Events) -> str:
    """Expect a CardLeft; give its slot."""
    event = await following(events)
    assert isinstance(event, CardLeft), event
    return event.slot


async def kinds(events: Events, count: int) -> list[type]:
    """Give the classes of the next events."""
    return [type(await following(events)) for _ in range(count)]


def listen(scenario: Callable[[Events], Awaitable[None]], **config: Any) -> None:  # noqa: ANN401 - any key
    """Let something happen after the first event, up or down, and close the driver."""

    async def main(events: Events) -> None:
        await following(events)
        await scenario(events)

    listening.listen(PcscReader(PcscConfig(**config)), main)


def driver_threads() -> list[threading.Thread]:
    """Give the driver's threads that run now."""
    return [t for t in threading.enumerate() if t.name.startswith("pcsc-")]


def end_of_driver_threads() -> bool:
    """Wait until the driver's threads have ended; False if one stays."""
    for thread in driver_threads():
        thread.join(EVENT_S)
    return not driver_threads()


@contextmanager
def held_exclusively(slot: VirtualSlot) -> Iterator[Callable[[], None]]:
    """Hold the card on `slot` as another program would; gives the call to let go."""
    library = Scard.load()._library
    _, context = library.SCardEstablishContext(library.SCARD_SCOPE_SYSTEM)
    deadline = time.monotonic() + EVENT_S
    while True:
        code, handle, _ = library.SCardConnect(
            context,
            slot.reader,
            library.SCARD_SHARE_EXCLUSIVE,
            library.SCARD_PROTOCOL_ANY,
        )
        if not code:
            break
        assert time.monotonic() < deadline, f"no card yet: 0x{code:X}"
        time.sleep(0.01)
    try:
        yield lambda: library.SCardDisconnect(handle, library.SCARD_LEAVE_CARD)
    finally:
        library.SCardReleaseContext(context)
