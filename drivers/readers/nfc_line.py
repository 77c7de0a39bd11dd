"""The serial line of a PN532, as nfcpy wants to have it; for one thread.

nfcpy's own line is not used: it knows ports by their names in /dev only, can be shared
with another program, takes any bytes for a frame, and stays open when closing fails.
"""

from __future__ import annotations

import errno
import os
import select
import termios
import time
from collections import deque
from contextlib import suppress
from typing import Final

from serial import Serial

from drivers.readers.formats import pn532_frames as frames
from drivers.readers.formats.framing import Deframer
from drivers.readers.formats.pn532 import BAUDRATE
from drivers.readers.formats.pn532_frames import Frame, Signal

WRITE_TIMEOUT_S: Final = 1.0
READ_BYTES: Final = 1024
# nfcpy waits 0.1 s for an ACK, and the chip takes 15 ms; but a computer may be busy.
LEAST_WAIT_S: Final = 0.3
# Some USB adapters on a Raspberry Pi hold the first bytes back for a second.
FIRST_ANSWER_S: Final = 1.5

_SIGNALS: Final = {
    Signal.ACK: frames.ACK,
    Signal.NACK: frames.NACK,
    Signal.ERROR: frames.ERROR,
}


class SerialLine:
    """Frames from and to the chip; an OSError with ENODEV says that it is gone."""

    #: By this nfcpy knows a line whose speed it may have to set.
    TYPE = "TTY"

    def __init__(self, path: str) -> None:
        self.port = path
        self._tty = Serial(path, BAUDRATE, timeout=0, exclusive=True)
        self._fd = self._tty.fileno()
        self._readable = select.poll()
        self._readable.register(self._fd, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(self._fd, select.POLLOUT)
        self._deframer = Deframer(frames.cut)
        self._frames = deque[Frame]()
        self._is_fresh = True

    @property
    def baudrate(self) -> int:
        """The line's speed."""
        return self._tty.baudrate

    @baudrate.setter
    def baudrate(self, value: int) -> None:
        self._tty.baudrate = value

    def write(self, frame: bytes | bytearray) -> None:
        """Send a frame; what came before it is no answer to it."""
        self._deframer.reset()
        self._frames.clear()
        try:
            self._tty.reset_input_buffer()
        except termios.error as err:
            raise _gone() from err
        rest = bytes(frame)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                if not self._writable.poll(WRITE_TIMEOUT_S * 1000):
                    raise _timed_out() from None
            except OSError as err:
                raise _gone() from err

    def read(self, timeout: float) -> bytearray:
        """Wait for a valid frame, so many milliseconds or LEAST_WAIT_S."""
        least_s = FIRST_ANSWER_S if self._is_fresh else LEAST_WAIT_S
        self._is_fresh = False
        deadline = time.monotonic() + max(timeout / 1000, least_s)
        while not self._frames:
            wait_s = max(deadline - time.monotonic(), 0)
            ready = self._readable.poll(wait_s * 1000)
            if ready:
                data = self._receive()
                self._frames.extend(self._deframer.feed(data, time.monotonic()))
            # What has come is taken even if we come too late ourselves, but once:
            # noise may have no end.
            if not self._frames and not (ready and wait_s):
                raise _timed_out()
        frame = self._frames.popleft()
        if isinstance(frame, Signal):
            return bytearray(_SIGNALS[frame])
        return bytearray(frames.build(frame))

    def close(self) -> None:
        """Close the port, even of a device that is gone; harmless when it is closed."""
        with suppress(OSError, termios.error):
            # Else closing blocks until a device that takes nothing took everything.
            self._tty.reset_output_buffer()
        with suppress(OSError, termios.error):
            self._tty.close()

    def _receive(self) -> bytes:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as err:
            raise _gone() from err
        if not data:
            # There was something to read, and there is nothing.
            raise _gone()
        return data


def _gone() -> OSError:
    return OSError(errno.ENODEV, os.strerror(errno.ENODEV))


def _timed_out() -> OSError:
    return OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
