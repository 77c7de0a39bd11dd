"""Card readers that pretend to be keyboards and type card numbers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from drivers.errors import DriverError
from drivers.findings import Finding, check_device
from drivers.readers.base import Reader, ReaderEvent, ReaderUp, Technology
from drivers.readers.formats.framing import CardReport
from drivers.readers.presence import Presence
from drivers.readers.wedge_device import GrabbedKeyboard, InputDevice, load_evdev
from drivers.readers.wedge_keys import Garbled, KeyDecoder, Typed
from drivers.readers.wedge_number import MAX_BYTES, Number, NumberFormat
from drivers.readers.wedge_place import EXPECTED, find_node, parse_place

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from drivers.readers.wedge_keys import KeyEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class WedgeConfig:
    """`device`: vendor and product in hex, or a path of /dev/input/by-id.

    `usb_port`: which one of several equal ones. `number`: what it types; `bytes`: how
    long a card's number is, 0 in hex for whatever is typed. `held_for`: the same number
    within so long is the same card, still held.
    """

    device: Annotated[str, Meta(description=EXPECTED)]
    usb_port: str = ""
    number: NumberFormat = NumberFormat.HEX
    bytes: Annotated[
        int, Meta(ge=0, le=MAX_BYTES, description=f"a length, up to {MAX_BYTES}")
    ] = 0
    held_for: timedelta = timedelta(seconds=2)

    def __post_init__(self) -> None:
        parse_place(self.device, self.usb_port)
        Number(self.number, self.bytes)

    def takes(self) -> Iterable[str]:
        """Name what is not shared with anybody."""
        return [f"{self.device} {self.usb_port}".strip()]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where keyboards are, and what opens one; tests have their own."""

    sysfs: Path = Path("/sys/class/input")
    nodes: Path = Path("/dev/input")
    load: Callable[[], Callable[[Path], InputDevice]] = load_evdev


LINUX: Final = Surroundings()


class WedgeReader(Reader):
    """One keyboard that is a reader; `monotonic` has to be the kernel's clock.

    Nobody tells when a card leaves: it has left when it was not typed for `held_for`.
    """

    Config = WedgeConfig

    def __init__(
        self,
        config: WedgeConfig,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        surroundings: Surroundings = LINUX,
    ) -> None:
        self._place = parse_place(config.device, config.usb_port)
        self._number = Number(config.number, config.bytes)
        self._monotonic = monotonic
        self._around = surroundings
        self._presence = Presence(config.held_for.total_seconds())

    async def events(self) -> AsyncGenerator[ReaderEvent]:
        """Yield events; when to expect a CardLeft after a failure: see presence."""
        open_device = await asyncio.to_thread(self._around.load)
        path, product = self._find()
        with GrabbedKeyboard(path, product, open_device) as keyboard:
            opened_at = self._monotonic()
            decoder = KeyDecoder(self._number.parse, opened_at)
            self._presence.connected(opened_at)
            yield ReaderUp(f"{keyboard.name} at {path}")
            while True:
                keys = await keyboard.read(self._silence_s())
                for key in keys:
                    for event in self._on_key(decoder, key):
                        yield event
                # Where there were keys there may be more, typed before this moment.
                for event in () if keys else self._presence.unseen(self._monotonic()):
                    yield event

    def check(self) -> Iterable[Finding]:
        """Look for the keyboard, and whether it may be opened; nothing is."""
        try:
            self._around.load()
            path, _ = self._find()
        except DriverError as err:
            return [Finding(f"keyboard {self._place}", str(err))]
        return [check_device(path)]

    def _find(self) -> tuple[Path, tuple[int, int] | None]:
        around = self._around
        return find_node(self._place, sysfs=around.sysfs, nodes=around.nodes)

    def _silence_s(self) -> float | None:
        leaves_at = self._presence.leaves_at()
        return None if leaves_at is None else max(leaves_at - self._monotonic(), 0)

    def _on_key(self, decoder: KeyDecoder, key: KeyEvent) -> list[ReaderEvent]:
        presence = self._presence
        # Unlike others this reader misses nothing: silence until now was no card.
        events = presence.unseen(key.at)
        match decoder.feed(key):
            case Typed(uid, at):
                events += presence.saw(CardReport(uid, Technology.ISO14443), at)
                events += presence.unseen(at)
            case Garbled(reason, at):
                events += presence.unreadable(reason, at)
            case None:
                pass
        return events
