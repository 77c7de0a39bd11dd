"""A serial line of two ptys, one end of which can be unplugged."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BYTE_S = 0.002  # Between two bytes that trickle


class Wire:
    """Joins `path`, which comes and goes, to `theirs`, which stays.

    Bytes take `delay_s()` one way, and come back one by one if `trickles`.
    """

    def __init__(self, delay_s: Callable[[], float]) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay_s = delay_s
        self.trickles = False
        self._folder = TemporaryDirectory()
        self.path = Path(self._folder.name) / "tty"
        self._far, self._far_tty = self._open()
        self.theirs = os.ttyname(self._far_tty)
        self._near: tuple[int, int] | None = None
        self._loop.add_reader(self._far, self._pass_back)
        self.plug_in()

    def plug_in(self) -> None:
        """Let the port be there, with a number of its own."""
        self._near = here, there = self._open()
        self.path.symlink_to(os.ttyname(there))
        self._loop.add_reader(here, self._pass_on, here)

    def unplug(self) -> None:
        """Let the port be gone."""
        if self._near is None:
            return
        self.path.unlink()
        self._loop.remove_reader(self._near[0])
        for end in self._near:
            os.close(end)
        self._near = None

    def close(self) -> None:
        """Take all of it away."""
        self.unplug()
        self._loop.remove_reader(self._far)
        os.close(self._far)
        os.close(self._far_tty)
        self._folder.cleanup()

    def _open(self) -> tuple[int, int]:
        here, there = pty.openpty()
        tty.setraw(there)
        os.set_blocking(here, False)
        return here, there

    def _pass_on(self, here: int) -> None:
        with suppress(OSError):
            data = os.read(here, 4096)
            self._loop.call_later(self._delay_s(), self._write, data)

    def _write(self, data: bytes) -> None:
        with suppress(OSError):
            os.write(self._far, data)

    def _pass_back(self) -> None:
        with suppress(OSError):
            data = os.read(self._far, 4096)
            pieces = [bytes([byte]) for byte in data] if self.trickles else [data]
            for number, piece in enumerate(pieces):
                after_s = self._delay_s() + number * BYTE_S
                self._loop.call_later(after_s, self._write_back, piece)

    def _write_back(self, data: bytes) -> None:
        if self._near is not None:
            with suppress(OSError):
                os.write(self._near[0], data)
