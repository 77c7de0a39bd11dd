"""The loop's side of a PC/SC reader: reports of threads in, reader events out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final

from drivers.errors import TransientDeviceError
from drivers.readers.base import (
    CardArrived,
    CardUnreadable,
    ReaderDown,
    ReaderEvent,
    ReaderUp,
)
from drivers.readers.pcsc_card import Outcome, Reading
from drivers.readers.pcsc_codes import HangingPcscdError
from drivers.readers.pcsc_field import Field
from drivers.readers.pcsc_names import matches
from drivers.readers.pcsc_states import Edge, is_later
from drivers.readers.pcsc_watcher import (
    WAIT_S,
    Edges,
    Ended,
    Failed,
    Readers,
    Report,
    ServiceDown,
    Watcher,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from drivers.readers.pcsc_scard import Scard

_LOGGER = logging.getLogger(__name__)

QUEUE_SIZE: Final = 64  # Events that wait to be taken; more, and nobody takes them
# A pcscd that has just started calls a field empty before it felt for a card.
DOUBT_S: Final = 2.0
MAX_STUCK: Final = 4  # Threads that a hanging reader may block
CLOSE_S: Final = 1.0  # For the watcher to end; longer, and pcscd itself hangs
# Between two heartbeats of the watcher; longer, and pcscd hangs.
SILENT_S: Final = 2 * WAIT_S
LOOK_S: Final = 5.0  # Between two looks at its heartbeat


class Session:
    """The readers that match `pattern`, from now until `close`."""

    def __init__(
        self,
        scard: Scard,
        pattern: str,
        card_timeout: timedelta,
        monotonic: Callable[[], float],
    ) -> None:
        self._scard = scard
        self._pattern = pattern
        self._card_timeout = card_timeout
        self._monotonic = monotonic
        self._loop = asyncio.get_running_loop()
        # One place more: for the failure that says that it is full.
        self._queue = asyncio.Queue[ReaderEvent | Exception](QUEUE_SIZE + 1)
        self._fields: dict[str, Field] = {}
        #: When each reader was first looked at, in monotonic seconds. One that was
        #: away and is back is no new one: its slot knows what it held.
        self._since = defaultdict[str, float](monotonic)
        self._standing: ReaderUp | ReaderDown | None = None
        self._hangs = False
        self._watcher_ended = asyncio.Event()
        self.watcher = Watcher(scard, self._matches, self._report, monotonic)
        self.watcher.start()
        self._looking = self._loop.call_later(LOOK_S, self._look_at_watcher)

    async def next_event(self) -> ReaderEvent:
        """Wait for an event; raise what ended the session."""
        item = await self._queue.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def close(self) -> None:
        """End the threads; one that hangs in a call is left behind."""
        self.watcher.stop()
        self._looking.cancel()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._watcher_ended.wait()
        finally:
            # Last, for until its end the watcher can start another reading.
            for field in self._fields.values():
                field.rest()

    def _on_report(self, report: Report) -> None:
        match report:
            case Readers(attached):
                self._on_readers(attached)
            case ServiceDown(reason):
                self._lose(list(self._fields))
                self._stand(ReaderDown(reason))
            case Edges():
                self._on_edges(report)
            case Failed(error):
                self._put(error)
            case Ended():
                self._watcher_ended.set()

    def _on_readers(self, attached: tuple[str, ...]) -> None:
        ours = list(filter(self._matches, attached))
        self._lose([name for name in self._fields if name not in ours])
        for name in ours:
            self._since[name]
        if ours:
            self._stand(ReaderUp(", ".join(ours)))
        else:
            others = ", ".join(attached) or "nothing"
            self._stand(
                ReaderDown(
                    f"no PC/SC reader matches {self._pattern!r}; attached: {others}"
                )
            )

    def _on_edges(self, news: Edges) -> None:
        field = self._fields.get(news.reader)
        if field and field.is_old(news):
            return
        for edge in news.edges:
            self._on_edge(news.reader, edge)
        if field := self._fields.get(news.reader):
            field.count, field.read_at = news.count, None

    def _on_edge(self, reader: str, edge: Edge) -> None:
        match edge:
            case Edge.LOST:
                self._lose([reader])
            case Edge.EMPTIED:
                self._empty(self._field(reader))
            case Edge.INSERTED:
                field = self._field(reader)
                field.lying = self._monotonic() - self._since[reader] < DOUBT_S
                self._since[reader] = -inf  # The next one has certainly come.
                self._start_reading(field)

    def _field(self, reader: str) -> Field:
        return self._fields.setdefault(reader, Field(reader))

    def _lose(self, readers: list[str]) -> None:
        for reader in readers:
            if field := self._fields.pop(reader, None):
                field.rest()
                field.read_at = None
                field.slot.lost()
                if field.slot.in_doubt or field.running:
                    self._fields[reader] = field

    def _empty(self, field: Field) -> None:
        field.rest()
        self._put(*field.slot.emptied(self._monotonic()))
        if field.slot.in_doubt:
            field.deadline = self._loop.call_later(DOUBT_S, self._end_doubt, field)

    def _end_doubt(self, field: Field) -> None:
        self._put(*field.slot.still_empty(self._monotonic()))

    def _start_reading(self, field: Field) -> None:
        field.rest()
        field.slot.inserted()
        if field.running >= MAX_STUCK:
            hangs = "the reader hangs; unplug it and plug it in again"
            unread = CardUnreadable(hangs, self._monotonic(), field.slot.name)
            self._put(*field.slot.read(unread))
            return

        def done(reading: Reading, outcome: Outcome) -> None:
            self._call_soon(partial(self._on_outcome, field, reading, outcome))

        reading = Reading(self._scard, field.slot.name, done, self._monotonic)
        timeout_s = self._card_timeout.total_seconds()
        deadline = self._loop.call_later(timeout_s, self._give_up, field, reading)
        field.begin(reading, deadline)

    def _on_outcome(self, field: Field, reading: Reading, outcome: Outcome) -> None:
        if field.reading is not reading:
            return  # The card left, or was given up, meanwhile
        field.rest()
        if isinstance(outcome, CardArrived):
            outcome = replace(outcome, lying=field.lying)
            if is_later(reading.count, field.count):
                field.read_at = reading.count
        if isinstance(outcome, Exception):
            self._put(outcome)
        else:
            self._put(*field.slot.read(outcome))

    def _give_up(self, field: Field, reading: Reading) -> None:
        event = CardUnreadable(reading.obstacle, self._monotonic(), field.slot.name)
        self._on_outcome(field, reading, event)

    def _look_at_watcher(self) -> None:
        """Tell that pcscd hangs, and when it does not any more, how things stand."""
        hangs = self._monotonic() - self.watcher.heartbeat > SILENT_S
        if hangs is not self._hangs:
            self._hangs = hangs
            if hangs:
                self._put(ReaderDown(str(HangingPcscdError(SILENT_S))))
            elif self._standing:
                self._put(self._standing)
        self._looking = self._loop.call_later(LOOK_S, self._look_at_watcher)

    def _stand(self, event: ReaderUp | ReaderDown) -> None:
        before, self._standing = self._standing, event
        if event == before:
            return
        _LOGGER.debug("PC/SC: %s", event)
        if not (isinstance(before, ReaderUp) and isinstance(event, ReaderUp)):
            self._put(event)

    def _put(self, *items: ReaderEvent | Exception) -> None:
        for item in items:
            if self._queue.full():
                return  # Its last item is a failure already
            if self._queue.qsize() == QUEUE_SIZE:
                self._queue.put_nowait(
                    TransientDeviceError(f"{QUEUE_SIZE} reader events were not taken")
                )
            else:
                self._queue.put_nowait(item)

    def _matches(self, name: str) -> bool:
        return matches(name, self._pattern)

    def _report(self, report: Report) -> None:
        self._call_soon(partial(self._on_report, report))

    def _call_soon(self, callback: Callable[[], None]) -> None:
        # A thread that was left behind may outlive the loop.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)
