"""An emulated PN532 behind a USB serial adapter: a pty with a lasting name."""

from __future__ import annotations

import os
import select
import termios
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tests.stack.nfc_chip import Chip, EmulatedCard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

SPEEDS: Final = {
    getattr(termios, name): int(name[1:])
    for name in dir(termios)
    if name[0] == "B" and name[1:].isdigit()
}
DEADLINE_S: Final = 15.0


class Pn532OnPty:
    """Plugged in while the context lasts; `link` is its name in /dev/serial/by-id.

    Another speed than the chip's is noise, and not heard. `chip` is a new one each time
    it is plugged in; tests may change it at any time.
    """

    def __init__(self, link: Path) -> None:
        self.link = link
        self.chip = Chip()
        self._master = -1
        self._slave = -1
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def plug(self, card: EmulatedCard | None = None) -> None:
        """Plug it in; a card may lie there already."""
        self._master, self._slave = os.openpty()
        self.chip = Chip(card)
        self._stopping.clear()
        self._thread = threading.Thread(
            target=self._serve, name="emulated-pn532", daemon=True
        )
        self._thread.start()
        self.link.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        """Pull it out, whatever is going on; harmless when it is not there."""
        if self._thread is None:
            return
        self.link.unlink()
        self._stopping.set()
        self._thread.join()
        self._thread = None
        os.close(self._slave)
        os.close(self._master)

    def lay(self, card: EmulatedCard | bytes) -> None:
        """Lay a card on it, in the place of the one that is there."""
        self.chip.card = EmulatedCard(card) if isinstance(card, bytes) else card

    def lift(self) -> None:
        """Take the card away."""
        self.chip.card = None

    def wait_for_looks(self, count: int) -> None:
        """Return when the host has looked so often from now on."""
        chip = self.chip
        wanted = chip.looks + count
        _until(lambda: chip.looks >= wanted)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            ready, _, _ = select.select([self._master], [], [], 0.002)
            if not ready:
                continue
            # Nobody has the other end open, or it was just closed.
            with suppress(OSError):
                data = os.read(self._master, 4096)
                if SPEEDS.get(termios.tcgetattr(self._master)[5]) != self.chip.speed:
                    continue
                for frame in self.chip.hear(data):
                    os.write(self._master, frame)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)
