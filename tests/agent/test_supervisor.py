"""A driver's stream is kept open, whatever the device does."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from agent.backoff import JITTER
from agent.supervisor import supervise
from drivers.errors import (
    AccessDeniedError,
    DeviceGoneError,
    DriverError,
    FrameError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.readers.base import CardLeft, ReaderEvent, ReaderUp
from tests.fakes.hardware import FakeReader
from tests.fakes.loop_clock import running
from tests.fakes.virtual_loop import run_virtual

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from tests.fakes.hardware import Step

UP = ReaderUp("fake")


def watch(
    reader: FakeReader, for_s: float, broken: type[Exception] | None = None
) -> tuple[list[ReaderEvent], list[str]]:
    """Supervise a reader for a while; return its events and why it was down."""
    events: list[ReaderEvent] = []
    downs: list[str] = []

    def handle(event: ReaderEvent) -> None:
        events.append(event)
        if broken is not None:
            raise broken

    async def main() -> None:
        async with running(supervise("reader x", reader.events, handle, downs.append)):
            await asyncio.sleep(for_s)

    run_virtual(main())
    return events, downs


def test_events_are_passed_on_in_order() -> None:
    """What the driver yields arrives, nothing is added."""
    reader = FakeReader([UP, CardLeft(1.0), 5.0, CardLeft(2.0)])

    assert watch(reader, 60) == ([UP, CardLeft(1.0), CardLeft(2.0)], [])
    assert len(reader.opened) == 1


@pytest.mark.parametrize(
    "error",
    [
        TransientDeviceError("no answer"),
        DeviceGoneError("unplugged"),
        FrameError("noise"),
        AccessDeniedError("join group x"),
        DriverError("base"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_device_that_fails_is_reopened(error: DriverError) -> None:
    """Every failure is told, and the stream goes on after it."""
    reader = FakeReader([UP, 100.0, error], [UP])

    events, downs = watch(reader, 200)

    assert events == [UP, UP]
    assert downs == [str(error)]
    assert 100.5 <= reader.opened[1] <= 100.5 * (1 + JITTER)
    assert reader.closed == 2


def test_pauses_double_up_to_half_a_minute() -> None:
    """A device that is away costs less and less, and is found within half a minute."""
    scripts: list[Sequence[Step]] = [[DeviceGoneError("away")]] * 50
    reader = FakeReader(*scripts)

    watch(reader, 600)

    pauses = [later - earlier for earlier, later in pairwise(reader.opened)]
    for number, pause in enumerate(pauses):
        expected = min(0.5 * 2**number, 30.0)
        assert expected <= pause + 1e-9
        assert pause <= expected * (1 + JITTER) + 1e-9


def test_a_device_that_opens_and_fails_at_once_has_not_recovered() -> None:
    """Opening alone does not make the pauses short again."""
    script: list[Step] = [UP, TransientDeviceError("torn")]
    reader = FakeReader(*[script] * 50)

    watch(reader, 600)

    assert len(reader.opened) < 30


def test_a_device_that_worked_for_long_is_reopened_soon() -> None:
    """After a good time the pauses begin anew."""
    failing: list[Step] = [TransientDeviceError("torn")]
    reader = FakeReader(*[failing] * 7, [UP, 500.0, *failing], [UP])

    watch(reader, 1200)

    assert reader.opened[-1] - (reader.opened[-2] + 500) <= 0.5 * (1 + JITTER)


def test_a_right_that_comes_a_moment_after_the_device() -> None:
    """Udev gives a new device its group when we may have tried it already."""
    denied: list[Step] = [AccessDeniedError("join group x")]
    gone: list[Step] = [DeviceGoneError("unplugged")]
    reader = FakeReader(denied, gone, denied, [UP])

    events, _ = watch(reader, 5)

    assert events == [UP]


def test_a_driver_that_can_never_work_is_left_alone() -> None:
    """It is told once, and the supervision ends without an error."""
    reader = FakeReader([UnsupportedDeviceError("no such chip")], [UP])

    assert watch(reader, 24 * 3600) == ([], ["no such chip"])
    assert len(reader.opened) == 1


def test_a_bug_of_a_driver_is_logged_and_outlived(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Any exception is logged with its traceback, and the driver is reopened."""
    reader = FakeReader([UP, ZeroDivisionError("a bug")], [UP])

    events, downs = watch(reader, 60)

    assert events == [UP, UP]
    assert downs == ["ZeroDivisionError in the driver"]
    [record] = [record for record in caplog.records if record.exc_info]
    assert record.levelno == logging.ERROR
    assert "reader x" in record.getMessage()


def test_a_stream_that_ends_is_opened_again() -> None:
    """A driver is to run for ever; one that does not is told."""
    reader = FakeReader([UP], [UP])

    events, downs = watch(reader, 60)

    assert events == [UP, UP]
    assert downs == ["the driver ended by itself"]


def test_stopping_closes_the_stream() -> None:
    """The driver's own clean-up runs when the supervision is cancelled."""
    reader = FakeReader([UP])

    watch(reader, 60)

    assert reader.closed == 1


def test_a_bug_in_the_handler_closes_the_stream() -> None:
    """An event that cannot be handled does not leave the device open twice."""
    reader = FakeReader(*[[UP]] * 3)

    _, downs = watch(reader, 3, broken=KeyError)

    assert downs
    assert reader.closed == len(reader.opened)


def test_an_end_that_the_driver_hides_is_an_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What it raises while it is closed does not keep who ends it waiting."""
    downs: list[str] = []

    async def events() -> AsyncGenerator[ReaderEvent]:
        try:
            yield UP
            await asyncio.sleep(1e6)
        finally:
            raise TransientDeviceError("while closing")

    async def main() -> None:
        task = asyncio.create_task(
            supervise("reader x", events, lambda _: None, downs.append)
        )
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait({task}, timeout=1)
        assert task.cancelled()

    run_virtual(main())
    assert downs == []
    assert "while closing" in caplog.text


def test_a_driver_that_cancels_itself_is_opened_again() -> None:
    """A library that cancels a future is no reason to be deaf from then on."""
    reader = FakeReader([UP, asyncio.CancelledError()], [UP])

    events, downs = watch(reader, 60)

    assert events == [UP, UP]
    assert downs == ["the driver has cancelled itself"]
