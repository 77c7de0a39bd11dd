"""Serial lines that cannot be opened, each for its own reason; and their closing."""

from __future__ import annotations

import errno
import os
import threading

import pytest
from serial import Serial, SerialException

from drivers import serial_port
from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.serial_port import SerialPort
from tests.drivers.pipes import open_files, run
from tests.drivers.serial_bench import Pty


def test_opening_a_hundred_times_leaves_nothing_behind() -> None:
    """Neither files nor threads are left, whether it is closed or torn off."""

    async def main() -> None:
        files, threads = open_files(), threading.active_count()
        for round_ in range(100):
            with Pty() as pty:
                async with SerialPort(pty.path) as port:
                    pty.send(b"x")
                    assert await port.read() == b"x"
                    if round_ % 2:
                        pty.unplug()
                        with pytest.raises(DeviceGoneError):
                            await port.read()
        assert open_files() == files
        assert threading.active_count() <= threads

    run(main())


def test_a_port_is_used_by_one() -> None:
    """A second user is told so, and can have it once the first is done."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path):
                with pytest.raises(TransientDeviceError, match="by another program"):
                    async with SerialPort(pty.path):
                        pass
            async with SerialPort(pty.path):
                pass

    run(main())


def test_closing_does_not_wait_for_a_device_that_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was not sent yet is dropped first: closing a real line waits for it."""
    calls = []
    for name in ("reset_output_buffer", "close"):
        original = getattr(Serial, name)

        def call(port: object, name: str = name, original: object = original) -> None:
            calls.append(name)
            assert callable(original)
            original(port)

        monkeypatch.setattr(Serial, name, call)

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                await port.write(b"unsent")
                calls.clear()

    run(main())
    assert calls[:2] == ["reset_output_buffer", "close"]


def test_an_error_of_the_user_is_not_swallowed() -> None:
    """What goes wrong while the port is open comes out, and the port is closed."""

    async def main() -> None:
        before = open_files()
        with Pty() as pty, pytest.raises(ZeroDivisionError):
            async with SerialPort(pty.path):
                raise ZeroDivisionError
        assert open_files() == before

    run(main())


def test_a_closed_port_is_gone() -> None:
    """Nothing is read from it, or written to what has its number now."""

    async def main() -> None:
        with Pty() as pty:
            async with SerialPort(pty.path) as port:
                pass
            with pytest.raises(DeviceGoneError, match="not open"):
                await port.read()
            with pytest.raises(DeviceGoneError, match="not open"):
                await port.write(b"x")

    run(main())


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("/dev/serial/by-id/usb-gone", DeviceGoneError, "by-id/usb-gone"),
        ("/dev", UnsupportedDeviceError, "expected a serial port at /dev"),
        ("/dev/null", UnsupportedDeviceError, "expected a serial port at /dev/null"),
        ("/dev/null/x", UnsupportedDeviceError, "expected a serial port"),
        ("socket://127.0.0.1", UnsupportedDeviceError, "socket://host:port"),
        ("socket://:1", UnsupportedDeviceError, "socket://host:port"),
        ("socket://127.0.0.1:x", UnsupportedDeviceError, "socket://host:port"),
        ("rfc2217://127.0.0.1:1", UnsupportedDeviceError, "socket://host:port"),
        ("socket:/127.0.0.1:1", UnsupportedDeviceError, "socket://host:port"),
        ("ttyUSB0", UnsupportedDeviceError, "the path of a serial port"),
        ("socket://server..lan:1", UnsupportedDeviceError, "socket://host:port"),
        ("socket://" + "x" * 64 + ":1", UnsupportedDeviceError, "socket://host:port"),
        ("socket://a\0b:1", UnsupportedDeviceError, "socket://host:port"),
    ],
)
def test_opening_says_what_is_wrong(
    url: str, error: type[DriverError], says: str
) -> None:
    """The class says whether trying again helps; the message names the port."""

    async def main() -> None:
        before = open_files()
        with pytest.raises(error, match=says):
            async with SerialPort(url):
                pass
        assert open_files() == before

    run(main())


@pytest.mark.parametrize(
    ("number", "error", "says"),
    [
        (errno.EACCES, AccessDeniedError, r"/dev/x.* group dialout"),
        (errno.EPERM, AccessDeniedError, r"group dialout"),
        (
            errno.EBUSY,
            TransientDeviceError,
            r"/dev/x is used .*; as root, .* doctor names it",
        ),
        (errno.EAGAIN, TransientDeviceError, r"used by another program"),
        (errno.ENXIO, DeviceGoneError, r"no serial port at /dev/x"),
        (errno.EMFILE, TransientDeviceError, r"cannot open /dev/x: Too many"),
    ],
)
def test_errors_of_the_system(
    monkeypatch: pytest.MonkeyPatch, number: int, error: type[DriverError], says: str
) -> None:
    """Every error number has the class that its retry needs."""

    def fail(*_args: object, **_kwargs: object) -> None:
        raise SerialException(number, f"could not open port: {os.strerror(number)}")

    async def main() -> None:
        monkeypatch.setattr(serial_port, "Serial", fail)
        with pytest.raises(error, match=says):
            async with SerialPort("/dev/x"):
                pass

    run(main())


@pytest.mark.parametrize("baudrate", [-9600, 2**31, 2**64])
def test_a_speed_that_there_is_not(baudrate: int) -> None:
    """A baudrate that no line has turns the driver off."""

    async def main() -> None:
        with Pty() as pty:
            before = open_files()
            with pytest.raises(UnsupportedDeviceError, match=pty.path):
                async with SerialPort(pty.path, baudrate):
                    pass
            assert open_files() == before

    run(main())
