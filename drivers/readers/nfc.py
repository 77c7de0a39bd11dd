"""Card readers without PC/SC, through nfcpy: PN532, PN533, RC-S380 and their like."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

from msgspec import Meta

from drivers.errors import (
    DeviceGoneError,
    TransientDeviceError,
    UnsupportedDeviceError,
)
from drivers.readers.base import Reader, ReaderEvent
from drivers.readers.nfc_field import Field
from drivers.readers.nfc_place import EXPECTED, Place, parse_place
from drivers.readers.nfc_reset import Reset
from drivers.readers.nfc_surroundings import Surroundings
from drivers.readers.nfc_worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from drivers.findings import Finding
    from drivers.readers.nfc_worker import Adapter, Report

QUEUE_SIZE: Final = 64  # Events that wait to be taken; more, and nobody takes them
HANG_S: Final = 15.0  # Opening and one look with all its time-outs take a third of it
CLOSE_S: Final = 1.0  # For the thread to end; longer, and it is left behind


@dataclass(frozen=True, slots=True, kw_only=True)
class NfcConfig:
    """`device`: the path of a serial port with a PN532, or an adapter on USB.

    `poll_every`: the pause between two looks. `held_for`: a card that no look found
    for so long has left. `reset`: a command and its arguments, run before the adapter
    is opened again after `reset_after` failures in a row.
    """

    device: Annotated[str, Meta(description=EXPECTED)]
    poll_every: timedelta = timedelta(milliseconds=250)
    held_for: timedelta = timedelta(seconds=1)
    reset: tuple[str, ...] = ()
    reset_after: Annotated[
        int, Meta(ge=1, description="a number of failures, 1 or more")
    ] = 3

    def __post_init__(self) -> None:
        parse_place(self.device)

    def takes(self) -> Iterable[str]:
        """Name what is not shared with anybody."""
        return [self.device]


def _open_adapter(place: Place) -> Adapter:
    """Import nfcpy and open; a DriverError says why that cannot be."""
    try:
        # A tenth of a second, which only those pay who have such a reader.
        from drivers.readers import nfc_frontend  # noqa: PLC0415 - start-up time
    except ImportError as err:
        raise UnsupportedDeviceError(
            f"cannot import nfcpy: install the Python package nfcpy ({err})"
        ) from err
    return nfc_frontend.open_frontend(place)


class NfcReader(Reader):
    """One NFC adapter, for cards of ISO/IEC 14443 types A and B.

    `monotonic` dates them; `open_adapter` and `surroundings` are for tests.
    """

    Config = NfcConfig

    def __init__(
        self,
        config: NfcConfig,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        open_adapter: Callable[[Place], Adapter] = _open_adapter,
        surroundings: Surroundings | None = None,
    ) -> None:
        self._config = config
        self._place = parse_place(config.device)
        self._monotonic = monotonic
        self._open_adapter = open_adapter
        self._surroundings = surroundings or Surroundings()
        self._field = Field(config.held_for.total_seconds())
        self._reset = Reset(config.reset, config.reset_after)
        self._worker: Worker | None = None

    async def events(self) -> AsyncGenerator[ReaderEvent]:
        """Yield events; when to expect a CardLeft after a failure: see presence."""
        await self._reset.run_if_due()
        try:
            inbox = _Inbox()
            worker = self._start_worker(inbox.report)
            try:
                while True:
                    event = await inbox.take(HANG_S)
                    if event is not None:
                        yield event
                    elif self._monotonic() - worker.alive_at() > HANG_S:
                        raise _hang(self._place)
            finally:
                if worker.worked:
                    self._reset.worked()
                worker.stop()
                await inbox.wait_for_end(CLOSE_S)
        except (DeviceGoneError, TransientDeviceError):
            self._reset.failed()
            raise

    def alive_at(self) -> float | None:
        """Monotonic seconds of the thread's last round, even of one left behind."""
        worker = self._worker
        return worker.alive_at() if worker and worker.runs else None

    def check(self) -> Iterable[Finding]:
        """Look at the device, its permissions, libusb and the kernel's drivers."""
        return self._surroundings.check(self._place, self._config.reset)

    def _start_worker(self, report: Callable[[Report], None]) -> Worker:
        if self._worker and self._worker.runs:
            # A second thread would take the bytes of the first one.
            raise _hang(self._place)
        self._worker = Worker(
            lambda: self._open_adapter(self._place),
            self._field,
            report,
            self._config.poll_every.total_seconds(),
            self._monotonic,
        )
        self._worker.start()
        return self._worker


def _hang(place: Place) -> TransientDeviceError:
    return TransientDeviceError(
        f"the NFC adapter at {place} hangs; unplug it and plug it in again"
    )


class _Inbox:
    """What a thread reports, taken in the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # One place more: for the failure that says that it is full.
        self._queue = asyncio.Queue[ReaderEvent | Exception](QUEUE_SIZE + 1)
        self._ended = asyncio.Event()

    def report(self, item: Report) -> None:
        """Take what comes from the thread, None when it ends."""
        # A thread that was left behind may outlive the loop.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._put, item)

    async def take(self, within_s: float) -> ReaderEvent | None:
        """Wait for the next event, None if there is none; raise what failed."""
        try:
            async with asyncio.timeout(within_s):
                item = await self._queue.get()
        except TimeoutError:
            return None
        if isinstance(item, Exception):
            raise item
        return item

    async def wait_for_end(self, within_s: float) -> None:
        """Wait for the thread to end, but no longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._ended.wait()

    def _put(self, item: Report) -> None:
        if item is None:
            self._ended.set()
        elif self._queue.full():
            return  # Its last item is a failure already
        elif self._queue.qsize() == QUEUE_SIZE:
            self._queue.put_nowait(
                TransientDeviceError(f"{QUEUE_SIZE} reader events were not taken")
            )
        else:
            self._queue.put_nowait(item)
