"""The serial line that nfcpy's PN532 driver gets, on a real terminal."""

from __future__ import annotations

import errno
import os
import re
import termios
import threading
from typing import TYPE_CHECKING

import pytest

from drivers.readers import nfc_line
from drivers.readers.nfc_line import SerialLine
from tests.drivers.pipes import open_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACK = bytes.fromhex("0000FF00FF00")
NACK = bytes.fromhex("0000FFFF0000")
ERROR = bytes.fromhex("0000FF01FF7F8100")
VERSION = bytes.fromhex("0000FF06FAD50332010607E800")
LONG = bytes.fromhex("0000FFFFFF0104FBD501") + bytes(258) + bytes.fromhex("2A00")
NOW_MS = 0.0
WAIT_MS = 5000.0


class Terminal:
    """A terminal with us at its other end."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        self.line = SerialLine(os.ttyname(self._slave))

    def send(self, data: bytes) -> None:
        """Say something as the chip would."""
        os.write(self.master, data)

    def unplug(self) -> None:
        """Take the device away; harmless when it is."""
        if self.master >= 0:
            os.close(self._slave)
            os.close(self.master)
            self.master = -1


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """Give a line, and close it; nothing may stay open."""
    files = open_files()
    made = Terminal()
    yield made
    made.line.close()
    made.unplug()
    assert open_files() == files


@pytest.mark.parametrize("frame", [ACK, NACK, ERROR, VERSION, LONG])
@pytest.mark.parametrize("before", [b"", b"\x37", b"\xff\x00", VERSION[:-2]])
def test_a_frame(terminal: Terminal, frame: bytes, before: bytes) -> None:
    """It comes as it was sent, whatever garbage came before it."""
    terminal.send(before + frame)
    assert terminal.line.read(WAIT_MS) == frame


def test_two_frames_glued_together(terminal: Terminal) -> None:
    """Each is read by itself."""
    terminal.send(ACK + VERSION)
    assert [terminal.line.read(WAIT_MS) for _ in range(2)] == [ACK, VERSION]


@pytest.mark.parametrize(
    "data", [b"", VERSION[:-3], VERSION[:-2] + b"\xe9\x00", b"\x00" * 40]
)
def test_no_frame(
    terminal: Terminal, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is none is waited out, and ends in the error that nfcpy knows."""
    monkeypatch.setattr(nfc_line, "FIRST_ANSWER_S", 0.0)
    terminal.send(data)
    with pytest.raises(TimeoutError):
        terminal.line.read(30.0)


def test_what_came_before_the_question(terminal: Terminal) -> None:
    """An answer that is late, half or whole, is none to the next question."""
    terminal.send(ACK + VERSION + ACK)
    terminal.line.read(WAIT_MS)
    terminal.send(ERROR)
    terminal.line.write(VERSION)
    terminal.send(NACK)
    assert terminal.line.read(WAIT_MS) == NACK


def test_noise_without_end(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that never falls silent holds nobody up for longer than a silent one."""
    monkeypatch.setattr(nfc_line, "FIRST_ANSWER_S", 0.05)
    calls_left = 10**5

    def babble() -> bytes:
        nonlocal calls_left
        calls_left -= 1
        assert calls_left, "it listens for ever"
        return b"\xaa" * nfc_line.READ_BYTES

    monkeypatch.setattr(terminal.line, "_receive", babble)
    terminal.send(b"\xaa")
    with pytest.raises(OSError, match=os.strerror(errno.ETIMEDOUT)):
        terminal.line.read(NOW_MS)


def test_a_question_is_sent(terminal: Terminal) -> None:
    """The chip hears just what was written, as bytes or as nfcpy has them."""
    terminal.line.write(bytearray(VERSION))
    assert os.read(terminal.master, 100) == VERSION


def send_after(terminal: Terminal, delay_s: float) -> threading.Timer:
    """Say something later."""
    timer = threading.Timer(delay_s, terminal.send, [ACK])
    timer.start()
    return timer


def test_answers_may_take_longer_than_nfcpy_waits(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one by the slowest adapters, the others by a busy computer."""
    monkeypatch.setattr(nfc_line, "LEAST_WAIT_S", WAIT_MS / 1000)
    monkeypatch.setattr(nfc_line, "FIRST_ANSWER_S", WAIT_MS / 1000)
    for _ in range(2):
        timer = send_after(terminal, 0.02)
        assert terminal.line.read(NOW_MS) == ACK
        timer.join()


def test_an_answer_that_is_there(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts, though we came so late to look for it that the time is over."""
    monkeypatch.setattr(nfc_line, "LEAST_WAIT_S", 0.0)
    monkeypatch.setattr(nfc_line, "FIRST_ANSWER_S", 0.0)
    terminal.send(ACK)
    assert terminal.line.read(NOW_MS) == ACK
    with pytest.raises(TimeoutError):
        terminal.line.read(NOW_MS)


@pytest.mark.parametrize(
    "use", [lambda line: line.read(WAIT_MS), lambda line: line.write(ACK)]
)
def test_unplugged(terminal: Terminal, use: Callable[[SerialLine], object]) -> None:
    """A device that is gone says so, and can be closed twice."""
    terminal.unplug()
    with pytest.raises(OSError, match=re.escape(os.strerror(errno.ENODEV))) as caught:
        use(terminal.line)
    assert caught.value.errno == errno.ENODEV
    terminal.line.close()
    terminal.line.close()


def test_a_device_that_takes_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing does not block for ever, and neither does closing."""
    monkeypatch.setattr(nfc_line, "WRITE_TIMEOUT_S", 0.01)
    with pytest.raises(TimeoutError):
        terminal.line.write(bytes(1_000_000))


def test_nobody_shares_a_line(terminal: Terminal) -> None:
    """A second opening is refused, instead of taking the bytes of the first."""
    with pytest.raises(OSError, match="exclusively lock"):
        SerialLine(terminal.line.port)


def test_the_speed(terminal: Terminal) -> None:
    """It is the chip's own after power-on, and nfcpy may set it."""
    assert terminal.line.baudrate == 115200
    terminal.line.baudrate = 9600
    assert termios.tcgetattr(terminal.master)[5] == termios.B9600
