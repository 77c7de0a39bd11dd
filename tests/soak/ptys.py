"""Devices on ptys with lasting names, served by threads."""

from __future__ import annotations

import os
import select
import threading
import tty
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from tests.drivers.serial_bench import Device

_LOOK_S: Final = 0.02


class PtyDevice:
    """A device that is plugged in and pulled out; `link` is its name meanwhile."""

    def __init__(self, link: Path, device: Device) -> None:
        self.link = link
        self._device = device
        self._ends: tuple[int, int] | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def plug(self) -> None:
        """Plug it in; harmless when it is."""
        if self._ends is not None:
            return
        here, there = self._ends = os.openpty()
        tty.setraw(there)
        os.set_blocking(here, False)
        self._stopping.clear()
        self._thread = threading.Thread(target=self._serve, args=(here,), daemon=True)
        self._thread.start()
        self.link.symlink_to(os.ttyname(there))

    def unplug(self) -> None:
        """Pull it out, whatever is going on; harmless when it is out."""
        if self._ends is None or self._thread is None:
            return
        self.link.unlink()
        self._stopping.set()
        self._thread.join()
        for end in self._ends:
            os.close(end)
        self._ends = None

    def send(self, data: bytes) -> None:
        """Let it say something by itself; lost when nobody has read for long."""
        if self._ends is not None:
            with suppress(BlockingIOError):
                os.write(self._ends[0], data)

    def _serve(self, here: int) -> None:
        while not self._stopping.is_set():
            ready, _, _ = select.select([here], [], [], _LOOK_S)
            if ready:
                with suppress(OSError):  # Nobody has the other end open.
                    for answer in self._device.hear(os.read(here, 4096)):
                        os.write(here, answer)
